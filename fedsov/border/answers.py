"""The border's three answers as values, and the strictest of several.

Each says by which rules, on which texts and documents, under which duties; a `Refusal` also what is missing
and what would mend it. All share one set of attributes, so that a reader need not ask which of them it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Permit:
    """It may cross, by these rules, relying on these documents, under these obligations."""

    rules: tuple[str, ...]
    citations: tuple[str, ...]
    obligations: tuple[str, ...]
    documents: tuple[str, ...]
    bundle_digest: str
    verdict: ClassVar[str] = "permit"
    reason: ClassVar[str] = ""
    missing: ClassVar[tuple[str, ...]] = ()
    remedy: ClassVar[str] = ""

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON, with its verdict."""
        return _json(self)


@dataclass(frozen=True, slots=True)
class Review:
    """A person must approve it first; until then it stays."""

    rules: tuple[str, ...]
    citations: tuple[str, ...]
    obligations: tuple[str, ...]
    documents: tuple[str, ...]
    reason: str
    bundle_digest: str
    remedy: str = "Have a responsible person decide, and record the approval."
    verdict: ClassVar[str] = "review"
    missing: ClassVar[tuple[str, ...]] = ()

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON, with its verdict."""
        return _json(self)


@dataclass(frozen=True, slots=True)
class Refusal:
    """It stays: why, which documents are missing, and what would mend it."""

    rules: tuple[str, ...]
    citations: tuple[str, ...]
    reason: str
    missing: tuple[str, ...]
    remedy: str
    bundle_digest: str
    verdict: ClassVar[str] = "refuse"
    obligations: ClassVar[tuple[str, ...]] = ()
    documents: ClassVar[tuple[str, ...]] = ()

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON, with its verdict."""
        return _json(self)


Decision = Permit | Review | Refusal


def strictest(answers: Sequence[Decision]) -> Decision:
    """The answers of all origins as one: all refusals, else all reviews, else all permits together."""
    for verdict in (Refusal, Review, Permit):
        alike = [answer for answer in answers if isinstance(answer, verdict)]
        if len(alike) == 1 or (alike and all(one == alike[0] for one in alike)):
            return alike[0]
        if alike:
            return _together(alike)
    raise ValueError("expected at least one answer")


def _together(answers: Sequence[Decision]) -> Decision:
    def union(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part for answer in answers for part in getattr(answer, name)))

    def words(name: str) -> str:
        return " ".join(dict.fromkeys(getattr(answer, name) for answer in answers if getattr(answer, name)))

    first = answers[0]
    rules, citations, digest = union("rules"), union("citations"), first.bundle_digest
    if isinstance(first, Refusal):
        return Refusal(rules, citations, words("reason"), union("missing"), words("remedy"), digest)
    if isinstance(first, Review):
        return Review(rules, citations, union("obligations"), union("documents"), words("reason"), digest)
    return Permit(rules, citations, union("obligations"), union("documents"), digest)


def _json(answer: Decision) -> dict[str, Any]:
    parts = {name: list(part) if isinstance(part, tuple) else part for name, part in asdict(answer).items()}
    return {
        "verdict": answer.verdict,
        "reason": answer.reason,
        "missing": list(answer.missing),
        "remedy": answer.remedy,
    } | parts
