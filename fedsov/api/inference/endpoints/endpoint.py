"""A region's endpoint as its settings, its border and its approved list have it: decided, then published.

    published = publish_endpoint(root, "DE", Listening(port=8443))     # hosts decided, endpoint.json signed
    published.place                                                    # what `endpoint_services` starts
    published.hosting.refused                                          # whom it does not serve any more, and why

Publishing again is how a change reaches processes that run (`published_again`): a process beside them does it
(`fedsov.api.inference.endpoints.endpoint_upkeep`), every day and where settings, documents or the approved list
changed.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from fedsov.api.inference.approval import approvals
from fedsov.api.inference.codes import with_parts
from fedsov.api.inference.endpoints.serving_settings import take_issuers
from fedsov.api.inference.endpoints.trial_certificate import make_certificate
from fedsov.errors import ApprovalRefused, ConfigurationError, CrossingRefused
from fedsov.inference.approved import ApprovedList
from fedsov.inference.limits import RequestLimits
from fedsov.keys.members import read_members
from fedsov.region.admission import Place, open_region
from fedsov.region.serving.hosting import (
    Hosting,
    categories_of_stores,
    hosting,
    own_jurisdictions,
    serving_gate,
)
from fedsov.region.settings import RegionSettings
from fedsov.region.trust.known_peers import is_signed_sealing_key
from fedsov.runtimes.serving.place import EndpointPlace, publish, read_place
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace

LOOPBACK = "127.0.0.1"
DAYS_VALID = 2
"""How long a decision about whom a region may serve holds; it is taken anew every day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where an endpoint listens.

    Attributes:
        zone_port: where /metrics is told, to this machine alone; 0 for nowhere.
        tls: with the certificate and key in its folder.
    """

    host: str = LOOPBACK
    port: int = 8443
    zone_port: int = 0
    tls: bool = True

    @staticmethod
    def of(place: EndpointPlace) -> Listening:
        """Where a published endpoint listens."""
        return Listening(host=place.host, port=place.port, zone_port=place.zone_port, tls=place.is_tls)

    @property
    def url(self) -> str:
        """Its address, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Published:
    """An endpoint as it was published: whom it serves, and its approved list."""

    place: EndpointPlace
    hosting: Hosting
    listed: ApprovedList

    def lines(self) -> list[str]:
        """What is said of it, in sentences."""
        name, versions = self.place.region, self.listed.versions
        sentences = [f"{name} serves people of {', '.join(self.hosting.served)}"]
        sentences += [f"{name} does not serve people of {code}: {why}" for code, why in self.hosting.refused.items()]
        if not versions:
            way = f"`fedsov promote MODEL VERSION --region {name}`"
            sentences.append(f"{name} has no approved version, and answers nobody; {way} approves one")
        if not self.place.issuers_sha256:
            way = f"`fedsov region set {name} serving.issuers=FILE`"
            sentences.append(f"{name} believes no token, for it has no table of issuers; {way} names one")
        return sentences


def publish_endpoint(root: Path, name: str, listening: Listening) -> Published:
    """Decides whom a region serves, checks its approved list, and publishes its endpoint.

    Raises CrossingRefused where its border permits nobody's requests; ConfigurationError, SettingsBroken,
    ApprovalRefused, LedgerBroken, WorkspaceUnusable.
    """
    folder = Workspace(root).region(name)
    with open_region(folder, name) as (place, own):
        if listening.tls:
            _check_certificate(folder, name)
        return _published(place, own, listening, approvals.in_force(place, own))


def published_again(place: Place, own: RegionSettings, last: EndpointPlace | None = None) -> Published | None:
    """Publishes a region's endpoint anew, where it was published before; None where it was not.

    Args:
        last: what was published last, where whoever asks knows it: the file may be gone, or another may be there.

    Raises as above, where the border permits nobody's requests any more once the endpoint that runs is closed, and
    where the approved list is refused once its hosts are decided anew.
    """
    path = ServingFolder(place.folder).endpoint
    if last is None and not path.exists():
        return None
    before = read_place(path, place.ledger.key) if last is None else last
    refusal: ApprovalRefused | None = None
    try:
        listed = approvals.in_force(place, own)
    except ApprovalRefused as error:  # whom it may serve is decided all the same
        listed, refusal = ApprovedList(own.region, approvals.noted_list(place.ledger).counter), error
    try:
        published = _published(place, own, Listening.of(before), listed, before)
    except CrossingRefused:
        now = time.time()
        publish(replace(before, hosts=(), valid_until=now, published_at=_later(before.published_at)), place.ledger.sign)
        raise
    if refusal is not None:
        raise refusal
    return published


def _later(before: float) -> float:
    """Now, in seconds since 1970; after `before` also where the clock was put back."""
    return max(time.time(), before + 0.001)


def _published(
    place: Place, own: RegionSettings, listening: Listening, listed: ApprovedList, before: EndpointPlace | None = None
) -> Published:
    """Decides, and publishes what is later than what was published `before`."""
    labels = frozenset(word for version in listed.versions for word in version.label.categories)
    codes = (*own_jurisdictions(own), *own.serving.hosts)
    homes = {party.location for party in own.parties.peers.values()}
    parts = {code: with_parts([code], others=homes)[1:] for code in codes}
    categories = categories_of_stores(place.folder) | labels
    if before is not None and not listed.versions:
        categories |= frozenset(before.categories)  # versions that were served may still be
    served = hosting(serving_gate(place, own), own, categories, parts)
    if not served.own:
        raise CrossingRefused(f"region {own.region} may serve nobody: {'; '.join(served.refused.values())}")
    take_issuers(place.folder, own)
    endpoint = replace(
        _endpoint(place, own, served, listening, Workspace.around(place.folder)),
        approved_counter=listed.counter,
        categories=tuple(sorted(categories)),
        published_at=_later(0.0 if before is None else before.published_at),
    )
    publish(endpoint, place.ledger.sign)
    return Published(endpoint, served, listed)


def _endpoint(
    place: Place, own: RegionSettings, served: Hosting, listening: Listening, workspace: Workspace
) -> EndpointPlace:
    serving, days = own.serving, own.serving.retention_days or own.retention_days
    homes = {party.location: name for name, party in own.parties.peers.items()}
    return EndpointPlace(
        region=own.region,
        folder=place.folder.resolve(),
        region_key=place.ledger.key,
        hub_key=approvals.hub_key(own),
        jurisdictions=served.with_parts(served.own),
        hosts=served.with_parts(served.hosts),
        elsewhere=_elsewhere(served, homes),
        sealing_keys=_sealing_keys(own, {code: homes[code] for code in served.hosts if code in homes}, workspace),
        valid_until=time.time() + DAYS_VALID * 86_400.0,
        issuers_sha256=serving.issuers_sha256,
        limits=RequestLimits.from_json(dict(serving.limits)),
        log={"durable": serving.durable, "on_full_disk": serving.on_full_disk, "retention_days": days},
        use_seconds=own.metrics.seconds,
        workers=serving.workers,
        host=listening.host,
        port=listening.port,
        zone_port=listening.zone_port,
        is_tls=listening.tls,
    )


def _elsewhere(served: Hosting, homes: dict[str, str]) -> dict[str, str]:
    """The jurisdictions, parts of countries among them, that a pinned peer serves and this region does not."""
    own = {*served.with_parts(served.served), *served.refused}
    return {
        part: name
        for code, name in homes.items()
        if code not in served.served
        for part in with_parts([code], others=homes.keys() - {code})
        if part not in own
    }


def _sealing_keys(own: RegionSettings, homes: dict[str, str], workspace: Workspace) -> dict[str, str]:
    """Of each hosted jurisdiction with a home region that is pinned, that region and the sealing key it signed.

    Raises ConfigurationError where the home region's key is not known here: lines of its people could not be sealed.
    """
    members = read_members(DeploymentFolder(workspace.root).members) if homes else {}
    keys = {}
    for code, name in homes.items():
        member, pinned = members.get(name), own.keys.get(name, "")
        if member is None or not is_signed_sealing_key(
            name, bytes.fromhex(member.sealing_key), pinned, member.sealing_signature
        ):
            raise ConfigurationError(
                f"region {own.region} hosts {code}, whose home is region {name}, and no sealing key of {name} that its "
                f"pinned key signed is known here, so nothing can go home sealed; take {code} off serving.hosts, or "
                f"pin keys.{name}"
            )
        keys[code] = f"{name}:{member.sealing_key}"
    return keys


def _check_certificate(folder: Path, name: str) -> None:
    serving = ServingFolder(folder)
    if not serving.has_certificate:
        raise ConfigurationError(
            f"{serving.certificate} and {serving.key.name} are not both there, and the endpoint of {name} is to speak "
            "TLS; put its certificate and key there (a name that people's programs know it by), or give --no-tls where "
            "a gateway of the same machine ends TLS"
        )


def trial_certificate(root: Path, name: str) -> bool:
    """Makes a certificate for an endpoint on the loopback interface, where it has none; whether one was made."""
    serving = ServingFolder(Workspace(root).region(name))
    if serving.has_certificate:
        return False
    make_certificate(serving, name, now=datetime.now(UTC))
    return True


def check_free(host: str, port: int, name: str) -> None:
    """Raises ConfigurationError where another process listens there already."""
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        raise ConfigurationError(
            f"the endpoint of {name} cannot listen at {host}:{port} ({error.strerror}); --serve-port N takes another"
        ) from None
