"""A command's words: sorting what was typed, and printing what is answered.

said = words_of(arguments, flags=("--json",), values=("--run",), names=1)
said.json, said.workspace, said.names, said.value("--run")
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console

CODES = """exit codes: 0 done · 1 unexpected · 2 settings · 3 data set · 4 refused by the border · 5 a ledger or budget
            6 a store, key or checkpoint · 7 workspace · 8 training failed · 9 privacy budget exceeded
            130 interrupted"""


@dataclass(frozen=True, slots=True)
class Command:
    """What a command does with its arguments (it returns an exit code), and the text of its --help."""

    act: Callable[[list[str]], int]
    help: str


@dataclass(frozen=True, slots=True)
class Words:
    """A command line, sorted: names, KEY=VALUE overrides, flags such as --json, and options that have a value."""

    names: tuple[str, ...]
    overrides: tuple[str, ...]
    flags: frozenset[str]
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> bool:
        return "--json" in self.flags

    @property
    def quiet(self) -> bool:
        return "--quiet" in self.flags

    @property
    def workspace(self) -> Path:
        return Path(self.override("workspace") or ".fedsov")

    def override(self, key: str) -> str | None:
        """The last VALUE given for KEY as KEY=VALUE; None where there is none."""
        given = [word.partition("=")[2] for word in self.overrides if word.startswith(f"{key}=")]
        return given[-1] if given else None

    def value(self, option: str) -> str | None:
        """What was given for an option such as --run; None where it was not given."""
        return self.values.get(option)

    def required(self, option: str) -> str:
        """What was given for an option that the command cannot do without, or ConfigurationError."""
        if option not in self.values:
            raise ConfigurationError(f"{option} is missing; see --help")
        return self.values[option]


def words_of(
    arguments: Sequence[str],
    *,
    flags: Sequence[str] = (),
    values: Sequence[str] = (),
    keys: Sequence[str] | None = None,
    names: int = 0,
) -> Words:
    """Sorts the words of a command.

    Args:
        flags: options without a value, such as --json.
        values: options with one, given as `--run RUN` or `--run=RUN`; the last counts.
        keys: the KEYs of KEY=VALUE that there are; None where the settings' own reader will check them.
        names: how many words may be neither an option nor KEY=VALUE.

    Raises ConfigurationError for a word that the command does not know, or a value that is missing.
    """
    left, overrides, plain = list(arguments), [], []
    said: set[str] = set()
    given: dict[str, str] = {}
    while left:
        word = left.pop(0)
        option, equals, value = word.partition("=")
        if option in values:
            given[option] = value if equals else _following(option, left)
        elif word in flags:
            said.add(word)
        elif word.startswith("-"):
            raise ConfigurationError(f"no option {word}; this command has {', '.join([*flags, *values])}")
        elif equals and keys is not None and option not in keys:
            raise ConfigurationError(f"no setting {option!r} here; this command has {', '.join(keys)}")
        elif equals:
            overrides.append(word)
        else:
            plain.append(word)
    if len(plain) > names:
        raise ConfigurationError(f"{plain[names]!r} is neither an option nor KEY=VALUE; see --help")
    return Words(tuple(plain), tuple(overrides), frozenset(said), given)


def _following(option: str, left: list[str]) -> str:
    if not left or left[0].startswith("--"):
        raise ConfigurationError(f"{option} needs a value; see --help")
    return left.pop(0)


def progress(quiet: bool) -> Callable[[str], None]:
    """Says each line on standard error with the seconds since now; says nothing where quiet."""
    started = time.monotonic()

    def say(line: str) -> None:
        if not quiet:
            print(f"[{time.monotonic() - started:6.1f} s] {line}", file=sys.stderr, flush=True)

    return say


def print_json(value: Any) -> None:
    """A command's answer for machines."""
    print(json.dumps(value, indent=1, default=str, allow_nan=False))


def printable(text: str) -> str:
    """The text as one line for a terminal: whatever steers one, hides or ends the line is escaped."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def print_line(text: str) -> None:
    """One line of a command's answer for people."""
    print(printable(text))


def console() -> Console:
    """A terminal's console; where output is piped, wide enough that no cell is cut."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=160, color_system=None)
