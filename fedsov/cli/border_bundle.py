"""`border bundle ...`: which law is in force and until when it counts as known; confirm, export and install it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, day, print_json, print_line, today
from fedsov.cli.declaration import command, group_app
from fedsov.errors import counted

app = group_app(
    "The law as one bundle: its date, until when it counts as known, and how it is confirmed or replaced.",
    examples=(
        "fedsov border bundle show",
        'fedsov border bundle confirm --until 2028-11-22 --by "A. Person" --why "read again on 2027-11-01"',
        "fedsov border bundle install law.json",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowBundleArguments(Arguments):
    """Nothing but the workspace."""


@command(app, examples=("fedsov border bundle show", "fedsov border bundle show --json"))
def show(arguments: ShowBundleArguments) -> None:
    """Shows the law in force: digest, date, age, until when it counts as known, and who confirmed it.

    A permit later than that is a review, until a person confirms the law or a newer bundle is installed.
    """
    from fedsov.api.border.law_bundles import show as read

    shown, on = read(arguments.workspace), today()
    if arguments.json:
        print_json(shown.to_json(on))
        return
    bundle = shown.bundle
    source = "installed" if shown.is_installed else "shipped with this version"
    print_line(f"law {bundle.digest}, {source}")
    print_line(
        f"read on {bundle.dated}, {counted((on - bundle.dated).days, 'day')} ago; known until {bundle.law_until('')}"
    )
    for name, until in shown.early.items():
        print_line(f"  {name}: known until {until} only, since a change is to come")
    for each in shown.confirmations:
        signed = f", signed by {each.key[:16]}…" if each.signature else ""
        print_line(f"confirmed until {each.until} by {each.by}{signed}: {each.why}")
    for name, digest in shown.regions.items():
        state = (
            "this law"
            if digest == bundle.digest
            else f"{digest[:16]}…; `fedsov region set {name} law.bundle=…` changes it"
        )
        print_line(f"region {name} decides by {state}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmArguments(Arguments):
    """Who confirms the law, until when, and why."""

    until: Annotated[
        date, typer.Option("--until", metavar="DATE", help="The last day of the confirmation.", parser=day)
    ]
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who confirms.")]
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="What was read again, for the record.")]
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="The law owner's key; needed where a region pins one.")
    ] = None


@command(
    app,
    examples=('fedsov border bundle confirm --until 2028-11-22 --by "A. Person" --why "read again on 2027-11-01"',),
)
def confirm(arguments: ConfirmArguments) -> None:
    """Records that the law still is as it was read, until a day."""
    from fedsov.api.border.law_bundles import confirm as record

    made = record(arguments.workspace, until=arguments.until, by=arguments.by, why=arguments.why, key=arguments.key)
    if arguments.json:
        print_json(made.to_json())
    else:
        print_line(f"law {made.digest[:16]}… counts as known until {made.until}, by {made.by}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportBundleArguments(Arguments):
    """The file to write."""

    file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle's file.")]
    texts: Annotated[
        Path | None, typer.Option("--law", metavar="FOLDER", help="A folder of law files; else the law in force.")
    ] = None
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The private key that signs it.")] = None


@command(app, examples=("fedsov border bundle export law.json --law newer-law --key owner.pem",))
def export(arguments: ExportBundleArguments) -> None:
    """Writes the law in force, or a folder of newer law, to one file, signed where a key is given."""
    from fedsov.api.border.law_bundles import export as write

    bundle = write(arguments.file, root=arguments.workspace, folder=arguments.texts, key=arguments.key)
    if arguments.json:
        print_json({"file": str(arguments.file), "digest": bundle.digest, "dated": bundle.dated.isoformat()})
    else:
        signed = "signed" if arguments.key else "not signed; add --key FILE, so that it can be installed"
        print_line(f"{arguments.file}: law {bundle.digest[:16]}… of {bundle.dated}, {signed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallArguments(Arguments):
    """The file to install."""

    file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle's file.")]
    publisher: Annotated[
        str, typer.Option("--publisher", metavar="HEX", help="The publisher's public key, to pin at the first bundle.")
    ] = ""


@command(app, examples=("fedsov border bundle install law.json",))
def install(arguments: InstallArguments) -> None:
    """Puts a newer bundle in force, once its signature is checked. Each region takes it by its own settings."""
    from fedsov.api.border.law_bundles import install as put

    bundle = put(arguments.workspace, arguments.file, publisher=arguments.publisher.strip().lower())
    if arguments.json:
        print_json({"digest": bundle.digest, "dated": bundle.dated.isoformat()})
    else:
        print_line(
            f"law {bundle.digest[:16]}… of {bundle.dated} is in force for the hub; "
            "`fedsov region set --all law.bundle=installed` has every region take it"
        )
