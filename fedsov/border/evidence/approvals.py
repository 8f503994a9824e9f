"""A person's yes to a review, as entries of a ledger: who, why, until when; and its withdrawal.

An approval is written into the ledger of each party whose gate is to believe it, under that party's key, so that it
can neither be slipped in nor taken back unseen; and it bears the signature of the person who approves, who must be a
registered reviewer (`fedsov.border.evidence.reviewers`). It holds for one review id alone
(`fedsov.border.policy.review_id`): one origin's data of the same categories, in the same kind of thing, from the same
exporter to the same recipient, for the same purpose, on the same documents, under the same rules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

APPROVE, WITHDRAW = "approve", "withdraw"
SENT_BY = "-"
"""In a review's id, before who sends data of its own place."""
_ROUTE = ("exporter", "importer", "destination", "origins", "categories", "restrictions", "kind", "name", "purpose")


@dataclass(frozen=True, slots=True)
class Approval:
    """Which review, who approved it, why, the first and last day it holds, and the entry that says so (`body`)."""

    id: str
    review: str
    by: str
    why: str
    since: date
    until: date
    body: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def holds_on(self, day: date) -> bool:
        """True from `since` to `until`, both included."""
        return self.since <= day <= self.until

    def is_of(self, review: str) -> bool:
        """True for an approval of this very review, or of a sender's where the review names no sender.

        So the approval of what an exporter sends serves whoever passes it on, and never another exporter.
        """
        return review in (self.review, self.review.partition(SENT_BY)[0])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        days = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return {"approval": self.id, "review": self.review, "by": self.by, "why": self.why, **days}


def approval_entry(
    pending: Mapping[str, Any], *, by: str, why: str, since: date, until: date, at: str
) -> dict[str, Any]:
    """The entry that approves the review of another entry (`pending`); `at` is the moment, in ISO 8601."""
    review = str(pending["review"])
    approval_id = "A" + hashlib.sha256(json.dumps([review, by, why, at]).encode()).hexdigest()[:10]
    approval = Approval(approval_id, review, by, why, since, until)
    route = {name: pending[name] for name in _ROUTE if name in pending}
    return {"at": at, "act": APPROVE, **approval.to_json(), "crossing": route}


def withdrawal_entry(approval: Approval, *, by: str, why: str, at: str) -> dict[str, Any]:
    """The entry that takes an approval back, from its moment on."""
    return {"at": at, "act": WITHDRAW, "approval": approval.id, "review": approval.review, "by": by, "why": why}


def standing(bodies: Iterable[Mapping[str, Any]]) -> tuple[Approval, ...]:
    """The approvals in these entries, in order, that no later entry withdraws; what is no whole approval is none."""
    approvals: dict[str, Approval] = {}
    for body in bodies:
        if body.get("act") == WITHDRAW:
            approvals.pop(str(body.get("approval")), None)
        elif body.get("act") == APPROVE and (approval := _read(body)):
            approvals[approval.id] = approval
    return tuple(approvals.values())


def _read(body: Mapping[str, Any]) -> Approval | None:
    try:
        days = date.fromisoformat(body["since"]), date.fromisoformat(body["until"])
        return Approval(str(body["approval"]), str(body["review"]), str(body["by"]), str(body["why"]), *days, body)
    except (KeyError, TypeError, ValueError):
        return None
