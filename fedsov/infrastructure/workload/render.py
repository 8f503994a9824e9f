"""The files by which a party runs, rendered from its values; the same values give the same bytes.

    render(workload)["kubernetes/network.yaml"]

The templates beside this module are the files as they stand, each with the reasons for what it closes. `PATHS` has them
all by where they go in a party's package. A value stands in YAML as JSON, which is YAML, and in units and shell words
only after `fedsov.infrastructure.workload.values` has checked its letters.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fedsov.infrastructure.workload.values import PREDICT, Workload
from fedsov.registry import QUIET as REGISTRY_QUIET

CONTAINER_HOME = "/var/lib/fedsov"
SECONDS_TO_STOP = 45
"""How long a party has to end; its supervisor kills what has not ended after 30."""
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    **REGISTRY_QUIET,
}
"""Variables by which nothing is told, looked up or installed while a party runs."""
PATHS = {
    "CHECKLIST.md": "checklist.md.j2",
    "image/Dockerfile": "Dockerfile.j2",
    "systemd/{name}.service": "systemd/party.service.j2",
    "compose/compose.yaml": "compose/compose.yaml.j2",
    "kubernetes/1-namespace.yaml": "kubernetes/namespace.yaml.j2",
    "kubernetes/2-network.yaml": "kubernetes/network.yaml.j2",
    "kubernetes/3-home.yaml": "kubernetes/home.yaml.j2",
    "kubernetes/4-party.yaml": "kubernetes/party.yaml.j2",
    "kubernetes/shell-on-home.yaml": "kubernetes/shell.yaml.j2",
}
"""Where each file goes, and its template."""
_TEMPLATES = Path(__file__).parent / "templates"


def render(workload: Workload) -> Mapping[str, str]:
    """Every file of a party, by its relative path, in a fixed order."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    values = {"party": workload, "quiet": QUIET, "home": CONTAINER_HOME, "seconds": SECONDS_TO_STOP}
    values |= {"on_machine": command(workload, workload.folder, "127.0.0.1")}
    values |= {"in_container": command(workload, CONTAINER_HOME, "0.0.0.0")}
    return {
        path.format(name=workload.name): environment.get_template(template).render(values)
        for path, template in sorted(PATHS.items())
    }


def command(workload: Workload, home: str, health_host: str) -> tuple[str, ...]:
    """The words after ``python -m fedsov`` that run a party.

    Args:
        home: the party's folder, where it runs.
        health_host: where its health is told: in a container its own address, for probes come from outside it.
    """
    health = ("--health-host", health_host, "--health-port", str(workload.health_port))
    if workload.is_hub:
        return ("hub", "--workspace", home, "--listen", "0.0.0.0", *health)
    endpoint = [each for each in workload.listeners if each.name == PREDICT]
    host = "0.0.0.0"  # who may reach it, firewalls and the listener's networks say
    serve = ("--serve-port", str(endpoint[0].port), "--serve-host", host) if endpoint else ()
    return ("region", "serve", workload.party, "--workspace", home, *health, *serve)
