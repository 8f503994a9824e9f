"""The safeguards that crossings rest on: which paper serves whose data, and who signed it.

Art. 46 GDPR asks for the safeguard itself, Art. 13(1)(f) and 14(1)(f) for a reference to it. Assessments of the
recipient's law (Clause 14 of the EU clauses) are told beside it: date, conclusion, measures, author, next review.
A document serves the origins whose ground it is, or supports; the others of the same crossing have their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fedsov.border.evidence.register import Document
from fedsov.control_plane.compliance.counts import union
from fedsov.control_plane.compliance.entries import EntryView

ASSESSMENTS = ("tia", "assessment", "pia", "pipia", "annual_check", "self_assessed_adequacy", "pia_transfer")
"""Kinds of document that assess a recipient or its law."""


@dataclass(frozen=True, slots=True)
class Safeguard:
    """A document that permitted crossings rest on, and whose data it serves; "" for what nobody stated.

    Attributes:
        origins: places whose data it serves; destinations: where these went.
        version, module, role: of clauses.
        recipients: the legal entities that it binds.
        signatories: who signed it, for which party.
    """

    id: str
    kind: str
    origins: tuple[str, ...]
    destinations: tuple[str, ...]
    version: str
    module: str
    role: str
    signed: date
    effective: date | None
    expires: date | None
    signatories: str
    recipients: tuple[str, ...]
    example: bool


@dataclass(frozen=True, slots=True)
class RecipientAssessment:
    """An assessment that permitted crossings rest on; "" or None for what nobody stated.

    `due`: its next review, or its last day, is past on the day of the report.
    """

    id: str
    kind: str
    origins: tuple[str, ...]
    destinations: tuple[str, ...]
    dated: date
    conclusion: str
    measures: str
    author: str
    next_review: str
    due: bool


def safeguards(lines: Sequence[EntryView], register: Mapping[str, Document]) -> tuple[Safeguard, ...]:
    """The documents of permitted crossings that are no assessments, by id; those that the register holds."""
    return tuple(
        Safeguard(
            id=document.id,
            kind=document.kind,
            origins=union((origin,) for origin, _ in routes),
            destinations=union((destination,) for _, destination in routes),
            version=_term(document, "doc"),
            module=_term(document, "module"),
            role=_term(document, "role"),
            signed=document.signed,
            effective=document.effective,
            expires=document.expires,
            signatories=document.record.get("signatories", ""),
            recipients=tuple(sorted(document.entities)),
            example=document.example,
        )
        for document, routes in _served(lines, register)
        if document.kind not in ASSESSMENTS
    )


def assessments(
    lines: Sequence[EntryView], register: Mapping[str, Document], on: date
) -> tuple[RecipientAssessment, ...]:
    """The assessments of permitted crossings, by id; those that the register holds."""
    return tuple(
        RecipientAssessment(
            id=document.id,
            kind=document.kind,
            origins=union((origin,) for origin, _ in routes),
            destinations=union((destination,) for _, destination in routes),
            dated=document.signed,
            conclusion=document.record.get("conclusion") or _term(document, "tia_conclusion"),
            measures=document.record.get("measures") or _term(document, "supplementary_measures"),
            author=document.record.get("author", ""),
            next_review=document.record.get("next_review", ""),
            due=_is_due(document, on),
        )
        for document, routes in _served(lines, register)
        if document.kind in ASSESSMENTS
    )


def _served(
    lines: Sequence[EntryView], register: Mapping[str, Document]
) -> list[tuple[Document, set[tuple[str, str]]]]:
    """Each document of permitted crossings with the (origin, destination) pairs that it serves."""
    served: dict[str, set[tuple[str, str]]] = {}
    for line in lines:
        for name in line.documents if line.verdict == "permit" and line.is_crossing else ():
            document = register.get(name)
            if document is not None:
                routes = served.setdefault(name, set())
                routes |= {(origin, line.destination) for origin in _origins(line, document)}
    return [(register[name], served[name]) for name in sorted(served)]


def _origins(line: EntryView, document: Document) -> list[str]:
    """The origins that a document of a crossing serves: it is between these places, and no other's ground alone."""
    asked = {**line.grounds, **line.exporter_grounds}
    is_ground = any(document.kind in grounds for grounds in asked.values())
    return [
        origin
        for origin, grounds in asked.items()
        if document.is_between(origin, line.destination)
        and document.id in line.documents_of(origin)
        and (document.kind in grounds or not is_ground)
    ]


def _term(document: Document, name: str) -> str:
    value: Any = document.terms.get(name, "")
    return str(value)


def _is_due(document: Document, on: date) -> bool:
    review = document.record.get("next_review", "")
    ended = document.expires is not None and document.expires < on
    return ended or bool(review and date.fromisoformat(review) < on)
