"""The hub's last step of a secure sum: from what the regions gave to the sum of the survivors' words.

See `fedsov.privacy.secure_aggregation.protocol` for the other steps and for what is promised. Here the hub makes the
survivors' own masks from their seeds, and the masks that dropouts left in the survivors' words from the dropouts'
masking keys, and takes all of them off. It can make no other mask: for each region it was given shares of one secret
only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from fedsov.errors import TrainingFailed
from fedsov.privacy.secure_aggregation import masks, secret_sharing
from fedsov.privacy.secure_aggregation.fixed_point import RingVector
from fedsov.privacy.secure_aggregation.protocol import KeyAdvertisement, RevealedShares, Terms, own_mask_key, pair_key


def opened_sum(
    terms: Terms,
    adverts: Mapping[str, KeyAdvertisement],
    total: RingVector,
    *,
    among: Collection[str],
    opened: Mapping[str, RevealedShares],
) -> RingVector:
    """The sum of the survivors' words: the hub's last step.

    Args:
        adverts: the keys, by member.
        total: the sum of the survivors' masked words, modulo 2^64.
        among: the list that they were masked among.
        opened: what each region that answered gave.

    Raises TrainingFailed for too few answers, and for a secret that does not fit what its region advertised.
    """
    if len(opened) < terms.threshold:
        raise TrainingFailed(f"{len(opened)} regions opened the sum, and it takes {terms.threshold}")
    survivors = sorted(set.intersection(*(set(shares.seeds) for shares in opened.values())))
    dropped = sorted(set(among) - set(survivors))
    places = {member: terms.place(member) for member in opened}
    added: list[bytes] = []
    taken: list[bytes] = []
    for member in survivors:
        seed = _joined(member, {places[holder]: shares.seeds[member] for holder, shares in opened.items()})
        if hashlib.sha256(seed).digest() != adverts[member].seed:
            raise TrainingFailed(f"the seed that was opened for {member} is not the one it advertised")
        taken.append(own_mask_key(terms, member, seed))
    for gone in dropped:
        holders = {places[holder]: shares.keys for holder, shares in opened.items() if gone in shares.keys}
        content = _joined(gone, {place: keys[gone] for place, keys in holders.items()})
        private = masks.private_key(content)
        if masks.public_key(private) != adverts[gone].mask:
            raise TrainingFailed(f"the masking key that was opened for {gone} is not the one it advertised")
        for member in survivors:  # the one with the lesser name had added their mask, the other taken it away
            (taken if member < gone else added).append(pair_key(terms, private, gone, adverts[member]))
    return masks.masked(total, added=added, taken=taken)


def _joined(member: str, shares: Mapping[int, bytes]) -> bytes:
    try:
        return secret_sharing.joined(shares)
    except ValueError as problem:
        raise TrainingFailed(f"the shares of {member}'s secret do not fit each other") from problem
