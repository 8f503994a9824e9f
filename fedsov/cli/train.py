"""`train`: the whole run, as a Hydra application. The only home of hydra besides `fedsov.config.hydra_compose`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fedsov.cli.cli import failure
from fedsov.cli.words import CODES, Command, console, print_json, progress, words_of
from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    from fedsov.api.result import RunResult

HELP = f"""usage: python -m fedsov train [KEY=VALUE ...] [--json] [--quiet] [Hydra options]
       python -m fedsov train --resume RUN [workspace=DIR] [--json] [--quiet]

Runs the whole pattern. Every setting is a Hydra override; the groups are federation, region, strategy, algorithm,
privacy, border, dataset, model, runtime and experiment (files in configs/).

  python -m fedsov train                                          the demo
  python -m fedsov train algorithm=fedyogi federation.rounds=20   another aggregation, more rounds
  python -m fedsov train federation.regions=[US,GB]               some regions; other rows go to quarantine
  python -m fedsov train dataset=table dataset.path=people.parquet dataset.jurisdiction=country dataset.target=y \\
      federation.regions=auto                                     your own table, one region per jurisdiction found
  python -m fedsov train today=2026-11-22 federation.days_per_round=30   rehearse a long training: what would expire?
  python -m fedsov train border=unsafe_open                       laboratory only: everything is permitted, and marked
  python -m fedsov train --multirun seed=0,1,2                    several runs
  python -m fedsov train --cfg job                                print the settings a run would use
  python -m fedsov train --resume latest                          go on with the newest run after it was killed

  --resume RUN    go on after the last round that ended, with the run's own settings and to the same result; a run
                  says its name when it begins. Refused: a run that ended well or is not in this workspace (code 2),
                  other rows than it began with (3), a changed checkpoint (6)
  workspace=DIR   everything is written under DIR (default .fedsov)
  --json          the result as JSON on standard output
  --quiet         no progress
{CODES}
"""

HYDRA_ONLY = ("--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc", "--version", "--resolve")
RESUME = "--resume"
HYDRA_ALSO = ("--multirun", "-m", "--run", "-r", "--package", "-p", "--experimental-rerun")


def _train(arguments: list[str]) -> int:
    from fedsov.runtimes import kind_in, warm_up

    own = {"--json", "--quiet"}
    said, rest = own & set(arguments), [word for word in arguments if word not in own]
    if any(word.partition("=")[0] == RESUME for word in rest):
        return _resumed(rest, said)
    for option in (word.partition("=")[0] for word in rest if word.startswith("-")):
        if option not in HYDRA_ONLY + HYDRA_ALSO:
            raise ConfigurationError(
                f"no option {option}; train has --resume, --json, --quiet, --multirun, --cfg and --info"
            )
    if any(word.partition("=")[0] in HYDRA_ONLY for word in rest):
        _hydra(rest, lambda _: None)
        return 0
    say, results = progress("--quiet" in said), []
    with warm_up(kind_in(rest)):
        _hydra(rest, lambda config: results.append(_train_once(config, say)))
    _answer(results, said)
    return 0


def _resumed(words: list[str], said: set[str]) -> int:
    """`train --resume RUN`: the settings are the run's own, and the workspace alone may be named beside it."""
    found = words_of(words, values=(RESUME,))
    if refused := [word for word in found.overrides if not word.startswith("workspace=")]:
        raise ConfigurationError(
            f"a run goes on with its own settings; take away {' '.join(refused)} (only workspace=DIR may be given)"
        )
    from fedsov.api import resume

    run = found.required(RESUME)
    _answer([resume.resume(run, workspace=found.workspace, progress=progress("--quiet" in said))], said)
    return 0


def _answer(results: Sequence[RunResult], said: set[str]) -> None:
    if "--json" in said:
        values = [result.to_json() for result in results]
        print_json(values[0] if len(values) == 1 else values)
    else:
        _show(results)


def _train_once(config: Any, say: Callable[[str], None]) -> RunResult:
    from fedsov.api import train
    from fedsov.config.settings import settings

    return train.train_settings(settings(config), progress=say)


def _show(results: Sequence[RunResult]) -> None:
    from fedsov.api.report import everything

    screen = console()
    for result in results:
        for part in everything(result):
            screen.print(part, soft_wrap=not sys.stdout.isatty())


def _hydra(arguments: list[str], task: Callable[[Any], None]) -> None:
    """Runs a task as a Hydra application over these arguments. Hydra's own errors become one line."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from fedsov.config.hydra_compose import config_dir, one_line, opened, register_resolvers

    register_resolvers()
    failed: list[Exception] = []
    os.environ["HYDRA_FULL_ERROR"] = "1"
    application = hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(
        _held(task, failed)
    )
    several = [word for word in arguments if word in ("-m", "--multirun")]  # Hydra wants overrides in one piece
    sys.argv = ["python -m fedsov train", *several, *opened([word for word in arguments if word not in several])]
    try:
        application()
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigurationError(one_line(error)) from error
    except SystemExit as stop:
        if stop.code not in (0, None):
            raise ConfigurationError("the command line could not be read; see --help") from stop
    if failed:
        raise failed[0]


def _held(task: Callable[[Any], None], failed: list[Exception]) -> Callable[[Any], None]:
    """The task, its error kept for the caller: Hydra would print lines of its own. After one, no further run starts."""

    def run(config: Any) -> None:
        if not failed:
            failed.extend(failure(lambda: task(config)))

    return run


COMMANDS = {"train": Command(_train, HELP)}
