"""The tenant's register of documents: contracts, assessments, certificates, consents, each valid for a while.

A document speaks for some exporters and importers (codes, named groups such as "@EEA", or "*"), some data
categories, and some days. `Register.holding` answers whether one of a kind covers a crossing;
`Register.shortcoming` says why one that comes near does not, so that a refusal can tell "expired" from "never
signed". Groups are resolved as the file is read, and whatever the reader does not understand refuses the
whole register.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.border.bundle import document_kinds, load_groups
from fedsov.border.reading import read_mapping
from fedsov.errors import ConfigurationError

ANY = "*"
_CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,4})?")
_NEEDED = ("id", "kind", "exporter", "importer", "categories", "signed", "owner")


@dataclass(frozen=True, slots=True)
class Document:
    """One entry of the register.

    Attributes:
        exporter, importer: ISO codes, groups already resolved, or "*"; a country covers its parts.
        categories: data categories covered, or "*".
        signed, expires: valid on both days and between; None is no end.
        sha256: of the document itself, hex, or "" where it is not at hand; owner: who answers for it.
        entities: legal entities it binds as recipients; empty binds no one by name and covers any.
        example: True for a made-up document of a demonstration.
    """

    id: str
    kind: str
    exporter: frozenset[str]
    importer: frozenset[str]
    categories: frozenset[str]
    signed: date
    expires: date | None
    sha256: str
    owner: str
    entities: frozenset[str] = frozenset()
    example: bool = False
    note: str = ""

    def is_for(self, kind: str, origin: str, destination: str) -> bool:
        """True where it is of this kind and between these places, whatever else it lacks."""
        return self.kind == kind and _covers(self.exporter, origin) and _covers(self.importer, destination)

    def fault(self, *, categories: frozenset[str], on: date, entity: str) -> str:
        """Why it does not cover these categories, this day and recipient, as a sentence; or ""."""
        uncovered = sorted(categories - self.categories)
        if on < self.signed:
            return f"'{self.id}' is only signed on {self.signed}."
        if self.expires is not None and on > self.expires:
            return f"'{self.id}' expired on {self.expires}."
        if uncovered and ANY not in self.categories:
            return f"'{self.id}' does not cover {', '.join(uncovered)}."
        if self.entities and entity not in self.entities:
            return f"'{self.id}' does not bind the recipient {entity or 'without a name'}."
        return ""


def _covers(codes: frozenset[str], code: str) -> bool:
    return ANY in codes or code in codes or code.partition("-")[0] in codes


@dataclass(frozen=True, slots=True)
class Register:
    """All documents of a tenant, in the order of their file."""

    documents: tuple[Document, ...] = ()

    @staticmethod
    def load(path: Path) -> Register:
        """The register in a YAML file: `documents:`, a list of entries with the fields of `Document`.

        Raises ConfigurationError, naming the file and the document, for an unknown or missing field, a kind
        no rule knows, a code that is none, a bad date, and an id used twice.
        """
        try:
            top = read_mapping(path.read_bytes(), str(path))
        except OSError as problem:
            raise ConfigurationError(f"cannot read the evidence register {path}: {problem.strerror}") from problem
        listed = top.get("documents")
        if set(top) != {"documents"} or not isinstance(listed, list):
            raise ConfigurationError(f"{path}: expected `documents:` with a list and nothing else")
        groups, kinds = load_groups(), document_kinds()
        found = tuple(_document(parts, str(path), groups=groups, kinds=kinds) for parts in listed)
        ids = [document.id for document in found]
        for repeated in sorted({id for id in ids if ids.count(id) > 1}):
            raise ConfigurationError(f"{path}: document '{repeated}' is listed twice; give each its own id")
        return Register(found)

    @property
    def digest(self) -> str:
        """SHA-256 over every field of every document, hex, the same in whatever order they are listed."""
        lines = sorted(json.dumps(_plain(document), sort_keys=True) for document in self.documents)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def get(self, id: str) -> Document | None:
        """The document of this id, or None."""
        return next((document for document in self.documents if document.id == id), None)

    def only(self, id: str) -> Register:
        """A register with this one document, or empty."""
        return Register(tuple(document for document in self.documents if document.id == id))

    def holding(
        self,
        kind: str,
        *,
        origin: str,
        destination: str,
        categories: frozenset[str],
        on: date,
        entity: str = "",
    ) -> Document | None:
        """A document of this kind that covers the origin, the destination, every category, the day and the
        recipient.

        The one that lasts longest, then the smallest id, so that the answer does not hang on the file's
        order.
        """
        fit = [
            document
            for document in self.documents
            if document.is_for(kind, origin, destination)
            and not document.fault(categories=categories, on=on, entity=entity)
        ]
        return min(fit, key=lambda one: (-(one.expires or date.max).toordinal(), one.id), default=None)

    def shortcoming(
        self,
        kind: str,
        *,
        origin: str,
        destination: str,
        categories: frozenset[str],
        on: date,
        entity: str = "",
    ) -> str:
        """Why documents of this kind between these places do not cover it; "" where there are none."""
        near = (document for document in self.documents if document.is_for(kind, origin, destination))
        return " ".join(document.fault(categories=categories, on=on, entity=entity) for document in near).strip()


def _plain(document: Document) -> dict[str, Any]:
    values = {one.name: getattr(document, one.name) for one in fields(document)}
    return {
        name: sorted(value) if isinstance(value, frozenset) else str(value) if isinstance(value, date) else value
        for name, value in values.items()
    }


def _document(parts: Any, path: str, *, groups: Mapping[str, frozenset[str]], kinds: Iterable[str]) -> Document:
    if not isinstance(parts, dict):
        raise ConfigurationError(f"{path}: a document is a mapping with {', '.join(_NEEDED)}; found {parts!r}")
    where = f"{path}: document '{parts.get('id')}'"
    known = {one.name for one in fields(Document)}
    for unknown in sorted(str(name) for name in set(parts) - known):
        raise ConfigurationError(f"{where} has an unknown field '{unknown}'; known are {', '.join(sorted(known))}")
    for absent in (name for name in _NEEDED if parts.get(name) in (None, "", [])):
        raise ConfigurationError(f"{where} has no '{absent}'")
    if _text(parts, "kind", where) not in kinds:
        raise ConfigurationError(f"{where} is of the kind '{parts['kind']}', which no rule knows")
    return Document(
        id=_text(parts, "id", where),
        kind=parts["kind"],
        exporter=_places(parts["exporter"], f"{where}: exporter", groups),
        importer=_places(parts["importer"], f"{where}: importer", groups),
        categories=_words(parts["categories"], f"{where}: categories"),
        signed=_day(parts["signed"], f"{where}: signed"),
        expires=_day(parts["expires"], f"{where}: expires") if parts.get("expires") is not None else None,
        sha256=_text(parts, "sha256", where),
        owner=_text(parts, "owner", where),
        entities=_words(parts.get("entities", []), f"{where}: entities"),
        example=parts.get("example") is True,
        note=_text(parts, "note", where),
    )


def _text(parts: Mapping[str, Any], name: str, where: str) -> str:
    value = parts.get(name, "")
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}: {name} is {value!r}; write it in quotes")
    return value


def _day(value: Any, where: str) -> date:
    if type(value) is not date:
        raise ConfigurationError(f"{where} is {value!r}; write a date as 2026-11-22")
    return value


def _words(value: Any, where: str) -> frozenset[str]:
    listed = value if isinstance(value, list) else [value]
    for word in listed:
        if not isinstance(word, str) or not word.strip():
            raise ConfigurationError(f"{where} holds {word!r}; write words, in quotes where YAML reads them otherwise")
    return frozenset(listed)


def _places(value: Any, where: str, groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
    words = _words(value, where)
    for word in words - {ANY} - set(groups):
        if not _CODE.fullmatch(word):
            raise ConfigurationError(f"{where} holds {word!r}; write an ISO code, one of {', '.join(groups)}, or '*'")
    return frozenset().union(*(groups.get(word, frozenset({word})) for word in words))
