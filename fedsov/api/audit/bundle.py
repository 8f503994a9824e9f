"""One folder for an auditor: the report, every ledger as far as it is shared, who countersigned whom, the digests of
the documents, and a program that checks it all offline.

    export(Path("workspace"), Path("audit-2026"), on=date.today())
    python audit-2026/verify_audit.py audit-2026

    report.html, report.json        the record of processing and cross-border transfers
    parties/NAME/                   a ledger: whole, as by `ledger export`, or head.json and shared.json
    witnesses.json                  countersignatures, and the alarms that are open
    documents.json                  each register's documents with the digests of their entries and files
    deadlines.json                  what is due
    verify_audit.py, verify_ledger.py, README.txt
    manifest.json, manifest.sig     the digest of each file, signed by the key of the exporter's ledger

Nothing here is a document itself, and no ledger gets an entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.api.audit.parties import SharedBook, Witnessing, witnessing
from fedsov.api.audit.standing import standing
from fedsov.api.backups.party_files import deployed_party
from fedsov.api.compliance import workspace_record
from fedsov.api.ledger_audit import own_registers
from fedsov.border.evidence.register import Document
from fedsov.border.law.bundle_loader import document_names
from fedsov.control_plane.compliance.controller import ControllerRecord
from fedsov.control_plane.compliance.page import as_html
from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger import proofs, standalone_audit, standalone_verifier
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.storage.atomic_files import replace_file, sha256_hex, write_file
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import Workspace

HUB = "hub"
_README = """The record of processing across the parties {parties}, exported by {exporter} from fedsov.

    python verify_audit.py . {keys}

needs Python 3.11 and the package cryptography, and no network. The keys are worth comparing: note each where its owner
cannot change it. Read report.html first; deadlines.json has what is due, witnesses.json who countersigned whom.
"""


@dataclass(frozen=True, slots=True)
class AuditBundle:
    """What was written: the folder, its parties with the key of each, how many files, and the alarms that are open."""

    folder: Path
    keys: Mapping[str, str]
    files: int
    alarms: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "folder": str(self.folder), "command": self.command}

    @property
    def command(self) -> str:
        """What checks it, anywhere."""
        keys = " ".join(f"--key {name}={key}" for name, key in self.keys.items())
        return f"python {self.folder}/verify_audit.py {self.folder} {keys}"


def export(root: Path, folder: Path, *, on: date, controllers: Sequence[ControllerRecord] = ()) -> AuditBundle:
    """Writes the bundle of a home to a new folder.

    Raises ConfigurationError where the folder holds something or there is no ledger, LedgerBroken where one does not
    verify.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} holds something; give a folder that is empty or not there")
    workspace = Workspace(root)
    workspace.require()
    exporter = _exporter(workspace)
    known, here = witnessing(root), workspace.ledgers()
    due = standing(root, on=on)
    noted_until = {name: _size(path) for name, path in here.items()}
    make_private_folder(folder)
    _write_report(root, folder, on=on, controllers=controllers)
    keys, places = _write_ledgers(here, known.shared, folder)
    names = {name: owner for owner, name in places.items()}
    _write(folder / "witnesses.json", _witnesses(known))
    _write(folder / "documents.json", _documents(root))
    _write(folder / "deadlines.json", due.to_json()["deadlines"])
    source = Path(standalone_audit.__file__).read_bytes()
    copied = source.replace(b"from fedsov.ledger.standalone_verifier import", b"from verify_ledger import")
    write_file(folder / "verify_audit.py", copied)
    write_file(folder / "verify_ledger.py", Path(standalone_verifier.__file__).read_bytes())
    words = " ".join(f"--key {name}={key}" for name, key in keys.items())
    with closing(Ledger.existing(exporter)) as ledger:
        readme = _README.format(parties=", ".join(keys), exporter=ledger.owner, keys=words)
        write_file(folder / "README.txt", readme.encode())
        until = {names[place]: size for place, size in noted_until.items()}
        files = _sign(folder, ledger, places, until)
    return AuditBundle(folder, keys, files, tuple(each.sentence() for each in known.alarms))


def _exporter(workspace: Workspace) -> Path:
    """The ledger whose key signs the bundle: the hub's, or that of the one region whose home this is."""
    ledgers = workspace.ledgers()
    party = deployed_party(workspace.root)
    name = HUB if HUB in ledgers else party if party in ledgers else next(iter(ledgers), "")
    if not name:
        raise ConfigurationError(f"{workspace.root} has no ledger; `fedsov train` or `fedsov region init` makes one")
    return ledgers[name]


def _size(path: Path) -> int:
    with closing(Ledger.read(path)) as ledger:
        return ledger.head().size


def _write_report(root: Path, folder: Path, *, on: date, controllers: Sequence[ControllerRecord]) -> None:
    record = workspace_record(root, on=on, controllers=controllers)
    text = json.dumps(record.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_file(folder / "report.json", text.encode())
    write_file(folder / "report.html", as_html(record, names=document_names(), json_digest=digest).encode())


def _write_ledgers(
    here: Mapping[str, Path], shared: Mapping[str, SharedBook], folder: Path
) -> tuple[dict[str, str], dict[str, str]]:
    """Writes every ledger; by owner its key, and the name of its folder below ``parties``."""
    make_private_folder(folder / "parties")
    keys, places = dict[str, str](), dict[str, str]()
    for name, path in here.items():
        with closing(Ledger.read(path)) as ledger:
            proofs.export(ledger, folder / "parties" / name)
            keys[ledger.owner], places[ledger.owner] = ledger.key, name
    for name, book in shared.items():
        if fault := book.fault():
            raise LedgerBroken(f"the ledger of {name}, as it is shared, does not verify: {fault}")
        make_private_folder(folder / "parties" / name)
        keys[name], places[name] = book.head.key, name
        _write(folder / "parties" / name / "head.json", book.head.to_json())
        plain = {"parts": [part.to_json() for part in book.parts], "path": list(book.path)}
        _write(folder / "parties" / name / "shared.json", plain)
    return keys, places


def _witnesses(known: Witnessing) -> dict[str, Any]:
    return {
        "countersignatures": [each.to_json() for each in known.countersignatures],
        "announcements": {name: each.announcement.to_json() for name, each in known.announced.items()},
        "alarms": [{**each.to_json(), "sentence": each.sentence()} for each in known.alarms],
    }


def _documents(root: Path) -> dict[str, Any]:
    return {owner: [_document(each) for each in several] for owner, several in own_registers(root).items()}


def _document(document: Document) -> dict[str, Any]:
    ends = None if document.expires is None else document.expires.isoformat()
    words = {"id": document.id, "kind": document.kind, "signed": document.signed.isoformat(), "expires": ends}
    return {**words, "entry": document.digest, "file_sha256": document.sha256, "example": document.example}


def _sign(folder: Path, ledger: Ledger, places: Mapping[str, str], until: Mapping[str, int]) -> int:
    """Writes the manifest and its signature; how many files it names."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {str(path.relative_to(folder)): sha256_hex(path.read_bytes()) for path in paths}
    words = {"format": standalone_audit.BUNDLE, "at": entry_time(), "exporter": ledger.owner, "key": ledger.key}
    manifest = {**words, "parties": dict(places), "noted_until": dict(until), "files": files}
    text = (json.dumps(manifest, indent=1) + "\n").encode()
    signature = ledger.sign(standalone_audit.BUNDLE.encode() + b"\n" + text).hex()
    replace_file(folder / "manifest.json", text)
    replace_file(folder / "manifest.sig", f"{signature}\n".encode())
    return len(files)


def _write(path: Path, value: Any) -> None:
    write_file(path, (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
