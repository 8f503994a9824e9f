"""The authority answers a region's or an operator's request: examined, shown to a person, noted in the ledger, signed.

    asked = examine(home, text, authority)       # refuses what nobody may approve; `lines` are for the person
    approved = approve(home, asked, open_authority, by="A. Person", why="telephoned with DE's owner", now=now)
    revoke(home, "DE", by="A. Person", why="the machine was stolen", now=now)

A region's first request must come from a region that was invited. Each later one comes from the same ledger key, has a
higher number and a new key: so no old request is approved a second time. The certificate before is revoked with the
approval. What an operator's request must be, `operator_approvals` says. `revoke` needs no authority: the hub's ledger
signs the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from fedsov.api.control.repository.enrolment import enrolled
from fedsov.api.deployment.hub_home import RENEWED, HubHome, hub_home
from fedsov.api.deployment.joining.packages import Approved, Package, known_members, read_package, written_package
from fedsov.api.deployment.joining.requests import JoinRequest, read_request
from fedsov.api.deployment.operators import operator_approvals
from fedsov.api.deployment.operators.operator_papers import OperatorRequest, is_operator_request, read_operator_request
from fedsov.api.deployment.own_certificates import member_of
from fedsov.errors import CertificateRefused, ConfigurationError, unknown
from fedsov.keys.certificates import DAYS, OPERATOR, REGION, OpenAuthority, fingerprint
from fedsov.keys.revocation import RevocationList
from fedsov.ledger.known_keys import add_key
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import read_bounded
from fedsov.storage.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Examined:
    """A request that may be approved, and what a person should know before."""

    request: JoinRequest | OperatorRequest
    lines: tuple[str, ...]


def examine(home: Path, text: bytes, authority: bytes) -> Examined:
    """A request, once nothing forbids its approval.

    Args:
        home: the hub's.
        authority: the certificate of the authority, PEM.

    Raises CertificateRefused for a request that was changed, asks another authority, comes from another ledger than
    before, or was approved; ConfigurationError for a region that nobody invited.
    """
    if is_operator_request(text):
        wanted = read_operator_request(text)
        with hub_home(home) as opened:
            operator_approvals.check(wanted, opened, authority)
            return Examined(wanted, tuple(operator_approvals.lines(wanted, opened)))
    asked = read_request(text)
    with hub_home(home) as opened:
        last = _check(asked, opened, authority)
        return Examined(asked, tuple(_lines(asked, last, opened.revoked())))


def approve(
    home: Path,
    examined: Examined,
    authority: OpenAuthority,
    *,
    days: int = DAYS,
    now: datetime,
    by: str,
    why: str,
) -> Approved:
    """Signs a party's certificate, makes it a member, and writes its package; a region's, and the others' anew.

    Raises as `examine`, which is done again; LedgerBroken, WorkspaceUnusable, KeyUnavailable for another ledger key
    than the hub knows the region by.
    """
    asked = examined.request
    with hub_home(home) as opened:
        if isinstance(asked, OperatorRequest):
            return operator_approvals.approve(asked, opened, authority, days=days, now=now, by=by, why=why)
        last = _check(asked, opened, authority.text)
        add_key(Workspace(home).hub, asked.name, asked.verify_key)
        certificate = authority.sign(asked.csr.encode(), days=days, now=now)
        sealing = (asked.sealing_key, asked.sealing_signature)
        member = member_of(certificate, verify_key=asked.verify_key, sealing=sealing)
        opened.note("approved", _about(asked, member.serial), by=by, why=why)
        before = "" if last is None else str(last["serial"])
        if before:
            opened.revoke(before, asked.name, at=now, by=by, why=RENEWED)
        opened.enter(asked.name, member)
        root = enrolled(home, opened.ledger, {asked.name: asked.verify_key})
        package = _package(asked, certificate, opened, root)
        path = opened.folder.package(asked.name)
        write_file(path, written_package(package, authority))
        others = _written_anew(package, opened, authority)
    return Approved(asked.name, member.serial, member.not_after, path, others, before)


def revoke(home: Path, name: str, *, now: datetime, by: str, why: str) -> RevocationList:
    """Takes back the certificate of a region or an operator: on the signed list first, then off the members.

    Raises ConfigurationError for a party that is no member, or the hub itself; CertificateRefused, LedgerBroken,
    WorkspaceUnusable.
    """
    with hub_home(home) as opened:
        members = opened.members()
        revocable = {key: member for key, member in members.items() if member.role in (REGION, OPERATOR)}
        if name not in revocable:
            raise ConfigurationError(unknown("member that can be revoked", name, revocable))
        listed = opened.revoke(revocable[name].serial, name, at=now, by=by, why=why)
        opened.drop(name)
        return listed


def _check(asked: JoinRequest, home: HubHome, authority: bytes) -> dict[str, Any] | None:
    """What the ledger noted of the last approval of this region, None before the first. Raises as `examine`."""
    if asked.authority != fingerprint(authority):
        raise CertificateRefused(
            f"the request of {asked.name} asks the authority {asked.authority[:23]}…, and this is "
            f"{fingerprint(authority)[:23]}…; it joined another deployment"
        )
    invited = [name for name in home.parties() if name != home.ledger.owner]
    if asked.name not in invited:
        missing = unknown("region that was invited", asked.name, invited)
        raise ConfigurationError(f"{missing}; `fedsov deploy init` invites")
    every = home.approved()
    last = every[asked.name][-1] if asked.name in every else None
    _check_ledger_key(asked, last, every)
    if any(asked.key_digest == act["key"] for acts in every.values() for act in acts) or (
        last is not None and asked.number <= int(last["request"])
    ):
        raise CertificateRefused(
            f"request {asked.number} of {asked.name}, or a later one, was approved before; send "
            f"{home.folder.package(asked.name)} again, or let the region run `fedsov deploy renew`"
        )
    return last


def _check_ledger_key(
    asked: JoinRequest, last: Mapping[str, Any] | None, every: Mapping[str, list[dict[str, Any]]]
) -> None:
    """Raises CertificateRefused for the ledger of another region than asked before, or asks by another name."""
    if last is not None and last["verify_key"] != asked.verify_key:
        raise CertificateRefused(
            f"the request of {asked.name} comes from the ledger key {asked.verify_key[:16]}…, and {asked.name} was "
            f"approved with {last['verify_key'][:16]}…: another region asks under its name; ask its owner"
        )
    for name, acts in every.items():
        if name != asked.name and acts[-1]["verify_key"] == asked.verify_key:
            raise CertificateRefused(f"the request of {asked.name} is signed by the ledger of {name}; ask their owners")


def _lines(asked: JoinRequest, last: Mapping[str, Any] | None, revoked: RevocationList) -> list[str]:
    """What a person should see before they approve."""
    lines = [
        f"region {asked.name}, request {asked.number} of {asked.at}",
        f"ledger key:    {asked.verify_key}",
        f"certificate:   for the key with SHA-256 {asked.key_digest}",
        f"region.yaml:   SHA-256 {asked.settings_digest}",
        "Compare the ledger key and the digest with what the region's owner reads to you.",
    ]
    serial = "" if last is None else str(last["serial"])
    taken = [entry for entry in revoked.revoked if entry.serial == serial]
    if serial and not taken:
        lines.append(f"its certificate {serial} is revoked with this approval")
    return [*lines, *(f"CAUTION: {asked.name} was revoked at {entry.at}: {entry.why}" for entry in taken)]


def _about(asked: JoinRequest, serial: str) -> dict[str, Any]:
    """What the hub's ledger notes of an approval."""
    return {
        "name": asked.name,
        "role": REGION,
        "serial": serial,
        "request": asked.number,
        "key": asked.key_digest,
        "verify_key": asked.verify_key,
        "settings": asked.settings_digest,
    }


def _package(asked: JoinRequest, certificate: bytes, home: HubHome, root: bytes) -> Package:
    members = known_members(home.members())
    return Package(
        asked.name,
        certificate.decode(),
        asked.settings_digest,
        home.number(),
        members,
        {name: party for name, party in home.parties().items() if name in members},
        home.folder.revoked.read_text(),
        root.decode(),
    )


def _written_anew(newest: Package, home: HubHome, authority: OpenAuthority) -> dict[str, Path]:
    """The packages of the other regions, with the newest members and revoked ones. Raises as `read_package`."""
    written = {}
    for name in newest.members:
        path = home.folder.package(name)
        if name == newest.name or not path.exists():
            continue
        old = read_package(read_bounded(path), authority.text)
        new = replace(newest, name=old.name, certificate=old.certificate, settings_digest=old.settings_digest)
        write_file(path, written_package(new, authority))
        written[name] = path
    return written


def request_in(path: Path) -> bytes:
    """The text of a request's file. Raises ConfigurationError."""
    try:
        return read_bounded(path)
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"{path} cannot be read ({problem}); name a request-NAME.json") from None
