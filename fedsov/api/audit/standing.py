"""How the record across all parties stands: whose ledger verifies and who witnessed it, open alarms, and what is due.

standing(Path("workspace"), on=date.today()).lines()
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from fedsov.api.audit.parties import Witnessing, witnessing
from fedsov.api.compliance import workspace_record
from fedsov.api.deployment import standing as deployment
from fedsov.api.ledger_audit import LedgerFinding, books, verify_all
from fedsov.control_plane.compliance.deadlines import Deadline, deadlines, in_order, is_pressing
from fedsov.control_plane.compliance.deadlines import standing as standing_of
from fedsov.errors import FedsovError
from fedsov.ledger.witnessing import AT_LEAST, Alarm
from fedsov.storage.deployment_folder import DeploymentFolder

SILENT = 2 * AT_LEAST
"""A party whose head was not heard for so long is named: it, or whoever hands its head on, is silent."""


@dataclass(frozen=True, slots=True)
class PartyLedger:
    """One party's ledger.

    Attributes:
        place: ``here``, or ``shared`` where it lies in another home.
        entries: of its head; withheld: those of them that its owner does not share.
        witnesses: by witness, the size of the head that it countersigned last.
        heard: when its last announcement came; "" where none came over the channel.
    """

    party: str
    place: str
    entries: int
    withheld: int
    head: str
    fault: str
    witnesses: dict[str, int]
    heard: str

    def sentence(self) -> str:
        """In one line."""
        if self.fault:
            return f"{self.party}: DOES NOT VERIFY: {self.fault}"
        kept = f", {self.withheld:,} of them withheld and counted" if self.withheld else ""
        named = ", ".join(f"{name} at {size:,}" for name, size in sorted(self.witnesses.items()))
        return f"{self.party}: {self.entries:,} entries verify{kept}; countersigned by {named or 'nobody yet'}"


@dataclass(frozen=True, slots=True)
class AuditStanding:
    """The whole; `to_do` says what a person should do besides."""

    on: date
    ledgers: tuple[PartyLedger, ...]
    alarms: tuple[Alarm, ...]
    deadlines: tuple[Deadline, ...]
    to_do: tuple[str, ...]

    @property
    def faults(self) -> list[str]:
        """What keeps the record from being relied on."""
        broken = [f"{each.party} does not verify: {each.fault}" for each in self.ledgers if each.fault]
        return [*broken, *(each.sentence() for each in self.alarms)]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "on": self.on.isoformat(),
            "ledgers": [asdict(each) for each in self.ledgers],
            "alarms": [{**each.to_json(), "sentence": each.sentence()} for each in self.alarms],
            "deadlines": [
                {**asdict(each), "day": None if each.day is None else each.day.isoformat()} for each in self.deadlines
            ],
            "to_do": list(self.to_do),
        }

    def lines(self) -> list[str]:
        """The same in sentences: alarms first, then ledgers, what is due within 90 days, and how much is later."""
        pressing = is_pressing(self.deadlines)
        later = len(self.deadlines) - len(pressing)
        return [
            *(each.sentence() for each in self.alarms),
            *(each.sentence() for each in self.ledgers),
            *(each.sentence() for each in pressing),
            *([_later(later, is_more=bool(pressing))] if later else []),
            *self.to_do,
        ]


def _later(count: int, *, is_more: bool) -> str:
    first = f"{count} more" if is_more else f"nothing is due within 90 days; {count}"
    return f"{first} {'is' if count == 1 else 'are'} due later: `fedsov audit status --json` lists them"


def standing(root: Path, *, on: date, now: datetime | None = None) -> AuditStanding:
    """How the record of a home stands. Raises ConfigurationError where no run was here yet."""
    known, findings = witnessing(root), verify_all(root)
    record = workspace_record(root, on=on)
    erasures = [(book.owner, each) for book in books(root) for each in book.erasures]
    due = in_order([*deadlines(record, erasures), *_certificates(root, on)])
    ledgers = (*(_here(each, known) for each in findings), *_elsewhere(known))
    return AuditStanding(on, ledgers, known.alarms, due, tuple(_to_do(ledgers, known, now or datetime.now(UTC))))


def _here(finding: LedgerFinding, known: Witnessing) -> PartyLedger:
    head = finding.head or {}
    owner = str(head.get("owner") or finding.owner)
    return PartyLedger(
        party=owner,
        place="here",
        entries=finding.entries,
        withheld=0,
        head=f"{head['size']}:{head['digest']}" if head else "",
        fault=finding.fault,
        witnesses=_witnesses(known, owner),
        heard=known.announced[owner].received if owner in known.announced else "",
    )


def _elsewhere(known: Witnessing) -> list[PartyLedger]:
    return [
        PartyLedger(
            party=name,
            place="shared",
            entries=book.head.size,
            withheld=book.view().withheld,
            head=book.head.short,
            fault=book.fault(),
            witnesses=_witnesses(known, name),
            heard=book.received,
        )
        for name, book in known.shared.items()
    ]


def _witnesses(known: Witnessing, party: str) -> dict[str, int]:
    return {each.witness: each.head.size for each in known.countersignatures if each.head.owner == party}


def _to_do(ledgers: Sequence[PartyLedger], known: Witnessing, now: datetime) -> list[str]:
    sentences = []
    for each in ledgers:
        if each.heard and now - datetime.fromisoformat(each.heard) > SILENT:
            sentences.append(
                f"{each.party} announced its head last on {each.heard[:16]}: it is silent since, or its announcements "
                f"are held back; ask its owner, and see `fedsov status`"
            )
        if each.place == "shared" and each.withheld:
            sentences.append(
                f"{each.party} shares {each.entries - each.withheld:,} of {each.entries:,} entries; its owner decides: "
                f"`fedsov region set {each.party} shared_entries=crossings` in its home shares what crossed"
            )
    if not known.countersignatures and len(ledgers) > 1:
        sentences.append("nobody countersigned a head yet: `fedsov audit witness`, or `fedsov hub` and `region serve`")
    return sentences


def _certificates(root: Path, on: date) -> list[Deadline]:
    """When the certificates end that this home knows."""
    if not DeploymentFolder(root).party.exists():
        return []
    try:
        parties = deployment.standing(root, now=datetime.now(UTC)).parties
    except FedsovError as problem:
        what = f"they cannot be read: {problem}"
        return [Deadline(None, standing_of(None, on), "certificate", "", what, "`fedsov deploy show`")]
    days = {each: on + timedelta(days=each.days) for each in parties if each.days is not None}
    return [
        Deadline(day, standing_of(day, on), "certificate", each.name, "it ends", "`fedsov deploy renew` in its home")
        for each, day in days.items()
    ]
