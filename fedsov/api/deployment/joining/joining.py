"""A region joins a deployment: all its private keys are made on its own machine, and none leaves it.

    invited = read_invitation(folder, trusted=fingerprint, now=now)
    request = join(home, invited, by="A. Person", why="the contract of May", now=now)
    accept(home, package, by="A. Person", why="as agreed", now=now)       # the authority's answer
    renew(home, by="A. Person", why="yearly", now=now)                    # a new key, a new request

`join` signs region.yaml with the region's key, as the invitation's folder has it now; of a region that has settings
already it pins what is missing, and changes nothing else. `accept` takes a package of the authority that the invitation
named, which is not older than the last one, and whose region.yaml is still in force. Peers that nobody pinned are
pinned; what the owner pinned stays, and a difference is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fedsov.api import region_settings
from fedsov.api.deployment.hub_home import read_revoked
from fedsov.api.deployment.joining.invitations import Invitation
from fedsov.api.deployment.joining.packages import Package, read_package
from fedsov.api.deployment.joining.pinning import contradictions, pin
from fedsov.api.deployment.joining.requests import JoinRequest, written_request
from fedsov.api.deployment.own_certificates import install, key_for
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys import KeySettings, open_keys, revocation
from fedsov.keys.certificates import (
    REGION,
    check_issued,
    fingerprint,
    new_key,
    request,
)
from fedsov.ledger.ledger import Ledger
from fedsov.region.settings_file import has_settings, noted
from fedsov.region.trust.control_root import take_root
from fedsov.region.trust.known_peers import signed_sealing_key
from fedsov.runtimes.deployment.noted import NOTE
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import read_bounded
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import PartyFile, read_party, write_party
from fedsov.storage.workspace import Workspace, is_there, ledger_of


@dataclass(frozen=True, slots=True)
class AcceptedPackage:
    """What a package brought.

    Attributes:
        pinned: what of the peers was pinned now, by its key in region.yaml.
        lines: what the owner should know, such as a peer that was revoked and is pinned still.
    """

    name: str
    serial: str
    not_after: str
    pinned: tuple[str, ...]
    lines: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "serial": self.serial,
            "not_after": self.not_after,
            "pinned": list(self.pinned),
            "said": list(self.lines),
        }


def join(home: Path, invited: Invitation, *, by: str, why: str, now: datetime) -> Path:
    """Makes the region, its keys and its request; the request's file. Run again, it asks for a new one.

    Raises ConfigurationError where another deployment was joined here, or this one already; CertificateRefused where
    the region's owner pinned another key of the hub; and as `region_settings.make`.
    """
    folder = DeploymentFolder(home)
    if folder.party.exists() and (party := read_party(folder.party)).role != REGION:
        raise ConfigurationError(f"{home} is the home of the {party.role} {party.name}; name another workspace")
    if folder.certificate.exists():
        raise ConfigurationError(f"{home} has joined already; `fedsov deploy renew --workspace {home}` asks anew")
    if folder.authority.exists() and folder.authority.read_bytes() != invited.authority:
        raise ConfigurationError(f"{home} began to join another deployment; name another workspace")
    _settle(home, invited, by=by, why=why)
    write_file(folder.authority, invited.authority)
    write_party(folder.party, PartyFile(invited.name, REGION, invited.hub))
    return _ask(home, invited.name, by=by, why=why, now=now)


def renew(home: Path, *, by: str, why: str, now: datetime) -> Path:
    """A request for a new key's certificate in the place of the region's own; the request's file.

    The certificate at hand stays in use until the authority approves, which revokes it.

    Raises ConfigurationError where the home is no region's that joined.
    """
    folder, party = DeploymentFolder(home), read_party(DeploymentFolder(home).party)
    if party.role != REGION or not folder.certificate.exists():
        raise ConfigurationError(f"{home} is no region's that joined; `fedsov deploy join INVITATION` comes first")
    return _ask(home, party.name, by=by, why=why, now=now)


def accept(home: Path, text: bytes, *, by: str, why: str, now: datetime) -> AcceptedPackage:
    """Takes a package: everything is checked, then noted in the region's ledger, then put in its place.

    Raises CertificateRefused: another authority's, another region's, an older one, one for another key, region.yaml is
    not the one that was approved, or the certificate expired or was revoked; ConfigurationError where nobody joined.
    """
    folder = DeploymentFolder(home)
    party, authority = read_party(folder.party), read_bounded(folder.authority)
    package = read_package(text, authority)
    if package.name != party.name:
        raise CertificateRefused(f"the package is for {package.name}, and {home} is the home of {party.name}")
    own = region_settings.show(home, party.name).settings
    hub_key = own.keys.get(package.hub_name, "")
    if not hub_key or package.verify_keys[package.hub_name] != hub_key:
        raise CertificateRefused(f"the package has another key of the hub {package.hub_name} than region.yaml pins")
    listed = revocation.read(package.revoked.encode(), hub_key)
    if folder.revoked.exists():
        seen = read_revoked(folder.revoked, hub_key)
        listed = seen if listed.counter < seen.counter else listed.check_follows(seen)
    identity = check_issued(package.certificate.encode(), authority, now=now)
    if (identity.role, identity.name) != (REGION, party.name):
        raise CertificateRefused(f"the certificate in the package is of the {identity.role} {identity.name}")
    revocation.check_not_revoked(listed, identity.serial, identity.name)
    with closing(_ledger(home, party.name)) as ledger:
        _check_number(ledger, package)
        is_new = not _is_in_place(folder, package)
        if is_new:
            _check_request(folder, package, ledger)
        about = {"act": "accepted", "number": package.number, "serial": identity.serial, "by": by, "why": why}
        ledger.note({NOTE: about})
        if package.control_root:
            region = Workspace(home).region(party.name)
            take_root(region, ledger, package.control_root.encode(), by=by, why=f"package {package.number}: {why}")
    if is_new:
        install(folder, package.certificate.encode())
    if listed.counter and not (folder.revoked.exists() and read_revoked(folder.revoked, hub_key) == listed):
        write_file(folder.revoked, package.revoked.encode())
    pinned = pin(home, party.name, package.verify_keys, package.stated(), by=by, why=f"package {package.number}: {why}")
    lines = tuple(_differences(home, package))
    return AcceptedPackage(party.name, identity.serial, identity.not_after.isoformat(), tuple(pinned), lines)


def _settle(home: Path, invited: Invitation, *, by: str, why: str) -> None:
    """region.yaml, signed: the proposed one, or the region's own with the hub pinned."""
    if not _has_settings(home, invited.name):
        region_settings.make(home, invited.settings, by=by, why=why)
        return
    own = region_settings.show(home, invited.name).settings
    told, stated = {invited.hub_name: invited.hub_key}, invited.settings.parties
    if faults := contradictions(own, told, stated):
        raise CertificateRefused("; ".join(faults))
    pin(home, invited.name, told, stated, by=by, why=why)


def _has_settings(home: Path, name: str) -> bool:
    """Whether the region has settings here; none where a `join` before was cut."""
    folder = Workspace(home).region(name)
    if not is_there(ledger_of(folder)):
        return False
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        return has_settings(folder, ledger)


def _ask(home: Path, name: str, *, by: str, why: str, now: datetime) -> Path:
    """Makes a new key and its request, which takes the place of one that was not answered yet."""
    folder, keys = DeploymentFolder(home), open_keys(KeySettings(name, Workspace(home).region(name)))
    key = new_key()
    with closing(_ledger(home, name)) as ledger:
        sealing, signature = signed_sealing_key(keys)
        asked = JoinRequest(
            name=name,
            csr=request(key, REGION, name).decode(),
            verify_key=ledger.key,
            sealing_key=sealing,
            sealing_signature=signature,
            settings_digest=noted(ledger) or "",
            authority=fingerprint(read_bounded(folder.authority)),
            number=1 + sum(about["act"] == "asked" for about in _acts(ledger)),
            at=now.isoformat(timespec="seconds"),
        )
        about = {"act": "asked", "request": asked.number, "key": asked.key_digest, "settings": asked.settings_digest}
        ledger.note({NOTE: {**about, "by": by, "why": why}})
        write_file(folder.next_key, key)
        write_file(folder.request(name), written_request(asked, ledger.sign))
    return folder.request(name)


def _acts(ledger: Ledger) -> list[Mapping[str, Any]]:
    """What the region's ledger noted of the deployment, in order."""
    return [entry.body["note"][NOTE] for entry in ledger.notes(NOTE)]


def _ledger(home: Path, name: str) -> Ledger:
    return Ledger(ledger_of(Workspace(home).region(name)), name)


def _check_number(ledger: Ledger, package: Package) -> None:
    last = max((int(about["number"]) for about in _acts(ledger) if about["act"] == "accepted"), default=0)
    if package.number < last:
        raise CertificateRefused(
            f"the package has number {package.number}, and number {last} was accepted before; ask for the newest"
        )


def _is_in_place(folder: DeploymentFolder, package: Package) -> bool:
    return folder.certificate.exists() and read_bounded(folder.certificate) == package.certificate.encode()


def _check_request(folder: DeploymentFolder, package: Package, ledger: Ledger) -> None:
    """Raises CertificateRefused for another key than was asked for, or another region.yaml."""
    if key_for(folder, package.certificate.encode()) is None:
        raise CertificateRefused(
            f"the certificate in the package is for no key of {package.name}'s: it answers another request; send the "
            f"newest, {folder.request(package.name)}"
        )
    if noted(ledger) != package.settings_digest:
        raise CertificateRefused(
            f"region.yaml of {package.name} was changed since it was approved as {package.settings_digest[:16]}…; "
            f"in force is {(noted(ledger) or '')[:16]}…; ask anew with `fedsov deploy renew`, or `fedsov deploy join` "
            "where this is the first package"
        )


def _differences(home: Path, package: Package) -> list[str]:
    """What the owner pinned otherwise than the package says, and peers that are pinned and no members any more."""
    own = region_settings.show(home, package.name).settings
    gone = [peer for peer in own.keys if peer not in package.members]
    return [
        *contradictions(own, package.verify_keys, package.stated()),
        *(
            f"{peer} is pinned and no member of the deployment; `fedsov region set {package.name} keys.{peer}=null "
            f"parties.peers.{peer}=null` unpins it"
            for peer in gone
        ),
    ]
