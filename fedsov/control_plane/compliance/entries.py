"""What a ledger's entries say, as values: bytes in, `EntryView` out. What is not understood is counted, not guessed.

Entries of older versions lack some fields; these are empty here. An entry of a wrong shape is set aside as strange
with its number, for a report must neither stop at it nor pretend that it was not there.

    book = read_book("DE", bodies, size=46, head="70b2…", fault="")
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fedsov.border.decisions import NOBODY
from fedsov.border.gate import ARRIVE
from fedsov.protocol.ingestion_report import LIES_ABROAD, NOT_HELD_BACK

CROSSED = ("cross", ARRIVE)
"""Acts of what crossed to another party, and of what came to the ledger's owner."""
DECIDED = (*CROSSED, "release")
ACTS = (*DECIDED, "approve", "withdraw")
VERDICTS = ("permit", "review", "refuse")
PUBLIC = "public"
UNNAMED = "unnamed"
NONE = "none"


@dataclass(frozen=True, slots=True, order=True)
class PartyView:
    """A party as an entry names it; `owners` are the jurisdictions of who owns it, `role` its part in the law."""

    name: str
    entity: str
    location: str
    owners: tuple[str, ...] = ()
    role: str = ""


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry. `seq` and `entry` are its number and digest in the book of `owner`; the rest is what it says.

    `contents` tells of each document the digest of its entry in the register, and of its file, as they were then.
    `grounds` tells for each origin on what it crossed ("scc_eu", "adequacy"), as that origin's law sees it;
    `exporter_grounds` the same for the place that sent it, where its law was asked beside the origins'.
    `relied` tells which origin's answer rests on which document ("DE scc-1"), `at_fault` which do not permit it.
    `people` is the number of people in such crossings within twelve months, as the gate counted them.
    """

    owner: str
    seq: int
    entry: str
    act: str
    at: str
    run: str
    day: str
    exporter: PartyView
    importer: PartyView
    destination: str
    destination_name: str
    origins: tuple[str, ...]
    categories: tuple[str, ...]
    restrictions: tuple[str, ...]
    kind: str
    name: str
    digest: str
    bytes: int
    purpose: str
    grounds: Mapping[str, tuple[str, ...]]
    exporter_grounds: Mapping[str, tuple[str, ...]]
    flow: str
    people: int
    documents: tuple[str, ...]
    verdict: str
    review: str
    rules: tuple[str, ...]
    citations: tuple[str, ...]
    reason: str
    missing: tuple[str, ...]
    remedy: str
    obligations: tuple[str, ...]
    bundle: str
    bundle_dated: date | None
    unsafe: bool
    by: str
    why: str
    since: str
    until: str
    approval: str
    contents: Mapping[str, tuple[str, str]]
    marks: tuple[str, ...]
    added_rules: tuple[str, ...]
    relied: tuple[str, ...] = ()
    at_fault: tuple[str, ...] = ()

    @property
    def is_crossing(self) -> bool:
        """Whether it is about an artifact on its way from one party to another."""
        return self.act in CROSSED

    @property
    def answered_by(self) -> tuple[str, ...]:
        """The origins that the decision is about: those that refuse or ask for a review, else all that bind it.

        The sender's own place is among them where its law is at fault. An older entry does not tell, and has all.
        """
        return tuple(origin for origin in self.at_fault if origin != NOBODY) or self.bound_by

    def documents_of(self, origin: str) -> tuple[str, ...]:
        """The documents on which this origin's answer rests; all of them in an older entry, which does not tell."""
        pairs = (words.partition(" ") for words in self.relied)
        return tuple(paper for whose, _, paper in pairs if whose == origin) if self.relied else self.documents

    @property
    def bound_by(self) -> tuple[str, ...]:
        """The origins; `public` where nothing binds, `unnamed` where something binds without an origin."""
        return tuple(self.grounds)

    @property
    def all_mechanisms(self) -> tuple[str, ...]:
        """The grounds of all its origins, each once."""
        return tuple(dict.fromkeys(ground for grounds in self.grounds.values() for ground in grounds))


@dataclass(frozen=True, slots=True)
class PrivacyNote:
    """A reservation of a region's privacy budget, as its ledger noted it; None for a figure that it does not tell.

    Attributes:
        epsilon: of the run by itself; spent: with all before it. Both at `delta`.
        lifetime: the lifetime epsilon it was held to.
    """

    run: str
    at: str
    epsilon: float | None
    delta: float | None
    spent: float | None
    lifetime: float | None


@dataclass(frozen=True, slots=True)
class SourceNote:
    """What a ledger noted of where a mixed source lay: `about` is `LIES_ABROAD` or `NOT_HELD_BACK`.

    `origins` are those whose law does not permit it, `reason` says why and `remedy` what would mend it.
    """

    about: str
    at: str
    dataset: str
    location: str
    origins: tuple[str, ...]
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ErasureNote:
    """An erasure that was begun and has not ended: the subject's keyed digest, and when it was begun."""

    subject: str
    begun: str


@dataclass(frozen=True, slots=True)
class LedgerView:
    """A ledger as it was read.

    Attributes:
        size, head: the number of its entries and the digest of the last.
        fault: why it does not verify, or "".
        lines: what was decided, approved and withdrawn; notes: how many other entries it has.
        strange: numbers of the entries that were not understood.
        unbounded_since: the day from which answers without privacy left about people of a private release, or "".
        privacy: the reservations of its privacy budget, in their order.
        sources: what was noted of where mixed sources lay, the last note about each.
        erasures: those that were begun and have not ended.
        withheld: entries that its owner does not share; they are counted and not read.
    """

    owner: str
    size: int
    head: str
    fault: str
    lines: tuple[EntryView, ...]
    notes: int = 0
    strange: tuple[int, ...] = ()
    unbounded_since: str = ""
    privacy: tuple[PrivacyNote, ...] = ()
    sources: tuple[SourceNote, ...] = ()
    erasures: tuple[ErasureNote, ...] = ()
    withheld: int = 0


def read_book(owner: str, entries: Sequence[tuple[int, str, Any]], *, head: str, fault: str = "") -> LedgerView:
    """A ledger's entries (number, digest, body) as lines."""
    lines: list[EntryView] = []
    strange: list[int] = []
    privacy: list[PrivacyNote] = []
    sources: dict[tuple[str, str, str], SourceNote] = {}
    erasures: dict[str, ErasureNote] = {}
    unbounded = ""
    for seq, digest, body in entries:
        try:
            act = _text(body, "act")
            if act in ACTS:
                lines.append(_line(owner, seq, digest, body))
            elif act == "note":
                note = _mapping(body, "note")
                if "privacy_unbounded" in note:
                    unbounded = unbounded or _text(body, "at")[:10]
                if "erasure" in note:
                    _follow_erasure(erasures, _text(body, "at"), _mapping(note, "erasure"))
                if "privacy" in note:
                    privacy.append(_privacy_note(body, note))
                for about in {LIES_ABROAD, NOT_HELD_BACK}.intersection(note):
                    source = _source_note(about, _text(body, "at"), _mapping(note, about))
                    sources[about, source.dataset, source.location] = source
        except ValueError:
            strange.append(seq)
    notes = len(entries) - len(lines) - len(strange)
    return LedgerView(
        owner,
        len(entries),
        head,
        fault,
        tuple(lines),
        notes,
        tuple(strange),
        unbounded,
        tuple(privacy),
        tuple(sources.values()),
        tuple(erasures.values()),
    )


def _follow_erasure(unfinished: dict[str, ErasureNote], at: str, note: Mapping[str, Any]) -> None:
    """Adds an erasure that begins, and takes away one that ends or is lifted."""
    subject, state = _text(note, "subject"), _text(note, "state")
    if state == "begun":
        unfinished.setdefault(subject, ErasureNote(subject, at))
    else:
        unfinished.pop(subject, None)


def _privacy_note(body: Mapping[str, Any], note: Mapping[str, Any]) -> PrivacyNote:
    report = _mapping(_mapping(note, "privacy"), "report")
    figures = (_figure(report, name) for name in ("epsilon", "delta", "spent_with", "lifetime_epsilon"))
    return PrivacyNote(_text(body, "run"), _text(body, "at"), *figures)


def _source_note(about: str, at: str, note: Mapping[str, Any]) -> SourceNote:
    words = (_text(note, "dataset"), _text(note, "location"))
    return SourceNote(about, at, *words, _texts(note, "origins"), _text(note, "reason"), _text(note, "remedy"))


_TEXTS = (
    *("act", "at", "run", "kind", "name", "digest", "purpose", "verdict", "review", "reason", "remedy"),
    *("bundle", "by", "why", "since", "until", "approval", "flow"),
)
_LISTS = (
    *("origins", "categories", "restrictions", "documents", "rules", "citations", "missing", "obligations"),
    *("marks", "added_rules", "relied", "at_fault"),
)


def _line(owner: str, seq: int, digest: str, body: Any) -> EntryView:
    """Raises ValueError where a field is of another shape than entries have."""
    about = _mapping(body, "crossing") | body  # an approval tells the route that it is for
    texts: dict[str, Any] = {name: _text(about, name) for name in _TEXTS}
    lists: dict[str, Any] = {name: _texts(about, name) for name in _LISTS}
    if texts["act"] in DECIDED and texts["verdict"] not in VERDICTS:
        raise ValueError(f"verdict is {texts['verdict']!r}")
    importer = _member(about, "importer")
    dated, basis, origins = _text(about, "bundle_dated"), _texts(about, "basis"), _bound_by(lists)
    return EntryView(
        owner=owner,
        seq=seq,
        entry=digest,
        day=_text(about, "day") or texts["at"][:10],
        exporter=_member(about, "exporter"),
        importer=importer,
        destination=_text(about, "destination") or importer.location,
        destination_name=_text(about, "destination_name"),
        grounds=_grounds(origins, basis, lists["rules"], verdict=texts["verdict"]),
        exporter_grounds=_exporter_grounds(origins, basis, verdict=texts["verdict"]),
        people=_number(about, "count_12m"),
        bytes=_number(about, "bytes"),
        bundle_dated=date.fromisoformat(dated) if dated else None,
        unsafe=about.get("unsafe") is True,
        contents=_contents(about),
        **texts,
        **lists,
    )


def _contents(body: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The digests of each document's entry and file; none in an entry of an earlier version."""
    return {
        _written(str(name)): (_text(digests, "entry"), _text(digests, "file"))
        for name, digests in _mapping(body, "contents").items()
    }


def _bound_by(lists: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if lists["origins"]:
        return lists["origins"]
    return (UNNAMED,) if lists["categories"] or lists["restrictions"] else (PUBLIC,)


def _grounds(
    origins: Sequence[str], basis: Sequence[str], rules: Sequence[str], *, verdict: str
) -> dict[str, tuple[str, ...]]:
    """The grounds of each origin, from `basis` ("DE scc_eu": the origin, then the ground).

    An entry without one gives its rules, of which it is not written for which origin each answered. A refusal has none.
    """
    if verdict == "refuse":
        return dict.fromkeys(origins, (NONE,))
    own: dict[str, list[str]] = {}
    for origin, space, ground in (words.partition(" ") for words in basis):
        own.setdefault(origin if space else "", []).append(ground if space else origin)
    spare = tuple(f"rule {rule}" for rule in dict.fromkeys(rules)) or (NONE,)
    return {origin: tuple(dict.fromkeys(own.get(origin, []) + own.get("", []))) or spare for origin in origins}


def _exporter_grounds(origins: Sequence[str], basis: Sequence[str], *, verdict: str) -> dict[str, tuple[str, ...]]:
    """The grounds of places that are no origin: the sender's, whose own law was asked too."""
    own: dict[str, tuple[str, ...]] = {}
    for place, space, ground in (words.partition(" ") for words in basis if verdict != "refuse"):
        if space and place not in origins:
            own[place] = (*own.get(place, ()), ground)
    return own


def _text(body: Any, name: str) -> str:
    value = body.get(name) if isinstance(body, Mapping) else ()
    if not isinstance(value, str | None):
        raise ValueError(f"{name} is no text")
    return _written(value or "")


def _written(text: str) -> str:
    """The text, where it can be written to a file; half a surrogate pair raises UnicodeEncodeError, a ValueError."""
    text.encode()
    return text


def _texts(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{name} is no list of texts")
    return tuple(map(_written, value))


def _mapping(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no mapping")
    return value


def _number(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name) or 0
    if not isinstance(value, int):
        raise ValueError(f"{name} is no whole number")
    return value


def _figure(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise ValueError(f"{name} is no number")
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{name} is not finite")
    return value


def _member(body: Mapping[str, Any], name: str) -> PartyView:
    party = _mapping(body, name)
    words = (_text(party, "name"), _text(party, "entity"), _text(party, "location"))
    return PartyView(*words, _texts(party, "owners"), _text(party, "role"))
