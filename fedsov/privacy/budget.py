"""A region's privacy budget: everything that was ever released about its records under noise, in one file.

The file lives as long as the data, across runs and mechanisms. Its first line says the lifetime budget, each further
one an entry: time, run, purpose, data set, rows, delta, and the events themselves, so that all of them can be replayed
by today's accounting. The rules of this file:

- An entry is on the disk before `reserve` returns, and nothing may touch a row before it has. A crash in between leaves
  something spent that was never used; nothing used can be unspent. A new version of the file is written aside, synced
  and renamed, so that at any instant the old or the new one is there, whole; one writer at a time (a lock beside it).
- An entry that would exceed the lifetime budget is refused, before anything is written, with what would fit.
- Each line names the digest of the line before. A line that was changed, cut in half, removed or moved is found, and
  the file is refused. Entries cut off the end, and a lost file, are found by whoever noted its `head` elsewhere: the
  region's ledger does (`fedsov.api.budgets`).
- The first lifetime counts: who opens the file later with a higher one is refused, with a lower one is held to that.
- All data sets of a region share the budget: the same people may be in two of them, under names that a job chooses.
  Whom it covers is kept beside it (`fedsov.region.people_budgets`).

    budget = Budget.open(path, lifetime=(10.0, 1e-9))
    budget.reserve("run-7", "training", [mechanism.event], dataset="people", rows=30_000)

Raising a lifetime, or starting anew once the data are erased, is an act of the region's people on its own machine:
there is no function for it here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from fedsov.errors import BudgetBroken, BudgetExceeded, ConfigurationError
from fedsov.privacy.accounting import Guarantee, epsilon, guarantee, least
from fedsov.privacy.events import Event
from fedsov.storage import atomic_files
from fedsov.storage.private_files import make_private_folder, open_private

FORMAT = "fedsov privacy budget 1"
_JUST_ABOVE = 1.0 + 1e-6
"""A stated epsilon is a little less at a delta above 0; with this, a lifetime that is taken as spent holds nothing."""


class Lifetime(NamedTuple):
    """The most that may ever be spent."""

    epsilon: float
    delta: float


class BudgetHead(NamedTuple):
    """How many entries a file has, and the SHA-256 of its last line: what to note elsewhere."""

    entries: int
    digest: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """One reservation.

    Attributes:
        at: when, in UTC, ISO 8601.
        run, purpose, dataset: whose, what for, of which records.
        rows: records of the data set at that time.
        delta: the one that the budget was checked at.
        events: all that the run was allowed to do.
    """

    at: str
    run: str
    purpose: str
    dataset: str
    rows: int
    delta: float
    events: tuple[Event, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = {name: getattr(self, name) for name in ("at", "run", "purpose", "dataset", "rows", "delta")}
        return {**plain, "events": [event.to_json() for event in self.events]}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Reservation:
        """The inverse of `to_json`. Raises ConfigurationError for an event that nobody knows."""
        return Reservation(**{**value, "events": tuple(Event.from_json(event) for event in value["events"])})


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What a budget's file held when it was read."""

    lifetime: Lifetime
    entries: tuple[Reservation, ...]
    head: BudgetHead

    @property
    def events(self) -> tuple[Event, ...]:
        """All that was ever spent."""
        return tuple(event for entry in self.entries for event in entry.events)

    def spent(self) -> Guarantee:
        """What all entries together guarantee at the lifetime's delta."""
        return guarantee(self.events, self.lifetime.delta)

    def left(self) -> float:
        """The lifetime's epsilon less the spent one. A further run may be given a little more: noises compose."""
        return max(0.0, self.lifetime.epsilon - self.spent().epsilon)


@dataclass(frozen=True, slots=True)
class Budget:
    """The file at `path`, under a lifetime; every question reads it anew.

    `before_entry` is called once events fit, before their entry is written: whose data they are of is noted there.
    """

    path: Path
    lifetime: Lifetime
    last_known_head: BudgetHead | None = None
    before_entry: Callable[[], None] = lambda: None

    @staticmethod
    def open(path: Path, *, lifetime: tuple[float, float], last_known_head: BudgetHead | None = None) -> Budget:
        """The budget of a file that may not exist yet; it is made with the first entry.

        Args:
            lifetime: the most epsilon, at which delta.
            last_known_head: the head that was noted of it last, which it must continue.

        Raises:
            ConfigurationError: a lifetime that is none, or an epsilon above the one the file began with.
            BudgetBroken: it was changed or cut, is gone though noted, or cannot be read.
        """
        limit = _checked(Lifetime(*lifetime))
        state = read(path, last_known_head=last_known_head)
        if state is None:
            return Budget(path, limit, last_known_head)
        if limit.epsilon > state.lifetime.epsilon:
            raise ConfigurationError(
                f"the lifetime epsilon of {path} is {state.lifetime.epsilon:g} since its first entry and cannot be "
                f"raised to {limit.epsilon:g}; set privacy.lifetime_epsilon={state.lifetime.epsilon:g} or less"
            )
        return Budget(path, Lifetime(limit.epsilon, min(limit.delta, state.lifetime.delta)), last_known_head)

    def state(self) -> BudgetState:
        """What the file holds now. Raises BudgetBroken."""
        state = read(self.path, last_known_head=self.last_known_head)
        if state is None:
            return BudgetState(self.lifetime, (), BudgetHead(0, ""))
        return replace(state, lifetime=self.lifetime)

    def spent(self) -> Guarantee:
        """See `BudgetState.spent`."""
        return self.state().spent()

    def left(self) -> float:
        """See `BudgetState.left`."""
        return self.state().left()

    def reserve(
        self, run: str, purpose: str, events: Sequence[Event], *, dataset: str, rows: int
    ) -> tuple[Reservation, BudgetHead]:
        """Spends the events, and returns once they are on the disk.

        Returns the entry, and the file's head with it, for the region's ledger.

        Raises:
            BudgetExceeded: they do not fit; says what is left and what would fit. Nothing was written.
            BudgetBroken: the file was changed, or cannot be written.
        """
        with _alone(self.path):
            state = self.state()
            check(state, events, purpose=f"{purpose} of run {run}")
            self.before_entry()
            return self._written(
                state, Reservation(_now(), run, purpose, dataset, rows, self.lifetime.delta, (*events,))
            )

    def spend_all(self, purpose: str) -> BudgetHead:
        """Takes the whole lifetime as spent, whatever was spent before: nothing fits any more. Gives the head.

        For a budget whose newest entries are lost. Raises BudgetBroken where the file was changed or is not writable.
        """
        with _alone(self.path):
            state = self.state()
            self.before_entry()
            whole = Event("stated", epsilon=_JUST_ABOVE * max(self.lifetime.epsilon, state.lifetime.epsilon))
            return self._written(state, Reservation(_now(), "", purpose, "", 0, self.lifetime.delta, (whole,)))[1]

    def _written(self, state: BudgetState, entry: Reservation) -> tuple[Reservation, BudgetHead]:
        """The entry, on the disk behind all others, and the file's head with it."""
        lines = self.path.read_bytes().splitlines() if state.head.digest else [_first(self.lifetime, entry.at)]
        lines.append(_line({**entry.to_json(), "before": _digest(lines[-1])}))
        _replace(self.path, b"".join(line + b"\n" for line in lines))
        return entry, BudgetHead(len(state.entries) + 1, _digest(lines[-1]))


def check(state: BudgetState, events: Sequence[Event], *, purpose: str) -> None:
    """Raises BudgetExceeded where the events do not fit the lifetime; ConfigurationError for no events."""
    if not events:
        raise ConfigurationError(f"{purpose} would reserve nothing; what is released under privacy has an event")
    lifetime, spent = state.lifetime, state.events
    total = epsilon([*spent, *events], lifetime.delta)
    if total <= lifetime.epsilon:
        return
    left, fits = state.left(), fitting(state, events)
    way = (
        f"the same under more noise would fit, with an epsilon of its own of {fits:.3g}"
        if fits
        else "no amount of noise would fit"
    )
    raise BudgetExceeded(
        f"{purpose} would bring what is spent to epsilon {total:.4g} at delta {lifetime.delta:.3g}; the lifetime "
        f"budget is {lifetime.epsilon:g}, of which {left:.4g} is left; {way}",
        left=left,
        fits=fits,
    )


def fitting(state: BudgetState, events: Sequence[Event]) -> float | None:
    """The epsilon, by themselves, of the same events under just so much more noise that they fit; None for never."""
    delta = state.lifetime.delta
    try:
        factor = least(lambda by: [*state.events, *_quieter(events, by)], state.lifetime.epsilon, delta)
    except BudgetExceeded:
        return None
    return epsilon(_quieter(events, factor), delta)


def _quieter(events: Sequence[Event], by: float) -> list[Event]:
    """The events with `by` times the noise."""
    return [
        replace(event, epsilon=event.epsilon / by)
        if event.kind == "stated"
        else replace(event, noise_multiplier=event.noise_multiplier * by)
        for event in events
    ]


def read(path: Path, *, last_known_head: BudgetHead | None = None) -> BudgetState | None:
    """A budget's file as it is; None where there is none and none was noted.

    Raises:
        BudgetBroken: it was changed, cut, lost, or cannot be read; names the first line at fault.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if last_known_head is None:
            return None
        entries = last_known_head.entries
        raise BudgetBroken(f"privacy budget {path} is gone, though {entries} entries of it were noted") from None
    except OSError as error:
        raise BudgetBroken(f"privacy budget {path} cannot be read: {error.strerror}") from error
    state, digests = _parsed(path, content)
    if last_known_head is not None and not _continues(digests, last_known_head):
        raise BudgetBroken(
            f"privacy budget {path} has {len(state.entries)} entries and does not continue the one of "
            f"{last_known_head.entries} that was noted: it was cut or rewritten; restore it from your copy"
        )
    return state


def _continues(digests: Sequence[str], head: BudgetHead) -> bool:
    return head.entries < len(digests) and digests[head.entries] == head.digest


def _parsed(path: Path, content: bytes) -> tuple[BudgetState, list[str]]:
    """The state, and the digest of each line."""
    if not content.endswith(b"\n"):
        raise BudgetBroken(f"privacy budget {path} ends in half a line; restore it from your copy")
    lines = content.splitlines()
    digests = [_digest(line) for line in lines]
    entries = []
    for number, line in enumerate(lines):
        try:
            value = dict(json.loads(line))
            if value.pop("before") != (digests[number - 1] if number else ""):
                raise ValueError("it does not follow the line before")
            if number:
                entries.append(Reservation.from_json(value))
            else:
                lifetime = _lifetime(value)
        except (ValueError, KeyError, TypeError, ConfigurationError) as error:
            raise BudgetBroken(
                f"privacy budget {path}, line {number + 1} was changed or damaged ({error}); restore it from your copy"
            ) from error
    return BudgetState(lifetime, tuple(entries), BudgetHead(len(entries), digests[-1])), digests


def _lifetime(value: Mapping[str, Any]) -> Lifetime:
    if value["format"] != FORMAT:
        raise ValueError(f"it is not {FORMAT}")
    return _checked(Lifetime(value["epsilon"], value["delta"]))


def _checked(lifetime: Lifetime) -> Lifetime:
    numbers = all(isinstance(number, int | float) and not isinstance(number, bool) for number in lifetime)
    if not numbers or not 0.0 < lifetime.epsilon < float("inf") or not 0.0 < lifetime.delta < 1.0:
        raise ConfigurationError(f"a lifetime budget has an epsilon above 0 and a delta in (0, 1), got {lifetime}")
    return lifetime


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _first(lifetime: Lifetime, at: str) -> bytes:
    return _line({"format": FORMAT, "at": at, "epsilon": lifetime.epsilon, "delta": lifetime.delta, "before": ""})


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, allow_nan=False).encode()


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Waits for other writers of this file, in this process or another; the lock ends with the process."""
    try:
        make_private_folder(path.parent)
        lock = open_private(path.with_name(path.name + ".lock"), os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise BudgetBroken(f"privacy budget {path} cannot be locked: {error.strerror}; nothing was spent") from error
    try:
        yield
    finally:
        os.close(lock)


def _replace(path: Path, content: bytes) -> None:
    """Puts a new version in the file's place, whole and on the disk, or raises BudgetBroken and leaves the old one."""
    try:
        atomic_files.replace_file(path, content)
    except OSError as error:
        raise BudgetBroken(f"privacy budget {path} cannot be written: {error.strerror}; no row was touched") from error
