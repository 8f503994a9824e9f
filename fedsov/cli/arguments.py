"""What all commands share: options as values, what options may hold, and how an answer is printed.

`Arguments` is what every command takes; `fedsov.cli.declaration` says how a command adds options of its own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import click
import typer

from fedsov.cli.parsing import require
from fedsov.errors import ConfigurationError, nearest, printable

if TYPE_CHECKING:
    from rich.console import Console

    from fedsov.config.settings import Settings

WORKSPACE = ".fedsov"
CUSTOMARY = {"UK": "GB", "EL": "GR"}
"""Codes that people and the European Union write for places whose ISO code is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What every command takes: a workspace, `--json`, and settings, those KEY=VALUE words that are no option.

    Raises ConfigurationError where `--workspace` and `workspace=` name different folders, or none.
    """

    folder: Annotated[
        str | None,
        typer.Option("--workspace", metavar="DIR", help="The folder of all runs (default .fedsov); or workspace=DIR."),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named = self.setting("workspace")
        if any(given is not None and not unquoted(given).strip() for given in (self.folder, named)):
            raise ConfigurationError("the workspace is empty; write --workspace DIR")
        if named is not None and self.folder is not None and Path(unquoted(named)) != Path(self.folder):
            raise ConfigurationError(
                f"--workspace {self.folder} and workspace={named} name different folders; give one of them"
            )

    @property
    def workspace(self) -> Path:
        """The folder that `--workspace` or `workspace=` names, or the default one."""
        return Path(os.path.expanduser(self.folder or unquoted(self.setting("workspace") or WORKSPACE)))

    @property
    def law(self) -> Path:
        """Where the workspace keeps an installed bundle of law and its confirmations."""
        from fedsov.storage.workspace import Workspace

        return Workspace(self.workspace).law

    @property
    def overrides(self) -> tuple[str, ...]:
        """The settings as Hydra takes them, `--workspace` among them."""
        if self.folder is None or self.setting("workspace") is not None:
            return self.settings
        return (*self.settings, f"workspace={quoted(self.folder)}")

    @property
    def beside_workspace(self) -> list[str]:
        """The settings but the workspace: those of what the command is about."""
        return [word for word in self.settings if key_of(word) != "workspace"]

    def setting(self, key: str) -> str | None:
        """The last VALUE given as KEY=VALUE; None where there is none."""
        values = [word.partition("=")[2] for word in self.settings if key_of(word) == key]
        return values[-1] if values else None


Quiet = Annotated[bool, typer.Option("--quiet", help="Print no progress.")]
RegionName = Annotated[str, typer.Argument(metavar="NAME", help="The region, by its name.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides; the user of this machine if not given.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the ledger.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ask the regions anew what they hold.")]
ControllerFile = Annotated[
    Path | None,
    typer.Option(
        "--controller",
        metavar="FILE",
        help="Who processes (Art. 30 GDPR; default: controller.yaml beside the register).",
    ),
]


def key_of(setting: str) -> str:
    """The KEY of KEY=VALUE, without the signs by which Hydra adds or deletes one."""
    return setting.partition("=")[0].lstrip("+~")


def quoted(text: str) -> str:
    """The text as a value that Hydra reads as it stands, whatever is in it."""
    escaped = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + (r"\'" if match[2] else ""), text)
    return f"'{escaped}'"


def unquoted(value: str) -> str:
    """The text of a value that may be quoted for Hydra."""
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "'\"":
        return value
    return re.sub(rf"(\\+)({value[0]}|$)", lambda match: match[1][: len(match[1]) // 2] + match[2], value[1:-1])


_named: ContextVar[str] = ContextVar("workspace", default=WORKSPACE)
_COMMAND = re.compile(r"`(fedsov (?:region|ingest)\b(?! --help)[^`]*)`")


@contextmanager
def naming_workspace(words: Sequence[str]) -> Iterator[None]:
    """Commands that are told meanwhile (`shown`) are for the workspace that these words of a command line name."""
    named = WORKSPACE
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        if key_of(word) == "workspace" and equals:
            named = unquoted(value)
        elif option == "--workspace":
            named = value if equals else "".join(words[place + 1 : place + 2])
    before = _named.set(named)
    try:
        yield
    finally:
        _named.reset(before)


def shown(text: str) -> str:
    """A line as a terminal shows it: each command in it that is about regions runs as it stands."""
    place = f" --workspace {shlex.quote(_named.get())}"

    def whole(command: re.Match[str]) -> str:
        is_whole = "workspace" in command[1] or Path(_named.get()) == Path(WORKSPACE)
        return command[0] if is_whole else f"`{command[1]}{place}`"

    return printable(_COMMAND.sub(whole, text))


# What options may hold.


def day(text: str) -> date:
    """A day as 2026-11-22."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}; write a day as 2026-11-22") from error


def today() -> date:
    """The day on which a command is run, in UTC."""
    return datetime.now(UTC).date()


def count(text: str) -> int:
    """A whole number, 0 or more."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise typer.BadParameter(f"{text!r}; write a whole number")
    return int(text)


def positive(text: str) -> int:
    """A whole number above 0."""
    if not count(text):
        raise typer.BadParameter(f"{text!r}; write a whole number above 0")
    return int(text)


def comma_list(text: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


ServingRegions = Annotated[
    Sequence[str] | None,
    typer.Option(
        "--region", metavar="A,B", help="The regions that are to serve it (default: all that may).", parser=comma_list
    ),
]


def near_place(word: str) -> str | None:
    """The code of the place that a word may mean: a country's name, another spelling, a mistyped code."""
    from fedsov.border.law.bundle_loader import load_atlas

    atlas = load_atlas(CUSTOMARY)
    names = [spelling for spelling in atlas.spellings if len(spelling) > 3]
    matches = nearest(word, names)
    return atlas.code(word) or (atlas.spellings[matches[0]] if matches else None)


def require_options(*names: str) -> None:
    """Raises ConfigurationError that names options which the command needs beside the given ones."""
    require(names, click.get_current_context())


def run_settings(overrides: Iterable[str]) -> Settings:
    """The settings of a run, composed and checked."""
    from fedsov.config.hydra_compose import compose
    from fedsov.config.settings import settings

    return settings(compose(list(overrides)))


# How an answer is printed.


def progress(quiet: bool) -> Callable[[str], None]:
    """Prints each line on standard error with the seconds since now; prints nothing where quiet."""
    started = time.monotonic()

    def say(line: str) -> None:
        if not quiet:
            print(f"[{time.monotonic() - started:6.1f} s] {shown(line)}", file=sys.stderr, flush=True)

    return say


def note(text: str) -> None:
    """One line on standard error about something that the answer does not say."""
    print(f"fedsov: note: {shown(text)}", file=sys.stderr)


def print_json(value: Any) -> None:
    """A command's answer for machines."""
    print(json.dumps(value, indent=1, default=str, allow_nan=False))


class CommandAnswer(Protocol):
    """What a command answers with, whole for machines and in lines for people."""

    def to_json(self) -> Any:
        """In plain values."""

    def lines(self) -> Iterable[str]:
        """In sentences."""


def print_shown(answer: CommandAnswer, *, as_json: bool) -> None:
    """A command's answer, for machines or for people."""
    if as_json:
        print_json(answer.to_json())
        return
    for line in answer.lines():
        print_line(line)


def print_line(text: str) -> None:
    """One line of a command's answer for people."""
    print(shown(text))


def ask(lines: Iterable[str], question: str) -> None:
    """Shows lines, and asks. Raises ConfigurationError where the person says no, or there is nobody to ask."""
    for line in lines:
        print(shown(line), file=sys.stderr)
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to say yes; add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigurationError("nothing was changed")


def console() -> Console:
    """A terminal's console; where output is piped, wide enough that no cell is cut."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=160, color_system=None)
