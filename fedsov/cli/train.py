"""`train`: the whole run, as a Hydra application. The only home of hydra besides `fedsov.config.hydra_compose`."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsov.cli.arguments import Arguments, Quiet, console, print_json, progress
from fedsov.cli.declaration import command, command_app
from fedsov.errors import ConfigurationError, unknown

if TYPE_CHECKING:
    from fedsov.api.result import RunResult

CONFIGURATIONS = ("job", "hydra", "all")
INFORMATION = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
STARTING = "starting: loading PyTorch, Flower and Hydra"
app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainArguments(Arguments):
    """A run, or one to go on with; and Hydra's own options, which are handed to Hydra."""

    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN", help="Go on with a run that was interrupted, or with the `latest`."),
    ] = None
    quiet: Quiet = False
    multirun: Annotated[bool, typer.Option("--multirun", "-m", help="One run for each value in KEY=A,B.")] = False
    cfg: Annotated[
        str | None,
        typer.Option("--cfg", "-c", metavar="WHAT", help="Print the settings a run would use: job, hydra or all."),
    ] = None
    resolve: Annotated[bool, typer.Option("--resolve", help="With --cfg: resolve interpolations.")] = False
    package: Annotated[
        str | None, typer.Option("--package", "-p", metavar="NAME", help="With --cfg: this group of settings alone.")
    ] = None
    info: Annotated[
        str | None,
        typer.Option("--info", "-i", metavar="[WHAT]", help=f"Print what Hydra knows: {', '.join(INFORMATION)}."),
    ] = None
    single: Annotated[bool, typer.Option("--run", "-r", help="Hydra's word for one run, the default.")] = False
    rerun: Annotated[
        str | None, typer.Option("--experimental-rerun", metavar="FILE", help="Hydra's: run a pickled job again.")
    ] = None
    hydra_help: Annotated[bool, typer.Option("--hydra-help", help="Print Hydra's own help.")] = False
    hydra_version: Annotated[bool, typer.Option("--version", help="Print Hydra's version.")] = False
    shell_completion: Annotated[
        bool, typer.Option("--shell-completion", "-sc", help="Hydra's completion of settings, for `python`.")
    ] = False

    def __post_init__(self) -> None:
        Arguments.__post_init__(self)
        for option, value, choices in (("--cfg", self.cfg, CONFIGURATIONS), ("--info", self.info, ("", *INFORMATION))):
            if value is not None and value not in choices:
                raise ConfigurationError(unknown(option, value, filter(None, choices)))
        if self.json and self.prints and self.cfg is None:
            raise ConfigurationError(f"--json goes with a run and with --cfg; take it away from {self.prints[0]}")

    @property
    def prints(self) -> list[str]:
        """The options by which Hydra prints something and nothing runs."""
        flags = {
            "--resolve": self.resolve,
            "--hydra-help": self.hydra_help,
            "--version": self.hydra_version,
            "--shell-completion": self.shell_completion,
        }
        values = {"--cfg": self.cfg, "--info": None if self.info is None else self.info or INFORMATION[0]}
        return [*(f"{name}={value}" for name, value in values.items() if value), *_set(flags)]

    @property
    def hydra(self) -> list[str]:
        """Hydra's options, as Hydra reads them."""
        values = {"--package": self.package, "--experimental-rerun": self.rerun}
        flags = {"--multirun": self.multirun, "--run": self.single}
        return [*self.prints, *(f"{name}={value}" for name, value in values.items() if value), *_set(flags)]


def _set(flags: dict[str, bool]) -> list[str]:
    return [name for name, value in flags.items() if value]


@command(
    app,
    examples=(
        "fedsov train                                           # the demo",
        "fedsov train algorithm=fedyogi federation.rounds=20    # another aggregation, more rounds",
        "fedsov train federation.regions=[US,GB]                # some regions; other rows go to quarantine",
        "fedsov train dataset=table dataset.path=people.parquet dataset.jurisdiction=country dataset.target=y \\",
        "    workspace=my-people                                # your own table, one region per jurisdiction",
        "fedsov train today=2026-11-22 federation.days_per_round=30    # rehearse: what expires meanwhile?",
        "fedsov train border=unsafe_open                        # simulation only: all is permitted, and marked",
        "fedsov train --multirun seed=0,1,2                     # several runs",
        "fedsov train --cfg job                                 # the settings that a run would use",
        "fedsov train --resume latest                           # go on with the newest run",
    ),
    reads="run settings",
)
def train(arguments: TrainArguments) -> None:
    """Runs the whole pattern: ingest, plan, train every region, record the models.

    Every setting is a Hydra override. The groups are federation, region, strategy, algorithm, privacy, border,
    dataset, model, runtime and experiment (files in configs/); `fedsov train --cfg job` prints every setting.

    --resume RUN goes on after the last round that ended, with the run's own settings and to the same result; a run
    says its name when it begins. Refused: a run that ended well or is not in this workspace (code 2), other rows than
    it began with (3), a changed checkpoint (6).
    """
    if arguments.resume is not None:
        _resume(arguments, arguments.resume)
    elif arguments.prints:
        _print_settings(arguments)
    else:
        with _resumable(arguments):
            _answer(_run(arguments), arguments)


def _run(arguments: TrainArguments) -> list[RunResult]:
    results: list[RunResult] = []
    say = progress(arguments.quiet)
    say(STARTING)
    from fedsov.runtimes import kind_in, warm_up

    with warm_up(kind_in(arguments.overrides)):
        _hydra(arguments, lambda config: results.append(_train_once(config, say)))
    return results


def _resume(arguments: TrainArguments, run: str) -> None:
    """The settings are the run's own; the workspace alone may be named beside it."""
    surplus = arguments.beside_workspace + arguments.hydra
    if surplus:
        raise ConfigurationError(
            f"a run goes on with its own settings; take away {' '.join(surplus)} (only --workspace may be given)"
        )
    say = progress(arguments.quiet)
    say(STARTING)
    from fedsov.api import resume as resume_steps

    with _resumable(arguments):
        _answer([resume_steps.resume(run, workspace=arguments.workspace, progress=say)], arguments)


@contextmanager
def _resumable(arguments: TrainArguments) -> Iterator[None]:
    """An interruption that says how to go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        place = "" if arguments.folder is None and not arguments.setting("workspace") else f"{arguments.workspace}"
        where = f" --workspace {place}" if place else ""
        raise KeyboardInterrupt(f"to resume after an interruption: fedsov train --resume latest{where}") from stop


def _answer(results: Sequence[RunResult], arguments: TrainArguments) -> None:
    if arguments.json:
        answers = [result.to_json() for result in results]
        print_json(answers[0] if len(answers) == 1 else answers)
    else:
        _show(results, arguments.overrides)


def _train_once(config: Any, say: Callable[[str], None]) -> RunResult:
    from fedsov.api import train
    from fedsov.config.settings import settings

    return train.run_settings(settings(config), progress=say)


def _show(results: Sequence[RunResult], overrides: Sequence[str]) -> None:
    from fedsov.api.report import everything

    screen = console()
    for result in results:
        for part in everything(result, overrides):
            screen.print(part, soft_wrap=not sys.stdout.isatty())


def _print_settings(arguments: TrainArguments) -> None:
    """What Hydra prints of the settings or of itself; with --json the settings as JSON."""
    if not arguments.json:
        _hydra(arguments, lambda _: None)
        return
    import yaml

    printed = io.StringIO()
    with redirect_stdout(printed):
        _hydra(arguments, lambda _: None)
    print_json(yaml.safe_load(printed.getvalue()))


def _hydra(arguments: TrainArguments, task: Callable[[Any], None]) -> None:
    """Runs a task as a Hydra application over these arguments. Hydra's own errors become one line."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from fedsov.config.hydra_compose import check_choices, config_dir, old_names, one_line, opened, register_resolvers

    register_resolvers()
    check_choices(arguments.overrides)
    failures: list[Exception] = []
    application = hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(
        _keeping_failure(task, failures)
    )
    try:
        with old_names(), _as_program(["fedsov train", *arguments.hydra, *opened(arguments.overrides)]):
            application()
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigurationError(one_line(error, arguments.overrides)) from error
    except SystemExit as stop:
        if stop.code not in (0, None):
            raise ConfigurationError("the command line could not be read; see `fedsov train --help`") from stop
    if failures:
        raise failures[0]


@contextmanager
def _as_program(words: list[str]) -> Iterator[None]:
    """The words as this process's command line, which is where Hydra reads them; errors come back whole."""
    before, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = words, "1"
    try:
        yield
    finally:
        sys.argv = before
        if full is None:
            del os.environ["HYDRA_FULL_ERROR"]


def _keeping_failure(task: Callable[[Any], None], failures: list[Exception]) -> Callable[[Any], None]:
    """The task, its error kept for the caller. After one, no further run of a multirun starts."""

    def run(config: Any) -> None:
        if failures:
            return
        try:
            task(config)
        except Exception as error:  # boundary: Hydra would print lines of its own about it, and exit
            failures.append(error)

    return run
