"""What decisions rest on: reviews and their approvals, documents, releases, privacy spent, bundles of rules.

Whether something holds is told as of one day, the day of the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from fedsov.border.decisions import JOINED
from fedsov.border.evidence.register import Document
from fedsov.control_plane.compliance.counts import grouped, union
from fedsov.control_plane.compliance.entries import Book, Line, Member

SOON = timedelta(days=90)
STANDINGS = ("waiting", "withdrawn", "expired", "not yet", "in force")


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's answer to a review. `status`: in force, not yet, expired, withdrawn."""

    ledger: str
    at: str
    by: str
    why: str
    since: str
    until: str
    status: str
    withdrawn_at: str
    withdrawn_by: str
    withdrawn_why: str


@dataclass(frozen=True, slots=True)
class Review:
    """A crossing that a person must look at. `status`: waiting, or that of its last approval."""

    review: str
    status: str
    exporter: Member
    importer: Member
    destination: str
    origins: tuple[str, ...]
    categories: tuple[str, ...]
    kind: str
    name: str
    reason: str
    remedy: str
    rules: tuple[str, ...]
    citations: tuple[str, ...]
    held: int
    crossed: int
    first: str
    last: str
    approvals: tuple[Approval, ...]


@dataclass(frozen=True, slots=True)
class Relied:
    """A document, how often a permit or a release relied on it, and how it stands today.

    `status`: valid, expires soon, expired, not yet valid, not in the register, or "" where no register was given.
    """

    id: str
    status: str
    crossings: int
    releases: int
    first: str
    last: str
    kind: str = ""
    exporter: tuple[str, ...] = ()
    importer: tuple[str, ...] = ()
    signed: date | None = None
    expires: date | None = None
    owner: str = ""
    sha256: str = ""
    example: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """A label that shrank to nothing, or was asked to, and the evidence."""

    exporter: Member
    kind: str
    name: str
    digest: str
    origins: tuple[str, ...]
    categories: tuple[str, ...]
    restrictions: tuple[str, ...]
    documents: tuple[str, ...]
    rules: tuple[str, ...]
    citations: tuple[str, ...]
    obligations: tuple[str, ...]
    verdict: str
    reason: str
    at: str
    run: str
    ledger: str
    seq: int
    unsafe: bool


@dataclass(frozen=True, slots=True)
class Spent:
    """Privacy guarantees that entries of one party and run carry. Nothing is added up: composing is the accountant's.

    `largest` is the largest epsilon, `latest` the fields of the latest entry.
    """

    party: str
    run: str
    kind: str
    entries: int
    largest: float | None
    latest: dict[str, str | float]
    last: str


@dataclass(frozen=True, slots=True)
class Rules:
    """A bundle of rules that decided: its digest and date, when it was used, and by whose last decision it still is.

    `age` is in days on the day of the report; None where entries do not tell the date.
    """

    digest: str
    dated: date | None
    age: int | None
    decisions: int
    first: str
    last: str
    in_use_by: tuple[str, ...]
    unsafe: bool


def reviews(lines: Sequence[Line], on: date) -> tuple[Review, ...]:
    """Every review that is written down, by its id; waiting ones first."""
    asked = [line for line in lines if line.verdict == "review" or line.review]
    about = [replace(line, review=id) for line in asked for id in line.review.split(JOINED)]
    cases = grouped(about, lambda line: line.review or f"{line.exporter}{line.importer}{line.origins}{line.kind}")
    told = (_review(case, on) for case in cases.values())
    return tuple(sorted(told, key=lambda one: (STANDINGS.index(one.status), one.review)))


def _review(case: Sequence[Line], on: date) -> Review:
    held = [line for line in case if line.verdict == "review"]
    one = max(held or case, key=lambda line: line.at)
    approvals = tuple(_approval(line, case, on) for line in case if line.act == "approve")
    status = approvals[-1].status if approvals else "waiting"
    return Review(
        review=one.review,
        status="in force" if any(given.status == "in force" for given in approvals) else status,
        exporter=one.exporter,
        importer=one.importer,
        destination=one.destination,
        origins=one.bound_by,
        categories=one.categories,
        kind=one.kind,
        name=one.name,
        reason=one.reason,
        remedy=one.remedy,
        rules=one.rules,
        citations=one.citations,
        held=len(held),
        crossed=sum(line.verdict == "permit" and line.act == "cross" for line in case),
        first=min(line.at for line in case),
        last=max(line.at for line in case),
        approvals=approvals,
    )


def _approval(given: Line, case: Sequence[Line], on: date) -> Approval:
    ended = [line for line in case if _withdraws(line, given)]
    return Approval(
        ledger=given.owner,
        at=given.at,
        by=given.by,
        why=given.why,
        since=given.since,
        until=given.until,
        status="withdrawn" if ended else _standing(given.since, given.until, on),
        withdrawn_at=ended[0].at if ended else "",
        withdrawn_by=ended[0].by if ended else "",
        withdrawn_why=ended[0].why if ended else "",
    )


def _withdraws(line: Line, given: Line) -> bool:
    """It names the approval by digest or number; one that names none that is known ends all before it."""
    if line.act != "withdraw" or line.owner != given.owner or line.seq < given.seq:
        return False
    names = {given.entry, given.entry[:12], str(given.seq), given.approval} - {""}
    return not line.approval or line.approval in names or line.approval == line.review


def _standing(since: str, until: str, on: date) -> str:
    """Dates are ISO texts, so they compare as texts; valid on both days."""
    day = on.isoformat()
    if since and day < since[:10]:
        return "not yet"
    return "expired" if until and day > until[:10] else "in force"


def documents(lines: Sequence[Line], register: Sequence[Document] | None, on: date) -> tuple[Relied, ...]:
    """Documents that were relied on; with a register, also those of it that expired or soon do."""
    used: dict[str, list[Line]] = {}
    for line in lines:
        if line.verdict == "permit":
            for id in dict.fromkeys(line.documents):
                used.setdefault(id, []).append(line)
    known = {document.id: document for document in register or ()}
    ending = {id for id, one in known.items() if one.expires is not None and one.expires <= on + SOON}
    return tuple(
        _relied(id, used.get(id, []), known.get(id), on=on, listed=register is not None)
        for id in sorted(used.keys() | ending)
    )


def _relied(id: str, lines: Sequence[Line], document: Document | None, *, on: date, listed: bool) -> Relied:
    times = [line.at for line in lines]
    use = Relied(
        id=id,
        status="not in the register" if listed else "",
        crossings=sum(line.act == "cross" for line in lines),
        releases=sum(line.act == "release" for line in lines),
        first=min(times, default=""),
        last=max(times, default=""),
    )
    if document is None:
        return use
    return replace(
        use,
        status=_validity(document, on),
        kind=document.kind,
        exporter=tuple(sorted(document.exporter)),
        importer=tuple(sorted(document.importer)),
        signed=document.signed,
        expires=document.expires,
        owner=document.owner,
        sha256=document.sha256,
        example=document.example,
    )


def _validity(document: Document, on: date) -> str:
    if on < document.signed:
        return "not yet valid"
    if document.expires is None or document.expires > on + SOON:
        return "valid"
    return "expired" if document.expires < on else "expires soon"


def releases(lines: Sequence[Line]) -> tuple[Release, ...]:
    """Every release, permitted or not, in order of time."""
    return tuple(
        Release(
            exporter=line.exporter,
            kind=line.kind,
            name=line.name,
            digest=line.digest,
            origins=line.bound_by,
            categories=line.categories,
            restrictions=line.restrictions,
            documents=line.documents,
            rules=line.rules,
            citations=line.citations,
            obligations=line.obligations,
            verdict=line.verdict,
            reason=line.reason,
            at=line.at,
            run=line.run,
            ledger=line.owner,
            seq=line.seq,
            unsafe=line.unsafe,
        )
        for line in sorted(lines, key=lambda one: one.at)
        if line.act == "release"
    )


def spendings(lines: Iterable[Line]) -> tuple[Spent, ...]:
    """Privacy guarantees by party, run and kind."""
    with_privacy = (line for line in lines if line.privacy and line.verdict == "permit")
    cases = grouped(with_privacy, lambda line: (line.exporter.name, line.run, line.kind))
    return tuple(
        Spent(
            party=party,
            run=run,
            kind=kind,
            entries=len(case),
            largest=max((one for one in map(_epsilon, case) if one is not None), default=None),
            latest=dict(max(case, key=lambda line: (line.at, line.seq)).privacy),
            last=max(line.at for line in case),
        )
        for (party, run, kind), case in sorted(cases.items())
    )


def _epsilon(line: Line) -> float | None:
    said = dict(line.privacy)
    value = said.get("eps", said.get("epsilon"))
    return value if isinstance(value, int | float) else None


def bundles(books: Sequence[Book], on: date) -> tuple[Rules, ...]:
    """The bundles of rules that decided, the latest used first."""
    decided = [line for book in books for line in book.lines if line.bundle]
    latest = {line.owner: line.bundle for line in decided}  # each ledger in its own order: the last one stays
    cases = grouped(decided, lambda line: line.bundle)
    told = [
        Rules(
            digest=digest,
            dated=(dated := max((line.bundle_dated for line in case if line.bundle_dated), default=None)),
            age=(on - dated).days if dated else None,
            decisions=len(case),
            first=min(line.at for line in case),
            last=max(line.at for line in case),
            in_use_by=tuple(owner for owner, used in latest.items() if used == digest),
            unsafe=any(line.unsafe for line in case),
        )
        for digest, case in cases.items()
    ]
    return tuple(sorted(told, key=lambda one: one.last, reverse=True))


def duties(lines: Iterable[Line]) -> dict[str, int]:
    """Obligations that permits carry, and on how many decisions each rests."""
    found: dict[str, int] = {}
    for line in lines:
        for duty in union([line.obligations]) if line.verdict == "permit" else ():
            found[duty] = found.get(duty, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
