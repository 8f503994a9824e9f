"""Sets a deployment up: the authority, the hub's home, and an invitation for each region of the configuration.

    made = set_up(Path("deployment"), settings, HubAddress("hub.example.org", 9092), passphrase=ask)

Run again with more regions, it invites these too; what is there stays. A region that joined is not invited again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fedsov.api.deployment.authority import AuthorityFolder, make_authority, open_authority
from fedsov.api.deployment.hub_home import RENEWED, HubHome, hub_home
from fedsov.api.deployment.joining.invitations import proposal, write_invitation
from fedsov.api.deployment.own_certificates import CertificatePlace, certify, hub_places, is_valid, member_of
from fedsov.api.region_settings import RESERVED
from fedsov.artifact import Party
from fedsov.border.law.in_force import law_in_force
from fedsov.config.hub_settings import asked
from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError
from fedsov.jurisdiction import Region
from fedsov.keys import revocation
from fedsov.keys.certificates import DAYS, HUB, HUB_OPERATOR, OpenAuthority, check_name, fingerprint
from fedsov.keys.members import Member
from fedsov.protocol.job import Asked
from fedsov.region.own_dataset import OwnDataset
from fedsov.region.settings import OwnLaw, RegionSettings
from fedsov.region.trust.parties import Parties
from fedsov.runtimes.ingestion_gates import party_of
from fedsov.storage.atomic_files import write_file
from fedsov.storage.party_file import HubAddress, PartyFile, read_party, write_party
from fedsov.storage.workspace import Workspace

Passphrase = Callable[[bool], str]
"""Gives the authority's passphrase; True where it is a new one, to be given twice."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """What was made.

    Attributes:
        fingerprint: the authority's, for the regions' owners.
        invited: folder of each invitation, by region.
        joined: regions that were approved already.
        revoked: of the hub and its operator those whose certificate was taken back.
        left_out: settings of the run that are proposed to no region, since its owner alone decides about them.
    """

    authority: Path
    hub: Path
    fingerprint: str
    invited: Mapping[str, Path]
    joined: tuple[str, ...]
    revoked: tuple[str, ...]
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        invited = {name: str(folder) for name, folder in self.invited.items()}
        paths = {"authority": str(self.authority), "hub": str(self.hub)}
        lists = {name: list(getattr(self, name)) for name in ("joined", "revoked", "left_out")}
        return {**paths, "fingerprint": self.fingerprint, "invited": invited, **lists}


def set_up(
    folder: Path,
    settings: Settings,
    address: HubAddress,
    *,
    passphrase: Passphrase,
    now: datetime,
    days: int = DAYS,
    by: str,
    why: str,
) -> SetUp:
    """Makes what is missing of a deployment in a folder.

    Raises ConfigurationError where the configuration names no regions, or two parties alike; KeyUnavailable for another
    passphrase; CertificateRefused for a name that no certificate can have; LedgerBroken, WorkspaceUnusable.
    """
    hub, regions = settings.federation.hub, _regions(settings)
    home, authority_folder = folder / "hub", AuthorityFolder(folder / "ca")
    authority = _authority(authority_folder, passphrase, now)
    with hub_home(home, owner=hub.name) as opened:
        opened.check_regions(region.name for region in regions)
        for place in hub_places(opened.folder, hub.name, HUB_OPERATOR, address.host):
            if not is_valid(place, authority.text, now):
                certify(place, authority, opened, days=days, now=now, by=by, why=why)
            _enter(place, opened)
        if not opened.folder.revoked.exists():
            opened.write_revoked(revocation.issued(opened.revoked(), at=now))
        write_file(opened.folder.authority, authority.text)
        write_party(opened.folder.party, PartyFile(hub.name, HUB, address))
        _note_party(opened, hub, by=by, why=why)
        gone = tuple(name for name in (hub.name, HUB_OPERATOR) if name not in opened.members())
        joined, invited = set(opened.approved()), {}
        for region in (one for one in regions if one.name not in joined):
            invited[region.name] = folder / "invitations" / region.name
            own = _proposed(settings, region, regions, home)
            invitation = proposal(own, hub.name, opened.ledger.key)
            write_invitation(invited[region.name], invitation, address, hub.name, authority)
            _note_party(opened, party_of(region), by=by, why=why)
    members = tuple(region.name for region in regions if region.name in joined)
    return SetUp(
        authority_folder.root,
        home,
        fingerprint(authority.text),
        invited,
        members,
        gone,
        tuple(_left_out(asked(settings))),
    )


def renew_hub(
    home: Path, authority: OpenAuthority, *, days: int = DAYS, now: datetime, by: str, why: str
) -> dict[str, Member]:
    """New keys and certificates for the hub and its operator; those before are revoked. The members, by name.

    Raises ConfigurationError where the home is no hub's, or another authority's; LedgerBroken, WorkspaceUnusable.
    """
    with hub_home(home) as opened:
        party = read_party(opened.folder.party)
        if party.role != HUB or opened.folder.authority.read_bytes() != authority.text:
            raise ConfigurationError(
                f"{home} is no hub's home of this authority; name the one that `fedsov deploy init` made"
            )
        before = opened.members()
        for place in hub_places(opened.folder, party.name, HUB_OPERATOR, party.hub.host):
            if place.name in before:
                opened.revoke(before[place.name].serial, place.name, at=now, by=by, why=RENEWED)
            certify(place, authority, opened, days=days, now=now, by=by, why=why)
            _enter(place, opened)
        members = opened.members()
    return {name: members[name] for name in (party.name, HUB_OPERATOR)}


def _regions(settings: Settings) -> tuple[Region, ...]:
    regions = settings.federation.regions
    if regions is None:
        raise ConfigurationError(
            "federation.regions=auto finds regions in rows, which no hub sees; name them: federation.regions=[DE,US]"
        )
    for name in (settings.federation.hub.name, *(region.name for region in regions)):
        check_name(name)
    taken = {settings.federation.hub.name, HUB_OPERATOR, *RESERVED}
    for region in regions:
        if region.name in taken:
            raise ConfigurationError(f"region {region.name} has the name of another party; name the region otherwise")
    return regions


def _authority(folder: AuthorityFolder, passphrase: Passphrase, now: datetime) -> OpenAuthority:
    if folder.certificate.exists() or folder.key.exists():
        return open_authority(folder, passphrase(False))
    words = passphrase(True)
    return make_authority(folder, words, now=now).opened(words)


def _enter(place: CertificatePlace, home: HubHome) -> None:
    """Makes the party of a certificate a member, unless it is one by that certificate, or this was revoked."""
    key = home.ledger.key if place.role == HUB else ""
    member = member_of(place.certificate.read_bytes(), verify_key=key)
    if home.members().get(place.name) != member and not revocation.is_revoked(home.revoked(), member.serial):
        home.enter(place.name, member)


def _note_party(home: HubHome, party: Party, *, by: str, why: str) -> None:
    if home.parties().get(party.name) != party:
        home.note("invited", {"name": party.name, "party": party.to_json()}, by=by, why=why)


def _left_out(job: Asked) -> list[str]:
    """What this configuration asks of a region's border that no invitation proposes."""
    asks = {
        "border.evidence": job.evidence is not None,
        "border.rules": job.rules is not None,
        "border.unsafe_open": job.unsafe_open,
        "today or federation.days_per_round": job.rehearses,
    }
    return [key for key, is_asked in asks.items() if is_asked]


def _proposed(settings: Settings, region: Region, regions: tuple[Region, ...], home: Path) -> RegionSettings:
    """What a region's first ingestion would write down of this configuration, without any file of the hub's machine."""
    peers = {one.name: party_of(one) for one in regions if one.name != region.name}
    job = asked(settings)
    return RegionSettings(
        region.name,
        law=OwnLaw(law_in_force(Workspace(home).law).digest),
        datasets={settings.dataset.name: OwnDataset.of(job)},
        parties=Parties(settings.federation.hub, party_of(region), peers),
        retention_days=region.retention_days,
    )
