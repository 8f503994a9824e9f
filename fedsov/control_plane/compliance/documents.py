"""What decisions rest on: reviews and their approvals, documents, releases, bundles of rules.

Whether something holds is told as of one day, the day of the report.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from fedsov.border.decisions import JOINED
from fedsov.border.evidence.register import Document
from fedsov.control_plane.compliance.counts import grouped, union
from fedsov.control_plane.compliance.entries import EntryView, LedgerView, PartyView

SOON = timedelta(days=90)
STANDINGS = ("waiting", "withdrawn", "expired", "not yet", "in force")


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
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
class ReviewRecord:
    """A crossing that a person must look at. `status`: waiting, or that of its last approval."""

    review: str
    status: str
    exporter: PartyView
    importer: PartyView
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
    approvals: tuple[ApprovalRecord, ...]


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
class Rewritten:
    """A document that is no longer what a decision leaned on, by its id; `text` says what was rewritten, and since
    which entry."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A label that shrank to nothing, or was asked to, and the evidence."""

    exporter: PartyView
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
class BundleRecord:
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


def reviews(lines: Sequence[EntryView], on: date) -> tuple[ReviewRecord, ...]:
    """Every review that is written down, by its id; waiting ones first."""
    reviewed = [line for line in lines if line.verdict == "review" or line.review]
    about = [replace(line, review=review) for line in reviewed for review in line.review.split(JOINED)]
    cases = grouped(about, lambda line: line.review or f"{line.exporter}{line.importer}{line.origins}{line.kind}")
    several = (_review(case, on) for case in cases.values())
    return tuple(sorted(several, key=lambda review: (STANDINGS.index(review.status), review.review)))


def _review(case: Sequence[EntryView], on: date) -> ReviewRecord:
    reviewed = [line for line in case if line.verdict == "review"]
    latest = max(reviewed or case, key=lambda line: line.at)
    approvals = tuple(_approval(line, case, on) for line in case if line.act == "approve")
    status = approvals[-1].status if approvals else "waiting"
    return ReviewRecord(
        review=latest.review,
        status="in force" if any(approval.status == "in force" for approval in approvals) else status,
        exporter=latest.exporter,
        importer=latest.importer,
        destination=latest.destination,
        origins=latest.bound_by,
        categories=latest.categories,
        kind=latest.kind,
        name=latest.name,
        reason=latest.reason,
        remedy=latest.remedy,
        rules=latest.rules,
        citations=latest.citations,
        held=len(reviewed),
        crossed=sum(line.verdict == "permit" and line.is_crossing for line in case),
        first=min(line.at for line in case),
        last=max(line.at for line in case),
        approvals=approvals,
    )


def _approval(approval: EntryView, case: Sequence[EntryView], on: date) -> ApprovalRecord:
    ended = [line for line in case if _withdraws(line, approval)]
    return ApprovalRecord(
        ledger=approval.owner,
        at=approval.at,
        by=approval.by,
        why=approval.why,
        since=approval.since,
        until=approval.until,
        status="withdrawn" if ended else _standing(approval.since, approval.until, on),
        withdrawn_at=ended[0].at if ended else "",
        withdrawn_by=ended[0].by if ended else "",
        withdrawn_why=ended[0].why if ended else "",
    )


def _withdraws(line: EntryView, approval: EntryView) -> bool:
    """It names the approval by digest or number; one that names none that is known ends all before it."""
    if line.act != "withdraw" or line.owner != approval.owner or line.seq < approval.seq:
        return False
    names = {approval.entry, approval.entry[:12], str(approval.seq), approval.approval} - {""}
    return not line.approval or line.approval in names or line.approval == line.review


def _standing(since: str, until: str, on: date) -> str:
    """Dates are ISO texts, so they compare as texts; valid on both days."""
    day = on.isoformat()
    if since and day < since[:10]:
        return "not yet"
    return "expired" if until and day > until[:10] else "in force"


def documents(lines: Sequence[EntryView], register: Sequence[Document] | None, on: date) -> tuple[Relied, ...]:
    """Documents that were relied on; with a register, also those of it that expired or soon do."""
    used: dict[str, list[EntryView]] = {}
    for line in lines:
        if line.verdict == "permit":
            for name in dict.fromkeys(line.documents):
                used.setdefault(name, []).append(line)
    registered = {document.id: document for document in register or ()}
    ending = {name for name, document in registered.items() if document.expires and document.expires <= on + SOON}
    return tuple(
        _relied(name, used.get(name, []), registered.get(name), on=on, listed=register is not None)
        for name in sorted(used.keys() | ending)
    )


def _relied(name: str, lines: Sequence[EntryView], document: Document | None, *, on: date, listed: bool) -> Relied:
    times = [line.at for line in lines]
    use = Relied(
        id=name,
        status="not in the register" if listed else "",
        crossings=sum(line.is_crossing for line in lines),
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


def rewritten(
    lines: Iterable[EntryView], registers: Mapping[str, Sequence[Document]], files: Collection[str] | None = None
) -> tuple[Rewritten, ...]:
    """Documents that decisions leaned on and that were rewritten since: later entries, or a register, hold others.

    Args:
        registers: the documents as they are now, by the owner of the ledger whose decisions they are for.
        files: SHA-256 (hex) of the files at hand; a document whose file is not among them was changed or is missing.
    """
    leaning: dict[tuple[str, str], list[EntryView]] = {}
    for line in sorted(lines, key=lambda line: (line.at, line.owner, line.seq)):
        for name in line.contents:
            leaning.setdefault((name, line.owner), []).append(line)
    now = {owner: {each.id: (each.digest, each.sha256) for each in several} for owner, several in registers.items()}
    found: dict[tuple[str, str], Rewritten] = {}
    for (name, owner), several in sorted(leaning.items()):
        was, change = several[0].contents[name], _change(name, several, now.get(owner, {}).get(name), files)
        if change:  # said once, of several ledgers with the same register
            since = f"entry {several[0].seq} of {owner} ({several[0].at[:10]}) leaned on {_content(was)}"
            found.setdefault((name, change[1]), Rewritten(name, f"'{name}' {change[0]}: {since}, {change[1]}"))
    return tuple(found.values())


def _change(
    name: str, lines: Sequence[EntryView], now: tuple[str, str] | None, files: Collection[str] | None
) -> tuple[str, str] | None:
    """What became of a document since the first of these entries, of one ledger: in a word, and what is there now."""
    was = lines[0].contents[name]
    if now is not None and now != was:
        return "was rewritten", f"the register now holds {_content(now)}"
    for line in lines:
        if line.contents[name] != was:
            return "was rewritten", f"entry {line.seq} ({line.at[:10]}) on {_content(line.contents[name])}"
    if files is not None and was[1] and was[1].lower() not in files:
        return "has another file, or none", "and no file that was given has that digest"
    return None


def _content(digests: tuple[str, str]) -> str:
    entry, file = digests
    return f"content {entry[:12]}" + (f" with file {file[:12]}" if file else "")


def _validity(document: Document, on: date) -> str:
    if on < document.signed:
        return "not yet valid"
    if document.expires is None or document.expires > on + SOON:
        return "valid"
    return "expired" if document.expires < on else "expires soon"


def releases(lines: Sequence[EntryView]) -> tuple[ReleaseRecord, ...]:
    """Every release, permitted or not, in order of time."""
    return tuple(
        ReleaseRecord(
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
        for line in sorted(lines, key=lambda line: line.at)
        if line.act == "release"
    )


def bundles(books: Sequence[LedgerView], on: date) -> tuple[BundleRecord, ...]:
    """The bundles of rules that decided, the latest used first."""
    decided = [line for book in books for line in book.lines if line.bundle]
    latest = {line.owner: line.bundle for line in decided}  # each ledger in its own order: the last one stays
    cases = grouped(decided, lambda line: line.bundle)
    several = [
        BundleRecord(
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
    return tuple(sorted(several, key=lambda bundle: bundle.last, reverse=True))


def duties(lines: Iterable[EntryView]) -> dict[str, int]:
    """Obligations that permits carry, and on how many decisions each rests."""
    decisions: dict[str, int] = {}
    for line in lines:
        for duty in union([line.obligations]) if line.verdict == "permit" else ():
            decisions[duty] = decisions.get(duty, 0) + 1
    return dict(sorted(decisions.items(), key=lambda item: (-item[1], item[0])))
