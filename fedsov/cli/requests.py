"""`requests ...`: a region's log of requests: verified, shown, exported, and sent home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, By, RegionName, print_json, print_line, print_shown, require_options
from fedsov.cli.declaration import command, group_app
from fedsov.errors import RequestLogBroken, counted, printable
from fedsov.keys.principals import OWNER

if TYPE_CHECKING:
    from fedsov.api.inference.request_logs import Wanted
    from fedsov.inference.request_log.reader import ReadLine

Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Lines of one model alone.")]
Since = Annotated[str | None, typer.Option("--since", metavar="DAY", help="Lines since a day or moment (UTC) alone.")]
Purpose = Annotated[str, typer.Option("--purpose", metavar="WORD", help="What people's requests are opened for.")]
As = Annotated[str, typer.Option("--as", metavar="PRINCIPAL", help="Who opens them; the region's owner by default.")]
app = group_app(
    "A region's log of requests: verify, show, export; requests of other regions' people go home.",
    examples=(
        "fedsov requests verify DE",
        "fedsov requests show DE --last 20",
        "fedsov requests export DE --out requests.parquet --purpose training",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsVerifyArguments(Arguments):
    """Which log."""

    name: RegionName
    copy: Annotated[
        str | None, typer.Option("--folder", metavar="DIR", help="A copy of the log; the region's own by default.")
    ] = None
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Verify what needs no key: heads, numbers and counts.")
    ] = False


@command(
    app,
    examples=(
        "fedsov requests verify DE",
        "fedsov requests verify DE --folder /media/copy/requests --without-key",
    ),
)
def verify(arguments: RequestsVerifyArguments) -> None:
    """Verifies every byte of a region's log, and that no batch is missing that its ledger notes.

    Each fault is named with its segment and batch. Batches that the ledger does not note yet are counted: were they cut
    off, nobody could tell. It may run while the endpoint answers.
    """
    from fedsov.api.inference.request_logs import verify as verified_log

    copy = None if arguments.copy is None else Path(arguments.copy)
    verified = verified_log(arguments.workspace, arguments.name, folder=copy, with_key=not arguments.without_key)
    if arguments.json:
        print_json(verified.to_json())
    else:
        for line in verified.in_words():
            print_line(line)
    if verified.faults:
        raise RequestLogBroken(f"the log of requests of {arguments.name} has {counted(len(verified.faults), 'fault')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsShowArguments(Arguments):
    """Which lines."""

    name: RegionName
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="So many lines, the newest.")] = 20
    model: Model = None
    since: Since = None
    bodies: Annotated[bool, typer.Option("--bodies", help="Also what people asked and were answered.")] = False
    purpose: Purpose = ""
    principal: As = OWNER
    by: By = ""


@command(
    app,
    examples=(
        "fedsov requests show DE --last 20",
        "fedsov requests show DE --model stackoverflow-de --since 2026-11-30",
        "fedsov requests show DE --bodies --purpose inference",
    ),
)
def show(arguments: RequestsShowArguments) -> None:
    """Prints lines of a region's log: when, which model, whose law; with `--bodies` also what was asked and answered.

    `--bodies` opens people's requests: for a purpose, by a principal who has it; the region's ledger notes it first.
    """
    from fedsov.api.inference import request_logs

    wanted = _wanted(arguments.model, arguments.since, arguments.last)
    if arguments.bodies:
        if not arguments.purpose:
            require_options("--purpose")
        who = {"purpose": arguments.purpose, "principal": arguments.principal, "by": arguments.by}
        lines = request_logs.opened(arguments.workspace, arguments.name, wanted, **who)
    else:
        lines = request_logs.show(arguments.workspace, arguments.name, wanted)
    if arguments.json:
        print_json([request_logs.plain_line(read, with_content=arguments.bodies) for read in lines])
        return
    for read in lines:
        _print_line(read, with_content=arguments.bodies)
    if not lines:
        print_line("no line matches")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsExportArguments(Arguments):
    """Which lines, for what, and where to."""

    name: RegionName
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="The table: FILE.parquet or FILE.csv.")]
    purpose: Purpose
    model: Model = None
    since: Since = None
    principal: As = OWNER
    by: By = ""


@command(
    app,
    examples=(
        "fedsov requests export DE --out requests.parquet --purpose training",
        "fedsov requests export DE --out requests.csv --purpose training --model stackoverflow-de --since 2026-11-01",
    ),
)
def export(arguments: RequestsExportArguments) -> None:
    """Writes requests and answers as a table: inputs by column, prediction, model, time, person, jurisdiction, label.

    With an outcome joined by request_id and request_row it can be ingested as training rows. The region's ledger notes
    the opening first. Lines of people who were erased are left out, and counted.
    """
    from fedsov.api.inference import request_logs

    exported = request_logs.export(
        arguments.workspace,
        arguments.name,
        Path(arguments.out),
        _wanted(arguments.model, arguments.since, None),
        purpose=arguments.purpose,
        principal=arguments.principal,
        by=arguments.by,
    )
    print_shown(exported, as_json=arguments.json)


def _wanted(model: str | None, since: str | None, last: int | None) -> Wanted:
    from fedsov.api.inference.request_logs import Wanted, seconds

    return Wanted(model, None if since is None else seconds(since), last)


def _print_line(read: ReadLine, *, with_content: bool) -> None:
    from fedsov.api.inference.request_logs import plain_line

    plain = plain_line(read, with_content=with_content)
    beside = [f"at {plain['host']}"] * bool(plain["host"]) + [f"({plain['withheld']})"] * bool(plain["withheld"])
    head = (
        plain["at"],
        plain["request_id"],
        str(read.line.label),
        plain["model"],
        str(plain["version"]),
        plain["role"],
    )
    print_line("  ".join((*head, *beside)))
    if "body" in plain:
        print_line(printable(f"    {plain['subject'] or 'nobody named'}: {plain['body']} -> {plain['answer']}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SendArguments(Arguments):
    """Whose log."""

    name: RegionName


@command(app, name="send-home", examples=("fedsov requests send-home DE",))
def send_home(arguments: SendArguments) -> None:
    """Packs requests of other regions' people, sealed for their regions, and sends them home.

    This region cannot read them. Its gate decides about each parcel, and the home region's gate about its coming. Where
    the home region is on another machine, the parcel lies in the outbox of the log: carry it there.
    """
    from fedsov.api.inference.requests_home import send_home as send

    sent = send(arguments.workspace, arguments.name)
    if arguments.json:
        print_json([each.to_json() for each in sent])
        return
    for each in sent:
        print_line(each.line())
    if not sent:
        print_line(f"region {arguments.name} has no request of another region's people that was not sent home")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveArguments(Arguments):
    """Whose log, and what came."""

    name: RegionName
    parcel: Annotated[str, typer.Option("--parcel", metavar="FILE", help="What another region's send-home packed.")]


@command(app, examples=("fedsov requests receive AT --parcel DE-to-AT.parcel",))
def receive(arguments: ReceiveArguments) -> None:
    """Takes requests of this region's people, answered by another region, into this region's log.

    The parcel must be signed by the key that is pinned for that region, and this region's gate decides about it.
    """
    from fedsov.api.inference.requests_home import receive as take

    taken = take(arguments.workspace, arguments.name, Path(arguments.parcel))
    if arguments.json:
        print_json({"region": arguments.name, "lines": taken})
    else:
        print_line(f"{counted(taken, 'line')} taken into the log of region {arguments.name}")
