"""A command line run in this process, and the whole tree of commands."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

import typer
from click import Command, Context, Group

from fedsov.cli.main import app, run

ROOT_COMMAND = typer.main.get_command(app)


class Ended(NamedTuple):
    """A command line's exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer, of a command that ended well."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one line of an error, progress aside; of a command that answered nothing."""
        lines = [line for line in self.err.splitlines() if not line.startswith("[")]
        assert len(lines) == 1 and lines[0].startswith("fedsov: "), self.err
        assert self.code and not self.out, self.out
        return lines[0].removeprefix("fedsov: ")


def call(*words: object) -> Ended:
    """Runs a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(word) for word in words])
    return Ended(code, out.getvalue(), err.getvalue())


def commands(group: Group | None = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command and group of commands, with the words that call it; the program itself first."""
    here = group or ROOT_COMMAND
    yield path, here
    if isinstance(here, Group):
        context = Context(here, info_name="fedsov")
        for name in here.list_commands(context):
            member = here.get_command(context, name)
            assert member is not None
            if isinstance(member, Group):
                yield from commands(member, (*path, name))
            else:
                yield (*path, *name.split()), member


def examples(command: Command) -> list[list[str]]:
    """The words of each example in a command's help."""
    text = (command.epilog or "").partition("Examples:\n")[2].partition("\n\n")[0].replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in text.splitlines()]
