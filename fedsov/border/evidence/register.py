"""The tenant's register of documents: contracts, assessments, certificates, consents, each valid for a while.

A document speaks for some exporters and importers (codes, named groups such as "@EEA", or "*") and states
facts: its `terms`, in the words of law/facts.yaml, and what its dates, categories, purposes and recipients say.
A document whose kind is a ground makes a claim; one of a supporting kind (an impact assessment, a recipient's
profile) adds its facts to every claim, as long as it is valid and covers the crossing. What an expired contract
is worth is not decided here: its claim states the day, and the rules refuse it.

No document that supports a crossing can close what another opens, and taking one away never opens anything. What a
document in force states against these parties binds (`fedsov.border.evidence.supporting`), until a newer one of its
kind says otherwise. Whatever the reader does not understand refuses the whole register.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from dataclasses import field as part
from datetime import date
from typing import Any

from fedsov.border.evidence.approvals import Approval
from fedsov.border.evidence.claims import Claim, Question
from fedsov.border.evidence.supporting import UNNAMED, Stated, Statement, Support, supports, with_ground
from fedsov.border.law.mechanism import Mechanism
from fedsov.border.law.vocabulary import ANY
from fedsov.errors import ConfigurationError, unknown

PROFILE = "recipient"
"""The kind of document that states what a recipient is."""
CONSENT_OF_PEOPLE = "derogation_consent"
"""The kind of document that is a ground for single crossings, and releases nothing."""
_REMEMBERED = 4096


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
        entities: legal entities it binds as recipients; empty names nobody, which a person must look at.
        exporters: legal entities that it binds as senders; empty names nobody, likewise.
        example: True for a made-up document of a demonstration.
        record: what it tells for the record of processing (`fedsov.border.evidence.recorded`); no rule reads it.
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
    terms: Mapping[str, Any] = part(default_factory=dict)
    entities: frozenset[str] = frozenset()
    exporters: frozenset[str] = frozenset()
    example: bool = False
    note: str = ""
    record: Mapping[str, str] = part(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Every field as plain values, equal for equal documents; without an empty `record` or `exporters`, as digests
        noted before there were any are."""
        plain = {field.name: _json(getattr(self, field.name)) for field in fields(self)}
        return {name: value for name, value in plain.items() if value or name not in ("record", "exporters")}

    @property
    def digest(self) -> str:
        """SHA-256 over every field, hex; another one as soon as anything was rewritten."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def is_between(self, origin: str, destination: str) -> bool:
        """True where it is between these places, whatever else it lacks."""
        return _covers(self.exporter, origin) and _covers(self.importer, destination)

    def is_for(self, purpose: str) -> bool:
        """True where it covers the purpose, or says none."""
        return not self.purposes or purpose in self.purposes or ANY in self.purposes

    def facts(self, question: Question, mechanism: Mechanism) -> dict[str, Any]:
        """What it states: its terms, dates, coverage, and whether it binds these very parties."""
        stated: dict[str, Any] = {"doc": "present", "covers": self.categories, "signed": self.signed, **self.terms}
        if self.effective is not None:
            stated["effective"] = self.effective
        if self.expires is not None:
            stated["expires"] = self.expires
        if self.purposes:
            stated["covers_purposes"] = self.purposes
        if self.example:
            stated["made_up"] = "yes"
        return stated | self._parties(question, mechanism)

    def _parties(self, question: Question, mechanism: Mechanism) -> dict[str, str]:
        """Whether it names the parties that the question names; a question that names none is about its own."""
        found = {}
        if self.entities:
            found["importer_match"] = "yes" if question.entity in ("", *self.entities) else "no"
        elif question.entity and mechanism.names_recipient:
            found["importer_match"] = UNNAMED
        if self.exporters and question.exporter_entity:
            found["exporter_match"] = "yes" if question.exporter_entity in self.exporters else "no"
        elif question.exporter_entity and mechanism.names_exporter:
            found["exporter_match"] = UNNAMED
        exporter, arrow, importer = str(self.terms.get("role", "")).partition("->")
        actual = (exporter, question.exporter_role), (importer, question.importer_role)
        if arrow and (question.exporter_role or question.importer_role):
            found["role_match"] = "yes" if all(is_role in ("", said) for said, is_role in actual) else "no"
        return found

    def names_parties(self, question: Question, mechanism: Mechanism) -> bool:
        """False where it names nobody for a party that the question names, and that its kind of document must name."""
        no_recipient = question.entity and mechanism.names_recipient and not self.entities
        no_exporter = question.exporter_entity and mechanism.names_exporter and not self.exporters
        return not (no_recipient or no_exporter)

    def fault(self, question: Question) -> str:
        """Why it does not support a crossing of these categories, this day and these parties, as a sentence; or ""."""
        uncovered = sorted(question.categories - self.categories)
        if uncovered and ANY not in self.categories:
            return self.lapse(question) or f"'{self.id}' does not cover {', '.join(uncovered)}."
        return self.lapse(question)

    def lapse(self, question: Question, mechanism: Mechanism | None = None) -> str:
        """Why it says nothing of these parties on this day, whatever the categories, as a sentence; or "".

        Args:
            mechanism: compares only the parties that such a document names; None for all that it lists.
        """
        on, purpose, entity, exporter = question.day, question.purpose, question.entity, question.exporter_entity
        begins = max(self.signed, self.effective or self.signed)
        if on < begins:
            return f"'{self.id}' is valid from {begins} only."
        if self.expires is not None and on > self.expires:
            return f"'{self.id}' expired on {self.expires}."
        if not self.is_for(purpose):
            return f"'{self.id}' does not cover the purpose {purpose}."
        entities = self.entities if mechanism is None or mechanism.names_recipient else ()
        exporters = self.exporters if mechanism is None or mechanism.names_exporter else ()
        if entities and entity not in ("", *entities):
            return f"'{self.id}' does not bind the recipient {entity or 'without a name'}."
        if exporters and exporter not in ("", *exporters):
            return f"'{self.id}' does not bind the exporter {exporter}."
        return ""


def _covers(codes: frozenset[str], code: str) -> bool:
    return ANY in codes or code in codes or code.partition("-")[0] in codes


@dataclass(frozen=True, slots=True)
class Register:
    """All documents of a tenant, and the approvals on record; it answers what can be claimed for a crossing.

    `mechanisms` describes the documents' kinds; `is_given` is False where there is no register at all, so that a
    refusal can say so.
    """

    documents: tuple[Document, ...] = ()
    mechanisms: Mapping[str, Mechanism] = part(default_factory=dict, compare=False)
    approvals: tuple[Approval, ...] = ()
    is_given: bool = part(default=True, compare=False)
    _claims: dict[Question, tuple[Claim, ...]] = part(init=False, repr=False, compare=False, default_factory=dict)
    _sorted: tuple[Document, ...] = part(init=False, repr=False, compare=False, default=())
    _contents: dict[str, dict[str, str]] = part(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ConfigurationError for a document of a kind that no mechanism describes."""
        for document in self.documents:
            if document.kind not in self.mechanisms:
                raise ConfigurationError(f"{document.id}: {unknown('kind', document.kind, sorted(self.mechanisms))}")
        # an order that does not hang on the file's: one of those that state the same is chosen
        in_order = sorted(self.documents, key=lambda document: document.id, reverse=True)
        object.__setattr__(self, "_sorted", tuple(in_order))

    @property
    def digest(self) -> str:
        """SHA-256 over every field of every document, hex, the same in whatever order they are listed."""
        lines = sorted(json.dumps(document.to_json(), sort_keys=True) for document in self.documents)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def get(self, document_id: str) -> Document | None:
        """The document of this id, or None."""
        return next((document for document in self.documents if document.id == document_id), None)

    def only(self, document_id: str) -> Register:
        """A register with this one document, or empty."""
        return Register(tuple(document for document in self.documents if document.id == document_id), self.mechanisms)

    def without_examples(self) -> Register:
        """This register without the documents that are made up, which speak for no people's rows."""
        return replace(self, documents=tuple(document for document in self.documents if not document.example))

    def knows(self, document_id: str) -> bool:
        """True where there is a document of this id."""
        return self.get(document_id) is not None

    def contents(self, ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """See `fedsov.border.evidence.claims.Evidence`."""
        if not self._contents and self.documents:
            self._contents.update({each.id: {"entry": each.digest, "file": each.sha256} for each in self.documents})
        return {name: dict(self._contents[name]) for name in dict.fromkeys(ids) if name in self._contents}

    def approval(self, review: str, on: date) -> str | None:
        """The id of an approval of this review that holds on the day, or None."""
        valid = (approval.id for approval in self.approvals if approval.is_of(review) and approval.holds_on(on))
        return min(valid, default=None)

    def absent(self, kinds: Sequence[str]) -> str:
        """A sentence that says of these kinds of document that there is none."""
        if not self.is_given:
            return "No evidence register was given (border.evidence, or --evidence FILE)."
        return f"The register holds no {' and no '.join(kinds)} for it."

    def claims(self, question: Question) -> tuple[Claim, ...]:
        """Every claim that can be made for one origin of a crossing, the cheapest ground first."""
        claims = self._claims.get(question)
        if claims is None:
            if len(self._claims) >= _REMEMBERED:
                self._claims.clear()
            claims = self._claims[question] = tuple(self._new_claims(question))
        return claims

    def _new_claims(self, question: Question) -> Iterator[Claim]:
        origin, destination = question.origin, question.destination
        near = [document for document in self._sorted if document.is_between(origin, destination)]
        grounds: list[tuple[int, str, str, Document | None]] = [
            (0 if name else -1, name, "", None)
            for name in question.standing  # what needs no document costs nothing
        ]
        statements: list[Statement] = []
        faults: dict[str, str] = {}
        for document in near:
            mechanism = self.mechanisms[document.kind]
            is_named = document.id in question.evidence
            if mechanism.about == "artifact" and (not is_named or mechanism.supports is not None):
                continue
            if mechanism.of_purpose and not document.is_for(question.purpose):
                continue
            if mechanism.supports is None:
                grounds.append((mechanism.effort, document.kind, document.id, document))
            else:
                if fault := document.fault(question):
                    faults[document.kind] = fault
                statements += _statements(document, mechanism, question)
        findings, ways = self._findings(question), supports(statements, question.weigh)
        for _, name, _, ground in sorted(grounds, key=lambda each: each[:3]):
            for support in ways:
                terms = {} if ground is None else ground.facts(question, self.mechanisms[name])
                support = with_ground(support, terms, question.weigh)
                yield _claim(name, ground, support, findings=findings, faults=faults, stated=terms)

    def _findings(self, question: Question) -> list[Stated]:
        """What the documents that an artifact names as its evidence found: none of them can be left aside.

        A finding about fixed bytes does not lapse, so their terms are not looked at; only a newer one of its kind
        supersedes it. Where two others contradict each other, or one is dated later than the crossing, that cannot be
        read.
        """
        if not question.evidence:
            return []
        named = [document for document in self._sorted if document.id in question.evidence]
        named = [document for document in named if self.mechanisms[document.kind].about == "artifact"]
        named.sort(key=lambda document: document.signed)  # the newest has the last word in a claim
        findings = [(document.id, _support(document, self.mechanisms[document.kind])) for document in named]
        latest: dict[tuple[str, str], tuple[date, Any]] = {}
        clash = any(document.signed > question.day for document in named)
        for document, (_, facts) in zip(named, findings, strict=True):
            for name, value in facts.items():
                since, before = latest.get((document.kind, name), (None, value))
                clash = clash or (since == document.signed and before != value)
                latest[document.kind, name] = document.signed, value
        agreed: dict[str, Any] = {}
        clash = clash or any(agreed.setdefault(name, value) != value for (_, name), (_, value) in latest.items())
        return [(document_id, {**facts, "unreadable": True}) for document_id, facts in findings] if clash else findings


def _only(names: frozenset[str], facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if name in names}


def _statements(document: Document, mechanism: Mechanism, question: Question) -> Iterator[Statement]:
    """What a supporting document in force about these parties states that some rule for this route looks at.

    It supports only those that it lists; it speaks against all whom its kind is about (a profile of the recipient is
    about it whoever sends).
    """
    facts = _only(question.reads, _support(document, mechanism))
    if not facts or document.lapse(question, mechanism):
        return
    covers = not document.fault(question)
    binds = ANY in document.categories or not question.categories.isdisjoint(document.categories)
    is_named = document.names_parties(question, mechanism)
    unnamed = "" if is_named else "profile_match" if document.kind == PROFILE else "support_match"
    yield Statement(document.id, document.kind, document.signed, facts, covers, binds, unnamed)


def _support(document: Document, mechanism: Mechanism) -> dict[str, Any]:
    """The facts that a supporting document, or one about an artifact, adds to a claim."""
    stated = dict(document.terms)
    fact, _, value = (mechanism.supports or "").partition("=")
    if fact:
        stated[fact] = value or "present"
        if mechanism.about != "artifact":
            stated[f"{fact}_date"] = document.signed
    return stated


def _claim(
    name: str,
    document: Document | None,
    support: Support,
    *,
    findings: list[Stated],
    faults: Mapping[str, str],
    stated: Mapping[str, Any],
) -> Claim:
    """A ground with what its documents state; what was found about the artifact itself has the last word."""
    own = [] if document is None else [(document.id, {**stated, "mechanism": name})]
    together: dict[str, Any] = {}
    states: dict[str, frozenset[str]] = {}
    for document_id, facts in (*support.beside, *own, *support.last, *findings):
        together |= facts
        states[document_id] = states.get(document_id, frozenset()) | frozenset(facts)
    together.pop("mechanism", None)
    first = [] if document is None else [document.id]
    return Claim(name, together, {key: states[key] for key in dict.fromkeys((*first, *states))}, faults)


def _json(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {name: _json(inner) for name, inner in value.items()}
    return str(value) if isinstance(value, date) else value
