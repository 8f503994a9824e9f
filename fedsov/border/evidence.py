"""The tenant's register of documents: contracts, assessments, certificates, consents, each valid for a while.

A document speaks for some exporters and importers (codes, named groups such as "@EEA", or "*") and states
facts: its `terms`, in the words of law/facts.yaml, and what its dates, categories, purposes and recipients say.
A document whose kind is a ground makes a claim; one of a supporting kind (an impact assessment, a recipient's
profile) adds its facts to every claim, as long as it is valid and covers the crossing. What an expired contract
is worth is not decided here: its claim states the day, and the rules refuse it.

Each choice of supporting documents is a claim of its own, and so is leaving one aside that a prohibition looks
at; hence no document can close what another opens, and taking one away can never open anything. Whatever the
reader does not understand refuses the whole register.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from itertools import product
from typing import Any

from fedsov.border.approvals import Approval
from fedsov.border.claims import Claim, Question
from fedsov.border.facts import ANY
from fedsov.border.lawbook import Mechanism

_REMEMBERED = 4096
_Stated = tuple[str, dict[str, Any]]  # a document's id and the facts it states


@dataclass(frozen=True, slots=True)
class Document:
    """One entry of the register.

    Attributes:
        kind: a name of law/mechanisms.yaml.
        exporter, importer: ISO codes, groups already resolved, or "*"; a country covers its parts.
        categories: data categories covered, or "*"; purposes: the same for purposes, empty for any.
        signed, expires: valid on both days and between; None is no end. effective: the first day, where later.
        terms: facts it states, name to value, in the shapes of the vocabulary.
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
    effective: date | None = None
    purposes: frozenset[str] = frozenset()
    terms: Mapping[str, Any] = field(default_factory=dict)
    entities: frozenset[str] = frozenset()
    example: bool = False
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Every field as plain values, equal for equal documents."""
        return {one.name: _json(getattr(self, one.name)) for one in fields(self)}

    def is_between(self, origin: str, destination: str) -> bool:
        """True where it is between these places, whatever else it lacks."""
        return _covers(self.exporter, origin) and _covers(self.importer, destination)

    def facts(self, entity: str) -> dict[str, Any]:
        """What it states: its terms, dates, coverage, and whether it binds this recipient."""
        stated: dict[str, Any] = {"doc": "present", "covers": self.categories, "signed": self.signed, **self.terms}
        if self.effective is not None:
            stated["effective"] = self.effective
        if self.expires is not None:
            stated["expires"] = self.expires
        if self.purposes:
            stated["covers_purposes"] = self.purposes
        if self.entities:
            stated["importer_match"] = "yes" if entity in self.entities else "no"
        return stated

    def fault(self, asked: Question) -> str:
        """Why it does not support a crossing of these categories, this day and recipient, as a sentence; or ""."""
        on, purpose, entity = asked.day, asked.purpose, asked.entity
        uncovered = sorted(asked.categories - self.categories)
        begins = max(self.signed, self.effective or self.signed)
        if on < begins:
            return f"'{self.id}' is valid from {begins} only."
        if self.expires is not None and on > self.expires:
            return f"'{self.id}' expired on {self.expires}."
        if uncovered and ANY not in self.categories:
            return f"'{self.id}' does not cover {', '.join(uncovered)}."
        if self.purposes and purpose not in self.purposes and ANY not in self.purposes:
            return f"'{self.id}' does not cover the purpose {purpose}."
        if self.entities and entity not in self.entities:
            return f"'{self.id}' does not bind the recipient {entity or 'without a name'}."
        return ""


def _covers(codes: frozenset[str], code: str) -> bool:
    return ANY in codes or code in codes or code.partition("-")[0] in codes


@dataclass(frozen=True, slots=True)
class Register:
    """All documents of a tenant, and the approvals on record; it answers what can be claimed for a crossing."""

    documents: tuple[Document, ...] = ()
    mechanisms: Mapping[str, Mechanism] = field(default_factory=dict, compare=False)
    approvals: tuple[Approval, ...] = ()
    _claims: dict[Question, tuple[Claim, ...]] = field(init=False, repr=False, compare=False, default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over every field of every document, hex, the same in whatever order they are listed."""
        lines = sorted(json.dumps(document.to_json(), sort_keys=True) for document in self.documents)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def get(self, id: str) -> Document | None:
        """The document of this id, or None."""
        return next((document for document in self.documents if document.id == id), None)

    def only(self, id: str) -> Register:
        """A register with this one document, or empty."""
        return Register(tuple(one for one in self.documents if one.id == id), self.mechanisms)

    def knows(self, id: str) -> bool:
        """True where there is a document of this id."""
        return self.get(id) is not None

    def approval(self, review: str, on: date) -> str | None:
        """The id of an approval of this review that holds on the day, or None."""
        return min((one.id for one in self.approvals if one.review == review and one.holds_on(on)), default=None)

    def claims(self, question: Question) -> tuple[Claim, ...]:
        """Every claim that can be made for one origin of a crossing, the cheapest ground first."""
        found = self._claims.get(question)
        if found is None:
            if len(self._claims) >= _REMEMBERED:
                self._claims.clear()
            found = self._claims[question] = tuple(self._made(question))
        return found

    def _made(self, asked: Question) -> Iterator[Claim]:
        near = [one for one in self.documents if one.is_between(asked.origin, asked.destination)]
        grounds: list[tuple[int, str, str, Document | None]] = [
            (self.mechanisms[name].effort if name else -1, name, "", None) for name in asked.standing
        ]
        supporting: dict[str, list[_Stated]] = {}
        faults: dict[str, str] = {}
        for one in near:
            known = self.mechanisms[one.kind]
            if known.about == "artifact" and (one.id not in asked.evidence or known.supports is not None):
                continue
            if known.supports is None:
                grounds.append((known.effort, one.kind, one.id, one))
            elif fault := one.fault(asked):
                faults[one.kind] = fault
            else:
                supporting.setdefault(one.kind, []).append((one.id, _support(one, known)))
        found = self._findings(asked)
        choices = [_choices(several, asked.closing) for several in _kinds(supporting)]
        for _, name, _, document in sorted(grounds, key=lambda one: one[:3]):
            for choice in product(*choices):
                support = [*found, *(one for one in choice if one is not None)]
                yield _claim(name, document, support, faults=faults, entity=asked.entity)

    def _findings(self, asked: Question) -> list[_Stated]:
        """What the documents that an artifact names as its evidence found: none of them can be left aside.

        A finding about fixed bytes does not lapse, so their terms are not looked at. Where two contradict each
        other, or one is dated later than the crossing, that cannot be read.
        """
        named = [one for one in self.documents if one.id in asked.evidence]
        named = [one for one in named if self.mechanisms[one.kind].about == "artifact"]
        found = [(one.id, _support(one, self.mechanisms[one.kind])) for one in named]
        agreed: dict[str, Any] = {}
        clash = any(agreed.setdefault(name, value) != value for _, facts in found for name, value in facts.items())
        if clash or any(one.signed > asked.day for one in named):
            return [(id, {**facts, "unreadable": True}) for id, facts in found]
        return found


def _kinds(supporting: Mapping[str, list[_Stated]]) -> list[list[_Stated]]:
    """The supporting documents by kind; kinds that state one fact both are one, for only one of them can count."""
    merged: list[tuple[set[str], list[_Stated]]] = []
    for _, several in sorted(supporting.items()):
        states = {name for _, facts in several for name in facts}
        alike = [one for one in merged if one[0] & states]
        for one in alike:
            merged.remove(one)
        merged.append((states.union(*(one[0] for one in alike)), [*(d for one in alike for d in one[1]), *several]))
    return [several for _, several in merged]


def _support(document: Document, mechanism: Mechanism) -> dict[str, Any]:
    """The facts that a supporting document, or one about an artifact, adds to a claim."""
    stated = dict(document.terms)
    fact, _, value = (mechanism.supports or "").partition("=")
    if fact:
        stated[fact] = value or "present"
        if mechanism.about != "artifact":
            stated[f"{fact}_date"] = document.signed
    return stated


def _choices(several: list[_Stated], closing: frozenset[str]) -> list[_Stated | None]:
    """Each document of a kind, and none of them where one states what a prohibition looks at."""
    aside = any(closing & set(stated) for _, stated in several)
    return [*sorted(several, key=lambda one: one[0]), *([None] if aside else [])]


def _claim(
    name: str, document: Document | None, support: list[_Stated], *, faults: Mapping[str, str], entity: str
) -> Claim:
    stated: dict[str, Any] = {}
    papers: dict[str, frozenset[str]] = {}
    for id, facts in support:
        stated |= facts
        papers[id] = frozenset(facts)
    if document is not None:
        facts = document.facts(entity)
        stated |= facts
        papers = {document.id: frozenset(facts) | {"mechanism"}, **papers}
    return Claim(name, stated, papers, faults)


def _json(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {name: _json(one) for name, one in value.items()}
    return str(value) if isinstance(value, date) else value
