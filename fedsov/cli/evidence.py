"""`evidence ...`: the tenant's register of documents, listed, added to, and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsov.cli import evidence_missing
from fedsov.cli.arguments import (
    Arguments,
    comma_list,
    console,
    day,
    near_place,
    print_json,
    print_line,
    today,
)
from fedsov.cli.declaration import command, group_app
from fedsov.errors import ConfigurationError, CrossingRefused, counted, printable, unknown

if TYPE_CHECKING:
    from fedsov.border.evidence.register import Document

SOON = 90
"""Days before a document's end from which it is remarked on."""
EXAMPLE = "an example, no real document"
KINDS = "fedsov evidence kinds"
LISTED = ("exporter", "importer", "categories", "purposes")
NAMED = ("exporters", "entities")
NEEDED = ("kind", "exporter", "importer", "categories", "signed", "owner")
WRITTEN = ("id", "kind", "signed", "owner", "expires", "effective", "note")
Register = Annotated[
    Path | None,
    typer.Option("--evidence", metavar="FILE", help="The register (default: the demo's, of fictional documents)."),
]
On = Annotated[
    date | None, typer.Option("--on", metavar="DATE", help="The day that is asked about (default: today).", parser=day)
]
app = group_app(
    "The register of documents that decisions rely on: listed, checked, added to.",
    examples=("fedsov evidence list", "fedsov evidence check --evidence documents.yaml", KINDS),
)
app.add_typer(evidence_missing.app)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListArguments(Arguments):
    """Which register, on which day."""

    evidence: Register = None
    on: On = None


@command(app, examples=("fedsov evidence list --evidence documents.yaml",), reads="nothing", name="list")
def list_documents(arguments: ListArguments) -> None:
    """Lists the documents of a register: kind, between whom, until when, and whether each is valid on the day."""
    on, documents = arguments.on or today(), _documents(arguments.evidence)
    if arguments.json:
        print_json([_plain(document, on) for document in documents])
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{counted(len(documents), 'document')} on {on}", title_justify="left")
    for column in ("id", "kind", "exporter", "importer", "categories", "until", "status"):
        table.add_column(column)
    for document in documents:
        covers = (document.exporter, document.importer, document.categories)
        cells = (document.id, document.kind, *(", ".join(sorted(words)) for words in covers))
        until = str(document.expires or "open")
        table.add_row(*(Text(printable(cell)) for cell in (*cells, until, status(document, on))))
    console().print(table)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckArguments(Arguments):
    """Which register, on which day, and where the documents themselves are."""

    evidence: Register = None
    on: On = None
    files: Annotated[
        Path | None,
        typer.Option("--files", metavar="DIR", help="Look in this folder for the file that each hash names."),
    ] = None


@command(
    app,
    examples=(
        "fedsov evidence check --evidence documents.yaml",
        "fedsov evidence check --evidence documents.yaml --files papers/ --on 2027-01-01",
    ),
    reads="nothing",
)
def check(arguments: CheckArguments) -> None:
    """Checks a whole register: which documents are valid on the day.

    Also which expire within 90 days, are examples, or lack their hash. Ends with 4 where a document is not valid.
    """
    on, documents = arguments.on or today(), _documents(arguments.evidence)
    hashes = file_digests(arguments.files) if arguments.files else None
    checked = [
        (document, [*_faults(document, on), *_file_faults(document, hashes)], _remarks(document, on))
        for document in documents
    ]
    if arguments.json:
        print_json(
            [_plain(document, on) | {"faults": faults, "remarks": remarks} for document, faults, remarks in checked]
        )
    else:
        for document, faults, remarks in checked:
            print_line(f"{document.id}: {'; '.join([*faults, *remarks]) or 'valid'}")
        valid = sum(not faults for _, faults, _ in checked)
        print_line(f"{counted(len(checked), 'document')}, {valid} valid on {on}")
    invalid = [document.id for document, faults, _ in checked if faults]
    if invalid:
        verb = "is" if len(invalid) == 1 else "are"
        raise CrossingRefused(
            f"{counted(len(invalid), 'document')} {verb} not valid: {', '.join(invalid)}; renew or remove"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddArguments(Arguments):
    """A document, field by field, as the register has it."""

    evidence: Annotated[
        Path, typer.Option("--evidence", metavar="FILE", help="The register; made where there is none.")
    ]
    id: Annotated[str, typer.Option("--id", metavar="ID", help="The document's id, which no other has.")]
    like: Annotated[
        str | None,
        typer.Option(
            "--like", metavar="ID", help="What is not given here is as in the register's document of this id."
        ),
    ] = None
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help=f"What it is; `{KINDS}` lists the kinds.")
    ] = None
    exporter: Annotated[
        Sequence[str] | None,
        typer.Option("--exporter", metavar="CODES", help="ISO codes, groups such as @EEA, or *.", parser=comma_list),
    ] = None
    importer: Annotated[
        Sequence[str] | None,
        typer.Option("--importer", metavar="CODES", help="As for --exporter.", parser=comma_list),
    ] = None
    categories: Annotated[
        Sequence[str] | None,
        typer.Option("--categories", metavar="A,B", help="Categories of data, or *.", parser=comma_list),
    ] = None
    signed: Annotated[
        date | None, typer.Option("--signed", metavar="DATE", help="The day it was signed.", parser=day)
    ] = None
    owner: Annotated[str | None, typer.Option("--owner", metavar="NAME", help="Who is responsible for it.")] = None
    expires: Annotated[
        date | None, typer.Option("--expires", metavar="DATE", help="Its last day (default: open).", parser=day)
    ] = None
    effective: Annotated[
        date | None, typer.Option("--effective", metavar="DATE", help="Its first day (default: signed).", parser=day)
    ] = None
    purposes: Annotated[
        Sequence[str] | None, typer.Option("--purposes", metavar="A,B", help="What it is for.", parser=comma_list)
    ] = None
    exporters: Annotated[
        str | None, typer.Option("--exporters", metavar='"A; B"', help="The senders that it binds, by name.")
    ] = None
    entities: Annotated[
        str | None, typer.Option("--entities", metavar='"A; B"', help="The recipients that it binds, by name.")
    ] = None
    terms: Annotated[
        str | None,
        typer.Option("--terms", metavar='"NAME=VALUE; ..."', help=f"Facts it states; `{KINDS}` lists the names."),
    ] = None
    record: Annotated[
        str | None,
        typer.Option(
            "--record", metavar='"NAME=VALUE; ..."', help=f"What it tells for the report alone; `{KINDS}` lists names."
        ),
    ] = None
    file: Annotated[
        Path | None, typer.Option("--file", metavar="DOCUMENT", help="The document itself, whose hash is taken.")
    ] = None
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="A remark for people.")] = None


@command(
    app,
    examples=(
        "fedsov evidence add --evidence documents.yaml --id scc-1 --kind scc_eu --exporter @EEA --importer US \\",
        '    --categories personal,health --signed 2025-03-01 --expires 2027-02-28 --owner "protection office" \\',
        '    --exporters "Our GmbH" --entities "Our US Inc." --terms "doc=2021/914; module=2; role=C->P" \\',
        "    --file clauses.pdf",
        "fedsov evidence add --evidence documents.yaml --id scc-2 --like scc-1 --expires 2029-02-28",
    ),
    reads="nothing",
)
def add(arguments: AddArguments) -> None:
    """Enters a document in a register, and says what it carries: for which places, and which terms it still lacks.

    The register is read back as a whole before it replaces the file, so that a bad document changes nothing. Needed are
    --kind, --exporter, --importer, --categories, --signed and --owner, or --like with a document that states them.
    """
    from fedsov.border.evidence.register_file import add_document

    _check_needed(arguments)
    _check_words(arguments)
    document = add_document(arguments.evidence, _entry(arguments))
    carries = evidence_missing.lacks(document, arguments.evidence, today(), law=arguments.law)
    if arguments.json:
        print_json(_plain(document, today()) | {"carries": carries})
        return
    print_line(f"{document.id} entered: {document.kind}, {status(document, today())}")
    for line in carries:
        print_line(f"  {line}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KindsArguments(Arguments):
    """Nothing of its own."""


@command(app, examples=("fedsov evidence kinds",), reads="nothing")
def kinds(arguments: KindsArguments) -> None:
    """Lists the kinds of document that rules ask for, the facts that terms may state, and what is for the report."""
    from fedsov.border.evidence.recorded import RECORDED
    from fedsov.border.law.bundle_loader import load_words

    facts, mechanisms = load_words()
    names = {name: mechanism.name for name, mechanism in mechanisms.items() if not mechanism.standing}
    terms = {name: fact.says for name, fact in facts.items() if fact.claimed}
    if arguments.json:
        print_json({"kinds": names, "terms": terms, "record": dict(RECORDED)})
        return
    for title, words in (("kinds", names), ("terms", terms), ("record", RECORDED)):
        print(f"{title}:")
        for name, says in words.items():
            print(f"  {name}: {says}")


def _documents(register: Path | None) -> tuple[Document, ...]:
    from fedsov.border.evidence.register_file import load_register
    from fedsov.config.hydra_compose import demo_register

    return load_register(register or demo_register()).documents


def _check_needed(arguments: AddArguments) -> None:
    """Refuses a document that says too little, and is like none that says the rest."""
    if arguments.like is not None:
        known = [document.id for document in _documents(arguments.evidence)]
        if arguments.like not in known:
            raise ConfigurationError(unknown(f"document in {arguments.evidence}", arguments.like, known))
    elif absent := [f"--{name}" for name in NEEDED if not getattr(arguments, name)]:
        raise ConfigurationError(
            f"a document needs {', '.join(absent)}; add them, or --like ID to take them from a document of the register"
        )


def _check_words(arguments: AddArguments) -> None:
    """Refuses a kind, category, fact or place that does not exist, with the nearest one that does."""
    from fedsov.border.law.bundle_loader import load_categories, load_words, unknown_category
    from fedsov.border.law.vocabulary import ANY

    facts, mechanisms = load_words()
    kinds = [name for name, mechanism in mechanisms.items() if not mechanism.standing or name == "adequacy"]
    if arguments.kind is not None and arguments.kind not in kinds:
        raise ConfigurationError(unknown("kind", arguments.kind, kinds, see=KINDS))
    for category in arguments.categories or ():
        if category not in load_categories() | {ANY}:
            raise ConfigurationError(f"{unknown_category(category)} or '{ANY}'")
    claimed = [name for name, fact in facts.items() if fact.claimed]
    for name in _pairs("--terms", arguments.terms or ""):
        if name not in claimed:
            raise ConfigurationError(unknown("fact", name, claimed, see=KINDS))
    for option, codes in (("--exporter", arguments.exporter), ("--importer", arguments.importer)):
        for code in codes or ():
            _check_place(option, code)


def _check_place(option: str, code: str) -> None:
    from fedsov.border.law.bundle_loader import load_groups
    from fedsov.border.law.vocabulary import ANY

    groups = load_groups()
    if code.startswith("@") and code not in groups:
        raise ConfigurationError(unknown(f"group in {option}", code, sorted(groups)))
    if code not in (ANY, *groups) and (guess := near_place(code)) != code:
        meant = f"did you mean {guess}?" if guess else f"write one, or a group ({', '.join(sorted(groups))}), or '*'"
        raise ConfigurationError(f"{option} holds {code!r}, which is no ISO code of a place; {meant}")


def _entry(arguments: AddArguments) -> dict[str, Any]:
    """The document as the register's file holds it: what was given, beside what the document that it is like states."""
    entry: dict[str, Any] = {name: getattr(arguments, name) for name in WRITTEN}
    entry |= {name: [*(getattr(arguments, name) or ())] for name in LISTED}
    for name in NAMED:
        entry[name] = [part.strip() for part in (getattr(arguments, name) or "").split(";") if part.strip()]
    entry["terms"] = _pairs("--terms", arguments.terms or "")
    entry["record"] = _pairs("--record", arguments.record or "")
    if arguments.file is not None:
        if not arguments.file.is_file():
            raise ConfigurationError(f"--file {arguments.file} does not exist, or is no file")
        entry["sha256"] = hashlib.sha256(arguments.file.read_bytes()).hexdigest()
    stated = {name: value for name, value in entry.items() if value not in (None, [], {})}
    together = _alike(arguments) | stated
    return {name: value for name, value in together.items() if value not in (None, [], {}, "", False)}


def _alike(arguments: AddArguments) -> dict[str, Any]:
    """What the document that it is like states; nothing where it is like none."""
    if arguments.like is None:
        return {}
    document = next(document for document in _documents(arguments.evidence) if document.id == arguments.like)
    return document.to_json() | {name: getattr(document, name) for name in ("signed", "effective", "expires")}


def _pairs(option: str, text: str) -> dict[str, str]:
    """NAME=VALUE; NAME=VALUE as a mapping. Raises ConfigurationError for a part that is no NAME=VALUE."""
    terms = {}
    for part in filter(str.strip, text.split(";")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigurationError(f"{option} holds {part.strip()!r}; write NAME=VALUE; NAME=VALUE")
        terms[name.strip()] = value.strip()
    return terms


def status(document: Document, on: date) -> str:
    """Whether a document is valid on a day, in a few words."""
    if faults := _faults(document, on):
        return faults[0]
    return "example" if document.example else "valid"


def _faults(document: Document, on: date) -> list[str]:
    begins = max(document.signed, document.effective or document.signed)
    early = [f"valid from {begins} only"] if on < begins else []
    late = [f"expired on {document.expires}"] if document.expires is not None and on > document.expires else []
    return early + late


def _remarks(document: Document, on: date) -> list[str]:
    from fedsov.border.law.bundle_loader import load_categories
    from fedsov.border.law.vocabulary import ANY

    remarks = [EXAMPLE] if document.example else []
    if document.expires is not None and 0 <= (document.expires - on).days <= SOON:
        remarks.append(f"expires on {document.expires}")
    if not document.sha256 and not document.example:
        remarks.append("has no hash, so nobody can tell which document is meant")
    if surplus := sorted(document.categories - load_categories() - {ANY}):
        remarks.append(f"covers {', '.join(surplus)}, which no rule knows as a category")
    return remarks


def _file_faults(document: Document, files: Mapping[str, Path] | None) -> list[str]:
    if files is None or not document.sha256 or document.sha256.lower() in files:
        return []
    return ["no file has its hash: it is missing or was changed"]


def file_digests(folder: Path) -> dict[str, Path]:
    """Each file of a folder by its SHA-256, hex. Raises ConfigurationError where there is no such folder."""
    if not folder.is_dir():
        raise ConfigurationError(f"--files {folder} is no folder")
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in files}


def _plain(document: Document, on: date) -> dict[str, Any]:
    """A document as plain values. `standing` is `status` in the words of version 0.1, kept for one release."""
    word = status(document, on)
    return document.to_json() | {"standing": "stands" if word == "valid" else word, "status": word}
