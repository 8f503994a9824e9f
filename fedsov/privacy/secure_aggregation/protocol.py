"""A sum that nobody learns the parts of: Bonawitz et al. 2017 with double masking, state in and state out.

Each region sends its words (`fedsov.privacy.secure_aggregation.fixed_point`) under two masks: one of its own, and one
for each other region, which that region takes away. The masks vanish in the sum only; the hub learns the sum and
nothing else. A round has four steps, each a function here from a region's state and what the hub relayed to a new
state and an answer:

    advertise   two fresh X25519 keys, signed by the region's pinned Ed25519 key over everything the round is about
    share       Shamir shares of the own mask's seed and of the masking key, sealed for each other region
    mask        the masked words, and a signature over the very list of regions that they were masked among
    unmask      for each survivor a share of its seed, for each dropout a share of its masking key, never both

Promises, and what keeps them. *The hub cannot sit in the middle*: keys are signed by keys that the regions were given
beforehand (`directory`). *All are asked alike*: what they sign holds the digest of model and settings, so no member
adds its part to a sum of which another was sent another model. *Nothing is used twice*: every key, encrypted share and
signature is bound to run, round, members and arithmetic (`Terms`); a region takes each step once, and rounds only grow.
*Regions agree on whom they mask among*: the unmasking step shows each region the signatures of all survivors over the
list, and one with another list refuses. *A sum of fewer than three is never opened by a hub alone*: a region gives, for
each other one, a share of at most one of its two secrets, under lists with at least `threshold` survivors. To open the
sum of two among m regions with lists told differently to each, the hub needs shares of the masking keys of the m - 2
others from `threshold` regions each, and each region gives such for at most m - threshold: impossible where t(m - 2) >
m(m - t), that is 2(n - 1)t > n^2. The threshold is the smallest such number, which is more than half; so no two
disjoint groups can open both masks of one region either. A region that conspires with the hub takes its own part from
every sum; beside one such, no sum of fewer than two others is opened, as (t - 1)(n - 2) > (n - 1)(n - t) for every n;
beside two, a third region's part can be.

Deliberately not here: that a region's own numbers are true, and what the sum itself discloses (clip and add noise
before, `fedsov.privacy`). What a false letter or share costs: see the modules `attempts` and `unmasking` beside this.
Sources: Bonawitz et al. 2017, Practical Secure Aggregation (https://doi.org/10.1145/3133956.3133982); Bell et al. 2020,
SecAgg+ (https://eprint.iacr.org/2020/704), whose graph of neighbours is complete here, as there are few regions.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedsov.errors import SumRefused
from fedsov.ledger.canonical_json import canonical
from fedsov.privacy.secure_aggregation import masks, secret_sharing
from fedsov.privacy.secure_aggregation.fixed_point import FixedPoint, RingVector
from fedsov.privacy.secure_aggregation.secret_sharing import Draw

FORMAT = "fedsov secure sum 2"
FEWEST = 3
"""Contributors without which no sum is opened: of two, each could take its own away and see the other's."""

Sign = Callable[[bytes], bytes]
Directory = Mapping[str, bytes]
"""Regions' names and their Ed25519 verify keys (32 bytes each), known before the first round and not from the hub."""


def threshold_of(members: int) -> int:
    """Regions without which nothing is opened: the smallest t of at least 3 with 2(n - 1)t > n^2 (see the module).

    >>> [threshold_of(n) for n in range(3, 10)]
    [3, 3, 4, 4, 5, 5, 6]
    """
    return max(FEWEST, members * members // (2 * max(members - 1, 1)) + 1)


@dataclass(frozen=True)  # no slots: every key's purpose holds the digest, which is worked out once
class Terms:
    """What one round's sum is about; all its keys and signatures are bound to it.

    Attributes:
        members: the regions that were asked, distinct and in order.
        words: length of each region's vector. fixed: the arithmetic, of as many regions.
        question: digest of what every member is asked alike (model and settings), hexadecimal.

    Raises SumRefused for fewer than three members, or terms that do not fit each other.
    """

    run: str
    round: int
    members: tuple[str, ...]
    words: int
    fixed: FixedPoint
    question: str = ""

    def __post_init__(self) -> None:
        if len(set(self.members)) < FEWEST:
            raise SumRefused(
                f"a secure sum of {len(set(self.members))} regions would show one of them the others' parts; "
                f"it takes at least {FEWEST}"
            )
        if list(self.members) != sorted(set(self.members)) or self.words < 1 or self.round < 1:
            raise SumRefused("the terms of a secure sum name distinct members in order, words and a round from 1 on")
        if self.fixed.regions < len(self.members):
            raise SumRefused(f"the arithmetic is for {self.fixed.regions} regions, and {len(self.members)} are members")

    @property
    def threshold(self) -> int:
        """Regions without which nothing is opened."""
        return threshold_of(len(self.members))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of these terms, in hexadecimal."""
        return _digest({"format": FORMAT, "terms": self.to_json()})

    def place(self, member: str) -> int:
        """Where on the polynomials a member's shares are: 1 for the first."""
        return self.members.index(member) + 1

    def to_json(self) -> dict[str, Any]:
        """Plain values; whole numbers and text alone, so that they have one canonical form."""
        fixed, named = self.fixed, {"run": self.run, "round": self.round, "members": list(self.members)}
        numbers = {"words": self.words, "fraction": fixed.fraction, "largest_weight": fixed.largest_weight}
        return {**named, **numbers, "clip": fixed.clip.hex(), "regions": fixed.regions, "question": self.question}


@dataclass(frozen=True, slots=True)
class KeyAdvertisement:
    """A region's keys of one round.

    Attributes:
        channel, mask: X25519 public keys, to encrypt shares and to make masks; 32 bytes each.
        seed: SHA-256 of the seed of its own mask, so that a false share is found.
        signature: Ed25519, over all this and the round's terms.
    """

    member: str
    channel: bytes
    mask: bytes
    seed: bytes
    signature: bytes = b""

    def signed_text(self, terms: Terms) -> bytes:
        """What the region signs."""
        keys = {"channel": self.channel.hex(), "mask": self.mask.hex(), "seed": self.seed.hex()}
        return _text("keys", terms, {"member": self.member, **keys})


KeysByMember = Mapping[str, KeyAdvertisement]
"""All keys of a round, by member."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """A region's private keys and seed of one round; never shown."""

    channel: X25519PrivateKey = field(repr=False)
    mask: X25519PrivateKey = field(repr=False)
    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shares:
    """One holder's shares of a member's two secrets; never shown."""

    seed: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RevealedShares:
    """What a region gives at the end: shares of survivors' seeds and of dropouts' masking keys, by their names."""

    seeds: Mapping[str, bytes]
    keys: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Masked:
    """A region's words under its masks, and its signature over the list that they were masked among."""

    words: RingVector
    signature: bytes


@dataclass(frozen=True, slots=True)
class SumState:
    """What a region keeps between the steps of one round.

    Attributes:
        step: the last one it took. adverts: the keys it checked, its own among them.
        channels: the secrets agreed with each other region, to encrypt shares.
        shares: its shares of every member's secrets that came to it, its own among them.
        among: the list that it masked among.
        opened_under: the lists of survivors and dropouts that it opened under.
    """

    terms: Terms
    me: str
    step: str
    secrets: Secrets
    adverts: Mapping[str, KeyAdvertisement]
    channels: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    shares: Mapping[str, Shares] = field(default_factory=dict, repr=False)
    among: tuple[str, ...] = ()
    opened_under: tuple[tuple[str, ...], tuple[str, ...]] | None = None


def advertise(
    terms: Terms, me: str, *, sign: Sign, after: int = 0, draw: Draw = secrets.token_bytes
) -> tuple[SumState, KeyAdvertisement]:
    """Fresh keys for a round, and their public halves signed.

    Args:
        after: the last round of this run that this region advertised keys for.
        draw: chance that nobody can foresee.

    Raises SumRefused for a round that came before, or terms that do not name this region.
    """
    if me not in terms.members:
        raise SumRefused(f"{me} is no member of this sum")
    if terms.round <= after:
        raise SumRefused(f"round {terms.round} was answered before: summed twice among others, parts could be told")
    own = Secrets(masks.private_key(draw(masks.KEY)), masks.private_key(draw(masks.KEY)), draw(secret_sharing.SECRET))
    channel, mask = masks.public_key(own.channel), masks.public_key(own.mask)
    unsigned = KeyAdvertisement(me, channel, mask, hashlib.sha256(own.seed).digest())
    advert = replace(unsigned, signature=sign(unsigned.signed_text(terms)))
    return SumState(terms, me, "advertise", own, {me: advert}), advert


def share(
    state: SumState, adverts: Collection[KeyAdvertisement], *, directory: Directory, draw: Draw = secrets.token_bytes
) -> tuple[SumState, dict[str, bytes]]:
    """Shares of this region's secrets, encrypted for each other region that advertised.

    Raises SumRefused for keys that are unsigned, of a region nobody knows, given twice, not this region's own where
    they bear its name, or of too few.
    """
    _follows(state, "advertise")
    by_member = {advert.member: advert for advert in adverts}
    if len(by_member) < len(adverts) or not set(by_member) <= set(state.terms.members):
        raise SumRefused("keys came twice for one region, or for one that is no member")
    if by_member.get(state.me) != state.adverts[state.me]:
        raise SumRefused("the keys that came under this region's own name are not its own")
    _enough(state.terms, by_member, "advertised keys")
    for member, advert in by_member.items():
        if member != state.me:
            check_keys(state.terms, advert, directory)
    terms, own = state.terms, state.secrets
    split = [
        secret_sharing.split(secret, threshold=terms.threshold, holders=len(terms.members), draw=draw)
        for secret in (own.seed, own.mask.private_bytes_raw())
    ]
    parts = {member: Shares(*(shares[terms.place(member)] for shares in split)) for member in by_member}
    mine = parts.pop(state.me)
    channels = {other: masks.agreed(own.channel, by_member[other].channel) for other in parts}
    advanced = replace(state, step="share", adverts=by_member, channels=channels, shares={state.me: mine})
    return advanced, {to: _encrypted_shares(advanced, to, part, draw) for to, part in parts.items()}


def mask(
    state: SumState, ciphertexts: Mapping[str, bytes], words: RingVector, *, sign: Sign
) -> tuple[SumState, Masked]:
    """The words under this region's masks, among itself and all whose encrypted shares came (by sender).

    Raises SumRefused for shares of another round or region, some that were changed, or too few of them.
    """
    _follows(state, "share")
    if words.shape != (state.terms.words,):
        raise SumRefused(f"{state.terms.words} words are summed, and {words.shape} were given")
    if not set(ciphertexts) <= set(state.adverts) - {state.me}:
        raise SumRefused("a letter came from a region that advertised no keys")
    among = tuple(sorted({*ciphertexts, state.me}))
    _enough(state.terms, among, "shared their secrets")
    shares = {sender: decrypted_shares(state, sender, ciphertext) for sender, ciphertext in ciphertexts.items()}
    keys = {other: pair_key(state.terms, state.secrets.mask, state.me, state.adverts[other]) for other in ciphertexts}
    added = [own_mask_key(state.terms, state.me, state.secrets.seed)]
    added += [key for other, key in keys.items() if state.me < other]
    taken = [key for other, key in keys.items() if other < state.me]
    advanced = replace(state, step="mask", shares={**state.shares, **shares}, among=among)
    signature = sign(_list_text(state.terms, state.adverts, among))
    return advanced, Masked(masks.masked(words, added=added, taken=taken), signature)


def unmask(
    state: SumState, survivors: Mapping[str, bytes], dropped: Collection[str], *, directory: Directory
) -> tuple[SumState, RevealedShares]:
    """Shares that open the sum of the survivors.

    Args:
        survivors: whose words are in the sum, each with its signature over the list it was masked among.
        dropped: those of that list whose words are not.

    Raises SumRefused for lists that overlap, name strangers, leave this region or too many out, or differ from those
    it answered before; and where a survivor masked among others than this region did.
    """
    if state.step not in ("mask", "unmask"):
        raise SumRefused(f"nothing is opened after the step {state.step!r}: this region's words are in no sum")
    lists = tuple(sorted(survivors)), tuple(sorted(dropped))
    if set(survivors) & set(dropped):
        raise SumRefused("a region is said to have survived and to have dropped out: both its masks would be opened")
    if not {*survivors, *dropped} <= set(state.among):
        raise SumRefused("a list names a region that this sum was not masked among")
    if state.me not in survivors:
        raise SumRefused("this region's words are not among those to be opened")
    _enough(state.terms, survivors, "survived")
    if state.opened_under not in (None, lists):
        raise SumRefused("this round was opened under other lists before: the difference would be regions' parts")
    for member, signature in survivors.items():
        if member != state.me:
            check_list(state.terms, state.adverts, state.among, member=member, signature=signature, directory=directory)
    seeds = {member: state.shares[member].seed for member in survivors}
    masking_keys = {member: state.shares[member].key for member in dropped}
    return replace(state, step="unmask", opened_under=lists), RevealedShares(seeds, masking_keys)


def check_keys(terms: Terms, advert: KeyAdvertisement, directory: Directory) -> None:
    """Raises SumRefused for keys that their region did not sign with its key in the directory, or of small order."""
    if not (masks.is_usable(advert.channel) and masks.is_usable(advert.mask)):
        raise SumRefused(f"{advert.member}'s keys are of small order: whatever is agreed on under them, all know")
    _check_signature(advert.member, advert.signature, advert.signed_text(terms), directory, what="keys")


def check_list(
    terms: Terms, adverts: KeysByMember, among: Collection[str], *, member: str, signature: bytes, directory: Directory
) -> None:
    """Raises SumRefused for a signature that is not the member's over this very list that words were masked among."""
    text = _list_text(terms, adverts, among)
    _check_signature(member, signature, text, directory, what="list of regions it masked among")


def own_mask_key(terms: Terms, member: str, seed: bytes) -> bytes:
    """The key of a member's own mask."""
    return masks.derived_key(seed, _purpose("own mask", terms, member))


def pair_key(terms: Terms, mine: X25519PrivateKey, me: str, advert: KeyAdvertisement) -> bytes:
    """The key of the mask that two members share, from the one's private and the other's public masking key."""
    return masks.derived_key(masks.agreed(mine, advert.mask), _purpose("mask", terms, *sorted((me, advert.member))))


def _encrypted_shares(state: SumState, to: str, part: Shares, draw: Draw) -> bytes:
    key = masks.derived_key(state.channels[to], _purpose("letter", state.terms, state.me, to))
    return masks.encrypted(key, part.seed + part.key, about=_about(state, state.me, to), draw=draw)


def decrypted_shares(state: SumState, sender: str, ciphertext: bytes) -> Shares:
    """The shares that a member sent. Raises SumRefused where its letter cannot be opened, naming the member."""
    key = masks.derived_key(state.channels[sender], _purpose("letter", state.terms, sender, state.me))
    try:
        content = masks.decrypted(key, ciphertext, about=_about(state, sender, state.me))
    except masks.WrongContext as problem:
        raise SumRefused(f"the letter under {sender}'s name is of another round, or for another region") from problem
    except masks.NotDecrypted as problem:
        raise SumRefused(f"{sender}'s letter was changed on its way") from problem
    if len(content) != 2 * secret_sharing.SIZE:
        raise SumRefused(f"{sender}'s letter holds no two shares")
    return Shares(content[: secret_sharing.SIZE], content[secret_sharing.SIZE :])


def _about(state: SumState, sender: str, receiver: str) -> bytes:
    """What encrypted shares are bound to: run and round, all keys of the round, whose they are and for whom."""
    return _text("letter", state.terms, {"keys": _keys_digest(state.adverts), "from": sender, "to": receiver})


def _keys_digest(adverts: KeysByMember) -> str:
    """SHA-256 over all keys that a region checked, in hexadecimal."""
    return _digest({member: advert.signature.hex() for member, advert in adverts.items()})


def _list_text(terms: Terms, adverts: KeysByMember, among: Collection[str]) -> bytes:
    return _text("list", terms, {"keys": _keys_digest(adverts), "among": sorted(among)})


def _follows(state: SumState, step: str) -> None:
    if state.step != step:
        raise SumRefused(f"this step follows {step!r}, and was asked for after {state.step!r}; each is taken once")


def _enough(terms: Terms, members: Collection[str], did: str) -> None:
    if len(members) < terms.threshold:
        raise SumRefused(f"{len(members)} of {len(terms.members)} regions {did}, and it takes {terms.threshold}")


def _check_signature(member: str, signature: bytes, text: bytes, directory: Directory, *, what: str) -> None:
    if member not in directory:
        raise SumRefused(f"nobody gave this region {member}'s verify key, so nothing it signs is believed")
    try:
        Ed25519PublicKey.from_public_bytes(directory[member]).verify(signature, text)
    except (InvalidSignature, ValueError) as problem:
        reason = f"{member}'s {what}: not signed by its pinned key, or another than this region has"
        raise SumRefused(reason) from problem


def _purpose(what: str, terms: Terms, *names: str) -> bytes:
    """What a key of this round is for: its use, the terms, and whose it is."""
    return _text(what, terms, {"names": list(names)})


def _text(what: str, terms: Terms, about: Mapping[str, Any]) -> bytes:
    return canonical({"format": FORMAT, "what": what, "terms": terms.digest, **about})


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()
