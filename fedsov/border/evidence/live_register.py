"""Evidence as it is at the moment of a decision, for runs that last longer than a document.

The register's file is read again whenever it changed on the disk, and approvals are those that the party's own ledger
holds now; so a document that is taken out of the register, or an approval that is withdrawn, counts for nothing from
the next decision on. A file that cannot be read just then, since somebody is writing it, is a register without any
document: what needs one is refused, a warning says why, and the next decision reads the file again.

    gate = Gate(region, evidence=LiveRegister(Path("documents.yaml"), ledger), ...)
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from fedsov.border.evidence import approvals
from fedsov.border.evidence.approvals import Approval
from fedsov.border.evidence.claims import Claim, Question
from fedsov.border.evidence.register import Register
from fedsov.border.evidence.register_file import load_register
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger

_log = logging.getLogger("fedsov.border")


@dataclass(slots=True)
class LiveRegister:
    """The evidence of one party: its register (None for no documents) and its ledger's approvals."""

    path: Path | None
    ledger: Ledger
    _register: Register | None = field(default=None, init=False, repr=False)
    _state: tuple[int, ...] = field(default=(), init=False, repr=False)
    _read_to: int = field(default=0, init=False, repr=False)
    _bodies: list[dict[str, object]] = field(default_factory=list, init=False, repr=False)

    def claims(self, question: Question) -> tuple[Claim, ...]:
        """See `fedsov.border.evidence.claims.Evidence`."""
        return self.register().claims(question)

    def knows(self, document_id: str) -> bool:
        """True where the register holds a document of this id now."""
        return self.register().knows(document_id)

    def approval(self, review: str, on: date) -> str | None:
        """The id of an approval of this review that is in the ledger, not withdrawn, and holds on the day; or None."""
        approved = (approval for approval in self.approvals() if approval.review == review)
        return min((approval.id for approval in approved if approval.holds_on(on)), default=None)

    def absent(self, kinds: Sequence[str]) -> str:
        """See `fedsov.border.evidence.claims.Evidence`."""
        return self.register().absent(kinds)

    def approvals(self) -> tuple[Approval, ...]:
        """The approvals in the ledger that nobody withdrew."""
        for entry in self.ledger.entries(since=self._read_to):
            self._read_to = entry.seq
            if entry.body.get("act") in (approvals.APPROVE, approvals.WITHDRAW):
                self._bodies.append(entry.body)
        return approvals.standing(self._bodies)

    def register(self) -> Register:
        """The register as its file is now; one without documents where it cannot be read."""
        try:
            state = self._stat()
            if self._register is None or state != self._state:
                self._register, self._state = load_register(self.path), state
        except ConfigurationError as problem:
            _log.warning("no document counts for the decision at hand: %s", problem)
            return replace(load_register(None), is_given=True)
        return self._register

    def _stat(self) -> tuple[int, ...]:
        if self.path is None:
            return ()
        try:
            file = self.path.stat()
        except OSError as problem:
            reason = f"cannot read the evidence register {self.path}: {problem.strerror}"
            raise ConfigurationError(reason) from problem
        return file.st_mtime_ns, file.st_size, file.st_ino
