"""A command is declared by a dataclass and a function: a toy one is added as `fedsov.cli.declaration` shows."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated

import pytest
import typer

from fedsov.cli import main
from fedsov.cli.arguments import Arguments, positive, print_json, print_line
from fedsov.cli.declaration import command, command_app, epilog, group_app
from tests.cli.world import Ended, call

ROWS: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoutArguments(Arguments):
    """Which version, and how much of it first."""

    version: Annotated[int, typer.Argument(metavar="VERSION", help="Which version.", parser=positive)]
    share: Annotated[int, typer.Option("--share", metavar="N", help="Share first, in %.", parser=positive)] = 5
    owner: Annotated[str | None, typer.Option("--owner", metavar="NAME", help="Who answers for it.")] = None


@pytest.fixture
def handout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command `handout`: one module, and one line in the table."""
    module = ModuleType("fedsov.cli.handout")
    module.app = command_app()  # type: ignore[attr-defined]

    @command(module.app, examples=("fedsov handout 3 --share 10",))
    def handout(arguments: HandoutArguments) -> None:
        """Hands a version out to every region's endpoint."""
        if arguments.json:
            print_json({"version": arguments.version, "share": arguments.share})
        else:
            print_line(f"{arguments.version} at {arguments.share} % in {arguments.workspace}, {arguments.owner}")

    monkeypatch.setitem(sys.modules, "fedsov.cli.handout", module)
    monkeypatch.setattr(main, "COMMANDS", {**main.COMMANDS, "handout": "Hand a version out."})


@pytest.mark.usefixtures("handout")
def test_a_command_is_one_module_and_one_line_in_the_table() -> None:
    assert "handout       Hand a version out." in call("--help").out
    assert call("handout", "3").out == "3 at 5 % in .fedsov, None\n"
    assert call("handout", "--share", "10", "3", "--owner=me", "--workspace", "w").out == "3 at 10 % in w, me\n"
    assert call("handout", "3", "--json").json == {"version": 3, "share": 5}


@pytest.mark.usefixtures("handout")
def test_its_help_is_its_docstring_its_fields_and_its_examples() -> None:
    text = call("handout", "--help").out
    for part in (
        "Usage: fedsov handout [OPTIONS] VERSION",
        "Hands a version out to every region's endpoint.",
        "VERSION  Which version.",
        "--share N        Share first, in % (default 5).",
        epilog(["fedsov handout 3 --share 10"]),
    ):
        assert part in text


@pytest.mark.usefixtures("handout")
def test_its_errors_are_as_all_commands_have_them() -> None:
    assert call("handout").line == "handout needs VERSION; see `fedsov handout --help`"
    assert call("handout", "x").line == "VERSION is 'x'; write a whole number"
    assert call("handut", "1").line.startswith("unknown command 'handut'; did you mean handout?")
    assert call("handout", "3", "seed=1").line == "unknown setting 'seed'; `fedsov handout` takes workspace=DIR only"


def test_a_group_lists_its_commands_with_the_whole_first_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("fedsov.cli.fleet")
    module.app = group_app("The endpoints.", examples=("fedsov fleet show",))  # type: ignore[attr-defined]

    @command(module.app, examples=("fedsov fleet show",), reads="nothing", name="show")
    def show_fleet(arguments: Arguments) -> None:
        """Shows every endpoint of every region, its version, its load and when it was last seen.

        And more.
        """
        print_line("shown")

    monkeypatch.setitem(sys.modules, "fedsov.cli.fleet", module)
    monkeypatch.setattr(main, "COMMANDS", {"fleet": "Endpoints."})
    shown: Ended = call("fleet", "show")
    assert (shown.code, shown.out) == (0, "shown\n")
    text = " ".join(call("fleet", "--help").out.split())
    assert "show Shows every endpoint of every region, its version, its load and when it was last seen" in text
    assert "And more" not in text and "Usage: fedsov fleet COMMAND ..." in text
