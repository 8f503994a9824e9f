"""That a person confirmed, until a day, that the law still is as it was read: kept beside an installed bundle.

A confirmation names the digest of the law that it is about, who confirms and why. Where a region pins a law owner it
counts there only with that owner's signature (Ed25519, over a domain line and its canonical JSON); elsewhere only as
the ledger noted it. It reaches no further than three years after the day on which it was given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.border.law.bundle import Bundle
from fedsov.border.law.noted import NOTE, Notes, is_noted, notes
from fedsov.errors import ConfigurationError
from fedsov.ledger.canonical_json import canonical
from fedsov.ledger.signed_head import signature_holds
from fedsov.storage.bounded_files import parsed_json, read_bounded

DOMAIN = b"fedsov confirmation of law 1\n"
CONFIRMATIONS = "confirmations.json"
"""Their file's name in the folder of law of a workspace."""
YEARS = 3
"""How far a confirmation can reach."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Which law (its digest), until when, by whom, why, at which moment, and whose signature it bears, if any."""

    digest: str
    until: date
    by: str
    why: str
    at: str
    key: str = ""
    signature: str = ""

    @property
    def last_day(self) -> date:
        """The last day on which the law counts as known by it."""
        return min(self.until, furthest(self.at))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"until": self.until.isoformat()}

    def signed(self, key: Ed25519PrivateKey) -> Confirmation:
        """With this key's signature."""
        named = replace(self, key=key.public_key().public_bytes_raw().hex())
        return replace(named, signature=key.sign(named._message()).hex())

    def counts_for(self, digest: str, owner: str) -> bool:
        """Whether it is about this law, and, where a law owner is pinned, bears that owner's signature."""
        if self.digest != digest or (owner and self.key != owner):
            return False
        return not (owner or self.signature) or signature_holds(self._message(), self.key, self.signature)

    def _message(self) -> bytes:
        return DOMAIN + canonical({name: part for name, part in self.to_json().items() if name != "signature"})


def furthest(at: str) -> date:
    """The last day that a confirmation of this moment can reach."""
    day = date.fromisoformat(at[:10])
    return day.replace(year=day.year + YEARS, day=min(day.day, 28) if day.month == 2 else day.day)


def read_confirmations(folder: Path | None) -> tuple[Confirmation, ...]:
    """The confirmations in a folder of law; none where there is no file. Raises ConfigurationError for any other."""
    if folder is None:
        return ()
    path = folder / CONFIRMATIONS
    try:
        return tuple(_confirmation(parts) for parts in parsed_json(read_bounded(path)))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ConfigurationError(f"cannot read the confirmations in {path}: {problem}") from None


def confirmations_text(listed: tuple[Confirmation, ...]) -> bytes:
    """The content of their file."""
    return json.dumps([each.to_json() for each in listed], indent=1, ensure_ascii=False).encode() + b"\n"


def confirmed(bundle: Bundle, folder: Path | None, *, law: str, owner: str) -> Bundle:
    """The bundle as it is confirmed for longest.

    Args:
        law: the digest of the law without a tenant's own rules.
        owner: the law owner's public key; "" where none is pinned.
    """
    until = [each.last_day for each in standing(folder, law, owner)]
    return replace(bundle, confirmed_until=max(until)) if until else bundle


def standing(folder: Path | None, law: str, owner: str) -> tuple[Confirmation, ...]:
    """The confirmations that count for the law of this digest: signed by the owner pinned, or noted in the ledger."""
    about = [each for each in read_confirmations(folder) if each.counts_for(law, owner)]
    if owner or folder is None or not about:
        return tuple(about)
    noted = notes(folder.parent, NOTE)
    return tuple(each for each in about if _is_noted(each, noted))


def _is_noted(confirmation: Confirmation, noted: list[Notes]) -> bool:
    plain = confirmation.to_json()
    return is_noted(noted, lambda note: note == plain)


def _confirmation(parts: Mapping[str, Any]) -> Confirmation:
    read = Confirmation(**{**parts, "until": date.fromisoformat(parts["until"])})
    if any(not isinstance(part, str) for name, part in read.to_json().items()):
        raise ValueError("each part of a confirmation is a text")
    furthest(read.at)
    return read
