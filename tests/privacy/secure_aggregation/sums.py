"""One secure sum in memory: regions with their keys, a hub that relays, and whoever falls silent at a step."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.privacy.secure_aggregation.fixed_point import FixedPoint, RingVector
from fedsov.privacy.secure_aggregation.protocol import (
    KeyAdvertisement,
    Masked,
    RevealedShares,
    SumState,
    Terms,
    advertise,
    mask,
    share,
    unmask,
)
from fedsov.privacy.secure_aggregation.secret_sharing import Draw
from fedsov.privacy.secure_aggregation.unmasking import opened_sum

STEPS = ("advertise", "share", "mask", "unmask")
NAMES = ("CA", "DE", "GB", "IN", "JP", "KR", "US")


def chance(seed: int) -> Draw:
    """Bytes that repeat; for tests alone."""
    return random.Random(seed).randbytes


@dataclass
class Overheard:
    """Everything the hub receives and sends in one sum, and the states of the regions."""

    terms: Terms
    directory: dict[str, bytes]
    signers: dict[str, Ed25519PrivateKey]
    held: dict[str, SumState] = field(default_factory=dict)
    adverts: dict[str, KeyAdvertisement] = field(default_factory=dict)
    letters: dict[str, dict[str, bytes]] = field(default_factory=dict)
    masked: dict[str, Masked] = field(default_factory=dict)
    opened: dict[str, RevealedShares] = field(default_factory=dict)

    @property
    def total(self) -> RingVector:
        """The sum of the masked words that came."""
        return np.sum([one.words for one in self.masked.values()], axis=0, dtype=np.uint64)

    @property
    def dropped(self) -> list[str]:
        """Who shared and sent no words."""
        return sorted(set(self.letters) - set(self.masked))

    def arriving(self, at: str) -> dict[str, bytes]:
        """The letters for one region."""
        return {sender: letters[at] for sender, letters in self.letters.items() if at in letters}

    def signatures(self) -> dict[str, bytes]:
        """Of the survivors, over their lists."""
        return {name: one.signature for name, one in self.masked.items()}

    def result(self) -> RingVector:
        """What the hub makes of it."""
        return opened_sum(self.terms, self.adverts, self.total, among=self.letters, opened=self.opened)


def terms_of(count: int, words: int, *, fixed: FixedPoint | None = None, number: int = 1, run: str = "r") -> Terms:
    """Terms of a sum among the first regions."""
    arithmetic = fixed or FixedPoint.finest(clip=64.0, largest_weight=2**24, regions=count)
    return Terms(run, number, NAMES[:count], words, arithmetic)


def begun(terms: Terms, *, silent: Mapping[str, str] | None = None, seed: int = 0) -> Overheard:
    """A sum whose keys are advertised and checked, and whose secrets are shared."""
    gone = dict(silent or {})
    signers = {name: Ed25519PrivateKey.from_private_bytes(chance(seed * 100 + at)(32))
               for at, name in enumerate(terms.members)}  # fmt: skip
    directory = {name: signer.public_key().public_bytes_raw() for name, signer in signers.items()}
    heard = Overheard(terms, directory, signers)
    draws = {name: chance(seed * 1000 + 17 * at + 1) for at, name in enumerate(terms.members)}
    for name in terms.members:
        if gone.get(name) != "advertise":
            sign = signers[name].sign
            heard.held[name], heard.adverts[name] = advertise(terms, name, sign=sign, draw=draws[name])
    for name in heard.adverts:
        if gone.get(name) != "share":
            found = share(heard.held[name], list(heard.adverts.values()), directory=directory, draw=draws[name])
            heard.held[name], heard.letters[name] = found
    return heard


def ended(heard: Overheard, words: Mapping[str, RingVector], *, silent: Mapping[str, str] | None = None) -> Overheard:
    """The same sum, masked and opened."""
    gone = dict(silent or {})
    for name in heard.letters:
        if gone.get(name) != "mask":
            arriving = {sender: letter for sender, letter in heard.arriving(name).items() if sender in heard.letters}
            found = mask(heard.held[name], arriving, words[name], sign=heard.signers[name].sign)
            heard.held[name], heard.masked[name] = found
    for name in heard.masked:
        if gone.get(name) != "unmask":
            heard.held[name], heard.opened[name] = unmask(
                heard.held[name], heard.signatures(), heard.dropped, directory=heard.directory
            )
    return heard


def summed(
    terms: Terms, words: Mapping[str, RingVector], *, silent: Mapping[str, str] | None = None, seed: int = 0
) -> Overheard:
    """A whole sum; `silent` says at which step a region falls silent."""
    return ended(begun(terms, silent=silent, seed=seed), words, silent=silent)


def contributors(members: Collection[str], silent: Mapping[str, str]) -> list[str]:
    """Whose words are in the sum: who fell silent at the last step is among them."""
    return [name for name in members if silent.get(name, "unmask") == "unmask"]
