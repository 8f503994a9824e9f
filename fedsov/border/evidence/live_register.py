"""Evidence as it is at the moment of a decision, for runs that last longer than a document.

The register's file is read for every decision, and taken apart again whenever its content changed, whatever its size
and time say; approvals are those that the party's own ledger holds now. So a document that is taken out of the
register, or an approval that is withdrawn, counts for nothing from the next decision on. A file that cannot be read
just then, since somebody is writing it, is a register without any document: what needs one is refused, a warning says
why, and the next decision reads the file again. A decision's entry names the documents by the digests of what was read
for it (`contents`).

    gate = Gate(region, evidence=LiveRegister(Path("documents.yaml"), ledger), ...)
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.border.evidence import approvals
from fedsov.border.evidence.approvals import Approval
from fedsov.border.evidence.claims import Claim, Question, without_reliance
from fedsov.border.evidence.register import Register
from fedsov.border.evidence.register_file import load_register, read_register, register_text
from fedsov.border.evidence.reviewers import DIGEST, NOTE, Reviewers, reviewers_in_force
from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger.ledger import Ledger

_log = logging.getLogger("fedsov.border")
UNREADABLE = "unreadable"
"""In the place of a digest: no file has it, so the next decision reads again."""


@dataclass(slots=True)
class LiveRegister:
    """The evidence of one party: its register (None for no documents) and its ledger's approvals.

    `reviewers` is the register of those who may approve; without one no approval counts, nor by one that is not the one
    that the ledger noted last. Where nobody `relies` on the documents, only what they state against a crossing counts.
    Without `examples` made-up documents (`example: true`) count for nothing: they speak for no people's rows.
    """

    path: Path | None
    ledger: Ledger
    reviewers: Path | None = None
    relies: bool = True
    examples: bool = True
    _register: Register | None = field(default=None, init=False, repr=False)
    _made_up: int = field(default=0, init=False, repr=False)
    _digest: str = field(default="", init=False, repr=False)
    _read_to: int = field(default=0, init=False, repr=False)
    _noted: str = field(default="", init=False, repr=False)
    _bodies: list[dict[str, object]] = field(default_factory=list, init=False, repr=False)

    def claims(self, question: Question) -> tuple[Claim, ...]:
        """See `fedsov.border.evidence.claims.Evidence`."""
        claims = self.register().claims(question)
        return claims if self.relies else without_reliance(claims, question.weigh)

    def knows(self, document_id: str) -> bool:
        """True where the register holds a document of this id now, and may be relied on."""
        return self.relies and self.register().knows(document_id)

    def contents(self, ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """Digests of documents as they were read last, for the decision that they were read for."""
        return {} if self._register is None else self._register.contents(ids)

    def approval(self, review: str, on: date) -> str | None:
        """The id of an approval of this review that is in the ledger, not withdrawn, signed by a reviewer, and holds on
        the day; or None.
        """
        approved = [each for each in self.approvals() if each.is_of(review) and each.holds_on(on)]
        return min((each.id for each in approved if self._counts(each)), default=None)

    def absent(self, kinds: Sequence[str]) -> str:
        """See `fedsov.border.evidence.claims.Evidence`."""
        if not self.relies:
            return "The job relies on no document (border=none)."
        register = self.register()
        made_up = f" {self._made_up} of its documents are made up (example: true), and speak for no people's rows."
        return register.absent(kinds) + (made_up if self._made_up else "")

    def approvals(self) -> tuple[Approval, ...]:
        """The approvals in the ledger that nobody withdrew."""
        for entry in self.ledger.entries(since=self._read_to):
            self._read_to = entry.seq
            if entry.body.get("act") in (approvals.APPROVE, approvals.WITHDRAW):
                self._bodies.append(entry.body)
            elif isinstance(note := _note_of(entry.body), Mapping) and DIGEST in note:
                self._noted = str(note[DIGEST])
        return approvals.standing(self._bodies)

    def _counts(self, approval: Approval) -> bool:
        """False for an approval that no registered reviewer signed; a warning says why."""
        try:
            reviewers = Reviewers() if self.reviewers is None else reviewers_in_force(self.reviewers, self._noted)
            fault = reviewers.fault(approval.body)
        except (ConfigurationError, LedgerBroken) as problem:
            fault = str(problem)
        if fault:
            _log.warning("approval %s of review %s does not count: %s", approval.id, approval.review, fault)
        return not fault

    def register(self) -> Register:
        """The register as its file is now; one without documents where it cannot be read."""
        try:
            text = None if self.path is None else register_text(self.path)
            digest = "" if text is None else hashlib.sha256(text).hexdigest()
            if self._register is None or digest != self._digest:
                whole = _read(text, self.path)
                self._register = whole if self.examples else whole.without_examples()
                self._made_up = len(whole.documents) - len(self._register.documents)
                self._digest = digest
        except ConfigurationError as problem:
            _log.warning("no document counts for the decision at hand: %s", problem)
            self._register, self._digest = replace(load_register(None), is_given=True), UNREADABLE
        return self._register


def _note_of(body: Mapping[str, Any]) -> Any:
    """What an entry notes of the register of reviewers, if it notes anything."""
    return body["note"].get(NOTE) if body.get("act") == "note" and isinstance(body.get("note"), Mapping) else None


def _read(text: bytes | None, path: Path | None) -> Register:
    return load_register(None) if text is None else read_register(text, str(path))
