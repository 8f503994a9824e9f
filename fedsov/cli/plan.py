"""`plan`: the strategy that a run would follow, and why."""

from __future__ import annotations

from dataclasses import dataclass

from fedsov.cli.arguments import Arguments, Fresh, Quiet, console, print_json, print_line, progress, run_settings
from fedsov.cli.declaration import command, command_app

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanArguments(Arguments):
    """The settings of a run."""

    quiet: Quiet = False
    fresh: Fresh = False


@command(
    app,
    examples=(
        "fedsov plan",
        "fedsov plan federation.regions=[US,GB] strategy.federated.min_rows=300",
        "fedsov plan border=own border.evidence=documents.yaml --json",
    ),
    reads="run settings",
)
def plan(arguments: PlanArguments) -> None:
    """Prints for each region the strategy that `train` would follow today.

    Says the reasons, and for what was refused the missing document. Ingests first if need be; trains nothing. No region
    is asked again what it told at ingestion, and no ledger gets an entry, but with --fresh. Takes the same settings as
    `train`.
    """
    say = progress(arguments.quiet)
    say("starting: loading Flower and Hydra")
    from fedsov.runtimes import kind_in, warm_up

    with warm_up(kind_in(arguments.overrides), trains=False):
        from fedsov.api import train
        from fedsov.api.report import plan_table
        from fedsov.protocol.ingestion_report import TO_USE_A_COLUMN, unused_line

        derived, ingested = train.plan_settings(run_settings(arguments.overrides), progress=say, fresh=arguments.fresh)
    if arguments.json:
        print_json({**derived.to_json(), "unused": dict(ingested.unused)})
    else:
        console().print(plan_table(derived))
        if ingested.unused:
            print_line(f"Unused columns: {unused_line(ingested.unused)}; {TO_USE_A_COLUMN}")
