"""What can be told of a region's endpoint from outside: whether it listens, and what `fedsov doctor` checks of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from fedsov.api.inference.approval import approvals
from fedsov.api.inference.endpoints.endpoint import Listening
from fedsov.errors import FedsovError
from fedsov.inference.approved import ApprovedList
from fedsov.ledger.ledger import Ledger
from fedsov.region.admission import Place
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import FILE, read_settings
from fedsov.runtimes.deployment.preflight.values import Finding
from fedsov.runtimes.serving.place import EndpointPlace, read_place
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

SECONDS = 2.0
_LEAST_DAYS = 14
"""Days of a certificate that are left without a word."""


@dataclass(frozen=True, slots=True)
class EndpointStanding:
    """An endpoint that was published: where, whom it serves with what, and whether something listens there."""

    region: str
    url: str
    serves: tuple[str, ...]
    approved: tuple[str, ...]
    listens: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def line(self) -> str:
        """In one line."""
        what = ", ".join(self.approved) or "nothing"
        whom = ", ".join(self.serves)
        return f"endpoint {self.region}: {self.url}, {what} for people of {whom}{'' if self.listens else ': away'}"


def endpoints(root: Path) -> list[EndpointStanding]:
    """The endpoints of a workspace's regions; one whose files cannot be believed is left to `fedsov doctor`."""
    workspace, standings = Workspace(root), []
    for name in workspace.region_names():
        folder = workspace.region(name)
        if not ServingFolder(folder).endpoint.exists() or not is_there(ledger_of(folder)):
            continue
        try:
            with closing(Ledger.read(ledger_of(folder))) as ledger:
                standings.append(_standing(Place(folder, ledger)))
        except FedsovError:
            continue
    return standings


def _standing(place: Place) -> EndpointStanding:
    endpoint = _published(place)
    listed = approvals.in_force(place, read_settings(place.folder, place.ledger))
    return EndpointStanding(
        endpoint.region,
        Listening.of(endpoint).url,
        _countries(endpoint),
        _versions(listed),
        _listens(endpoint.host, endpoint.port),
    )


def examine_endpoint(folder: Path) -> Iterator[Finding]:
    """What `fedsov doctor` says of a region's endpoint; nothing where it has none."""
    serving = ServingFolder(folder)
    if not (folder / FILE).exists() or not is_there(ledger_of(folder)):
        return
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        place = Place(folder, ledger)
        try:
            own = read_settings(folder, ledger)
        except FedsovError:
            return  # the check of region.yaml has said so
        if own.serving.issuers is None and not serving.root.exists():
            return
        yield _approved(place, own)
        yield _issuers(own)
        if not serving.endpoint.exists():
            yield _certificate(serving, own.region)
            return
        try:
            endpoint = _published(place)
        except FedsovError as error:
            yield _amiss("hosts", str(error))
            return
        yield _decided(endpoint)
        if endpoint.is_tls:
            yield _certificate(serving, own.region)


def _approved(place: Place, own: RegionSettings) -> Finding:
    try:
        listed = approvals.in_force(place, own)
    except FedsovError as error:
        return _amiss("approved list", str(error))
    what = ", ".join(_versions(listed))
    return Finding("approved list", f"number {listed.counter}, signed by both: {what or 'nothing is approved'}")


def _versions(listed: ApprovedList) -> tuple[str, ...]:
    """The versions on a list, for people."""
    return tuple(f"{each.model} {each.version} ({each.mode})" for each in listed.versions)


def _issuers(own: RegionSettings) -> Finding:
    if own.serving.issuers is None:
        way = f"`fedsov region set {own.region} serving.issuers=FILE`"
        return Finding("issuers", problem="no table says whose tokens are believed", mend=way)
    return Finding("issuers", f"{own.serving.issuers}, as it was taken ({own.serving.issuers_sha256[:12]}…)")


def _certificate(serving: ServingFolder, region: str) -> Finding:
    called = "endpoint's certificate"
    if not serving.has_certificate:
        mend = (
            f"put tls.crt and tls.key into {serving.root}, or `fedsov region serve {region} --no-tls` behind a gateway"
        )
        return Finding(called, problem="there is none, and an endpoint speaks TLS", mend=mend)
    try:
        ends = x509.load_pem_x509_certificate(serving.certificate.read_bytes()).not_valid_after_utc
    except ValueError:
        return Finding(called, problem=f"{serving.certificate} is no certificate", mend="put the right one there")
    days = (ends - datetime.now(UTC)).days
    if days < _LEAST_DAYS:
        return Finding(called, problem=f"it ends on {ends.date()}", mend=f"put a newer one into {serving.root}")
    return Finding(called, f"valid for {days} days")


def _decided(endpoint: EndpointPlace) -> Finding:
    until = datetime.fromtimestamp(endpoint.valid_until, UTC)
    if until < datetime.now(UTC):
        mend = f"start it (`fedsov region serve {endpoint.region} --serve-port N`), and it is decided again"
        return Finding("hosts", problem=f"whom it serves was decided for days up to {until.date()}", mend=mend)
    served = ", ".join(_countries(endpoint))
    return Finding("hosts", f"people of {served}, decided until {until:%Y-%m-%d %H:%M} UTC")


def _countries(endpoint: EndpointPlace) -> tuple[str, ...]:
    """Whom it serves; a part of a country that is served whole is not named beside it."""
    codes = (*endpoint.jurisdictions, *endpoint.hosts)
    return tuple(code for code in codes if "-" not in code or code.partition("-")[0] not in codes)


def _published(place: Place) -> EndpointPlace:
    return read_place(ServingFolder(place.folder).endpoint, place.ledger.key)


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), SECONDS):
            return True
    except OSError:
        return False


def _amiss(check: str, sentence: str) -> Finding:
    problem, _, mend = sentence.rpartition("; ")
    return Finding(check, problem=problem or mend, mend=mend if problem else "restore your copy")
