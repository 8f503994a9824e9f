"""`gateway ...`: requests to the region of their jurisdiction, by HAProxy, Envoy, nginx or a small one of fedsov's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, note, print_json, print_line, today
from fedsov.cli.declaration import command, group_app
from fedsov.errors import counted

if TYPE_CHECKING:
    from fedsov.inference.gateway.table import HostPort

app = group_app(
    "Sends each request to a region that may serve it, by the jurisdiction that its token claims.",
    examples=(
        "fedsov gateway check --table gateway.yaml",
        "fedsov gateway render haproxy --table gateway.yaml --out gateway",
        "fedsov gateway serve",
    ),
)

Table = Annotated[
    Path | None,
    typer.Option("--table", metavar="FILE", help="Regions, issuers and limits; without it the workspace's regions."),
]
Listen = Annotated[
    str, typer.Option("--listen", metavar="HOST:PORT", help="Where it listens, instead of where the table says.")
]


def kind_of_gateway(text: str) -> str:
    """One of the gateways that can be rendered."""
    if text not in ("haproxy", "envoy", "nginx"):
        raise typer.BadParameter(f"{text!r}; there are haproxy, envoy and nginx")
    return text


def _listen(text: str) -> HostPort | None:
    from fedsov.inference.gateway.table import address_of

    return address_of("--listen", text) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderArguments(Arguments):
    """Which gateway, from what, to where."""

    kind: Annotated[str, typer.Argument(metavar="KIND", help="haproxy, envoy or nginx.", parser=kind_of_gateway)]
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder of the files.")]
    table: Table = None
    listen: Listen = ""
    follow: Annotated[bool, typer.Option("--follow", help="Goes on, and writes anew what changes.")] = False
    pid: Annotated[
        Path | None,
        typer.Option("--pid", metavar="FILE", help="Whom to tell of a change: the file with the gateway's number."),
    ] = None


@command(
    app,
    examples=(
        "fedsov gateway render haproxy --out gateway",
        "fedsov gateway render envoy --table gateway.yaml --out gateway --json",
        "fedsov gateway render nginx --table gateway.yaml --out gateway --follow --pid gateway/nginx.pid",
    ),
)
def render(arguments: RenderArguments) -> None:
    """Writes the configuration of a gateway, and has the gateway's own program check it where it is installed.

    It sends each request by the jurisdiction that its token claims, to the first lawful region that is up; nobody's to
    another. Whoever the border permits no region to serve gets 451, and 503 where the lawful regions are down.

    With --pid a running gateway is told of what changed (HAProxy by SIGUSR2, nginx by SIGHUP; Envoy watches its files
    by itself). With --follow it goes on until Ctrl-C: when the table, a key or the day changed, it does so again.
    """
    from fedsov.api.inference.gateway import gateways

    rendered = gateways.render(
        arguments.workspace,
        arguments.kind,
        arguments.out,
        table=arguments.table,
        today=today(),
        listen=_listen(arguments.listen),
        pid_file=arguments.pid,
    )
    if arguments.json:
        print_json(rendered.to_json())
    else:
        for line in rendered.lines:
            note(line)
        said = "not checked: " + rendered.checked.text if rendered.checked.is_valid is None else "valid"
        print_line(f"{counted(len(rendered.files), 'file')} for {rendered.kind} in {rendered.folder}, {said}")
    if arguments.follow:
        for _ in gateways.follow(
            arguments.workspace,
            arguments.kind,
            arguments.out,
            table=arguments.table,
            pid_file=arguments.pid,
            say=note,
            listen=_listen(arguments.listen),
        ):
            pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckGatewayArguments(Arguments):
    """Which table."""

    table: Table = None


@command(app, examples=("fedsov gateway check", "fedsov gateway check --table gateway.yaml --json"))
def check(arguments: CheckGatewayArguments) -> None:
    """Shows whose requests go where, whom the border lets go nowhere and why, and whether each gateway takes the table.

    Each configuration is rendered and read by the gateway's own program, where it is installed.
    """
    from fedsov.api.inference.gateway import gateways

    checked = gateways.check(arguments.workspace, table=arguments.table, today=today())
    if arguments.json:
        print_json(checked.to_json())
        return
    for route in checked.routes:
        codes = [code for code in route["codes"] if "-" not in code or code.partition("-")[0] not in route["codes"]]
        parts = len(route["codes"]) - len(codes)
        beside = f" with {counted(parts, 'part')}" if parts else ""
        print_line(f"{', '.join(codes)}{beside}: {', then '.join(route['regions'])}")
    for line in checked.source.lines():
        print_line(line)
    for kind, answer in checked.kinds.items():
        state = {True: "valid", None: "not checked", False: "refused"}[answer.is_valid]
        print_line(f"{kind}: {state}{'' if answer.is_valid else f': {answer.text}'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeGatewayArguments(Arguments):
    """What the gateway goes by."""

    table: Table = None
    listen: Listen = ""


@command(app, examples=("fedsov gateway serve", "fedsov gateway serve --table gateway.yaml --listen 127.0.0.1:8440"))
def serve(arguments: ServeGatewayArguments) -> None:
    """Runs fedsov's own small gateway until Ctrl-C.

    It does what `gateway render` configures the others for, in one process, and takes a changed table between two
    requests. HAProxy carries several times as much: use that where many people ask.
    """
    from fedsov.api.inference.gateway import gateways

    gateways.serve(arguments.workspace, table=arguments.table, say=note, listen=_listen(arguments.listen))
