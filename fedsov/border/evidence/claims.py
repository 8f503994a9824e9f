"""What an exporter can claim for one origin of a crossing, and what a decision asks the evidence for.

A claim is a ground (a name of mechanisms.yaml, or none) with the facts that documents state about it. The tenant's
register makes claims from its documents (`fedsov.border.evidence.register`), a case under test from its one line
(`fedsov.border.case_table`); the policy weighs each alike and lets the best one count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from fedsov.border.evidence.supporting import UNNAMED, Weigh
from fedsov.border.law.rules import FOR


@dataclass(frozen=True, slots=True)
class Question:
    """What the evidence is asked for: one origin of one crossing.

    Attributes:
        standing: mechanisms that need no document, so that the answer can hold a claim for each.
        reads: facts that some rule for this route looks at; documents that state no such fact do not matter.
        weigh: how a value of such a fact speaks to these rules (`fedsov.border.law.bundle.Route.weigh`).
        evidence: ids of documents that the artifact names as evidence about itself.
        entity: of the recipient; "" where the crossing names no party, "*" for anyone.
        exporter_entity, exporter_role: of the party that sends, where `origin` is its place; "" where papers of this
            origin are some earlier exporter's. importer_role: of the recipient. Roles are C and P, or "" as well.
    """

    origin: str
    destination: str
    entity: str
    purpose: str
    categories: frozenset[str]
    day: date
    standing: tuple[str, ...]
    reads: frozenset[str]
    weigh: Weigh
    evidence: tuple[str, ...] = ()
    exporter_entity: str = ""
    exporter_role: str = ""
    importer_role: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A ground, the facts stated for it, and the documents that state them: id to the facts each states.

    `faults` says of each kind of supporting document that was left out why it does not count, in a sentence. `named`: a
    case names the ground, and no document of it has an id.
    """

    mechanism: str
    facts: Mapping[str, Any]
    documents: Mapping[str, frozenset[str]]
    faults: Mapping[str, str] = field(default_factory=dict)
    named: bool = False

    @property
    def is_presented(self) -> bool:
        """True where somebody rests on this very ground: a document, or a case that names it."""
        return self.named or bool(self.grounds)

    @property
    def grounds(self) -> tuple[str, ...]:
        """The ids of the documents that are the ground itself; none where it needs no document."""
        return tuple(document_id for document_id, states in self.documents.items() if "mechanism" in states)

    def relied_on(self, fields: frozenset[str]) -> tuple[str, ...]:
        """The ids of the documents that state any of these facts, or are the ground itself."""
        return tuple(
            document_id for document_id, states in self.documents.items() if states & fields or "mechanism" in states
        )


def without_reliance(claims: Iterable[Claim], weigh: Weigh) -> tuple[Claim, ...]:
    """The claims of somebody who relies on no document: what documents state against a crossing binds all the same.

    No claim rests on a document, and no fact that suits the rules counts (`fedsov.border.evidence.supporting`).
    """
    found = []
    for claim in claims:
        if claim.grounds or UNNAMED in (claim.facts.get("profile_match"), claim.facts.get("support_match")):
            continue
        facts = {name: value for name, value in claim.facts.items() if weigh(name, value) > FOR}
        documents = {name: states & facts.keys() for name, states in claim.documents.items()}
        found.append(Claim(claim.mechanism, facts, {name: states for name, states in documents.items() if states}))
    return tuple(found)


class Evidence(Protocol):
    """The tenant's documents, as far as a decision asks."""

    def claims(self, question: Question) -> tuple[Claim, ...]:
        """Every claim that can be made, the cheapest first, in an order that does not hang on a file's."""
        ...

    def knows(self, document_id: str) -> bool:
        """True where there is a document of this id."""
        ...

    def absent(self, kinds: Sequence[str]) -> str:
        """A sentence that says of these kinds of document that there is none, for a refusal."""
        ...

    def contents(self, ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """Of each of these ids that is a document's: the digest of its entry, and of its file as the entry states it.

        They are those of the register that the last answer was given by; "" for a file whose digest is not stated.
        """
        ...

    def approval(self, review: str, on: date) -> str | None:
        """The id of a person's approval of this review that is valid on the day, or None."""
        ...
