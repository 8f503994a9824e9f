"""The table of a gateway, from a file or from the regions of a workspace, with what the border says of each route.

    source = read_gateway(workspace, Path("gateway.yaml"), date.today())
    source.table                            # of lawful routes alone
    source.left_out                         # whom a region would serve and the border does not permit, and why
    source.files                            # what it was read from: when one changes, read it again

From a file, the border is asked here, of every jurisdiction that is not that of the region's place: whether requests of
its people (kind RECORDS, purpose inference) may come to that region, by the law in force and by the register that the
file names. From a workspace, each region's own gate was asked already, and `serving/endpoint.json`, which the region
signed, says whom it serves. Either way the endpoint looks again: a gateway with a wrong table makes a request fail
before its body is read, though it did travel.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from fedsov.api.inference.codes import checked_code, with_parts
from fedsov.artifact import INFERENCE, Artifact, Crossing, Kind, Party
from fedsov.border.decisions import Permit
from fedsov.border.evidence.register_file import load_register
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.in_force import law_in_force
from fedsov.border.policy import decide
from fedsov.checks import prefixed
from fedsov.errors import ConfigurationError
from fedsov.inference.gateway.table import GatewayTable, HostPort, TableFile, Upstream, read_table
from fedsov.inference.routing import RoutingTable, ServingRegion
from fedsov.inference.tokens.issuers import IssuerTable, is_loopback, read_issuers
from fedsov.inference.tokens.key_sets import KeySet
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.region.serving.hosting import GATEWAY, MANY
from fedsov.runtimes.serving.jwks import KeySources
from fedsov.runtimes.serving.place import EndpointPlace, read_place
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

_REGISTER_OF_A_RUN = "border.evidence, or --evidence FILE"
"""What the border calls a register that nobody named; here the table names it."""
LISTEN = HostPort("127.0.0.1", 8440)
"""Where a gateway of a workspace listens unless told otherwise."""


@dataclass(frozen=True, slots=True)
class GatewaySource:
    """A table as it was read.

    Attributes:
        left_out: of each code that the border lets no request of come to a region, as "FR by DE", why not.
    """

    table: GatewayTable
    left_out: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def lines(self) -> list[str]:
        """What people must know of it, in sentences."""
        lines = [f"not routed: {what}. {why}" for what, why in self.left_out.items()]
        if self.table.issuers.trial:
            lines.append("the table of issuers is a trial's: whoever can read the workspace can be anybody")
        return lines


def read_gateway(workspace: Path, file: Path | None, today: date, *, listen: HostPort | None = None) -> GatewaySource:
    """The table of a file, or of a workspace's regions where no file is named.

    Args:
        listen: where the gateway listens, instead of where the file says.

    Raises ConfigurationError, with what to change.
    """
    return _of_workspace(workspace, listen) if file is None else _of_file(workspace, file, today, listen)


def issuer_keys(sources: KeySources) -> Mapping[str, KeySet]:
    """The keys of every issuer now. Raises ConfigurationError where one has none."""
    keys = sources.look()
    if missing := [issuer.issuer for issuer in sources.table.issuers if issuer.issuer not in keys]:
        reason = "; ".join(sources.faults)
        raise ConfigurationError(f"there are no keys of {', '.join(missing)}: {reason}")
    return keys


def _of_file(workspace: Path, path: Path, today: date, listen: HostPort | None) -> GatewaySource:
    path = path.resolve()
    written = read_table(_content(path), path)
    law, issuers = Workspace(workspace).law, written.issuers
    with prefixed(f"{path.name}: "):
        regions, left_out = _permitted(written, law_in_force(law if law.is_dir() else None), today)
        routing = _routing(regions.values())
    table = GatewayTable(
        listen=listen or written.listen,
        issuers=read_issuers(_content(issuers), issuers),
        regions=regions,
        routing=routing,
        certificate=written.certificate,
        key=written.key,
        limits=written.limits,
        health=written.health,
    )
    more = [file for file in (written.certificate, written.key, written.evidence) if file is not None]
    return GatewaySource(table, left_out, (path, issuers, *more, *_key_files(table.issuers)))


def _key_files(issuers: IssuerTable) -> Iterable[Path]:
    return (Path(issuer.jwks) for issuer in issuers.issuers if not issuer.has_url)


def _content(path: Path) -> bytes:
    try:
        return read_bounded(path)
    except (OSError, TooLarge) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise ConfigurationError(f"{path} cannot be read: {reason}") from None


def _routing(regions: Iterable[Upstream]) -> RoutingTable:
    """The routes of regions, each with the parts of its countries that no other region names."""
    listed = list(regions)
    claimed = {code for region in listed for code in region.jurisdictions}
    return RoutingTable(
        tuple(
            ServingRegion(
                region.name,
                frozenset(with_parts(region.jurisdictions, claimed)),
                frozenset(region.hosts),
                region.distance,
            )
            for region in listed
        )
    )


def _permitted(written: TableFile, bundle: Bundle, today: date) -> tuple[dict[str, Upstream], dict[str, str]]:
    """The regions with the codes that they may serve alone; and why not, of the others."""
    register = load_register(written.evidence).without_examples()
    left_out: dict[str, str] = {}

    def may(region: Upstream, code: str) -> bool:
        if checked_code(code).partition("-")[0] == region.location.partition("-")[0]:
            return True  # nothing crosses a border
        decision = decide(_crossing(written, region, code, today), bundle, register, today)
        if not isinstance(decision, Permit):
            why = f"{decision.reason} {decision.remedy}".strip()
            left_out[f"{code} by {region.name}"] = why.replace(_REGISTER_OF_A_RUN, "`evidence` of the table")
        return isinstance(decision, Permit)

    regions = {}
    for name, region in written.regions.items():
        own = tuple(code for code in region.jurisdictions if may(region, code))
        hosts = tuple(code for code in region.hosts if may(region, code))
        regions[name] = replace(region, jurisdictions=own, hosts=hosts)
    return regions, left_out


def _crossing(written: TableFile, region: Upstream, code: str, today: date) -> Crossing:
    """Requests of a jurisdiction's people on their way to a region, from whoever runs the gateway, at their place."""
    if not region.entity or not written.entity:
        raise ConfigurationError(
            f"{region.name} in {region.location} would serve {code}, and the border must know between whom: set "
            f"entity (whose the gateway is) and regions.{region.name}.entity (whose the region is)"
        )
    label = Label(frozenset({code}), frozenset({"personal"}))
    return Crossing(
        Artifact(Kind.RECORDS, label, count=MANY, name="requests"),
        Party(GATEWAY, code, written.entity),
        Party(region.name, region.location, region.entity),
        INFERENCE,
        today,
        count_12m=MANY,
        count_year=MANY,
    )


def _of_workspace(root: Path, listen: HostPort | None) -> GatewaySource:
    workspace = Workspace(root)
    known = [place for name in workspace.region_names() if (place := _place(workspace.region(name), name))]
    now = time.time()
    places = [place for place in known if not 0.0 < place.valid_until < now]
    if not places:
        raise ConfigurationError(
            f"no region of {root} has an endpoint for which it is decided whose requests may come; `fedsov up --serve` "
            "starts them, or --table FILE names regions"
        )
    upstreams = {place.region: _upstream(place) for place in places}
    # a part of a country that its region does not name is one that the region's gate refused, by that part's own law
    routing = RoutingTable(
        tuple(ServingRegion(place.region, frozenset(place.jurisdictions), frozenset(place.hosts)) for place in places)
    )
    table = GatewayTable(listen=listen or LISTEN, issuers=_shared_issuers(places), regions=upstreams, routing=routing)
    files = [path for place in known for path in (place.path, place.serving.issuers)]
    left_out = {
        f"{', '.join(place.jurisdictions[:1])} by {place.region}": "Nobody decided since whose requests may come there."
        for place in known
        if place not in places
    }
    return GatewaySource(table, left_out, (*files, *_key_files(table.issuers)))


def _place(folder: Path, name: str) -> EndpointPlace | None:
    """What a region's endpoint was told, which the region signed; None where it has none."""
    path = ServingFolder(folder).endpoint
    if not path.exists() or not is_there(ledger_of(folder)):
        return None
    with closing(Ledger(ledger_of(folder), name)) as ledger:
        return read_place(path, ledger.key)


def _upstream(place: EndpointPlace) -> Upstream:
    if not place.port:
        raise ConfigurationError(f"the endpoint of {place.region} listens at any free port; give it one of its own")
    ca = place.serving.certificate if place.is_tls else None
    name = "localhost" if place.is_tls and is_loopback(place.host) else ""
    return Upstream(
        place.region, HostPort(place.host, place.port), ca, place.jurisdictions, place.hosts, server_name=name
    )


def _shared_issuers(places: list[EndpointPlace]) -> IssuerTable:
    """The table that all regions believe. Raises ConfigurationError where there is none, or they differ."""
    tables = {place.region: _content(place.serving.issuers) for place in places}
    for place in places:
        if sha256_hex(tables[place.region]) != place.issuers_sha256:
            raise ConfigurationError(
                f"{place.serving.issuers} is not the table that the settings of {place.region} took; run: "
                f"fedsov region set {place.region} serving.issuers=FILE"
            )
    if len(set(tables.values())) > 1:
        raise ConfigurationError(
            f"the regions {', '.join(tables)} believe different tables of issuers; name one with --table FILE"
        )
    path = places[0].serving.issuers
    return read_issuers(tables[places[0].region], path)
