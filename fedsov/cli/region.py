"""`region ...`: a region's own settings, which no job can loosen: init, show, set, check, and the law owner's key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, By, RegionName, Why, ask, print_json, print_line, print_shown, run_settings
from fedsov.cli.declaration import command, group_app
from fedsov.cli.ingest import (
    Append,
    DropAppended,
    DryRun,
    Rebuild,
    check_append,
    show_report,
)
from fedsov.cli.ingest import Key as BatchKey
from fedsov.cli.serving import ServeArguments, port
from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    from fedsov.api.inference.endpoints.endpoint import Listening

Every = Annotated[bool, typer.Option("--all", help="Every region of the workspace.")]
Key = Annotated[Path, typer.Option("--key", metavar="FILE", help="Where the law owner's private key is to be.")]
NameOrAll = Annotated[str | None, typer.Argument(metavar="NAME", help="The region, by its name; or --all.")]
app = group_app(
    "What protects a region is its own: show its settings, make, change and check them.",
    examples=(
        "fedsov region show DE",
        'fedsov region set DE rehearsal=true --why "a rehearsal of the spring run"',
        "fedsov region check --all",
    ),
)
owner_app = group_app(
    "The law owner's key, whose signature a rule that permits needs.",
    examples=("fedsov region owner init --all --key owner.pem",),
)
app.add_typer(owner_app, name="owner")


@dataclass(frozen=True, slots=True, kw_only=True)
class InitArguments(Arguments):
    """Which region is made."""

    name: RegionName
    by: By = ""
    why: Why = ""


@command(app, examples=("fedsov region init DE", "fedsov region init DE privacy.require=record"), reads="run settings")
def init(arguments: InitArguments) -> None:
    """Makes a region: its folder, keys, ledger and region.yaml, closed but for the settings that are given.

    In one workspace the first ingestion does the same from `configs/region/` and the run's own settings.
    """
    from fedsov.api.region_settings import init as make

    shown = make(arguments.workspace, arguments.name, arguments.beside_workspace, by=arguments.by, why=arguments.why)
    if arguments.json:
        print_json(shown.to_json())
    else:
        print_line(f"{shown.file}: made; `fedsov region show {arguments.name}` shows it")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionShowArguments(Arguments):
    """Whose settings."""

    name: RegionName


@command(app, examples=("fedsov region show DE", "fedsov region show DE --json"))
def show(arguments: RegionShowArguments) -> None:
    """Prints a region's settings as they are in force, each by the key that `region set` takes."""
    from fedsov.api.region_settings import made_up
    from fedsov.api.region_settings import show as read
    from fedsov.region.settings_file import flat

    shown = read(arguments.workspace, arguments.name)
    if arguments.json:
        print_json(shown.to_json())
        return
    print_line(f"{shown.file}")
    print_line(f"changed {shown.changed['at']} by {shown.changed['by']}: {shown.changed['why']}")
    for key, value in flat(shown.settings.to_plain()).items():
        if key != "split":
            print_line(f"  {key}: {'unset' if value is None else value}")
    for line in made_up(shown.settings):
        print_line(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetArguments(Arguments):
    """Whose settings, and the person's word."""

    name: NameOrAll = None
    every: Every = False
    by: By = ""
    why: Why = ""
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False


@command(
    app,
    name="set",
    examples=('fedsov region set DE limits.rounds=50 --by "A. Person" --why "no run needs more"',),
    reads="run settings",
)
def set_(arguments: SetArguments) -> None:
    """Changes a region's settings: shows the difference, asks, signs, and notes it in the region's ledger.

    Values are YAML, null for none. `law.bundle=shipped` takes the law of this version, `law.bundle=installed` that of
    `border bundle install`; `law.rules=FILE` takes the rules as they are in the file now. Where a change describes rows
    otherwise (`datasets.NAME.subject`, say), it names the stored rows that must be ingested again. A change of
    `store.bucket` moves the files of stores, as ciphertext.
    """
    from fedsov.api.region_settings import differences, move_stores, names_of, set_settings, stale_lines

    words = arguments.beside_workspace
    if not words:
        raise ConfigurationError("region set needs KEY=VALUE, such as rehearsal=true; see `fedsov region show NAME`")
    names = names_of(arguments.workspace, arguments.name, every=arguments.every)
    changes = differences(arguments.workspace, names, words)
    if changes and not arguments.yes:
        ask([change.line() for change in changes], "Change this?")
    if changes:
        set_settings(arguments.workspace, names, words, by=arguments.by, why=arguments.why)
    moved = move_stores(arguments.workspace, names)
    if arguments.json:
        print_json([{"region": one.region, "key": one.key, "old": one.old, "new": one.new} for one in changes])
        return
    for change in changes:
        print_line(change.line())
    print_line("nothing to change" if not changes else "signed, and noted in the ledger")
    for line in (*moved, *stale_lines(arguments.workspace, names)):
        print_line(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionServeArguments(ServeArguments):
    """Which region, and where its endpoint listens."""

    name: RegionName
    endpoint: Annotated[
        int,
        typer.Option(
            "--serve-port", metavar="N", help="Also answers people's questions there; 0 does not.", parser=port
        ),
    ] = 0
    endpoint_host: Annotated[str, typer.Option("--serve-host", metavar="ADDRESS", help="The address of that.")] = (
        "127.0.0.1"
    )
    metrics: Annotated[
        int,
        typer.Option("--metrics-port", metavar="N", help="Tells its metrics there, to this machine.", parser=port),
    ] = 0
    no_tls: Annotated[
        bool, typer.Option("--no-tls", help="Plain HTTP: a gateway of this machine ends TLS before it.")
    ] = False

    def __post_init__(self) -> None:
        ServeArguments.__post_init__(self)
        beside = {"--metrics-port": self.metrics, "--no-tls": self.no_tls}
        if not self.endpoint and (extra := [name for name, value in beside.items() if value]):
            raise ConfigurationError(f"{extra[0]} is for the endpoint; give --serve-port N, too")

    def listening(self) -> Listening | None:
        """Where the endpoint listens; None without one."""
        from fedsov.api.inference.endpoints.endpoint import Listening

        if not self.endpoint:
            return None
        return Listening(host=self.endpoint_host, port=self.endpoint, zone_port=self.metrics, tls=not self.no_tls)


@command(
    app,
    examples=(
        "fedsov region serve DE",
        "fedsov region serve DE --workspace /srv/de --health-port 8081",
        "fedsov region serve DE --serve-port 8443 --serve-host 10.0.0.5",
    ),
)
def serve(arguments: RegionServeArguments) -> None:
    """Runs a region of a deployment until SIGTERM or Ctrl-C: it calls its hub, and answers behind its own gate.

    Its home is what `fedsov deploy join` and `fedsov deploy accept` made. It opens connections to its hub alone, and
    waits for it where it is away.

    With --serve-port it also answers people's questions with its approved versions, at a listener of its own: TLS with
    the certificate in regions/NAME/serving (tls.crt, tls.key), tokens of the issuers that `serving.issuers` names.
    """
    from fedsov.api.deployment.serving import serve_region

    serve_region(arguments.workspace, arguments.name, arguments.display(), arguments.listening())


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionIngestArguments(Arguments):
    """Whose source, how it is stored, and what becomes of rows that are others'."""

    name: RegionName
    rebuild: Rebuild = False
    dry_run: DryRun = False
    append: Append = False
    key: BatchKey = ""
    drop_appended: DropAppended = False
    others: Annotated[
        bool, typer.Option("--quarantine-others", help="Rows of other jurisdictions wait in this home; else refused.")
    ] = False

    def __post_init__(self) -> None:
        Arguments.__post_init__(self)
        beside = {"--rebuild": self.rebuild, "--dry-run": self.dry_run, "--drop-appended": self.drop_appended}
        check_append(self.append, self.key, beside)


@command(
    app,
    examples=(
        "fedsov region ingest DE dataset=@people.yaml dataset.path=people-de.csv --workspace /srv/fedsov/DE",
        "fedsov region ingest DE dataset=@people.yaml --dry-run",
        "fedsov region ingest DE dataset=@people.yaml --append --key 2026-11-30",
    ),
    reads="run settings",
)
def ingest(arguments: RegionIngestArguments) -> None:
    """Sorts a region's own source into its store, in the region's home: no hub is needed, and none is told.

    Rows of other jurisdictions are refused by count and country, with the region that holds them. The source lies in
    the region's country unless dataset.location says otherwise. Takes the same settings as `train`.
    """
    from fedsov.api.region_ingest import OwnIngestion, Way, region_ingest, region_preview

    settings, own = run_settings(arguments.overrides), OwnIngestion(arguments.name, arguments.others)
    if arguments.dry_run:
        print_shown(region_preview(settings, own), as_json=arguments.json)
        return
    append = arguments.key if arguments.append else None
    report = region_ingest(settings, own, Way(arguments.rebuild, append, arguments.drop_appended))
    show_report(report, as_json=arguments.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionCheckArguments(Arguments):
    """Whose settings."""

    name: NameOrAll = None
    every: Every = False


@command(app, examples=("fedsov region check DE", "fedsov region check --all --json"))
def check(arguments: RegionCheckArguments) -> None:
    """Checks a region's settings: signature, ledger, law, register, split; names what protects less."""
    from fedsov.api.region_settings import check as found
    from fedsov.api.region_settings import names_of

    names = names_of(arguments.workspace, arguments.name, every=arguments.every)
    lines = {name: found(arguments.workspace, name) for name in names}
    if arguments.json:
        print_json(lines)
        return
    for name, several in lines.items():
        for line in several:
            print_line(f"{name}: {line}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerArguments(Arguments):
    """For which regions, and where the key is to be."""

    name: NameOrAll = None
    every: Every = False
    key: Key
    by: By = ""
    why: Why = ""


@command(owner_app, name="init", examples=("fedsov region owner init DE --key owner.pem",))
def owner_init(arguments: OwnerArguments) -> None:
    """Makes the law owner's key and pins its public half in region.yaml. Refused where one is pinned.

    Keep the file away from the regions' machines: `fedsov border sign RULES.yaml --key FILE` is all that needs it.
    """
    _pin(arguments, rotates=False)


@command(owner_app, name="rotate", examples=("fedsov region owner rotate DE --key owner-2.pem",))
def owner_rotate(arguments: OwnerArguments) -> None:
    """Makes a new key for the law owner and pins it in the place of the old one.

    Where a region has rules that permit, it says so and keeps the key: sign the rules with it, then run this again.
    """
    _pin(arguments, rotates=True)


def _pin(arguments: OwnerArguments, *, rotates: bool) -> None:
    from fedsov.api.region_settings import names_of, owner_key
    from fedsov.api.region_settings import show as read

    names = names_of(arguments.workspace, arguments.name, every=arguments.every)
    for name in names:
        pinned = read(arguments.workspace, name).settings.law.owner
        if bool(pinned) != rotates:
            state, way = ("a law owner", "rotate") if pinned else ("no law owner", "init")
            raise ConfigurationError(f"region {name} has {state}; `fedsov region owner {way} {name} --key FILE`")
    public = owner_key(arguments.workspace, names, arguments.key, by=arguments.by, why=arguments.why)
    if arguments.json:
        print_json({"owner": public, "regions": names, "key": str(arguments.key)})
    else:
        print_line(f"{arguments.key}: the law owner's private key; {public} is pinned by {', '.join(names)}")
