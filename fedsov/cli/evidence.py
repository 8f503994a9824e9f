"""`evidence ...`: the tenant's register of documents, listed, added to, and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.cli.words import CODES, Command, Words, console, print_json, print_line, printable, words_of
from fedsov.errors import ConfigurationError, CrossingRefused

if TYPE_CHECKING:
    from fedsov.border.evidence.register import Document

HELP = f"""usage: python -m fedsov evidence list [--evidence FILE] [--on DATE] [--json]
       python -m fedsov evidence check [--evidence FILE] [--on DATE] [--files DIR] [--json]
       python -m fedsov evidence add --evidence FILE --id ID --kind KIND --exporter CODES --importer CODES
              --categories A,B --signed DATE --owner NAME [--expires DATE] [--effective DATE] [--purposes A,B]
              [--entities "A; B"] [--terms "NAME=VALUE; NAME=VALUE"] [--file DOCUMENT] [--note TEXT] [--json]
       python -m fedsov evidence kinds [--json]

list    the documents of a register (default: the demo's EXAMPLE register): kind, between whom, until when.
check   reads the whole register, and says of each document whether it stands on the day, expires within 90 days, is an
        example, or lacks its hash; --files DIR looks in a folder for the file that each hash names. Ends with 4 where
        a document does not stand.
add     enters a document; the register is read back as a whole before it replaces the file. CODES are ISO codes or
        groups such as @EEA, or *. --file takes the hash of the document itself. --terms states facts about it, such
        as "doc=2021/914; module=2; role=C->P".
kinds   the kinds of document that rules ask for, and the facts that terms may state.
{CODES}
"""
_FIELDS = ("--id", "--kind", "--signed", "--owner", "--expires", "--effective", "--note")
_LISTS = ("--exporter", "--importer", "--categories", "--purposes")
_SOON = 90


def _evidence(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in _ACTS:
        raise ConfigurationError(f"evidence takes {', '.join(_ACTS)}; see `python -m fedsov evidence --help`")
    return _ACTS[arguments[0]](arguments[1:])


def _list(arguments: list[str]) -> int:
    words = words_of(arguments, flags=("--json",), values=("--evidence", "--on"))
    day, documents = _day(words), _documents(words)
    if words.json:
        print_json([_plain(one, day) for one in documents])
        return 0
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{len(documents)} documents on {day}", title_justify="left")
    for column in ("id", "kind", "exporter", "importer", "categories", "until", "stands"):
        table.add_column(column)
    for one in documents:
        lists = (", ".join(sorted(part)) for part in (one.exporter, one.importer, one.categories))
        cells = (one.id, one.kind, *lists, str(one.expires or "open"), standing(one, day))
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console().print(table)
    return 0


def _check(arguments: list[str]) -> int:
    words = words_of(arguments, flags=("--json",), values=("--evidence", "--on", "--files"))
    day, documents = _day(words), _documents(words)
    folder = words.value("--files")
    found = _hashes(Path(folder)) if folder else None
    listed = [(one, [*_faults(one, day), *_file_faults(one, found)], _remarks(one, day)) for one in documents]
    if words.json:
        print_json([_plain(one, day) | {"faults": faults, "remarks": remarks} for one, faults, remarks in listed])
    else:
        for one, faults, remarks in listed:
            print_line(f"{one.id}: {'; '.join([*faults, *remarks]) or 'stands'}")
        print(f"{len(listed)} documents, {sum(not faults for _, faults, _ in listed)} stand on {day}")
    fallen = [one.id for one, faults, _ in listed if faults]
    if fallen:
        raise CrossingRefused(f"{len(fallen)} documents do not stand: {', '.join(fallen)}; renew or remove them")
    return 0


def _add(arguments: list[str]) -> int:
    from fedsov.border.evidence.register_file import add_document

    more = ("--evidence", "--entities", "--terms", "--file")
    words = words_of(arguments, flags=("--json",), values=(*_FIELDS, *_LISTS, *more))
    made = add_document(Path(words.required("--evidence")), _entry(words))
    if words.json:
        print_json(_plain(made, _day(words)))
    else:
        print_line(f"{made.id} entered: {made.kind}, {standing(made, _day(words))}")
    return 0


def _kinds(arguments: list[str]) -> int:
    from fedsov.border.law.bundle_loader import load_words

    words = words_of(arguments, flags=("--json",))
    facts, mechanisms = load_words()
    kinds = {name: one.name for name, one in mechanisms.items() if not one.standing}
    terms = {name: one.says for name, one in facts.items() if one.claimed}
    if words.json:
        print_json({"kinds": kinds, "terms": terms})
        return 0
    for title, listed in (("kinds", kinds), ("terms", terms)):
        print(f"{title}:")
        for name, says in listed.items():
            print(f"  {name}: {says}")
    return 0


def _documents(words: Words) -> tuple[Document, ...]:
    from fedsov.border.evidence.register_file import load_register

    return load_register(Path(words.value("--evidence") or _demo())).documents


def _demo() -> Path:
    from fedsov.config.hydra_compose import config_dir

    return config_dir() / "border" / "evidence_demo.yaml"


def _entry(words: Words) -> dict[str, Any]:
    """The document as the register's file holds it. Raises ConfigurationError for a day or term that cannot be read."""
    entry: dict[str, Any] = {}
    for option in _FIELDS:
        if (value := words.value(option)) is not None:
            is_day = option in ("--signed", "--expires", "--effective")
            entry[option[2:]] = _as_day(option, value) if is_day else value
    for option in _LISTS:
        if words.value(option) is not None:
            entry[option[2:]] = [part.strip() for part in str(words.value(option)).split(",") if part.strip()]
    if entities := words.value("--entities"):
        entry["entities"] = [part.strip() for part in entities.split(";") if part.strip()]
    if terms := words.value("--terms"):
        entry["terms"] = dict(_term(part) for part in terms.split(";") if part.strip())
    if file := words.value("--file"):
        entry["sha256"] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return entry


def _term(part: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals:
        raise ConfigurationError(f"--terms holds {part.strip()!r}; write NAME=VALUE; NAME=VALUE")
    return name.strip(), value.strip()


def _as_day(option: str, value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as problem:
        raise ConfigurationError(f"{option} is {value!r}; write a day as 2026-11-22") from problem


def _day(words: Words) -> date:
    given = words.value("--on")
    return datetime.now(UTC).date() if given is None else _as_day("--on", given)


def standing(one: Document, day: date) -> str:
    """Whether a document stands on a day, in a few words."""
    if faults := _faults(one, day):
        return faults[0]
    return "example" if one.example else "stands"


def _faults(one: Document, day: date) -> list[str]:
    begins = max(one.signed, one.effective or one.signed)
    early = [f"valid from {begins} only"] if day < begins else []
    late = [f"expired on {one.expires}"] if one.expires is not None and day > one.expires else []
    return early + late


def _remarks(one: Document, day: date) -> list[str]:
    from fedsov.border.law.bundle_loader import load_categories
    from fedsov.border.law.vocabulary import ANY

    remarks = ["an example, no real document"] if one.example else []
    if one.expires is not None and 0 <= (one.expires - day).days <= _SOON:
        remarks.append(f"expires on {one.expires}")
    if not one.sha256 and not one.example:
        remarks.append("has no hash, so nobody can tell which document is meant")
    if unknown := sorted(one.categories - load_categories() - {ANY}):
        remarks.append(f"covers {', '.join(unknown)}, which no rule knows as a category")
    return remarks


def _file_faults(one: Document, found: Mapping[str, Path] | None) -> list[str]:
    if found is None or not one.sha256 or one.sha256.lower() in found:
        return []
    return ["no file has its hash: it is missing or was changed"]


def _hashes(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise ConfigurationError(f"--files {folder} is no folder")
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in files}


def _plain(one: Document, day: date) -> dict[str, Any]:
    return one.to_json() | {"standing": standing(one, day)}


_ACTS: dict[str, Callable[[list[str]], int]] = {"list": _list, "check": _check, "add": _add, "kinds": _kinds}
COMMANDS = {"evidence": Command(_evidence, HELP)}
