"""The command line as one call: `run` finds the command, and turns whatever goes wrong into one line and an exit code.

A command's module is imported when the command is called, so that `--help` stays quick. A new command is its module
(`fedsov.cli.declaration` shows one) and a line in `COMMANDS`.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from click import Command, Context, HelpFormatter
from click.exceptions import ClickException, Exit

from fedsov.cli.arguments import naming_workspace, shown
from fedsov.cli.declaration import COMPLETION, PROGRAM, epilog
from fedsov.cli.parsing import GroupParser
from fedsov.errors import ConfigurationError, FedsovError, WorkspaceUnusable, printable

INTERRUPTED = 130

COMMANDS: Mapping[str, str] = {
    "train": "Ingest, plan, train every region and record the models.",
    "plan": "The same plan without training: strategies, reasons, missing documents.",
    "up": "A hub and every region on this machine, for a trial of a deployment.",
    "hub": "Run a deployment's hub: its coordinator, and the jobs that are submitted.",
    "status": "A deployment's regions and jobs, as its hub sees them.",
    "logs": "Follow a job at the hub.",
    "stop": "Stop a job at the hub.",
    "ingest": "Only sort the source into the regions' encrypted stores.",
    "ingest serve": "Take rows over HTTP, stored before they are answered.",
    "region": "A region's own: show, set, check, init, ingest, serve, owner.",
    "quarantine": "Rows that no store took: list, show, assign, delete.",
    "retention": "How long rows are used: plan, apply; legal holds: hold, release.",
    "keys": "A region's keys: status, rotate, retire.",
    "requests": "A region's log of requests: verify, show, export, send-home, receive.",
    "erase": "One person's rows leave every place of a region.",
    "border": "What the law answers and why; what waits for a person's approval.",
    "evidence": "The documents that decisions rely on: list, missing, add, kinds, check.",
    "ledger": "What the ledgers hold: verify, show, prove, export, anchor.",
    "budget": "What of each region's privacy budget is spent and left, by run.",
    "backup": "A party's files in one encrypted archive, while it goes on.",
    "restore": "A party put back from its archive, checked before anything is in place.",
    "attack": "Known attacks on a region's training, beside the epsilon claimed.",
    "predict": "Answer a file of rows by a registered model, in a region.",
    "promote": "Approve a registered model version for regions to serve.",
    "rollout": "A version comes to its regions step by step: propose, approve, start, status, rollback, freeze.",
    "metrics": "What regions tell of the use of their endpoints: show, export.",
    "config": "Settings that the hub proposes to its regions: propose, diff, status.",
    "audit": "The record across all parties: status, export, witness.",
    "report": "Write the record of processing and cross-border transfers.",
    "account": "People of the hub's pages: add, list, change, reset, remove, token; openid.",
    "gateway": "Requests to the region of their jurisdiction: render, check, serve.",
    "token": "A token of a trial, for a request to an endpoint.",
    "deploy": "Who belongs to a deployment: init, join, approve, accept, renew, revoke, show; files, root.",
    "doctor": "What a party of a deployment needs to run: each check, its problem, what mends it.",
    "completion": "Print the completion script for bash, zsh or fish.",
}
"""Each command, and what it does; it is in the module of `fedsov.cli` that has its name."""

HELP = """Federated learning across jurisdictions: records stay home, every crossing is decided and written down.

KEY=VALUE words are settings, for the commands that take them (`fedsov train --help`); they and options may stand in
any order after the command's name. The answer goes to standard output, progress and errors to standard error.
"""
EXAMPLES = (
    "fedsov train                     # the demo",
    "fedsov plan algorithm=fedyogi    # what a run with this setting would do",
    "fedsov border why IN             # why the plan gives a region its strategy",
    "fedsov ledger verify --json      # every ledger checked, the answer as JSON",
    "fedsov train --help              # a command's options and examples",
)


class LazyCommands(GroupParser):
    """The commands of `COMMANDS`, each imported when it is called."""

    def list_commands(self, ctx: Context) -> list[str]:
        """The commands' names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """A command, imported; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(f"fedsov.cli.{cmd_name.replace(' ', '_')}").app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """The command that the first words name, of which one has two."""
        if (name := " ".join(args[:2])) in COMMANDS and len(args) > 1:
            return name, self.get_command(ctx, name), args[2:]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The table, without an import of any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    cls=LazyCommands,
    help=HELP,
    epilog=epilog(EXAMPLES),
    options_metavar="",
    subcommand_metavar="COMMAND ...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from fedsov import __version__

        print(__version__)
        raise Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


def run(arguments: Sequence[str]) -> int:
    """One command; returns its exit code and never raises."""
    with naming_workspace(arguments):
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        with _warnings_in_a_line():
            return _call(list(arguments))
    except FedsovError as error:
        return _fail(str(error), error.exit_code)
    except ClickException as error:
        return _fail(error.format_message(), ConfigurationError.exit_code)
    except KeyboardInterrupt as stop:
        return _fail(f"interrupted; {stop or 'nothing was half written, run the same command again'}", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except FileNotFoundError as error:
        return _fail(f"{error.filename or 'the current folder'} does not exist", ConfigurationError.exit_code)
    except OSError as error:
        place = f"{error.strerror or error}: {error.filename or 'a file'}"
        return _fail(f"{place}; make room or allow writing, or name another workspace=DIR", WorkspaceUnusable.exit_code)
    except Exception as error:  # boundary: the process ends with a line and a code, whatever happened
        if os.environ.get("FEDSOV_DEBUG"):
            raise
        return _fail(f"unexpected {type(error).__name__}: {_first_line(error)} (FEDSOV_DEBUG=1 shows where)", 1)


def _call(arguments: list[str]) -> int:
    """Runs one command line, or answers a shell that completes one."""
    command = typer.main.get_command(app)
    if instruction := os.environ.get(COMPLETION):
        from click.shell_completion import shell_complete

        return shell_complete(command, {}, PROGRAM, COMPLETION, instruction)
    if arguments[:1] in ([], ["help"]):
        arguments = [*arguments[1:], "--help"]
    try:
        with command.make_context(PROGRAM, arguments) as context:
            command.invoke(context)
    except Exit as stop:
        return stop.exit_code
    return 0


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """What warns of a setting's old name is one line, once; other warnings stay as they are."""
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_in_a_line)
    with warnings.catch_warnings():
        others, lines = warnings.showwarning, set[str]()

        def show(message: Warning | str, category: type[Warning], *place: Any, **where: Any) -> None:
            from fedsov.config.moved_settings import SettingMoved

            line = f"fedsov: warning: {printable(str(message))}"
            if not issubclass(category, SettingMoved):
                others(message, category, *place, **where)
            elif line not in lines:
                lines.add(line)
                print(line, file=sys.stderr)

        warnings.showwarning = show
        yield


def _in_a_line(record: logging.LogRecord) -> bool:
    """Makes visible what a warning quotes of a document or of another party; every record goes on."""
    record.msg, record.args = printable(record.getMessage()), ()
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def _fail(message: str, code: int) -> int:
    print(f"fedsov: {shown(' '.join(message.split()))}", file=sys.stderr)
    return code
