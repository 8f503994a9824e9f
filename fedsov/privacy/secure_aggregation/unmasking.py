"""The hub's last step of a secure sum: from what the regions gave to the sum of the survivors' words.

See `fedsov.privacy.secure_aggregation.protocol` for the other steps and for what is promised. Here the hub makes the
survivors' own masks from their seeds, and the masks that dropouts left in the survivors' words from the dropouts'
masking keys, and takes all of them off. It can make no other mask: for each region it was given shares of one secret
only.

Every secret can be checked: a seed by its hash, a key by its public half. So where more regions answer than it takes,
`honest_openings` finds who gave a false share by trying without. A secret that no choice of regions opens was dealt
badly by the region that it is of, as far as anybody can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from itertools import chain, combinations, islice

from fedsov.errors import TrainingFailed
from fedsov.privacy.secure_aggregation import masks, secret_sharing
from fedsov.privacy.secure_aggregation.fixed_point import RingVector
from fedsov.privacy.secure_aggregation.protocol import KeyAdvertisement, RevealedShares, Terms, own_mask_key, pair_key

MOST_TRIES = 5000
"""Choices of regions that are tried for one secret."""


class SecretUnopened(TrainingFailed):
    """A secret that no choice of the regions' shares opens; `member` is the region that dealt it."""

    def __init__(self, member: str) -> None:
        super().__init__(f"no shares open the secret of {member}: it, or regions that gave them, dealt false ones")
        self.member = member


def honest_openings(
    terms: Terms, adverts: Mapping[str, KeyAdvertisement], opened: Mapping[str, RevealedShares]
) -> tuple[dict[str, RevealedShares], list[str]]:
    """The openings of those whose shares open every secret, and the regions that gave a false one.

    Args:
        adverts: the keys, by member.
        opened: what each region gave, all of them shares of the same secrets; at least a threshold of them.

    Raises SecretUnopened where some secret is opened by no choice of a threshold of them.
    """
    honest = dict(opened)
    first = next(iter(opened.values()))
    for member in (*sorted(first.seeds), *sorted(first.keys)):
        spare = range(len(honest) - terms.threshold + 1)
        choices = chain.from_iterable(combinations(sorted(honest), left_out) for left_out in spare)
        for liars in islice(choices, MOST_TRIES):
            rest = {name: shares for name, shares in honest.items() if name not in liars}
            if _opens(terms, adverts[member], rest):
                honest = rest
                break
        else:
            raise SecretUnopened(member)
    return honest, sorted(set(opened) - set(honest))


def _opens(terms: Terms, advert: KeyAdvertisement, opened: Mapping[str, RevealedShares]) -> bool:
    """Whether these regions' shares of a member's secret make up the one that it advertised."""
    name = advert.member
    shares = {
        terms.place(holder): several.seeds[name] if name in several.seeds else several.keys[name]
        for holder, several in opened.items()
    }
    try:
        secret = secret_sharing.joined(shares)
    except ValueError:
        return False
    if all(name in several.seeds for several in opened.values()):
        return hashlib.sha256(secret).digest() == advert.seed
    return masks.public_key(masks.private_key(secret)) == advert.mask


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
