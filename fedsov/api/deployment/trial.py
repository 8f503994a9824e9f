"""A trial on one machine: an authority, and certificates for the hub, an operator and the regions of one workspace.

    trial = set_up_trial(Path(".fedsov"), ["DE", "US"], HubAddress("127.0.0.1", 9092))
    trial.hub.certificate                  # .fedsov/deployment/party.crt
    trial.regions["DE"].key                # .fedsov/deployment/regions/DE/deployment/party.key

Nobody is asked, so the authority's passphrase lies beside its key: whoever can read the folder can be any party. In
earnest each party's keys are made on its own machine (`fedsov deploy init`). Run again, it keeps what is valid for a
day or more. A party that was revoked stays so until somebody removes its folder.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fedsov.api.control.repository.enrolment import take_trial_roots
from fedsov.api.deployment.authority import AuthorityFolder, given_passphrase, make_authority, open_authority
from fedsov.api.deployment.hub_home import HubHome, hub_home
from fedsov.api.deployment.own_certificates import CertificatePlace, certify, hub_places, is_valid, member_of
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys import KeySettings, has_keys, open_keys, revocation
from fedsov.keys.certificates import HUB, HUB_OPERATOR, REGION, OpenAuthority, check_name, identity_of
from fedsov.keys.members import Member
from fedsov.keys.revocation import RevocationList
from fedsov.ledger.known_keys import keys_at_hand
from fedsov.region.trust.known_peers import signed_sealing_key
from fedsov.storage.atomic_files import write_file
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, write_party
from fedsov.storage.workspace import Workspace

BY, WHY = "fedsov up", "a trial on one machine"


@dataclass(frozen=True, slots=True)
class Trial:
    """The parties of a trial.

    Attributes:
        hub: the workspace's own deployment folder, which has the operator's certificate too.
        regions: each region's, by name; its keys and store are in the workspace.
        made: the parties that got a new certificate now.
        revoked: those whose certificate was taken back, and who are no members.
    """

    hub: DeploymentFolder
    regions: Mapping[str, DeploymentFolder]
    made: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()


def set_up_trial(
    workspace: Path, names: Sequence[str], hub: HubAddress, *, hub_name: str = "hub", now: datetime | None = None
) -> Trial:
    """Makes what is missing of a trial in a workspace whose regions have keys.

    Args:
        hub: where the hub is to listen; its certificate has this name beside those of the loopback interface.
        hub_name: the owner of the hub's ledger, which is made where there is none.

    Raises ConfigurationError for a region without keys, or of the hub's or the operator's name;
    KeyUnavailable, LedgerBroken, WorkspaceUnusable.
    """
    now = now or datetime.now(UTC)
    _check_names(workspace, names, hub_name)
    regions = {name: DeploymentFolder(workspace / "deployment" / "regions" / name) for name in names}
    folder = DeploymentFolder(workspace)
    places = hub_places(folder, hub_name, HUB_OPERATOR, hub.host)
    places += [CertificatePlace(REGION, name, own.key, own.certificate) for name, own in regions.items()]
    authority = _authority(AuthorityFolder(folder.root / "ca"), now)
    with hub_home(workspace, owner=hub_name) as home:
        home.check_regions(names)
        if not home.folder.revoked.exists():
            home.write_revoked(revocation.issued(home.revoked(), at=now))
        listed = home.revoked()
        gone = tuple(place.name for place in places if _is_revoked(place, listed))
        made = [place for place in places if place.name not in gone and not is_valid(place, authority.text, now)]
        for place in made:
            certify(place, authority, home, now=now, by=BY, why=WHY)
        _write_members(workspace, [place for place in places if place.name not in gone], home)
        _write_parties(home, hub, hub_name, regions, authority)
        take_trial_roots(workspace, [name for name in names if name not in gone], home.ledger, by=BY, why=WHY)
    return Trial(folder, regions, tuple(place.name for place in made), gone)


def _check_names(workspace: Path, names: Sequence[str], hub_name: str) -> None:
    for name in names:
        check_name(name)
        if name in (hub_name, HUB_OPERATOR):
            raise ConfigurationError(f"region {name} has the name of another party; name the region otherwise")
        if not has_keys(KeySettings(name, Workspace(workspace).region(name))):
            raise ConfigurationError(f"region {name} has no keys in {workspace}; `fedsov ingest` makes them")


def _authority(folder: AuthorityFolder, now: datetime) -> OpenAuthority:
    if not folder.certificate.exists():
        words = secrets.token_urlsafe(32)
        write_file(folder.passphrase, words.encode())
        folder.key.unlink(missing_ok=True)  # of a set-up that was cut before the certificate: it signed nothing
        make_authority(folder, words, now=now)
    return open_authority(folder, given_passphrase(folder.passphrase))


def _is_revoked(place: CertificatePlace, listed: RevocationList) -> bool:
    if not place.exists:
        return False
    try:
        return revocation.is_revoked(listed, identity_of(place.certificate.read_bytes()).serial)
    except CertificateRefused:
        return False  # it is no certificate; `is_valid` says so


def _write_members(workspace: Path, places: Sequence[CertificatePlace], home: HubHome) -> None:
    verify = keys_at_hand(Workspace(workspace))
    approved = home.operators()
    others = {name: member for name, member in home.members().items() if name in approved} if approved else {}
    home.put_members({**others, **{place.name: _member(workspace, place, verify) for place in places}})


def _member(workspace: Path, place: CertificatePlace, verify: Mapping[str, str]) -> Member:
    certificate = place.certificate.read_bytes()
    if place.role != REGION:
        return member_of(certificate, verify_key=verify.get(place.name, "") if place.role == HUB else "")
    keys = open_keys(KeySettings(place.name, Workspace(workspace).region(place.name)))
    return member_of(certificate, verify_key=verify[place.name], sealing=signed_sealing_key(keys))


def _write_parties(
    home: HubHome, hub: HubAddress, hub_name: str, regions: Mapping[str, DeploymentFolder], authority: OpenAuthority
) -> None:
    """Every party's own file, the authority's certificate, and the list of revoked ones."""
    revoked = home.folder.revoked.read_bytes()
    write_party(home.folder.party, PartyFile(hub_name, HUB, hub))
    write_file(home.folder.authority, authority.text)
    for name, folder in regions.items():
        write_party(folder.party, PartyFile(name, REGION, hub))
        write_file(folder.authority, authority.text)
        write_file(folder.revoked, revoked)
