"""`config ...`: what the hub proposes of its regions' settings, and what each has in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, By, Why, comma_list, print_json, print_line
from fedsov.cli.declaration import command, group_app
from fedsov.errors import ConfigurationError, counted

if TYPE_CHECKING:
    from fedsov.control_plane.configuration.standing import ProposedToRegion

Regions = Annotated[
    Sequence[str] | None,
    typer.Option("--region", metavar="A,B", help="The regions that are meant (default: all).", parser=comma_list),
]
app = group_app(
    "Settings that the hub proposes to its regions; each takes what its own region.yaml lets a hub propose.",
    examples=(
        'fedsov config propose limits.rounds=40 --region DE --by "A. Person" --why "longer trainings"',
        'fedsov config propose --law law.json --why "the law of May"',
        "fedsov config diff",
        "fedsov config status",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProposeArguments(Arguments):
    """Which settings, for whom."""

    regions: Regions = None
    law_file: Annotated[
        Path | None, typer.Option("--law", metavar="FILE", help="A signed bundle of law that goes with it.")
    ] = None
    withdraw: Annotated[
        Sequence[str] | None,
        typer.Option("--withdraw", metavar="KEY,KEY", help="Take these settings off instead.", parser=comma_list),
    ] = None
    by: By = ""
    why: Why = ""


@command(
    app,
    examples=(
        'fedsov config propose limits.rounds=40 --region DE --by "A. Person" --why "longer trainings"',
        'fedsov config propose --law law.json --why "the law of May"',
        "fedsov config propose --withdraw limits.rounds",
    ),
    reads="run settings",
)
def propose(arguments: ConfigProposeArguments) -> None:
    """Proposes settings to regions, as `fedsov region set` takes them: KEY=VALUE.

    A region takes what its owner listed (`fedsov region set NAME proposals=[KEY]`), refuses the rest, and says so.
    """
    from fedsov.api.control.configuration import proposing

    words = arguments.beside_workspace
    regions, keys = arguments.regions or (), arguments.withdraw or ()
    if keys and (words or arguments.law_file):
        raise ConfigurationError("--withdraw takes settings off; propose others in a command of their own")
    if keys:
        every = proposing.withdraw(arguments.workspace, keys, regions=regions, by=arguments.by, why=arguments.why)
    else:
        every = proposing.propose(
            arguments.workspace, words, regions=regions, law=arguments.law_file, by=arguments.by, why=arguments.why
        )
    _print(arguments, every, is_short=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigShowArguments(Arguments):
    """Whose settings."""

    regions: Regions = None


@command(app, examples=("fedsov config diff", "fedsov config diff --region DE --json"))
def diff(arguments: ConfigShowArguments) -> None:
    """Shows the settings that stand proposed and are not in force, with the reason that the region gives."""
    from fedsov.api.control.configuration.proposing import proposed

    _print(arguments, proposed(arguments.workspace, arguments.regions or ()), is_short=True)


@command(app, examples=("fedsov config status", "fedsov config status --json"))
def status(arguments: ConfigShowArguments) -> None:
    """Shows what stands proposed to each region, and what it says is in force."""
    from fedsov.api.control.configuration.proposing import proposed

    _print(arguments, proposed(arguments.workspace, arguments.regions or ()), is_short=False)


def _print(arguments: Arguments, every: Sequence[ProposedToRegion], *, is_short: bool) -> None:
    from fedsov.control_plane.configuration.standing import IN_FORCE

    if arguments.json:
        print_json({"regions": [each.to_json() for each in every]})
        return
    if not every:
        print_line("nothing was ever proposed; `fedsov config propose KEY=VALUE` proposes a setting")
    differences = 0
    for each in every:
        if not is_short:
            print_line(_headline(each))
        for state in each.states:
            differences += state.state != IN_FORCE
            if state.state != IN_FORCE or not is_short:
                print_line(state.line() if is_short else f"  {state.line()}")
        for sentence in () if each.answer is None else each.answer.changes:
            print_line(f"  {each.proposal.region}: {sentence}")
    if is_short and every and not differences:
        print_line("every region has in force what stands proposed to it")


def _headline(each: ProposedToRegion) -> str:
    name, answer = each.proposal.region, each.answer
    if not each.proposal.settings:
        return f"{name}: nothing stands proposed"
    count = counted(len(each.proposal.settings), "setting")
    stands = f"{name}: {count} proposed, the last in proposal {each.proposal.number}"
    if answer is None:
        return f"{stands}; it has not answered yet"
    return f"{stands}; it answered proposal {answer.number} at {answer.at[:16].replace('T', ' ')} UTC"
