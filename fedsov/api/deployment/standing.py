"""How a party's deployment stands: who is in it, how many days each certificate has left, and who was revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fedsov.api import region_settings
from fedsov.api.deployment.hub_home import hub_home, read_revoked
from fedsov.errors import CertificateRefused, ConfigurationError, counted
from fedsov.keys.certificates import HUB, HUB_OPERATOR, OPERATOR, REGION, fingerprint, identity_of
from fedsov.keys.members import Member
from fedsov.keys.revocation import RevocationList, is_revoked
from fedsov.storage.bounded_files import read_bounded
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import PartyFile, read_party
from fedsov.storage.workspace import Workspace

SOON = 30
"""Days before its end from which a certificate is called about to expire."""


@dataclass(frozen=True, slots=True)
class PartyStanding:
    """One party, as this home knows it.

    Attributes:
        serial, days: its certificate's number, and the whole days it has left; "" and None of a region that has none.
        state: ``valid``, ``expires soon``, ``expired``, ``revoked``, ``invited`` or ``waits for its package``.
    """

    name: str
    role: str
    state: str
    serial: str = ""
    days: int | None = None

    def line(self) -> str:
        """In words."""
        left = "" if self.days is None else f", {counted(self.days, 'day')} left"
        number = f", certificate {self.serial[:16]}" if self.serial else ""
        return f"{self.name}: {self.role}, {self.state}{left}{number}"


@dataclass(frozen=True, slots=True)
class DeploymentStanding:
    """A party's deployment.

    Attributes:
        authority: the fingerprint of its authority.
        parties: at the hub every party; in a region's or an operator's home itself.
        revoked: the list as it is here; an operator has none.
        lines: what is to be done.
    """

    party: PartyFile
    authority: str
    parties: tuple[PartyStanding, ...]
    revoked: RevocationList
    lines: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.party.name,
            "role": self.party.role,
            "hub": asdict(self.party.hub),
            "authority": self.authority,
            "parties": [asdict(party) for party in self.parties],
            "revoked": asdict(self.revoked),
            "to_do": list(self.lines),
        }

    def sentences(self) -> list[str]:
        """The same in lines."""
        hub = self.party.hub
        taken = [f"revoked: {one.name} at {one.at}: {one.why}" for one in self.revoked.revoked]
        return [
            f"{self.party.name}: {self.party.role}; the hub is at {hub}",
            f"authority: {self.authority}",
            *(party.line() for party in self.parties),
            *(taken or ["revoked: nobody"]),
            *self.lines,
        ]


def standing(home: Path, *, now: datetime) -> DeploymentStanding:
    """How the deployment of a home stands. Raises ConfigurationError where there is none; CertificateRefused for a list
    of revoked certificates that must not be believed."""
    folder = DeploymentFolder(home)
    party = read_party(folder.party)
    authority = fingerprint(read_bounded(folder.authority)) if folder.authority.exists() else "not known yet"
    parties, listed = _KINDS[party.role](home, party.name, now)
    return DeploymentStanding(party, authority, tuple(parties), listed, tuple(_to_do(home, party, parties)))


def _of_hub(home: Path, name: str, now: datetime) -> tuple[list[PartyStanding], RevocationList]:
    with hub_home(home) as opened:
        members, listed = opened.members(), opened.revoked()
        others = [name for name in opened.parties() if name not in members]
        approved = opened.approved()
    found = [_member(name, member, listed, now) for name, member in members.items()]
    gone = {name: str(approved[name][-1]["serial"]) for name in others if name in approved}
    states = {name: "revoked" if name in gone else "invited" for name in others}
    return [*found, *(PartyStanding(name, REGION, states[name], gone.get(name, "")) for name in others)], listed


def _of_region(home: Path, name: str, now: datetime) -> tuple[list[PartyStanding], RevocationList]:
    folder = DeploymentFolder(home)
    if not folder.certificate.exists():
        return [PartyStanding(name, REGION, "waits for its package")], RevocationList()
    identity = identity_of(read_bounded(folder.certificate))
    listed = read_revoked(folder.revoked, _hub_key(home, name))
    days = (identity.not_after - now).days
    return [_dated(name, REGION, identity.serial, days, listed)], listed


def _of_operator(home: Path, name: str, now: datetime) -> tuple[list[PartyStanding], RevocationList]:
    """An operator hears of a revocation by the hub's refusal: no list of them is sent there."""
    folder = DeploymentFolder(home)
    if not folder.certificate.exists():
        return [PartyStanding(name, OPERATOR, "waits for its package")], RevocationList()
    identity, nobody = identity_of(read_bounded(folder.certificate)), RevocationList()
    return [_dated(name, OPERATOR, identity.serial, (identity.not_after - now).days, nobody)], nobody


_KINDS = {HUB: _of_hub, REGION: _of_region, OPERATOR: _of_operator}


def _hub_key(home: Path, name: str) -> str:
    """The hub's ledger key as the region pins it."""
    if not Workspace(home).region(name).is_dir():
        raise ConfigurationError(f"{home} has no region {name}; name the workspace that the region joined in")
    own = region_settings.show(home, name).settings
    hub = "" if own.parties.hub is None else own.parties.hub.name
    if hub not in own.keys:
        raise CertificateRefused(f"region {name} pins no key of its hub; `fedsov deploy accept` does")
    return own.keys[hub]


def _member(name: str, member: Member, listed: RevocationList, now: datetime) -> PartyStanding:
    return _dated(name, member.role, member.serial, (datetime.fromisoformat(member.not_after) - now).days, listed)


def _dated(name: str, role: str, serial: str, days: int, listed: RevocationList) -> PartyStanding:
    if is_revoked(listed, serial):
        return PartyStanding(name, role, "revoked", serial)
    state = "expired" if days < 0 else "expires soon" if days < SOON else "valid"
    return PartyStanding(name, role, state, serial, max(days, 0))


def _is_elsewhere(listed: PartyStanding, party: PartyFile) -> bool:
    """Whether a party of the hub's list renews its certificate in a home of its own."""
    return party.role == HUB and listed.role != HUB and listed.name != HUB_OPERATOR


def _to_do(home: Path, party: PartyFile, parties: Sequence[PartyStanding]) -> list[str]:
    authority = " --ca DIR/ca" if party.role == HUB else ""
    own = f"run `fedsov deploy renew --workspace {home}{authority}`"
    lines = [
        f"{one.name}: its certificate {one.state.replace('soon', f'in {one.days} days')}; "
        + ("its owner runs `fedsov deploy renew`" if _is_elsewhere(one, party) else own)
        for one in parties
        if one.state in ("expired", "expires soon")
    ]
    folder = DeploymentFolder(home)
    waits = [f"{folder.request(party.name)} waits for the authority's answer"] if folder.next_key.exists() else []
    return [*lines, *waits]
