"""Reading and checking the ledgers of a workspace, without a run. Public keys suffice, and are in the ledgers.

Each ledger is checked entry by entry; and each head that the hub and a region noted of each other at the end of a run
must still be a prefix of the other's ledger, signed by the key that was noted first, so that a ledger that was cut,
rewritten or replaced is found by the other side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedsov.api.backups.party_files import deployed_party
from fedsov.api.lifecycle.quarantine import own_ledger
from fedsov.border.evidence import approvals
from fedsov.border.evidence.register import Document
from fedsov.border.evidence.register_file import load_register
from fedsov.control_plane.compliance import documents
from fedsov.control_plane.compliance.entries import LedgerView, read_book
from fedsov.errors import ConfigurationError, FedsovError, LedgerBroken, unknown
from fedsov.ledger import clock, gaps, proofs, timestamps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import WITNESSED
from fedsov.ledger.signed_head import Head
from fedsov.partition.ingest import QUARANTINE
from fedsov.region.settings_file import read_settings
from fedsov.region.trust.access import NOTE
from fedsov.storage.workspace import Workspace

_PUT_BACK = "it was put back, or the withdrawal was interrupted; withdraw it again"


@dataclass(frozen=True, slots=True)
class LedgerFinding:
    """One ledger's verification: how many entries hold, the head, and the fault where there is one.

    `remarks` are sentences about documents that its decisions lean on and that were rewritten since, and about its
    entries' times; the ledger holds.
    """

    owner: str
    entries: int
    head: Mapping[str, Any] | None
    fault: str = ""
    since: int = 0
    remarks: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The finding in one line."""
        if self.fault or self.head is None:
            return f"{self.owner}: DOES NOT VERIFY: {self.fault}"
        after = f" after the first {self.since:,}" if self.since else ""
        head = f"head {self.head['size']}:{self.head['digest']}"
        return "; ".join([f"{self.owner}: {self.entries:,} entries{after} verify, {head}", *self.remarks])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        finding = {"verifies": not self.fault, "entries": self.entries, "head": self.head, "fault": self.fault}
        remarks = {"remarks": list(self.remarks)} if self.remarks else {}
        return finding | ({"since": self.since} if self.since else {}) | remarks


def verify_all(root: Path, *, register: Sequence[Document] | None = None) -> list[LedgerFinding]:
    """Verifies every ledger of a workspace. Raises ConfigurationError where there is none.

    Args:
        register: the documents as they are now, by default those that each region's own settings name; one that is no
            longer what a decision leaned on is remarked on.
    """
    workspace = Workspace(root)
    workspace.require()
    paths = workspace.ledgers()
    found = {owner: _verified(owner, path) for owner, path in paths.items()}
    if not found:
        raise ConfigurationError(f"workspace {root} has no ledger yet; run `fedsov train` first")
    if "hub" not in found and deployed_party(root) not in found:
        return [
            LedgerFinding("hub", 0, None, f"no ledger at {workspace.hub}, though regions have theirs"),
            *found.values(),
        ]
    faults = _withdrawn_elsewhere(workspace, found) | _against_noted_heads(workspace, found)
    for owner, fault in faults.items():
        earlier = found.get(owner, LedgerFinding(owner, 0, None))
        found[owner] = earlier if earlier.fault else LedgerFinding(owner, earlier.entries, earlier.head, fault)
    registers = own_registers(root) if register is None else dict.fromkeys(found, register)
    findings = [_remarked(finding, paths.get(finding.owner), registers) for finding in found.values()]
    findings = [_in_own_home(finding, paths, deployed_party(root)) for finding in findings]
    return [*findings, *_of_quarantine(workspace)]


def _in_own_home(finding: LedgerFinding, paths: Mapping[str, Path], party: str) -> LedgerFinding:
    """In the home of one party, the finding with whose noted heads could not be compared, since they keep their own."""
    if finding.owner != party or finding.fault:
        return finding
    ledger = Ledger.read(paths[party])
    notes = (*ledger.notes(proofs.HEADS), *ledger.notes(WITNESSED))
    absent = sorted({name for entry in notes for name in proofs.heads_in(entry.body["note"])} - {*paths})
    if not absent:
        return finding
    said = (
        f"the heads that it noted of {', '.join(absent)} are compared in their homes, by `fedsov ledger verify OWNER "
        "--since HEAD`"
    )
    return replace(finding, remarks=(*finding.remarks, said))


def _of_quarantine(workspace: Workspace) -> list[LedgerFinding]:
    """Of the ledger of rows without a home; [] where none was begun."""
    try:
        path = own_ledger(workspace)
    except LedgerBroken as error:
        return [LedgerFinding(QUARANTINE, 0, None, str(error))]
    return [] if path is None else [_verified(QUARANTINE, path)]


def own_registers(root: Path) -> dict[str, Sequence[Document]]:
    """The registers that the regions' own settings name, as they are now; none of a region whose file cannot be read.

    A region whose settings were edited or are gone is refused by its next run, which says so.
    """
    registers: dict[str, Sequence[Document]] = {}
    for name, path in register_paths(root).items():
        with suppress(FedsovError):
            registers[name] = load_register(path).documents
    return registers


def register_paths(root: Path) -> dict[str, Path]:
    """Where each region's own settings say that its register is."""
    workspace = Workspace(root)
    paths: dict[str, Path] = {}
    for name, path in workspace.ledgers().items():
        with suppress(FedsovError):
            settings = read_settings(workspace.region(name), Ledger.read(path))
            if settings.evidence is not None:
                paths[name] = settings.evidence
    return paths


def _remarked(finding: LedgerFinding, path: Path | None, registers: Mapping[str, Sequence[Document]]) -> LedgerFinding:
    """The finding, with what became of its ledger's documents and clock; a ledger that does not hold says nothing."""
    if finding.fault or path is None:
        return finding
    listed = [(entry.seq, entry.digest, entry.body) for entry in Ledger.read(path).entries()]
    lines = read_book(finding.owner, listed, head="").lines
    rewritten = [each.text for each in documents.rewritten(lines, registers)]
    return replace(finding, remarks=(*rewritten, *clock.faults((seq, body) for seq, _, body in listed)))


def _verified(owner: str, path: Path) -> LedgerFinding:
    try:
        with_path = Ledger.read(path)
        verification = with_path.verify()
        if with_path.owner != owner and (
            owner != "hub" or path.parent.parent.joinpath("regions", with_path.owner).exists()
        ):
            raise LedgerBroken(f"ledger {path} belongs to '{with_path.owner}', not to '{owner}'")
    except LedgerBroken as error:
        return LedgerFinding(owner, 0, None, str(error))
    return LedgerFinding(owner, verification.entries, verification.head.to_json())


def verify_since(root: Path, owner: str | None, head: Head) -> LedgerFinding:
    """Verifies that one ledger continues a head kept earlier, and what came after it.

    Args:
        owner: whose; None where the head names its owner.

    Raises ConfigurationError where it is not clear whose ledger is meant.
    """
    workspace = Workspace(root)
    workspace.require()
    paths = workspace.ledgers()
    if owner is None:
        named = [name for name, path in paths.items() if head.owner and head.owner in (name, _owner_of(path))]
        if len(named) != 1:
            raise ConfigurationError("--since SIZE:ROOT is about one ledger: name its OWNER")
        owner = named[0]
    path = path_of(workspace, owner)
    try:
        verification = Ledger.read(path).verify(head)
    except LedgerBroken as error:
        return LedgerFinding(owner, 0, None, str(error), head.size)
    return LedgerFinding(owner, verification.entries, verification.head.to_json(), "", head.size)


def _owner_of(path: Path) -> str:
    try:
        return Ledger.read(path).owner
    except LedgerBroken:
        return ""


def path_of(workspace: Workspace, owner: str) -> Path:
    """Where an owner's ledger is. Raises ConfigurationError for an owner that has none here."""
    paths = workspace.ledgers()
    if owner not in paths:
        raise ConfigurationError(unknown("ledger owner", owner, paths))
    return paths[owner]


def _against_noted_heads(workspace: Workspace, found: Mapping[str, LedgerFinding]) -> dict[str, str]:
    """Owners whose ledger another's notes, or its own time stamps, speak against; who notes must verify itself."""
    faults: dict[str, str] = {}
    paths = workspace.ledgers()
    hub = _owner_of(paths["hub"]) if "hub" in paths else ""
    for noter, path in paths.items():
        if found[noter].fault:
            continue
        ledger, keys = Ledger.read(path), dict[str, str]()
        given_up = gaps.given_up(ledger)
        for entry in ledger.entries():
            note = entry.body.get("note", {})
            if "anchor" in note and (fault := timestamps.check(ledger, note["anchor"])):
                faults.setdefault(noter, f"entry {entry.seq} {fault}")
            for name, head in proofs.heads_in(note).items():
                owner = name if name in paths or noter == "hub" or (WITNESSED in note and name != hub) else "hub"
                if owner not in paths and deployed_party(workspace.root) == noter:
                    continue  # it keeps a home of its own, which `_in_own_home` says
                if _is_given_up(given_up.get(name, []), entry.seq, head):
                    continue
                first = keys.setdefault(owner, str(head.get("key", "")))
                if owner not in faults and (fault := _fault(paths.get(owner), head, first)):
                    faults[owner] = f"{fault} that {noter} noted in its entry {entry.seq}"
    return faults


def _is_given_up(losses: Sequence[tuple[int, int]], seq: int, head: Any) -> bool:
    """Whether a head noted in entry `seq` is one that a later entry gave up: beyond what was kept then."""
    size = head.get("size") if isinstance(head, Mapping) else None
    return isinstance(size, int) and any(seq < accepted and size > kept for accepted, kept in losses)


def _withdrawn_elsewhere(workspace: Workspace, found: Mapping[str, LedgerFinding]) -> dict[str, str]:
    """Owners whose ledger still approves what another's has as withdrawn: a withdrawal is written into all of them."""
    sound = {name: path for name, path in workspace.ledgers().items() if name in found and not found[name].fault}
    bodies = {name: [entry.body for entry in Ledger.read(path).entries()] for name, path in sound.items()}
    gone = {
        str(body.get("approval")): name
        for name, several in bodies.items()
        for body in several
        if body.get("act") == approvals.WITHDRAW
    }
    faults: dict[str, str] = {}
    for name, several in bodies.items():
        for approval in approvals.standing(several):
            if approval.id in gone:
                faults[name] = (
                    f"it holds approval {approval.id}, which {gone[approval.id]} has as withdrawn: {_PUT_BACK}"
                )
    return faults


def _fault(path: Path | None, noted: Any, key: str) -> str:
    """What a noted head says against the ledger at `path`, whose key was noted first as `key`; or nothing."""
    try:
        head = Head.from_json(noted)
        ledger = Ledger.read(path) if path else None
        if ledger and ledger.contains(head):
            return "" if key in ("", head.key) else "it is signed with another key than the first"
        if ledger and head.key not in ("", ledger.key):
            return "it was replaced: it is signed with another key than the one"
        return f"it was cut or rewritten, or is gone: its beginning is not the {head.size} entries"
    except (LedgerBroken, ConfigurationError) as problem:
        return f"{problem}; it cannot be compared with the head"


def books(root: Path) -> list[LedgerView]:
    """Every ledger of a workspace, verified and read. One that does not verify is read as far as it can be.

    What a running run adds after the verification is left for the next report.
    """
    paths = Workspace(root).ledgers()
    return [_book(finding, paths.get(finding.owner)) for finding in verify_all(root)]


def _book(finding: LedgerFinding, path: Path | None) -> LedgerView:
    try:
        entries = Ledger.read(path).entries() if path is not None else ()
    except LedgerBroken:
        entries = ()
    head = str(finding.head["digest"]) if finding.head else ""
    listed = [
        (entry.seq, entry.digest, entry.body) for entry in entries if finding.fault or entry.seq <= finding.entries
    ]
    return read_book(finding.owner, listed, head=head, fault=finding.fault)


def entries(root: Path, owner: str | None, run: str | None) -> list[dict[str, Any]]:
    """Entries of one ledger or of all, oldest first. Raises ConfigurationError for an unknown owner."""
    workspace = Workspace(root)
    workspace.require()
    chosen = workspace.ledgers() if owner is None else {owner: path_of(workspace, owner)}
    return [
        {"owner": name, "seq": entry.seq, "digest": entry.digest, "body": dict(entry.body)}
        for name, path in chosen.items()
        for entry in Ledger.read(path).entries(run)
    ]


def is_refusal(body: Mapping[str, Any]) -> bool:
    """Whether an entry is of something that was not permitted: a crossing, a job, an answer, an opening of a store."""
    note = body.get("note", {})
    return "refused_job" in note or "withheld" in note or note.get(NOTE, body).get("verdict", "permit") != "permit"


def _noted(name: str, about: Any) -> str:
    """A note's name, and of an act of a person what was done, by whom and why."""
    if not isinstance(about, Mapping):
        return name
    done = " ".join(str(about[key]) for key in ("act", "number", "region") if about.get(key))
    by, why = (about[key] if isinstance(about.get(key), str) else "" for key in ("by", "why"))
    return f"{name}{f': {done}' if done else ''}{f' by {by}' if by else ''}{f': {why}' if why else ''}"


def entry_line(entry: Mapping[str, Any]) -> str:
    """An entry in one line: when, who to whom, what, the verdict and its rules."""
    body = entry["body"]
    start = f"{entry['owner']} {entry['seq']} {body['at']} {body['act']}"
    if body["act"] == "note" and (opened := body["note"].get(NOTE)):
        asked = f"{opened['dataset']} for {opened['purpose'] or 'no purpose'}, {opened['principal']} by {opened['by']}"
        return f"{start} {NOTE} {asked}: {opened['verdict']} {opened['why']}".rstrip()
    if body["act"] == "note":
        return f"{start} {', '.join(_noted(name, about) for name, about in body['note'].items())}"
    if body["act"] in ("approve", "withdraw"):
        return f"{start} {body['approval']} of review {body['review']} by {body['by']}: {body['why']}"
    origins = "+".join(body["origins"]) or "public"
    return (
        f"{start} {body['kind']} ({body['name']}) of {origins} → {body['importer']['name']}: "
        f"{body['verdict']} by {', '.join(body['rules'])} {entry['digest'][:12]}"
    )
