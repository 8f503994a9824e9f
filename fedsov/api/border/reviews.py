"""What waits for a person in a workspace, and the person's answer, written into the ledgers.

A review is found in the ledger of the party whose gate asked. Its approval is written into every ledger of the
workspace, under each party's own key: the same data may be passed on by another party (a region's update also holds
what the global model brought it), and each gate believes its own ledger only. Opening a ledger for writing needs its
signing key; and an approval bears the signature of a registered reviewer, without which no gate believes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.border.decisions import JOINED
from fedsov.border.evidence import approvals
from fedsov.border.evidence.approvals import Approval
from fedsov.border.evidence.reviewers import Reviewers, reviewers_in_force, signed_bytes
from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.keys.local import read_signing_key
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.storage.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PendingReview:
    """One review: in whose ledgers it was asked, the latest entry about it, and the approvals that nobody withdrew.

    `faults` says of each approval that does not count why, by its id.
    """

    id: str
    owners: tuple[str, ...]
    body: Mapping[str, Any]
    approvals: tuple[Approval, ...]
    faults: Mapping[str, str] = field(default_factory=dict)

    def standing(self, on: date) -> Approval | None:
        """The approval that counts and holds on a day, or None."""
        counted = (approval for approval in self.approvals if approval.id not in self.faults)
        return next((approval for approval in counted if approval.holds_on(on)), None)

    def to_json(self, on: date) -> dict[str, Any]:
        """For `border reviews --json`."""
        body = self.body
        answered = self.standing(on)
        copied = ("kind", "origins", "categories", "purpose", "reason", "rules", "citations", "obligations")
        return {
            "review": self.id,
            "asked_by": list(self.owners),
            "exporter": body["exporter"],
            "importer": body["importer"],
            **{name: body[name] for name in copied},
            "approved": None if answered is None else answered.to_json(),
            "do_not_count": dict(self.faults),
        }


def reviews(root: Path) -> list[PendingReview]:
    """Every review in the ledgers of a workspace, in the order they were first asked."""
    latest: dict[str, tuple[list[str], Mapping[str, Any]]] = {}
    given: dict[str, Approval] = {}
    for owner, path in _ledgers(root).items():
        bodies = [entry.body for entry in Ledger.read(path).entries()]
        for body in bodies:
            for review_id in _ids(body):
                owners, _ = latest.get(review_id, ([], {}))
                latest[review_id] = (owners if owner in owners else [*owners, owner], body)
        given |= {approval.id: approval for approval in approvals.standing(bodies)}
    register = reviewers_in_force(Workspace(root).reviewers)
    return [
        _pending(review_id, owners, body, tuple(each for each in given.values() if each.is_of(review_id)), register)
        for review_id, (owners, body) in latest.items()
    ]


def _pending(
    review_id: str, owners: list[str], body: Mapping[str, Any], given: tuple[Approval, ...], register: Reviewers
) -> PendingReview:
    faults = {approval.id: fault for approval in given if (fault := register.fault(approval.body))}
    return PendingReview(review_id, tuple(owners), body, given, faults)


def approve(root: Path, review_id: str, *, by: str, why: str, until: date, today: date, key: Path) -> Approval:
    """Records a registered reviewer's yes to a review, signed with the reviewer's private key.

    A review of a rehearsed day is approved from that day on.

    Raises ConfigurationError for an unknown review, a day that has passed, who is no reviewer or was revoked, and
    another's key; KeyUnavailable where the key cannot be read.
    """
    reviewer = reviewers_in_force(Workspace(root).reviewers).active(by)
    question = {**_review(root, review_id).body, "review": review_id}
    if until < today:
        raise ConfigurationError(f"--until {until} has passed; name a day from {today} on")
    signer = read_signing_key(key, missing=f"no key at {key}; name the file of {by}'s private key")
    if signer.public_key().public_bytes_raw().hex() != reviewer.key:
        raise ConfigurationError(
            f"{key} is not the key of reviewer '{by}'; `fedsov border reviewer list` shows whose is"
        )
    since = min(today, _rehearsed_day(question) or today)
    entry = approvals.approval_entry(question, by=by, why=why, since=since, until=until, at=entry_time())
    entry |= {"role": reviewer.role, "key": reviewer.key}
    entry |= {"signature": signer.sign(signed_bytes(entry)).hex()}
    _write(root, entry)
    return Approval(entry["approval"], review_id, by, why, since, until, entry)


def _rehearsed_day(body: Mapping[str, Any]) -> date | None:
    """The day of a review that was asked on another day than the real one."""
    return date.fromisoformat(body["day"]) if "rehearsed day" in body.get("marks", ()) else None


def withdraw(root: Path, named: str, *, by: str, why: str) -> list[Approval]:
    """Takes back an approval, or every approval of a review; they count for nothing from the next decision on.

    Args:
        named: the id of an approval or of a review.
    """
    withdrawn = {
        approval.id: approval
        for review in reviews(root)
        for approval in review.approvals
        if named in (approval.id, review.id)
    }
    if not withdrawn:
        raise ConfigurationError(f"no approval or approved review {named!r} in this workspace; see `border reviews`")
    for approval in withdrawn.values():
        _write(root, approvals.withdrawal_entry(approval, by=by, why=why, at=entry_time()))
    return list(withdrawn.values())


def _ids(body: Mapping[str, Any]) -> list[str]:
    """The reviews that an entry asks for."""
    return body["review"].split(JOINED) if body.get("verdict") == "review" and body.get("review") else []


def _review(root: Path, review_id: str) -> PendingReview:
    by_id = {review.id: review for review in reviews(root)}
    if review_id not in by_id:
        listed = ", ".join(by_id) or "none"
        raise ConfigurationError(
            f"no review {review_id!r} in this workspace; there are: {listed} (run `plan` or `train` first)"
        )
    return by_id[review_id]


def write_note(root: Path, note: Mapping[str, Any]) -> None:
    """Writes a note into every ledger of a workspace. Raises ConfigurationError where there is none yet."""
    paths = Workspace(root).ledgers()
    if not paths:
        raise ConfigurationError(
            f"workspace {root} has no ledger to note it in; `fedsov train` or `fedsov region init NAME` makes one first"
        )
    _append(paths, {"at": entry_time(), "run": "", "act": "note", "note": dict(note)})


def _write(root: Path, entry: Mapping[str, Any]) -> None:
    """Into every ledger of the workspace; all are opened, with their keys, before the first is written.

    Then the hub notes the regions' heads, as at the end of a run. That a ledger was put back to before a withdrawal is
    found by the others, which hold it (`fedsov.api.ledger_audit`).
    """
    paths = _ledgers(root)
    if "hub" not in paths:
        raise LedgerBroken(f"no ledger at {Workspace(root).hub}, though regions have theirs; restore it from your copy")
    _append(paths, entry)


def _append(paths: Mapping[str, Path], entry: Mapping[str, Any]) -> None:
    """Into each of these ledgers; then the hub's, where it is one of them, notes the heads of the others."""
    opened = {name: Ledger.existing(path) for name, path in paths.items()}
    regions = {name: ledger for name, ledger in opened.items() if name != "hub"}
    try:
        for ledger in opened.values():
            ledger.append({**entry, "owner": ledger.owner} if entry["act"] == "note" else entry)
        if hub := opened.get("hub"):
            hub.append(_note(entry, hub, {name: ledger.head().to_json() for name, ledger in regions.items()}))
    finally:
        for ledger in opened.values():
            ledger.close()


def _note(entry: Mapping[str, Any], ledger: Ledger, heads: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": entry["at"], "run": "", "act": "note", "owner": ledger.owner, "note": {"heads": dict(heads)}}


def _ledgers(root: Path) -> dict[str, Path]:
    workspace = Workspace(root)
    workspace.require()
    return workspace.ledgers()
