"""`ledger ...`: what the ledgers of a workspace hold, whether they still hold it, and how others can see that."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fedsov.cli.words import CODES, Command, Words, print_json, print_line, words_of
from fedsov.errors import ConfigurationError, LedgerBroken

HELP = f"""usage: python -m fedsov ledger verify [OWNER] [--since HEAD] [workspace=DIR] [--json]
       python -m fedsov ledger show [OWNER] [workspace=DIR] [--refused] [--run RUN] [--json]
       python -m fedsov ledger prove ENTRY [OWNER] [workspace=DIR]
       python -m fedsov ledger export FOLDER [OWNER] [workspace=DIR] [--json]
       python -m fedsov ledger anchor [OWNER] --request FILE [--reply FILE --root CA.pem] [workspace=DIR] [--json]
       python -m fedsov ledger anchor [OWNER] --url URL --root CA.pem [workspace=DIR] [--json]

verify   checks every entry, hash and head of every ledger (the hub's and each region's), and that no ledger was cut,
         rewritten or replaced since another noted its head; names the first bad entry. --since HEAD checks of one
         OWNER's ledger that it continues a head kept earlier (SIZE:ROOT, or the head.json of an export), and then
         only what came after.
show     prints entries, of one OWNER (hub, or a region) or of all; --refused only what was not permitted.
prove    prints a proof, as JSON, that entry number ENTRY of OWNER's ledger (the hub's by default) is under its signed
         head; verify_ledger.py of any export checks it without fedsov.
export   writes OWNER's ledger to a new FOLDER: entries, signed head, public key, time stamps, and verify_ledger.py,
         which checks them offline, without fedsov.
anchor   has an authority stamp the time of OWNER's signed head (RFC 3161). --request FILE writes the query; with
         --reply FILE and --root CA.pem the authority's answer to that query is verified and kept in the ledger;
         --url URL asks the authority itself.
Only anchor opens an OWNER's private signing key; the others need the public key, which is in the ledger.
{CODES}
"""


def _ledger(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in _ACTS:
        raise ConfigurationError(
            "ledger takes verify or show, prove, export or anchor; see `python -m fedsov ledger --help`"
        )
    return _ACTS[arguments[0]](arguments[1:])


def _verify(arguments: list[str]) -> int:
    from fedsov.api.ledger_audit import verify_all, verify_since
    from fedsov.ledger.signed_head import read_head

    words = words_of(arguments, flags=("--json",), values=("--since",), names=1)
    owner, since = (words.names[0] if words.names else None), words.value("--since")
    if since is not None:
        findings = [verify_since(words.workspace, owner, read_head(since))]
    else:
        every = verify_all(words.workspace)
        findings = [finding for finding in every if owner in (None, finding.owner)]
        if not findings:
            raise ConfigurationError(f"no ledger of {owner!r}; there are {', '.join(one.owner for one in every)}")
    broken = [finding for finding in findings if finding.fault]
    if words.json:
        print_json({finding.owner: finding.to_json() for finding in findings})
    else:
        for finding in findings:
            print_line(finding.sentence())
        print(f"{sum(finding.entries for finding in findings):,} entries verify in {len(findings)} ledgers")
    if broken:
        raise LedgerBroken("; ".join(finding.sentence() for finding in broken))
    return 0


def _show(arguments: list[str]) -> int:
    from fedsov.api.ledger_audit import entries, entry_line

    words = words_of(arguments, flags=("--json", "--refused"), values=("--run",), names=1)
    found = entries(words.workspace, words.names[0] if words.names else None, words.value("--run"))
    if "--refused" in words.flags:
        found = [one for one in found if one["body"].get("verdict", "permit") != "permit"]
    if words.json:
        print_json(found)
    else:
        for one in found:
            print_line(entry_line(one))
    return 0


def _path(words: Words, place: int) -> Path:
    """The ledger of the owner named as word number `place`, the hub's where none is."""
    from fedsov.api.ledger_audit import path_of
    from fedsov.storage.workspace import Workspace

    workspace = Workspace(words.workspace)
    workspace.require()
    return path_of(workspace, words.names[place] if len(words.names) > place else "hub")


def _prove(arguments: list[str]) -> int:
    from fedsov.ledger.ledger import Ledger
    from fedsov.ledger.proofs import prove

    words = words_of(arguments, flags=("--json",), names=2)
    if not words.names or not words.names[0].isdecimal() or len(words.names[0]) > 18:
        raise ConfigurationError("prove takes an entry's number: python -m fedsov ledger prove 7 US")
    print_json(prove(Ledger.read(_path(words, 1)), int(words.names[0])))
    return 0


def _export(arguments: list[str]) -> int:
    from fedsov.ledger.ledger import Ledger
    from fedsov.ledger.proofs import export

    words = words_of(arguments, flags=("--json",), names=2)
    if not words.names:
        raise ConfigurationError("export takes a folder to make: python -m fedsov ledger export FOLDER US")
    folder = Path(words.names[0])
    head = export(Ledger.read(_path(words, 1)), folder)
    if words.json:
        print_json({"folder": str(folder), "head": head.to_json()})
    else:
        print(f"{head.size:,} entries of {head.owner} are in {folder}; check them anywhere with")
        print(f"  python {shlex.join([str(folder / 'verify_ledger.py'), str(folder)])} --key {head.key}")
    return 0


def _anchor(arguments: list[str]) -> int:
    from fedsov.ledger import timestamps
    from fedsov.ledger.ledger import Ledger

    words = words_of(arguments, flags=("--json",), values=("--request", "--reply", "--root", "--url"), names=1)
    path = _path(words, 0)
    if not words.value("--reply") and not words.value("--url"):
        asked = timestamps.query(Ledger.read(path).verify().head)
        asked.write(Path(words.required("--request")))
        _tell(words, f"query written to {words.required('--request')}, for the head at {asked.head.size:,} entries")
        return 0
    roots = _content(words.required("--root"))
    if words.value("--url"):
        asked = timestamps.query(Ledger.read(path).verify().head)
        reply = timestamps.post(words.required("--url"), asked)
    else:
        asked, reply = timestamps.Query.read(Path(words.required("--request"))), _content(words.required("--reply"))
    moment = timestamps.stamped(asked, reply, roots)
    ledger = Ledger(path, Ledger.read(path).owner)
    entry = timestamps.keep(ledger, asked, reply, stamped_at=moment, now=datetime.now(UTC))
    ledger.close()
    _tell(
        words, f"the head at {asked.head.size:,} entries was stamped at {moment.isoformat()}; kept as entry {entry.seq}"
    )
    return 0


def _content(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror or error}") from error


def _tell(words: Words, sentence: str) -> None:
    if words.json:
        print_json({"said": sentence})
    else:
        print(sentence)


_ACTS: dict[str, Callable[[list[str]], int]] = {
    "verify": _verify,
    "show": _show,
    "prove": _prove,
    "export": _export,
    "anchor": _anchor,
}

COMMANDS = {"ledger": Command(_ledger, HELP)}
