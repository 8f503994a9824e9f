"""What a ledger's owner hands to others: proofs, exports, and heads that others accept or do not.

A proof shows that one entry is under a signed head, without showing any other. An export is the whole ledger, in files
that `verify_ledger.py` (in every export, and without fedsov) checks. `accepted` is the other side: a party that kept a
head takes a newer one only from the same key, and only where a consistency proof shows that nothing before it changed.
All of it needs public keys alone.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError, LedgerBroken, counted
from fedsov.ledger import merkle, standalone_verifier
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Head
from fedsov.storage.atomic_files import replace_file
from fedsov.storage.private_files import make_private_folder

HEADS, WITNESSED, ANNOUNCED = "heads", "witnessed", "announced"
"""What a ledger calls its notes: of heads that a run told, of those that it took as a witness (`witnessing`), and of
its own head that it handed out to witnesses."""
_REMEMBERED = 500  # runs; a party that was away for more must be compared by `ledger verify`

_README = """The ledger of {owner}, {entries}, exported from fedsov.

    python verify_ledger.py . --key {key}

The key is worth comparing: note it where {owner} cannot change it. head.json is the signed head; entries.jsonl holds an
entry a line, behind its hash; anchors.json the time stamps of earlier heads, each also as SIZE.head and SIZE.tsr:

    openssl ts -verify -data SIZE.head -in SIZE.tsr -CAfile AUTHORITY.pem
"""


def prove(ledger: Ledger, seq: int) -> dict[str, Any]:
    """The proof, as JSON, that entry `seq` is under the ledger's signed head.

    Raises ConfigurationError where there is no such entry, LedgerBroken where the ledger does not bear the proof out.
    """
    try:
        body, path, head = ledger.inclusion(seq)
    except ValueError as problem:
        raise ConfigurationError(f"the ledger of {ledger.owner} has no such entry: {problem}") from problem
    try:
        proof = {
            "format": standalone_verifier.PROOF,
            "seq": seq,
            "entry": body.decode(),
            "path": [sibling.hex() for sibling in path],
            "head": head.to_json(),
        }
        standalone_verifier.check_proof(proof, ledger.key)
    except (standalone_verifier.Broken, standalone_verifier.UnreadableInput, ValueError, AttributeError) as problem:
        raise LedgerBroken(f"the ledger of {ledger.owner} does not verify: {problem}") from problem
    return proof


def export(ledger: Ledger, folder: Path) -> Head:
    """Writes the ledger, as it is now, to a new folder that anybody can check; returns the head exported.

    Raises ConfigurationError where the folder holds something, LedgerBroken where the ledger does not verify.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} holds something; give a folder that is empty or not there")
    head = ledger.verify().head
    make_private_folder(folder)
    anchors = []
    with (folder / "entries.jsonl").open("xb") as lines:  # x: it is new, and no link that somebody put there meanwhile
        for _, body, leaf in ledger.texts(head.size):
            lines.write(b'{"leaf":"' + leaf.hex().encode() + b'","entry":' + body + b"}\n")
            if b'"anchor"' in body:
                anchors += _anchor(body)
    for name, value in (("head", head.to_json()), ("anchors", [_plain(anchor) for anchor in anchors])):
        replace_file(folder / f"{name}.json", (json.dumps(value, indent=1) + "\n").encode())
    for stamped, reply in anchors:
        replace_file(folder / f"{stamped.size}.head", stamped.message())
        replace_file(folder / f"{stamped.size}.tsr", base64.b64decode(reply))
    replace_file(folder / "verify_ledger.py", Path(standalone_verifier.__file__).read_bytes())
    readme = _README.format(owner=head.owner, entries=counted(head.size, "entry", "entries"), key=head.key)
    replace_file(folder / "README.txt", readme.encode())
    return head


def _anchor(body: bytes) -> list[tuple[Head, str]]:
    """The head and the authority's reply (base64) of an entry that keeps a time stamp (see `anchor`); else nothing."""
    note = json.loads(body).get("note")
    anchor = note.get("anchor") if isinstance(note, dict) else None
    if not isinstance(anchor, dict):
        return []
    try:
        return [(Head.from_json(anchor["head"]), str(anchor["reply"]))]
    except (ConfigurationError, KeyError) as problem:
        raise LedgerBroken(f"the ledger keeps a time stamp that cannot be read: {problem}") from problem


def _plain(anchor: tuple[Head, str]) -> dict[str, Any]:
    return {"head": anchor[0].to_json(), "reply": anchor[1]}


def noted_heads(ledger: Ledger) -> dict[str, Any]:
    """The head of each other party's ledger that was noted last, by that party's name."""
    return {party: head for entry in ledger.notes("heads") for party, head in entry.body["note"]["heads"].items()}


def heads_in(note: Mapping[str, Any]) -> dict[str, Any]:
    """The heads that a note has of other parties' ledgers, as JSON, by the party's name; none in most notes."""
    witnessed = {name: each["head"] for name, each in note.get(WITNESSED, {}).items()}
    return {**note.get(HEADS, {}), **witnessed}


def latest_heads(ledger: Ledger) -> dict[str, Any]:
    """The latest head of each other party's ledger that was noted, at the end of a run or as a witness, as JSON."""
    found: dict[str, Any] = {}
    for entry in sorted((*ledger.notes(HEADS), *ledger.notes(WITNESSED)), key=lambda entry: entry.seq):
        note = entry.body["note"]
        for party, head in heads_in(note).items():
            if "gap" in note or party not in found or head["size"] >= found[party]["size"]:
                found[party] = head
    return found


def continuation(ledger: Ledger, noted: Mapping[str, Any] | None) -> dict[str, Any]:
    """The head to tell a party that noted an earlier one, with the hashes that prove that it continues that one."""
    path, head = ledger.consistency(Head.from_json(noted).size if noted else 0)
    return {"head": head.to_json(), "path": [sibling.hex() for sibling in path]}


def continuations(ledger: Ledger) -> dict[str, str]:
    """The head to tell all others, with a proof for every head that they may have noted: those told before.

    Its entries that say "told" were the last under a head that was told, so their numbers are those heads' sizes. So
    were those that accept a loss, under the head of a statement (`fedsov.ledger.gaps`).
    """
    told = [entry for name in ("told", "gap") for entry in ledger.notes(name)]
    announced = sorted(entry.seq for entry in told if ANNOUNCED not in entry.body["note"])
    head, paths = ledger.head(), {}
    for size in announced[-_REMEMBERED:]:
        path, head = ledger.consistency(size)
        paths[str(size)] = [sibling.hex() for sibling in path]
    return {"head": json.dumps(head.to_json()), "paths": json.dumps(paths)}


def accepted(announced: Any, noted: Any, *, path: Any = ()) -> Head:
    """A head that another party announced, where it may follow the one noted of it before.

    Args:
        noted: the head noted last, as JSON; None on first use, when its key is taken as that party's.
        path: what proves that the new head continues the old.

    Raises LedgerBroken where the head is malformed or unsigned, of another owner or key, smaller, or does not continue.
    """
    try:
        head, before = Head.from_json(announced).check(), Head.from_json(noted) if noted else None
    except ConfigurationError as problem:
        raise LedgerBroken(f"a ledger's head cannot be read: {problem}") from problem
    if before is None:
        return head
    if (head.owner, head.key) != (before.owner, before.key):
        raise LedgerBroken(
            f"the ledger of {before.owner} is now signed as {head.owner} with key {head.key[:16]}, and was with "
            f"{before.key[:16]} when its head was noted first: it was replaced"
        )
    if not isinstance(path, list | tuple) or not _continues(before, head, path):
        raise LedgerBroken(
            f"the ledger of {before.owner}, now of size {head.size:,}, does not continue the head of size "
            f"{before.size:,} that was noted, or does not prove it: it was cut or rewritten"
        )
    return head


def _continues(before: Head, head: Head, path: Sequence[Any]) -> bool:
    if not all(isinstance(text, str) and re.fullmatch("[0-9a-f]{64}", text) for text in path):
        return False
    hashes = [bytes.fromhex(text) for text in path]
    old, new = bytes.fromhex(before.digest), bytes.fromhex(head.digest)
    return merkle.continues(before.size, old, size=head.size, whole=new, path=hashes)
