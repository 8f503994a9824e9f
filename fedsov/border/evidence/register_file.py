"""The register's file: YAML with `documents:`, read into `Register`, and added to.

documents:
- id: scc-de-us
  kind: scc_eu                       # a name of law/mechanisms.yaml
  exporter: [DE]
  importer: [US]
  categories: [personal, health]
  signed: 2025-01-15
  expires: 2027-01-15
  owner: data protection office
  terms: {doc: "2021/914", module: "2", role: "C->P"}     # facts of law/facts.yaml
  record: {signatories: "A. Example (exporter)"}          # for the record of processing; no rule reads it
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from fedsov.border.evidence.approvals import Approval
from fedsov.border.evidence.recorded import read_recorded
from fedsov.border.evidence.register import Document, Register
from fedsov.border.law.bundle_loader import load_categories, load_groups, load_words
from fedsov.border.law.mechanism import Mechanism
from fedsov.border.law.vocabulary import ANY, Fact, Unreadable
from fedsov.border.law.yaml_text import read_mapping
from fedsov.errors import ConfigurationError, unknown
from fedsov.storage.atomic_files import replace_file
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.private_files import make_private_folder

_CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,4})?")
_NEEDED = ("id", "kind", "exporter", "importer", "categories", "signed", "owner")
_STATED_ELSEWHERE = {
    "signed": "signed", "expires": "expires", "effective": "effective", "covers": "categories",
    "covers_purposes": "purposes", "importer_match": "entities", "profile_match": "entities",
    "support_match": "entities and exporters",
    "exporter_match": "exporters", "role_match": "terms.role",
    "made_up": "example",
}  # fmt: skip
"""Facts that a document states by a field of its own, which its terms may not contradict."""
_COUNTED = ("n_12m", "n_year")


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    facts: Mapping[str, Fact]
    mechanisms: Mapping[str, Mechanism]
    groups: Mapping[str, frozenset[str]]


def load_register(path: Path | None, approvals: tuple[Approval, ...] = ()) -> Register:
    """The register in a YAML file, with the approvals on record; an empty one where there is no file.

    Raises ConfigurationError, naming the file and the document, for an unknown or missing field, an unknown
    kind or term, a code that is none, a bad date, and an id used twice.
    """
    facts, mechanisms = load_words()
    if path is None:
        return Register((), mechanisms, approvals, is_given=False)
    return read_register(register_text(path), str(path), approvals, words=_Vocabulary(facts, mechanisms, load_groups()))


def register_text(path: Path) -> bytes:
    """The bytes of a register's file. Raises ConfigurationError where it cannot be read."""
    try:
        return read_bounded(path)
    except OSError as problem:
        raise ConfigurationError(f"cannot read the evidence register {path}: {problem.strerror}") from problem
    except TooLarge as problem:
        raise ConfigurationError(f"cannot read the evidence register {path}: {problem}; split it") from problem


def read_register(
    text: bytes, name: str, approvals: tuple[Approval, ...] = (), *, words: _Vocabulary | None = None
) -> Register:
    """The register in a text; `name` is what errors call it. Raises ConfigurationError as `load_register`."""
    words = words or _Vocabulary(*load_words(), load_groups())
    top = read_mapping(text, name)
    listed = top.get("documents")
    if set(top) != {"documents"} or not isinstance(listed, list):
        raise ConfigurationError(f"{name}: expected `documents:` with a list and nothing else")
    documents = tuple(_document(parts, name, words) for parts in listed)
    ids = [document.id for document in documents]
    for repeated in sorted({document_id for document_id in ids if ids.count(document_id) > 1}):
        raise ConfigurationError(f"{name}: document '{repeated}' is listed twice; give each its own id")
    return Register(documents, words.mechanisms, approvals)


def add_document(path: Path, parts: Mapping[str, Any]) -> Document:
    """Adds one document to the register's file, which is made where there is none, and returns it.

    The file is replaced as a whole once the new register has been read back, so that a bad document changes
    nothing. Raises ConfigurationError as `load_register`, for a category that no label can hold, and where the file
    cannot be written.
    """
    try:
        old = path.read_text(encoding="utf-8") if path.exists() else "documents:\n"
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"cannot read the evidence register {path}: {problem}") from problem
    if re.search(r"^documents:\s*\[\s*\]\s*$", old, re.MULTILINE):
        old = re.sub(r"^documents:\s*\[\s*\]\s*$", "documents:", old, flags=re.MULTILINE)
    entry = yaml.safe_dump([dict(parts)], sort_keys=False, allow_unicode=True, width=120)
    text = f"{old.rstrip()}\n{entry}"
    register = read_register(text.encode(), str(path))
    document = register.documents[-1]
    if strange := sorted(document.categories - load_categories() - {ANY}):
        raise ConfigurationError(
            f"document '{document.id}' covers {', '.join(map(repr, strange))}, which no rule knows as a category: it "
            f"would cover nothing: {unknown('category', strange[0][:80], [*sorted(load_categories()), ANY])}"
        )
    try:
        make_private_folder(path.parent)
        replace_file(path, text.encode())
    except OSError as problem:
        raise ConfigurationError(f"cannot write the evidence register {path}: {problem.strerror}") from problem
    return document


def _document(parts: Any, path: str, words: _Vocabulary) -> Document:
    if not isinstance(parts, dict):
        raise ConfigurationError(f"{path}: a document is a mapping with {', '.join(_NEEDED)}; found {parts!r}")
    where = f"{path}: document '{parts.get('id')}'"
    names = {field.name for field in fields(Document)}
    for strange in sorted(str(name) for name in set(parts) - names):
        raise ConfigurationError(f"{where}: {unknown('field', strange[:80], sorted(names))}")
    for absent in (name for name in _NEEDED if parts.get(name) in (None, "", [])):
        raise ConfigurationError(f"{where} has no '{absent}'")
    if (kind := _text(parts, "kind", where)) not in (kinds := _kinds(words)):
        raise ConfigurationError(f"{where}: {unknown('kind', kind[:80], kinds, see='fedsov evidence kinds')}")
    document = Document(
        id=_text(parts, "id", where),
        kind=parts["kind"],
        exporter=_places(parts["exporter"], f"{where}: exporter", words.groups),
        importer=_places(parts["importer"], f"{where}: importer", words.groups),
        categories=_several(parts["categories"], f"{where}: categories"),
        signed=_day(parts["signed"], f"{where}: signed"),
        expires=_optional_day(parts, "expires", where),
        sha256=_text(parts, "sha256", where),
        owner=_text(parts, "owner", where),
        effective=_optional_day(parts, "effective", where),
        purposes=_several(parts.get("purposes", []), f"{where}: purposes"),
        entities=_several(parts.get("entities", []), f"{where}: entities"),
        exporters=_several(parts.get("exporters", []), f"{where}: exporters"),
        example=_flag(parts.get("example", False), f"{where}: example"),
        note=_text(parts, "note", where),
        record=read_recorded(parts.get("record", {}), where),
    )
    if document.expires is not None and document.expires < document.signed:
        raise ConfigurationError(f"{where}: expires on {document.expires}, before it is signed on {document.signed}")
    return replace(document, terms=_terms(parts.get("terms", {}), document.kind, where, words))


def _kinds(words: _Vocabulary) -> list[str]:
    """The kinds that a document can be of; a ground that needs no document is none of them, but for adequacy."""
    return [name for name, mechanism in words.mechanisms.items() if not mechanism.standing or name == "adequacy"]


def _terms(stated: Any, kind: str, where: str, words: _Vocabulary) -> dict[str, Any]:
    """The facts that a document states, in the shapes of the vocabulary."""
    if not isinstance(stated, dict):
        raise ConfigurationError(f"{where}: terms are a mapping of facts, not {stated!r}")
    stating = ((name, mechanism.supports) for name, mechanism in words.mechanisms.items())
    shown = {statement.partition("=")[0]: name for name, statement in stating if statement}
    read = {}
    for name, value in stated.items():
        fact = words.facts.get(str(name))
        if fact is None or not fact.claimed:
            claimed = [term.name for term in words.facts.values() if term.claimed]
            message = unknown("fact", str(name)[:80], claimed, see="fedsov evidence kinds")
            raise ConfigurationError(f"{where}: terms: {message}")
        if name in _COUNTED:
            raise ConfigurationError(f"{where}: '{name}' is counted from the ledger and no document's to state")
        if field := _STATED_ELSEWHERE.get(name):
            raise ConfigurationError(f"{where}: '{name}' is no term; write it as the document's {field}")
        if fact.of_artifact and words.mechanisms[kind].about != "artifact":
            raise ConfigurationError(
                f"{where}: '{name}' is about an artifact, and only documents about one can state it"
            )
        if name in shown and words.mechanisms[shown[name]].about == "crossing":
            raise ConfigurationError(f"{where}: '{name}' is shown by a document of the kind {shown[name]}, not a term")
        try:
            read[name] = fact.read(_plain(value, f"{where}: {name}"))
        except Unreadable as problem:
            raise ConfigurationError(f"{where}: {problem}") from problem
    return read


def _plain(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(_plain(part, where) for part in value)
    if not isinstance(value, (str, int, float, date)):
        raise ConfigurationError(f"{where} is {value!r}; write a word, a number or a day")
    return str(value)


def _text(parts: Mapping[str, Any], name: str, where: str) -> str:
    value = parts.get(name, "")
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}: {name} is {value!r}; write it in quotes")
    return value


def _flag(value: Any, where: str) -> bool:
    if type(value) is not bool:
        raise ConfigurationError(f"{where} is {value!r}; write true or false")
    return value


def _optional_day(parts: Mapping[str, Any], name: str, where: str) -> date | None:
    return None if parts.get(name) is None else _day(parts[name], f"{where}: {name}")


def _day(value: Any, where: str) -> date:
    if type(value) is not date:
        raise ConfigurationError(f"{where} is {value!r}; write a date as 2026-11-22")
    return value


def _several(value: Any, where: str) -> frozenset[str]:
    listed = value if isinstance(value, list) else [value]
    for word in listed:
        if not isinstance(word, str) or not word.strip():
            raise ConfigurationError(f"{where} holds {word!r}; write words, in quotes where YAML reads them otherwise")
    return frozenset(listed)


def _places(value: Any, where: str, groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
    words = _several(value, where)
    for word in words - {ANY} - set(groups):
        if not _CODE.fullmatch(word):
            raise ConfigurationError(f"{where} holds {word!r}; write an ISO code, one of {', '.join(groups)}, or '*'")
    return frozenset().union(*(groups.get(word, frozenset({word})) for word in words))
