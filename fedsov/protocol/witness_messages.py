"""What a region and the hub say to each other as witnesses of ledgers (`fedsov.ledger.witnessing`): one question, one
answer, which the region repeats until neither has more to say.

The region brings its announcement, proofs that it was asked for, countersignatures, its open alarms, and the entries
that it shares. The hub answers with the other parties' announcements, each with the proof that this region needs, with
the sizes of this region's ledger that somebody waits for a proof of, and with who countersigned it.

Both are canonical JSON of at most 4 MiB; whatever is not understood refuses the whole message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fedsov.errors import ConfigurationError
from fedsov.ledger.canonical_json import canonical
from fedsov.ledger.shared_entries import Part
from fedsov.ledger.signed_head import Head
from fedsov.ledger.witnessing import LONGEST_PATH, Alarm, Announcement, Countersignature
from fedsov.storage.bounded_files import parsed_json

LARGEST = 2**22
"""Bytes of a message."""
NOTHING, CROSSINGS, EVERYTHING = "nothing", "crossings", "everything"
SHARING = (NOTHING, CROSSINGS, EVERYTHING)
"""Which entries a region shares, the fewest first; of the rest the hub learns how many there are."""
SHARED_ACTS: Mapping[str, frozenset[str] | None] = {
    NOTHING: frozenset(),
    CROSSINGS: frozenset(("cross", "arrive", "release", "approve", "withdraw")),
    EVERYTHING: None,
}
"""The acts of the entries that each of these shares; None for all."""
_MOST = 10_000

Path = tuple[str, ...]
Message = TypeVar("Message")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class SharedParts:
    """The parts of a region's ledger after entry `since`, by the sharing in force.

    `path` proves that their end is under the announced head.
    """

    sharing: str
    since: int
    parts: tuple[Part, ...]
    path: Path

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        words = {"sharing": self.sharing, "since": self.since, "path": list(self.path)}
        return {**words, "parts": [part.to_json() for part in self.parts]}

    @staticmethod
    def from_json(value: Any) -> SharedParts:
        """The inverse. Raises ValueError."""
        message = _object(value, ("sharing", "since", "parts", "path"))
        if message["sharing"] not in SHARING:
            raise ValueError("sharing is none of " + ", ".join(SHARING))
        parts = _several(message["parts"], Part.from_json)
        return SharedParts(message["sharing"], _size(message["since"]), parts, _path(message["path"]))


@dataclass(frozen=True, slots=True)
class WitnessQuestion:
    """What a region brings.

    Attributes:
        noted: the heads of other parties that it took last, each as SIZE:ROOT.
        paths: proofs that its announced head continues earlier sizes.
        alarms: all that are open in its ledger; None where they are those that it brought before.
    """

    announcement: Announcement | None = None
    noted: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[int, Path] = field(default_factory=dict)
    countersignatures: tuple[Countersignature, ...] = ()
    alarms: tuple[Alarm, ...] | None = None
    share: SharedParts | None = None

    @property
    def is_of_its_own(self) -> bool:
        """Whether it holds what must cross the region's border; sizes that it noted of others are the others'."""
        return bool(self.announcement or self.paths or self.countersignatures or self.share) or self.alarms is not None

    def to_bytes(self) -> bytes:
        """The message."""
        return _written(
            {
                "announcement": None if self.announcement is None else self.announcement.to_json(),
                "noted": dict(self.noted),
                "paths": {str(size): list(path) for size, path in self.paths.items()},
                "countersignatures": [each.to_json() for each in self.countersignatures],
                "alarms": None if self.alarms is None else [each.to_json() for each in self.alarms],
                "share": None if self.share is None else self.share.to_json(),
            }
        )

    @staticmethod
    def from_bytes(content: bytes) -> WitnessQuestion:
        """A message's question. Raises ConfigurationError for anything else."""
        return _read(content, WitnessQuestion._of)

    @staticmethod
    def _of(value: Any) -> WitnessQuestion:
        names = ("announcement", "noted", "paths", "countersignatures", "alarms", "share")
        message = _object(value, names)
        return WitnessQuestion(
            None if message["announcement"] is None else Announcement.from_json(message["announcement"]),
            {str(name): _short_head(head) for name, head in _entries(message["noted"])},
            {_size(int(size)): _path(path) for size, path in _entries(message["paths"])},
            _several(message["countersignatures"], Countersignature.from_json),
            None if message["alarms"] is None else _several(message["alarms"], Alarm.from_json),
            None if message["share"] is None else SharedParts.from_json(message["share"]),
        )


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Another party's announcement, and the proof for the size that the region noted; None where nobody gave it yet."""

    announcement: Announcement
    path: Path | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        path = None if self.path is None else list(self.path)
        return {"announcement": self.announcement.to_json(), "path": path}

    @staticmethod
    def from_json(value: Any) -> Forwarded:
        """The inverse. Raises ValueError, ConfigurationError."""
        message = _object(value, ("announcement", "path"))
        path = None if message["path"] is None else _path(message["path"])
        return Forwarded(Announcement.from_json(message["announcement"]), path)


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """What the hub answers.

    Attributes:
        announcements: of parties that this region watches, where it noted another head.
        prove: sizes of this region's ledger that a witness noted and that its announcement must be proved to continue.
        shared: how much of this region's ledger the hub has, and by which sharing.
        countersigned: who countersigned this region's ledger, and at which size.
        latest: the largest head of this region's ledger that somebody countersigned; by it a ledger that was put back
            is known at home.
        alarms: the alarms of this region that the hub has as open, each as "KIND PARTY".
    """

    announcements: tuple[Forwarded, ...] = ()
    prove: tuple[int, ...] = ()
    shared: tuple[int, str] = (0, NOTHING)
    countersigned: Mapping[str, int] = field(default_factory=dict)
    latest: Head | None = None
    alarms: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """The message."""
        return _written(
            {
                "announcements": [each.to_json() for each in self.announcements],
                "prove": list(self.prove),
                "shared": list(self.shared),
                "countersigned": dict(self.countersigned),
                "latest": None if self.latest is None else self.latest.to_json(),
                "alarms": list(self.alarms),
            }
        )

    @staticmethod
    def from_bytes(content: bytes) -> WitnessAnswer:
        """A message's answer. Raises ConfigurationError for anything else."""
        return _read(content, WitnessAnswer._of)

    @staticmethod
    def _of(value: Any) -> WitnessAnswer:
        message = _object(value, ("announcements", "prove", "shared", "countersigned", "latest", "alarms"))
        match message["shared"]:
            case [size, str(sharing)] if sharing in SHARING:
                shared = _size(size), sharing
            case _:
                raise ValueError("shared is [size, sharing]")
        return WitnessAnswer(
            _several(message["announcements"], Forwarded.from_json),
            _several(message["prove"], _size),
            shared,
            {str(name): _size(size) for name, size in _entries(message["countersigned"])},
            None if message["latest"] is None else Head.from_json(message["latest"]),
            _several(message["alarms"], str),
        )


def _written(value: Mapping[str, Any]) -> bytes:
    return canonical(value)


def _read(content: bytes, of: Callable[[Any], Message]) -> Message:
    if len(content) > LARGEST:
        raise ConfigurationError(f"a message of witnesses has {len(content):,} bytes; the most is {LARGEST:,}")
    try:
        return of(parsed_json(content))
    except (ValueError, TypeError, AttributeError) as problem:
        raise ConfigurationError(f"this is no message of witnesses: {problem}") from None


def _object(value: Any, names: Iterable[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != {*names}:
        raise ValueError(f"expected an object of {', '.join(names)}")
    return value


def _entries(value: Any) -> Iterable[tuple[Any, Any]]:
    if not isinstance(value, dict) or len(value) > _MOST:
        raise ValueError(f"expected an object of at most {_MOST:,} names")
    return value.items()


def _several(value: Any, of: Callable[[Any], Value]) -> tuple[Value, ...]:
    if not isinstance(value, list):
        raise ValueError("expected a list")
    return tuple(of(each) for each in value)


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("a size is a whole number from 0 on")
    return value


def _short_head(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\d{1,18}:[0-9a-f]{64}", value):
        raise ValueError("a head is SIZE:ROOT")
    return value


def _path(value: Any) -> Path:
    if not isinstance(value, list) or len(value) > LONGEST_PATH:
        raise ValueError(f"a proof is a list of at most {LONGEST_PATH} hashes")
    if not all(isinstance(each, str) and re.fullmatch("[0-9a-f]{64}", each) for each in value):
        raise ValueError("a hash of a proof is 64 hexadecimal digits")
    return tuple(value)
