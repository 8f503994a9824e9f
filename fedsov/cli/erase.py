"""`erase`: one person's rows leave every place of a region; `--lineage` lists models that may have learned of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, By, note, print_json, print_line, require_options
from fedsov.cli.declaration import command, command_app
from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    from fedsov.region.lifecycle.erasure import Erased

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseArguments(Arguments):
    """Whose rows, where, and the person's word."""

    region: Annotated[str, typer.Option("--region", metavar="NAME", help="The region, by its name.")]
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="ID", help="What the rows' subject column says of the person.")
    ] = None
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the ledger; not the person.")] = ""
    by: By = ""
    again: Annotated[
        bool, typer.Option("--again", help="Take the erased person's rows again: they were given anew.")
    ] = False
    lineage: Annotated[
        bool, typer.Option("--lineage", help="List the models that had erased people among their rows.")
    ] = False


@command(
    app,
    name="erase",
    examples=(
        'fedsov erase --subject X4711 --region DE --why "request 2026-118"',
        "fedsov erase --lineage --region DE",
        'fedsov erase --subject X4711 --region DE --again --why "new contract"',
    ),
)
def erase(arguments: EraseArguments) -> None:
    """Erases a person's rows in every place of a region, and names each place with what became of it.

    Rows are found by the pseudonym that the region's key makes of the ID. The ledger has a keyed digest alone. Killed,
    run it again: it ends the same. Models keep what they learned; `--lineage` says which, as far as that can be known,
    and by what. From then on an ingestion that brings the person's rows is refused until `--again`.
    """
    if arguments.lineage:
        if arguments.subject is not None or arguments.again:
            raise ConfigurationError(
                "--lineage lists all erased subjects by keyed digest; leave --subject and --again out"
            )
        _print_lineage(arguments)
        return
    if missing := [f"--{name}" for name in ("subject", "why") if not getattr(arguments, name)]:
        require_options(*missing)
    from fedsov.api.lifecycle import erasure

    subject = arguments.subject or ""
    if arguments.again:
        digest = erasure.lift(arguments.workspace, arguments.region, subject, by=arguments.by, why=arguments.why)
        if arguments.json:
            print_json({"subject": digest, "state": "lifted"})
        else:
            print_line(
                f"rows of subject {digest} are taken again; ingest them by `fedsov ingest --rebuild dataset=@FILE` "
                "with the settings of their ingestion: without dataset=... it is the demonstration's"
            )
        return
    done = erasure.erase(arguments.workspace, arguments.region, subject, by=arguments.by, why=arguments.why)
    if arguments.json:
        print_json(done.to_json())
    else:
        _print_erased(arguments.region, done)
    if others := erasure.other_regions(arguments.workspace, arguments.region):
        note(f"{', '.join(others)} may hold rows of the same person; each is asked by its own --region")


def _print_erased(region: str, done: Erased) -> None:
    print_line(f"region {region}: subject {done.digest} (keyed digest)")
    for place in done.places:
        what = "; ".join(done.removed.get(place.name, ()))
        state = place.fate if place.erase is None else f"{what} erased" if what else "nothing of the subject"
        print_line(f"  {place.name} ({place.holds}): {state}")
    for name in done.unnamed:
        print_line(f"  {name}: its rows name nobody (no dataset.subject), so none could be found by an ID")
    for version in done.versions:
        print_line(f"  retrain: {version.line()}")
    if any(done.removed.values()):
        print_line("the region tells no statistics of these data sets until limits.least_people people changed")
    else:
        print_line(
            f"no row of the subject was in region {region}, under this spelling of dataset.subject; rows of it that "
            "come are not taken (--again ends that)"
        )


def _print_lineage(arguments: EraseArguments) -> None:
    from fedsov.api.lifecycle.erasure import traced

    found = traced(arguments.workspace, arguments.region)
    if arguments.json:
        print_json({digest: [version.to_json() for version in versions] for digest, versions in found.items()})
        return
    for digest, versions in found.items():
        print_line(f"subject {digest}")
        for version in versions:
            print_line(f"  {version.line()}")
        if not versions:
            print_line("  no model of this region, and none at the hub that its updates went into")
    if not found:
        print_line(f"region {arguments.region} erased nobody")
