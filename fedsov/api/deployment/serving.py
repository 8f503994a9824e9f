"""Running the parties of a deployment: a hub, a region, or all of a workspace for a trial.

Each returns after SIGTERM or SIGINT.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from fedsov.api.deployment.trial import set_up_trial
from fedsov.api.deployment.trial_rooms import rooms_in_lines, trial_rooms
from fedsov.api.inference.endpoints.endpoint import Listening, check_free, publish_endpoint
from fedsov.api.inference.endpoints.endpoint_upkeep import endpoint_services
from fedsov.api.inference.endpoints.trial_endpoints import trial_endpoints, unsaid_jurisdictions
from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError
from fedsov.keys.certificates import HUB, REGION
from fedsov.ledger.ledger import Ledger
from fedsov.region.settings_file import has_settings, read_settings
from fedsov.runtimes.deployment.region.region_service import RegionPlace
from fedsov.runtimes.deployment.supervision.health import HealthListener
from fedsov.runtimes.deployment.supervision.parties import (
    HubOptions,
    agent_service,
    control_service,
    hub_services,
    region_process,
)
from fedsov.runtimes.deployment.supervision.supervisor import Service, run
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, read_party
from fedsov.storage.workspace import Workspace, ledger_of, store_of

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """How a party shows itself: where its health is told, None for nowhere, and sentences or lines of JSON."""

    health: HealthListener | None = None
    plain: bool = False


def serve_hub(home: Path, options: HubOptions, shown: Display) -> None:
    """Runs the hub of a home. Raises ConfigurationError where it is no hub's, or its port is taken."""
    party = _party(home, HUB)
    host = options.listen or party.hub.host
    for place, setting in ((party.hub, "--port N of `fedsov deploy init`"), *_control_places(party.hub)):
        _check_free(host, place.port, setting)
    services = [*hub_services(home, party.name, options), control_service(home, party.name, options.listen)]
    run(services, shown.health, plain=shown.plain)


def serve_region(workspace: Path, name: str, shown: Display, endpoint: Listening | None = None) -> None:
    """Runs a region: of its own home, or one of a trial's workspace.

    Args:
        endpoint: where its endpoint listens, a listener of its own that the hub has no part in; None for none.

    Raises ConfigurationError; as `publish_endpoint`.
    """
    if not Workspace(workspace).region(name).is_dir():
        raise ConfigurationError(
            f"no region {name} in {workspace}; `fedsov deploy join` makes it, `--workspace DIR` names its home"
        )
    folder = DeploymentFolder(workspace / "deployment" / "regions" / name)
    if not folder.party.exists():
        folder = DeploymentFolder(workspace)
    party = _party(folder.home, REGION)
    if party.name != name:
        raise ConfigurationError(f"{folder.home} is the home of region {party.name}, and not of {name}")
    place = RegionPlace(name, workspace, folder, party.hub, _hub_key(workspace, name))
    services = [region_process(place), agent_service(place), *_endpoint(workspace, name, endpoint)]
    run(services, shown.health, plain=shown.plain)


def serve_all(
    settings: Settings,
    hub: HubAddress,
    options: HubOptions,
    shown: Display,
    *,
    progress: Progress,
    endpoints: Listening | None = None,
) -> None:
    """Runs the hub and every region of a workspace on this machine, with certificates for the trial.

    Where the workspace holds no rows of the data set, they are ingested first: the demonstration's by default.

    Args:
        endpoints: where the regions' endpoints listen, each at the next port; None for no endpoint.

    Raises ConfigurationError; InputError and whatever else an ingestion raises.
    """
    _check_free(hub.host, hub.port, "--port N takes another port")
    hub = _with_free_ports(hub)
    workspace = Workspace(settings.workspace.resolve())
    if not _holding(workspace, settings.dataset.name):
        from fedsov.api.train import ingest_settings

        progress(f"no rows of {settings.dataset.name} in {settings.workspace} yet; they are ingested first")
        progress(f"ingest: {ingest_settings(settings, progress=progress).sentence()}")
    names = _holding(workspace, settings.dataset.name)
    trial = set_up_trial(workspace.root, names, hub, hub_name=settings.federation.hub.name)
    if trial.made:
        progress(f"certificates for this trial: {', '.join(trial.made)}; their authority lies beside them, open to all")
    for name in trial.revoked:
        progress(f"{name} was revoked, and is not begun; remove {trial.regions[name].home} to begin it anew")
    places = [
        RegionPlace(name, workspace.root, trial.regions[name], hub, _hub_key(workspace.root, name))
        for name in names
        if name not in trial.revoked
    ]
    hub_name = read_party(trial.hub.party).name
    rooms = trial_rooms(workspace, hub_name, places)
    for line in rooms_in_lines(rooms):
        progress(line)
    progress(
        f"hub and {', '.join(place.name for place in places)} on one machine, of one user: a trial; "
        f"submit with: fedsov train runtime=deployment workspace={settings.workspace}"
    )
    progress(
        f"page for people: https://{read_party(trial.hub.party).hub.pages}; an account there: fedsov account add NAME "
        f"--role operator,approver --workspace {settings.workspace}"
    )
    sockets = [room.listener for room in rooms.values() if room.listener >= 0]
    services = hub_services(workspace.root, hub_name, options, room=rooms[hub_name], sockets=sockets)
    services += [control_service(workspace.root, hub_name)]
    services += [region_process(place, rooms[place.name]) for place in places]
    services += [agent_service(place) for place in places]
    if endpoints is not None:
        for line in unsaid_jurisdictions(workspace.root, settings.federation.regions or ()):
            progress(line)
        services += trial_endpoints(workspace.root, [place.name for place in places], endpoints, progress=progress)
    run(services, shown.health, plain=shown.plain)


def _endpoint(workspace: Path, name: str, listening: Listening | None) -> list[Service]:
    """The processes of a region's endpoint; none without one."""
    if listening is None:
        return []
    check_free(listening.host, listening.port, name)
    published = publish_endpoint(workspace, name, listening)
    for line in published.lines():
        print(f"fedsov: {line}", file=sys.stderr)
    return endpoint_services(published.place)


def _holding(workspace: Workspace, dataset: str) -> Sequence[str]:
    """The regions with rows of a data set."""
    return [name for name in workspace.region_names() if store_of(workspace.region(name), dataset).exists()]


def _hub_key(workspace: Path, name: str) -> str:
    """The key of the hub's ledger that a region's settings pin; "" where they pin none.

    Raises SettingsBroken, LedgerBroken.
    """
    folder = Workspace(workspace).region(name)
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        if not has_settings(folder, ledger):
            return ""
        own = read_settings(folder, ledger)
    return "" if own.parties.hub is None else own.keys.get(own.parties.hub.name, "")


def _party(home: Path, role: str) -> PartyFile:
    folder = DeploymentFolder(home)
    if not folder.party.exists():
        made = "`fedsov deploy init` makes a hub's" if role == HUB else "`fedsov deploy accept` makes a region's"
        raise ConfigurationError(f"{home} is no home of a deployment; {made}, and `fedsov up` runs a trial")
    party = read_party(folder.party)
    if party.role != role:
        raise ConfigurationError(f"{home} is the home of {party.name}, a {party.role}; a {role}'s is needed")
    return party


def _control_places(hub: HubAddress) -> list[tuple[HubAddress, str]]:
    """Where the control plane listens, and what names another port."""
    where = "hub.{name} in party.yaml names another port, which every region's party.yaml names as well"
    return [(hub.control, where.format(name="control_port")), (hub.pages, where.format(name="pages_port"))]


def _with_free_ports(hub: HubAddress) -> HubAddress:
    """The address with ports of the control plane: those after the hub's own, or others that are free now."""
    ports = [each.port if _is_free(hub.host, each.port) else _any_free(hub.host) for each in (hub.control, hub.pages)]
    return replace(hub, control_port=ports[0], pages_port=ports[1])


def _is_free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port)):
            return True
    except (OSError, OverflowError):
        return False


def _any_free(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


def _check_free(host: str, port: int, mend: str) -> None:
    """Raises ConfigurationError where another process listens there already."""
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        raise ConfigurationError(
            f"the hub cannot listen at {host}:{port} ({error.strerror}); another may run already: `fedsov status`; "
            f"{mend}"
        ) from None
