"""`budget`: what of each region's privacy budget is spent and left, and by which run."""

from __future__ import annotations

from fedsov.cli.words import CODES, Command, print_json, words_of

HELP = f"""usage: python -m fedsov budget [--region NAME] [workspace=DIR] [--json]

For each region: the epsilon that all its private releases have spent together, what is left of its lifetime budget, at
which delta, and each run with its epsilon by itself and the total that it brought. Noises compose, so the total is less
than the sum. Replays the events of regions/NAME/privacy.jsonl; that file is checked line by line, and against the
region's ledger, which notes its head at each entry.

--region NAME   only this region
{CODES}
"""


def _budget(arguments: list[str]) -> int:
    from fedsov.api.budgets import accounts

    words = words_of(arguments, flags=("--json",), values=("--region",), keys=("workspace",))
    found = accounts(words.workspace, words.value("--region"))
    if words.json:
        print_json({one.region: one.to_json() for one in found})
    else:
        for line in (line for one in found for line in one.lines()):
            print(line)
    return 0


COMMANDS = {"budget": Command(_budget, HELP)}
