"""`deploy files`: what a party needs to run as a service: unit, compose file, manifests, image, checklist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, comma_list, note, positive, print_json, print_line
from fedsov.cli.declaration import command, command_app
from fedsov.cli.serving import port
from fedsov.errors import ConfigurationError, counted

if TYPE_CHECKING:
    from fedsov.infrastructure.workload.values import Listener

app = command_app()
MEMORY = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesArguments(Arguments):
    """Where the files go, and how the party runs."""

    place: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write them into.")]
    hub_networks: Annotated[
        Sequence[str] | None,
        typer.Option("--hub-networks", metavar="A,B", help="The hub's addresses, as CIDR.", parser=comma_list),
    ] = None
    member_networks: Annotated[
        Sequence[str] | None,
        typer.Option(
            "--member-networks", metavar="A,B", help="Of a hub: from where its members come.", parser=comma_list
        ),
    ] = None
    serve_port: Annotated[
        int,
        typer.Option("--serve-port", metavar="N", help="Of a region: its endpoint listens there.", parser=port),
    ] = 0
    serve_networks: Annotated[
        Sequence[str] | None,
        typer.Option("--serve-networks", metavar="A,B", help="Who may reach its endpoint, as CIDR.", parser=comma_list),
    ] = None
    home: Annotated[
        str, typer.Option("--home", metavar="DIR", help="Its home on the machine that runs it, below /var/lib.")
    ] = ""
    python: Annotated[
        str, typer.Option("--python", metavar="FILE", help="The Python in which fedsov is installed there.")
    ] = "/opt/fedsov/bin/python"
    image: Annotated[str, typer.Option("--image", metavar="NAME", help="The container image, by tag or digest.")] = ""
    memory: Annotated[int, typer.Option("--memory", metavar="MIB", help="MiB of memory, at most.", parser=positive)] = (
        MEMORY
    )


@command(
    app,
    examples=(
        "fedsov deploy files services --workspace /srv/de --hub-networks 203.0.113.7/32",
        "fedsov deploy files services --workspace /srv/de --serve-port 8443 --serve-networks 203.0.113.9/32",
        "fedsov deploy files services --workspace deployment/hub --memory 8192 --json",
    ),
)
def files(arguments: FilesArguments) -> None:
    """Writes what a party needs to run as a service: systemd unit, compose file, Kubernetes manifests, Dockerfile.

    The party is that of the workspace. CHECKLIST.md says what to do with each. A region reaches its hub and nobody
    else, so its firewalls need the hub's addresses: without --hub-networks they are looked up now, and said.
    """
    from fedsov import __version__
    from fedsov.api.deployment.service_files import looked_up, service_of, write_files

    asked = service_of(
        arguments.workspace,
        hub_networks=tuple(arguments.hub_networks or ()),
        member_networks=tuple(arguments.member_networks or ()),
        home=arguments.home,
        program=arguments.python,
        image=arguments.image or f"fedsov:{__version__}",
        memory=arguments.memory,
        listeners=_listeners(arguments),
    )
    if asked.is_hub and asked.listeners:
        raise ConfigurationError(f"{asked.party} is the hub, and answers nobody's questions; leave --serve-port out")
    workload = looked_up(asked)
    if not workload.is_hub and not workload.hub_addresses:
        note(f"{workload.hub.host} has no address from here, so these files let nobody reach it; give --hub-networks")
    elif workload != asked:
        addresses = ", ".join(workload.hub_addresses)
        note(
            f"{workload.hub.host} has {addresses} now, and the firewalls let these pass; --hub-networks says otherwise"
        )
    paths = write_files(workload, arguments.place)
    if arguments.json:
        print_json({"name": workload.name, "files": [str(path) for path in paths]})
        return
    for path in paths:
        print_line(str(path))
    print_line(f"{counted(len(paths), 'file')} for {workload.name}; begin with {arguments.place / 'CHECKLIST.md'}")


def _listeners(arguments: FilesArguments) -> tuple[Listener, ...]:
    from fedsov.infrastructure.workload.values import PREDICT, Listener

    if not arguments.serve_port:
        if arguments.serve_networks:
            raise ConfigurationError("--serve-networks is for the endpoint; give --serve-port N, too")
        return ()
    return (Listener(PREDICT, arguments.serve_port, tuple(arguments.serve_networks or ())),)
