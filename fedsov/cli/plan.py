"""`plan` and `ingest`: what comes before training, on its own."""

from __future__ import annotations

from typing import Any

from fedsov.cli.words import CODES, Command, Words, console, print_json, progress, words_of

PLAN_HELP = f"""usage: python -m fedsov plan [KEY=VALUE ...] [--json] [--quiet]

Ingests if need be, and prints for each region the strategy that `train` would follow today, the reasons, and for what
was refused the missing document. Takes the same overrides as train. Trains nothing.
{CODES}
"""

INGEST_HELP = f"""usage: python -m fedsov ingest [KEY=VALUE ...] [--again] [--json] [--quiet]

Sorts the source into the regions' encrypted stores: classify, route, encrypt; rows without a region go to quarantine.
Does nothing where the stores are up to date; --again writes them anew. Takes the same overrides as train.
{CODES}
"""


def _composed(words: Words) -> Any:
    from fedsov.config.hydra_compose import compose
    from fedsov.config.settings import settings

    return settings(compose(words.overrides))


def _plan(arguments: list[str]) -> int:
    from fedsov.runtimes import kind_in, warm_up

    words = words_of(arguments, flags=("--json", "--quiet"))
    with warm_up(kind_in(words.overrides), trains=False):
        from fedsov.api import train
        from fedsov.api.report import plan_table

        plan, _ = train.plan_settings(_composed(words), progress=progress(words.quiet))
    if words.json:
        print_json(plan.to_json())
    else:
        console().print(plan_table(plan))
    return 0


def _ingest(arguments: list[str]) -> int:
    from fedsov.runtimes import kind_in, warm_up

    words = words_of(arguments, flags=("--json", "--quiet", "--again"))
    with warm_up(kind_in(words.overrides), trains=False):
        from fedsov.api import train

        again = "--again" in words.flags
        report = train.ingest_settings(_composed(words), progress=progress(words.quiet), again=again)
    if words.json:
        print_json(report.to_json())
        return 0
    print(report.sentence())
    print("columns: " + ", ".join(f"{name} {kind}" for name, kind in sorted(report.kinds.items())))
    return 0


COMMANDS = {"plan": Command(_plan, PLAN_HELP), "ingest": Command(_ingest, INGEST_HELP)}
