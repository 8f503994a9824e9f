"""`rollout ...`: a version comes to its regions step by step, and goes back at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from fedsov.cli.arguments import Arguments, By, ServingRegions, Why, note, positive, print_shown
from fedsov.cli.declaration import command, group_app
from fedsov.cli.promote import share

Number = Annotated[int, typer.Argument(metavar="N", help="The rollout's number.", parser=positive)]
app = group_app(
    "A version comes to its regions step by step: the canary's first, then in waves; and goes back at once.",
    examples=(
        'fedsov rollout propose stackoverflow 2 --canary DE --by "A. Person" --why "better in May"',
        'fedsov rollout approve 1 --by "A. Person" --why "the trial was good"',
        'fedsov rollout approve 1 --region DE --by "B. Person" --why "tried on our rows"',
        'fedsov rollout start 1 --by "A. Person" --why "a quiet day"',
        "fedsov rollout status",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeArguments(Arguments):
    """A version, its regions, and how it begins."""

    model: Annotated[str, typer.Argument(metavar="MODEL", help="The name of a registered model.")]
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The number of its version.", parser=positive)]
    by: By = ""
    why: Why = ""
    regions: ServingRegions = None
    canary: Annotated[
        str, typer.Option("--canary", metavar="REGION", help="Which serves it first (default: the first by name).")
    ] = ""
    mode: Annotated[
        str, typer.Option("--mode", metavar="MODE", help="What it becomes there: champion, canary or shadow.")
    ] = "champion"
    share: Annotated[
        float | None,
        typer.Option(
            "--share", metavar="SHARE", help="The share of requests that a canary or a shadow sees.", parser=share
        ),
    ] = None


@command(
    app,
    examples=(
        'fedsov rollout propose stackoverflow 2 --canary DE --by "A. Person" --why "better in May"',
        "fedsov rollout propose stackoverflow 2 --region DE,GB --mode canary --share 10% --why 'a look'",
    ),
)
def propose(arguments: ProposeArguments) -> None:
    """Proposes a version for its regions. Run it at the hub.

    The verdict of its attack test and its evaluation are recorded with it, and each region's border is asked; nothing
    crosses yet. `approve` at the hub and in each region follow, then `start`.
    """
    from fedsov.api.control.rollouts.proposing import RolloutProposal
    from fedsov.api.control.rollouts.proposing import propose as propose_rollout

    asked = RolloutProposal(
        arguments.model,
        arguments.version,
        by=arguments.by,
        why=arguments.why,
        regions=tuple(arguments.regions or ()),
        canary=arguments.canary,
        mode=arguments.mode,
        share=arguments.share or 1.0,
    )
    print_shown(propose_rollout(arguments.workspace, asked, note), as_json=arguments.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutApproveArguments(Arguments):
    """A rollout, and for whom it is approved."""

    number: Number
    region: Annotated[
        str, typer.Option("--region", metavar="NAME", help="Approve as this region, in its home (default: as the hub).")
    ] = ""
    by: By = ""
    why: Why = ""


@command(
    app,
    examples=(
        'fedsov rollout approve 1 --by "A. Person" --why "the trial was good"',
        'fedsov rollout approve 1 --region DE --by "B. Person" --why "tried on our rows"',
    ),
)
def approve(arguments: RolloutApproveArguments) -> None:
    """Approves a rollout: as the hub, or as a region in that region's home.

    As the hub, each permitted region's model crosses through the gate, and may be fetched. As a region, its files are
    checked and put in place, and the region signs the list with the version together with the way back: `start` and
    `rollback` ask nobody any more. A region that does not approve stays where it is.
    """
    from fedsov.api.control.rollouts import proposing, region_approval, region_rollouts

    root, number, by, why = arguments.workspace, arguments.number, arguments.by, arguments.why
    if not arguments.region:
        print_shown(proposing.approve(root, number, by=by, why=why), as_json=arguments.json)
    elif region_approval.is_workspace_of_both(root):
        shown = region_approval.approve(root, number, arguments.region, by=by, why=why)
        print_shown(shown, as_json=arguments.json)
    else:
        done = region_rollouts.approve_in_region(root, number, arguments.region, by=by, why=why)
        print_shown(done, as_json=arguments.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActArguments(Arguments):
    """A rollout, who acts, and why."""

    number: Number
    by: By = ""
    why: Why = ""


@command(app, examples=('fedsov rollout start 1 --by "A. Person" --why "a quiet day"',))
def start(arguments: ActArguments) -> None:
    """Starts a rollout: the canary's region first.

    Each further wave is as large as all before together. It begins when every region before had a whole window of
    requests without a fault, or when `start` is given again. A frozen rollout goes on.
    """
    _act(arguments, "start")


@command(app, examples=('fedsov rollout rollback 1 --by "A. Person" --why "complaints"',))
def rollback(arguments: ActArguments) -> None:
    """Takes a rollout back: each region that has the version serves what it served before.

    The way back was signed with the way there, so nobody is asked. One that was not started ends.
    """
    _act(arguments, "rollback")


@command(app, examples=('fedsov rollout freeze 1 --by "A. Person" --why "a look at the complaints"',))
def freeze(arguments: ActArguments) -> None:
    """Keeps a rollout where it is, whatever its regions report. `start` has it go on, `rollback` takes it back."""
    _act(arguments, "freeze")


def _act(arguments: ActArguments, name: str) -> None:
    from fedsov.api.control.rollouts.acting import act

    status = act(arguments.workspace, name, arguments.number, by=arguments.by, why=arguments.why)
    print_shown(status, as_json=arguments.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatusArguments(Arguments):
    """One rollout, or those that go on."""

    number: Annotated[
        int | None,
        typer.Argument(metavar="[N]", help="The rollout's number (default: those that go on).", parser=positive),
    ] = None
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False
    follow: Annotated[bool, typer.Option("--follow", help="Goes on until Ctrl-C, or until the rollout is over.")] = (
        False
    )


@command(
    app,
    examples=("fedsov rollout status", "fedsov rollout status 1 --follow", "fedsov rollout status --all --json"),
)
def status(arguments: RolloutStatusArguments) -> None:
    """Shows rollouts: each region's step, what was done, and what is to be done next; and regions that drift."""
    from fedsov.api.control.rollouts.acting import follow, overview

    if arguments.follow:
        for each in follow(arguments.workspace, arguments.number, every=arguments.every):
            _show(each, arguments)
    else:
        _show(overview(arguments.workspace, arguments.number, every=arguments.every), arguments)


def _show(shown: Any, arguments: Arguments) -> None:
    print_shown(shown, as_json=arguments.json)
