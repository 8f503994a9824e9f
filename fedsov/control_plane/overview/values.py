"""What the page shows, as values: each part is read from the database alone, and says when it has nothing to show.

`Overview` is one moment of all parts. A part that changed has another digest (`digest`), so that a page that is open
asks for that part alone. No value here tells the time of a region that answers: only of what has changed, or is late.

Nothing here is a person's, nor about fewer people than a region's gate lets through; texts come from ledgers and from
regions, and are escaped where they are shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from fedsov.control_plane.compliance.counts import Count

NOTHING = Count(0, 0, 0)


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """A version that answers in a region, or should: champion, canary or shadow, with its share."""

    model: str
    version: int
    mode: str = "champion"
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class ShownRegion:
    """A region as the hub knows it.

    Attributes:
        state: ``serving`` what is wanted, ``behind`` it, ``closed`` (its endpoint), ``cut off`` since, ``unsigned``
            (its approver has not signed), ``idle`` where nothing runs and nothing is wanted, or ``never seen``.
        since: since when it is so, ISO 8601; "" where that is not known.
        wanted, running: the versions on its approved list, and those that its workers really have.
        verdict: what the region says of its own endpoint: ``ok``, ``watching``, ``errors``, ``slow``, ``drift`` or "".
        remedy: what mends the state, in a sentence; "" where nothing is to be done.
    """

    name: str
    place: str
    state: str
    since: str = ""
    wanted: tuple[ShownVersion, ...] = ()
    running: tuple[ShownVersion, ...] = ()
    verdict: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ShownRolloutRegion:
    """A region in a rollout: its state, who approved there and why, and what it reports (`word`)."""

    name: str
    is_canary: bool
    state: str
    word: str = ""
    approved_by: str = ""
    why: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ShownRollout:
    """A rollout.

    Attributes:
        verdict: of the attack test recorded for the version; ``undecided`` without one.
        evaluation: how its run measured it, in sentences.
        approvals: who approved it as the hub: (name, reason, when).
        stopped: how it came to its state, or "".
        acts: what the state lets a person do next: the act, and the region that it is about, "" for all of it.
        progress: how far it is (`Rollout.progress`); who starts it says so.
    """

    id: int
    model: str
    version: int
    mode: str
    state: str
    by: str
    why: str
    at: str
    verdict: str
    regions: tuple[ShownRolloutRegion, ...]
    evaluation: tuple[str, ...] = ()
    approvals: tuple[tuple[str, str, str], ...] = ()
    stopped: str = ""
    acts: tuple[tuple[str, str], ...] = ()
    progress: str = ""


@dataclass(frozen=True, slots=True)
class PlannedRegion:
    """A region's part in the newest plan; `rows` is None for fewer than are told.

    Attributes:
        reason: why it has this strategy, in a sentence.
        donor: whose synthetic rows it gets, or "".
        blocked: why a better strategy is refused: (from, to, why).
        amendments: what changed while it trained, in sentences.
    """

    name: str
    rows: int | None
    strategy: str
    reason: str
    donor: str = ""
    blocked: tuple[tuple[str, str, str], ...] = ()
    amendments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """The newest plan of a run; `run` is "" where there is none."""

    run: str = ""
    at: str = ""
    hub: str = "hub"
    regions: tuple[PlannedRegion, ...] = ()
    contributors: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    unsafe: bool = False


@dataclass(frozen=True, slots=True)
class CountedRoute:
    """The crossings of one origin's values to one destination."""

    origin: str
    destination: str
    count: Count


@dataclass(frozen=True, slots=True)
class CrossingMatrix:
    """CrossingMatrix by origin and destination.

    Attributes:
        total: each crossing once; one of several origins is on several routes.
        origins, destinations: rows and columns of the matrix, the busiest where there are many, in order.
        routes: its cells, by (origin, destination).
        hidden: how many routes are not in the matrix.
        owners: in whose ledgers these crossings are; silent: who shares no crossing of its ledger.
        names: what codes of places are called.
    """

    total: Count = NOTHING
    origins: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    routes: Mapping[tuple[str, str], CountedRoute] = field(default_factory=dict)
    hidden: int = 0
    owners: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefusedCase:
    """Refusals that say the same, once: what, from whom to whom, why, and what would mend it."""

    exporter: str
    importer: str
    destination: str
    origins: tuple[str, ...]
    kind: str
    name: str
    reason: str
    missing: tuple[str, ...]
    remedy: str
    citations: tuple[str, ...]
    count: int
    last: str


@dataclass(frozen=True, slots=True)
class WaitingReview:
    """A crossing that a person must look at, or has: `state` is waiting, approved, expired or withdrawn."""

    id: str
    state: str
    exporter: str
    importer: str
    destination: str
    origins: tuple[str, ...]
    kind: str
    name: str
    reason: str
    held: int
    first: str
    last: str
    by: str = ""
    why: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class ToldBudget:
    """A region's privacy budget as it told it last: epsilon spent of its lifetime, at delta; None for no word of it."""

    region: str
    spent: float | None
    lifetime: float | None
    delta: float | None
    at: str
    unbounded_since: str = ""


@dataclass(frozen=True, slots=True)
class ExpiringDocument:
    """A document or another dated duty: what it is, whose, when it ends, and how many crossings rest on it."""

    id: str
    what: str
    owner: str
    due: str
    state: str
    crossings: int = 0
    remedy: str = ""
    example: bool = False


@dataclass(frozen=True, slots=True)
class ShownAlarm:
    """Something that a person must know first: about which party, since when, and what to do."""

    party: str
    text: str
    remedy: str
    since: str = ""
    grave: bool = True


@dataclass(frozen=True, slots=True)
class Overview:
    """One moment of everything on the page."""

    hub: str
    alarms: tuple[ShownAlarm, ...] = ()
    regions: tuple[ShownRegion, ...] = ()
    rollouts: tuple[ShownRollout, ...] = ()
    plan: ShownPlan = field(default_factory=ShownPlan)
    crossings: CrossingMatrix = field(default_factory=CrossingMatrix)
    refusals: tuple[RefusedCase, ...] = ()
    reviews: tuple[WaitingReview, ...] = ()
    budgets: tuple[ToldBudget, ...] = ()
    documents: tuple[ExpiringDocument, ...] = ()

    def digests(self) -> dict[str, str]:
        """A digest of each part, by its name: another one where anything that it shows has changed."""
        return {part.name: digest(getattr(self, part.name)) for part in fields(self) if part.name != "hub"}


def digest(part: object) -> str:
    """Sixteen digits that change with the part."""
    return hashlib.sha256(repr(part).encode()).hexdigest()[:16]
