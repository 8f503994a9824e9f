"""What is kept at the hub of a deployment: its members, who was revoked, and a note of each act in the hub's ledger.

The list of revoked certificates is as new as the ledger's last note of it, else it was put back, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fedsov.artifact import Party
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys import revocation
from fedsov.keys.certificates import OPERATOR, REGION
from fedsov.keys.members import Member, written_members
from fedsov.keys.revocation import RevocationList
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_files import put_noted
from fedsov.runtimes.deployment.noted import MEMBERS, NOTE, acts, check_newest, members_in, newest_counter
from fedsov.storage.atomic_files import sha256_hex, write_file
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

RENEWED = "renewed"
"""Why a certificate is revoked that a new one takes the place of."""


@dataclass(frozen=True, slots=True)
class HubHome:
    """A hub's deployment folder, and its open ledger."""

    folder: DeploymentFolder
    ledger: Ledger

    def members(self) -> dict[str, Member]:
        """Every party that was approved, by name. Raises KeyUnavailable, also for an older copy that was put back."""
        return members_in(self.folder, self.acts())

    def put_members(self, members: Mapping[str, Member]) -> None:
        """Puts the members in their place, noted in the ledger. Raises WorkspaceUnusable, LedgerBroken."""
        content = written_members(members)
        if self.folder.members.is_file() and self.folder.members.read_bytes() == content:
            return
        put_noted(self.folder.members, content, self.ledger, {NOTE: {"act": MEMBERS, "sha256": sha256_hex(content)}})

    def enter(self, name: str, member: Member) -> None:
        """Makes a party a member, or puts its new certificate in the place of the old. Raises WorkspaceUnusable."""
        self.put_members({**self.members(), name: member})

    def drop(self, name: str) -> None:
        """Takes a party off the members. Raises WorkspaceUnusable."""
        self.put_members({key: member for key, member in self.members().items() if key != name})

    def revoked(self) -> RevocationList:
        """The list of revoked certificates. Raises CertificateRefused for another one than the ledger noted last."""
        if not self.folder.revoked.exists() and not self._counter():
            return RevocationList()
        listed = read_revoked(self.folder.revoked, self.ledger.key)
        return check_newest(listed, self._counter(), self.folder)

    def write_revoked(self, listed: RevocationList) -> None:
        """Signs a list and puts it in its place. Raises WorkspaceUnusable, LedgerBroken."""
        write_file(self.folder.revoked, revocation.written(listed, self.ledger.key, self.ledger.sign))

    def note(self, act: str, about: Mapping[str, Any], *, by: str, why: str) -> None:
        """Notes an act in the hub's ledger. Raises LedgerBroken."""
        self.ledger.note({NOTE: {"act": act, **about, "by": by, "why": why}})

    def revoke(self, serial: str, name: str, *, at: datetime, by: str, why: str) -> RevocationList:
        """Takes a certificate back: noted, then signed. Raises as `revoked`, and LedgerBroken, WorkspaceUnusable."""
        before = self.revoked()
        listed = revocation.revoked(before, serial, name, at=at, why=why)
        if listed != before:
            self.write_revoked(listed)  # before the note: a killed one revokes more, never less
            self.note("revoked", {"name": name, "serial": serial, "counter": listed.counter}, by=by, why=why)
        return listed

    def parties(self) -> dict[str, Party]:
        """Where the hub and every region that was invited are, and whose, by name, as the ledger noted it last."""
        said = [body for body in self.acts() if body["act"] == "invited"]
        return {str(body["name"]): Party.from_json(body["party"]) for body in said}

    def approved(self) -> dict[str, list[dict[str, Any]]]:
        """What the ledger noted of each approval of a region's request, by name, the oldest first; revoked or not."""
        return self._approvals(REGION)

    def operators(self) -> dict[str, list[dict[str, Any]]]:
        """The same of each approval of an operator's request; the operator of the hub's own asks nobody."""
        return self._approvals(OPERATOR)

    def check_regions(self, names: Iterable[str]) -> None:
        """Raises ConfigurationError for a region of an operator's name: a name is one party's alone."""
        operators = {name.casefold() for name in self.operators()}
        for name in names:
            if name.casefold() in operators:
                raise ConfigurationError(f"region {name} has the name of an operator; name the region otherwise")

    def _approvals(self, role: str) -> dict[str, list[dict[str, Any]]]:
        approvals: dict[str, list[dict[str, Any]]] = {}
        for body in self.acts():
            if body["act"] == "approved" and body["role"] == role and "key" in body:
                approvals.setdefault(str(body["name"]), []).append(body)
        return approvals

    def number(self) -> int:
        """The number of the package that is written now: it grows with each act that the ledger noted."""
        return sum(body["act"] != MEMBERS for body in self.acts())

    def acts(self) -> list[dict[str, Any]]:
        """Every act that the ledger noted of the deployment, in order."""
        return acts(self.ledger)

    def _counter(self) -> int:
        """The number of the list that the ledger noted last."""
        return newest_counter(self.acts())


@contextmanager
def hub_home(home: Path, *, owner: str = "") -> Iterator[HubHome]:
    """A hub's home, its ledger open for writing.

    Args:
        owner: the hub's name, where its ledger may have to be made.

    Raises ConfigurationError where there is no hub, LedgerBroken.
    """
    path = ledger_of(Workspace(home).hub)
    if not is_there(path) and not owner:
        raise ConfigurationError(f"{home} is no hub's home; `fedsov deploy init DIR` makes DIR/hub")
    with closing(Ledger.existing(path) if is_there(path) else Ledger(path, owner)) as ledger:
        yield HubHome(DeploymentFolder(home), ledger)


def read_revoked(path: Path, key: str) -> RevocationList:
    """The list in a file, signed with this key. Raises CertificateRefused for any other, or none."""
    try:
        return revocation.read(read_bounded(path), key)
    except (OSError, TooLarge) as problem:
        raise CertificateRefused(
            f"the list of revoked certificates in {path} cannot be read ({problem}); restore your copy"
        ) from None
