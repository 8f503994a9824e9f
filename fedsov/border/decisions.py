"""The border's three answers as values, and the strictest of several.

Each says by which rules, on which texts, grounds and documents, under which duties; a `Refusal` also what is missing
and what would mend it. All share one set of attributes, so that a reader need not ask which of them it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, TypeVar


@dataclass(frozen=True, slots=True)
class Permit:
    """It may cross, by these rules, on these grounds ("DE scc_eu") and documents, under these obligations.

    `relied` tells which origin's answer rests on which document ("DE scc-1").
    """

    rules: tuple[str, ...]
    citations: tuple[str, ...]
    obligations: tuple[str, ...]
    documents: tuple[str, ...]
    bundle_digest: str
    basis: tuple[str, ...] = ()
    relied: tuple[str, ...] = ()
    at_fault: ClassVar[tuple[str, ...]] = ()
    verdict: ClassVar[str] = "permit"
    id: ClassVar[str] = ""
    reason: ClassVar[str] = ""
    missing: ClassVar[tuple[str, ...]] = ()
    remedy: ClassVar[str] = ""

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON, with its verdict."""
        return _json(self)


@dataclass(frozen=True, slots=True)
class Review:
    """A person must approve it first (`border approve ID`); until then it stays. Several origins have several ids.

    `at_fault` are the origins whose law asks for it.
    """

    rules: tuple[str, ...]
    citations: tuple[str, ...]
    obligations: tuple[str, ...]
    documents: tuple[str, ...]
    reason: str
    bundle_digest: str
    basis: tuple[str, ...] = ()
    id: str = ""
    relied: tuple[str, ...] = ()
    at_fault: tuple[str, ...] = ()
    verdict: ClassVar[str] = "review"
    missing: ClassVar[tuple[str, ...]] = ()

    @property
    def remedy(self) -> str:
        """The way on: who can decide it, and how."""
        ids = self.id.split(JOINED) if self.id else ["ID"]
        acts = (f"fedsov border approve {review_id}" for review_id in ids)
        return f"Have a responsible person decide: {' and '.join(acts)}"

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON, with its verdict."""
        return _json(self)


@dataclass(frozen=True, slots=True)
class Refusal:
    """It stays: why, which documents are missing, and what would mend it; `at_fault` are the origins that refuse."""

    rules: tuple[str, ...]
    citations: tuple[str, ...]
    reason: str
    missing: tuple[str, ...]
    remedy: str
    bundle_digest: str
    at_fault: tuple[str, ...] = ()
    relied: ClassVar[tuple[str, ...]] = ()
    verdict: ClassVar[str] = "refuse"
    id: ClassVar[str] = ""
    basis: ClassVar[tuple[str, ...]] = ()
    obligations: ClassVar[tuple[str, ...]] = ()
    documents: ClassVar[tuple[str, ...]] = ()

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON, with its verdict."""
        return _json(self)


Decision = Permit | Review | Refusal
_Answer = TypeVar("_Answer", Permit, Review, Refusal)
NOBODY = "-"
"""The origin of what has none, in `relied` and `at_fault`."""
JOINED = "+"
"""Between the ids of a review that several origins ask for."""
STRICTEST_FIRST = (Refusal, Review, Permit)


def strictest(answers: Sequence[Decision]) -> Decision:
    """The answers of all origins as one: all refusals, else all reviews, else all permits together.

    A review also carries the duties and documents of the permits beside it: an approval will rely on them.
    """
    if len(answers) == 1:
        return answers[0]
    for verdict in STRICTEST_FIRST:
        alike = [answer for answer in answers if isinstance(answer, verdict)]
        if alike:
            return _together(alike, answers)
    raise ValueError("expected at least one answer")


def _together(alike: Sequence[Decision], all_of_them: Sequence[Decision]) -> Decision:
    first = alike[0]
    rules, cites = _union(alike, "rules"), _union(alike, "citations")
    if isinstance(first, Refusal):
        reason, remedy = _words(alike, "reason"), _words(alike, "remedy")
        missing, at_fault = _union(alike, "missing"), _union(alike, "at_fault")
        return Refusal(rules, cites, reason, missing, remedy, first.bundle_digest, at_fault)
    shared = ("obligations", "documents", "basis", "relied")
    duties, documents, basis, relied = (_union(all_of_them, name) for name in shared)
    if isinstance(first, Review):
        ids = JOINED.join(dict.fromkeys(answer.id for answer in alike))
        reason, at_fault = _words(alike, "reason"), _union(alike, "at_fault")
        return Review(rules, cites, duties, documents, reason, first.bundle_digest, basis, ids, relied, at_fault)
    return Permit(rules, cites, duties, documents, first.bundle_digest, basis, relied)


def origin_is(answer: _Answer, origin: str) -> _Answer:
    """The answer of one origin's law, which says whose it is: who is at fault, and which documents are its own."""
    if isinstance(answer, Permit):
        return answer if answer.relied or not answer.documents else replace(answer, relied=_own(answer, origin))
    if isinstance(answer, Review):
        return replace(answer, relied=_own(answer, origin), at_fault=(origin or NOBODY,))
    return replace(answer, at_fault=(origin or NOBODY,))


def grounds_in_words(answer: Decision, names: Mapping[str, str]) -> list[str]:
    """On what each origin's answer rests, for people: "DE: EU standard clauses (scc_eu) by scc-1".

    Args:
        names: of the grounds, by id; a ground of another id is a rule, which needs no document.
    """
    papers: dict[str, list[str]] = {}
    for origin, _, document in (words.partition(" ") for words in answer.relied):
        papers.setdefault(origin, []).append(document)
    sentences = []
    for origin, _, ground in (words.partition(" ") for words in answer.basis):
        named = f"{names[ground]} ({ground})" if ground in names else f"rule {ground}"
        by = f" by {', '.join(papers[origin])}" if origin in papers else ""
        sentences.append(f"{origin}: {named}{by}" if origin != NOBODY else f"{named}{by}")
    return sentences


def _own(answer: Permit | Review, origin: str) -> tuple[str, ...]:
    return tuple(f"{origin or NOBODY} {document}" for document in answer.documents)


def _union(answers: Sequence[Decision], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for answer in answers for part in getattr(answer, name)))


def _words(answers: Sequence[Decision], name: str) -> str:
    return " ".join(dict.fromkeys(getattr(answer, name) for answer in answers if getattr(answer, name)))


def _json(answer: Decision) -> dict[str, Any]:
    parts = {name: list(part) if isinstance(part, tuple) else part for name, part in asdict(answer).items()}
    return {
        "verdict": answer.verdict,
        "reason": answer.reason,
        "missing": list(answer.missing),
        "remedy": answer.remedy,
        "id": answer.id,
        "basis": list(answer.basis),
        "obligations": list(answer.obligations),
        "documents": list(answer.documents),
        "relied": list(answer.relied),
        "at_fault": list(answer.at_fault),
    } | parts
