"""The command line as one call: `run` finds the command, and turns whatever goes wrong into one line and an exit code.

The only module that may catch everything (`run` and `failure`), for it is the only one that prints an error and ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module

from fedsov.cli.words import CODES, Command, printable
from fedsov.errors import ConfigurationError, FedsovError, WorkspaceUnusable

INTERRUPTED = 130

COMMANDS: Mapping[str, str] = {
    "train": "train",
    "plan": "plan",
    "ingest": "plan",
    "border": "border",
    "evidence": "evidence",
    "ledger": "ledger",
    "budget": "budget",
    "attack": "attack",
    "promote": "promote",
    "report": "report",
}
"""Each command and the module of `fedsov.cli` that has it, loaded when it is first asked for."""

HELP = f"""usage: python -m fedsov COMMAND [KEY=VALUE ...] [--json]

Federated learning across jurisdictions: records stay home, every crossing is decided and written down.

commands:
  train           ingest, plan, train every region and record models (the demo's five countries by default)
  plan            the same plan without training: each region's strategy, why, and which document is missing
  ingest          only sort the source into the regions' encrypted stores
  border explain  the whole evaluation of one crossing as a tree; `border why REGION` explains a plan's choice
  border check    answer a file of cases
  border reviews  what waits for a person; `border approve`, `border withdraw` answer it
  evidence        list, add and check the documents that decisions rely on
  ledger verify   check every entry of every ledger of a workspace
  ledger show     print ledger entries
  ledger prove    prove that one entry is under its owner's signed head
  ledger export   write a ledger to a folder that anybody can check without fedsov
  ledger anchor   have an authority stamp the time of a ledger's head
  budget          what of each region's privacy budget is spent and left, by run
  attack          known attacks on a region's training: what they find, beside the epsilon that is claimed
  promote         make a registered model version the champion
  report          write the record of processing and cross-border transfers, for people and for machines

`python -m fedsov COMMAND --help` tells more.
{CODES}
"""


def command(name: str) -> Command:
    """A command of `COMMANDS`: what it does, and its help."""
    found: Mapping[str, Command] = import_module(f"fedsov.cli.{COMMANDS[name]}").COMMANDS
    return found[name]


def run(arguments: Sequence[str]) -> int:
    """One command; returns its exit code and never raises."""
    try:
        return _dispatch(list(arguments))
    except FedsovError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted; what was begun was not half written, run again to go on", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:
        place = f"{error.strerror or error}: {error.filename or 'a file'}"
        return _fail(f"{place}; make room or allow writing, or name another workspace=DIR", WorkspaceUnusable.exit_code)
    except Exception as error:
        if os.environ.get("FEDSOV_DEBUG"):
            raise
        return _fail(f"unexpected {type(error).__name__}: {_first_line(error)} (FEDSOV_DEBUG=1 shows where)", 1)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def _fail(message: str, code: int) -> int:
    print(f"fedsov: {printable(' '.join(message.split()))}", file=sys.stderr)
    return code


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if arguments[0] == "--version":
        from fedsov import __version__

        print(__version__)
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        raise ConfigurationError(f"no command {name!r}; the commands are {', '.join(COMMANDS)}")
    if {"-h", "--help"} & set(rest):
        print(command(name).help, end="")
        return 0
    return command(name).act(rest)


def failure(act: Callable[[], None]) -> list[Exception]:
    """What an act failed with: one error, or none. For a caller that must end something before the error goes on."""
    try:
        act()
    except Exception as error:
        return [error]
    return []


with suppress(AttributeError, ValueError):
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
