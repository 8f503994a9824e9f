"""What all commands share: the workspace by either spelling, what options may hold, and what is printed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.cli.arguments import (
    Arguments,
    comma_list,
    count,
    day,
    near_place,
    positive,
    printable,
    progress,
    quoted,
    run_settings,
    unquoted,
)
from fedsov.errors import ConfigurationError
from tests.cli.world import call, commands

OWN = [path for path, command in commands() if not hasattr(command, "commands")]
WORKSPACES = ("a", "a folder's", "a=b,c", "back\\slash\\", "[x]{y}", "'quoted'", 'a "b"', "ö", "\\'")


def test_the_workspace_is_named_by_an_option_or_a_setting_or_is_the_default() -> None:
    assert Arguments().workspace == Path(".fedsov")
    assert Arguments(folder="a").workspace == Arguments(settings=("workspace=a",)).workspace == Path("a")
    assert Arguments(settings=("workspace=a", "++workspace='b c'")).workspace == Path("b c")
    assert Arguments(folder="a", settings=("seed=1",)).overrides == ("seed=1", "workspace='a'")
    assert Arguments(folder="a", settings=("workspace=a",)).overrides == ("workspace=a",)
    assert Arguments(folder="a/", settings=("workspace='a'",)).workspace == Path("a")


def test_the_workspace_may_begin_with_the_user_s_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    for arguments in (Arguments(folder="~/w"), Arguments(settings=("workspace=~/w",))):
        assert arguments.workspace == Path("/home/somebody/w")


@pytest.mark.parametrize("given", [("--workspace", ""), ("workspace=",), ("workspace=''",)])
@pytest.mark.parametrize("command", [("plan",), ("ledger", "verify")])
def test_an_empty_workspace_is_not_the_current_folder(
    command: tuple[str, ...], given: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call(*command, *given)
    assert ended.code == 2 and ended.line == "the workspace is empty; write --workspace DIR"
    assert not list(tmp_path.iterdir())


def test_two_different_workspaces_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="--workspace a and workspace=b name different folders"):
        Arguments(folder="a", settings=("workspace=b",))


@pytest.mark.parametrize("path", OWN, ids=" ".join)
def test_every_command_takes_both_spellings_and_refuses_two_folders(path: tuple[str, ...]) -> None:
    leaf = dict(commands())[path]
    words = {"ID": "R1", "SHELL": "bash", "REGION": "DE", "CASES.csv": "c.csv", "ENTRY": "1", "FOLDER": "f"}
    words |= {"PRINCIPAL": "trainer", "NAME": "DE", "RULES": "r.yaml", "FILE": "f.json"}
    words |= {"JOB": "latest", "OWNER": "DE", "DIR": "d", "INVITATION": "i", "REQUEST": "r.json", "PACKAGE": "p.json"}
    words |= {
        "ROWS": "rows.csv",
        "KIND": "haproxy",
        "MODEL": "m",
        "VERSION": "1",
        "N": "1",
        "--region": "DE",
        "--url": "u",
        "--root": "r",
    }
    needed = [words[str(param.metavar)] for param in leaf.params if param.required and "--" not in param.opts[0]]
    needed += [word for param in leaf.params if param.required and "--" in param.opts[0] for word in _option(param)]
    more = {("attack",): ["--region", "DE"], ("ledger", "anchor"): ["--request", "q"]}.get(path, [])
    ended = call(*path, *needed, *more, "--workspace", "/absent/a", "workspace=/absent/b")
    assert ended.code == 2
    assert ended.line == "--workspace /absent/a and workspace=/absent/b name different folders; give one of them"


def _option(param: object) -> list[str]:
    metavar, name = str(getattr(param, "metavar", "")), max(getattr(param, "opts", []), key=len)
    return [name, "2026-01-01" if metavar == "DATE" else "DE"]


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_a_folder_of_any_name_reaches_the_settings_as_it_stands(workspace: str) -> None:
    assert run_settings(Arguments(folder=workspace).overrides).workspace == Path(workspace)


@given(st.text("ab'\"\\ ={}[],$~ö", min_size=1))
@settings(max_examples=60, deadline=None)
def test_a_quoted_text_is_read_back(text: str) -> None:
    assert unquoted(quoted(text)) == text


def test_a_command_that_reads_no_workspace_takes_it_and_says_that_it_is_not_used() -> None:
    ended = call("evidence", "list", "workspace=w", "--json")
    assert ended.code == 0
    assert ended.err == "fedsov: note: `fedsov evidence list` reads no workspace; w is not used\n"


def test_options_hold_days_numbers_and_lists() -> None:
    assert day("2026-11-22") == date(2026, 11, 22)
    assert (count("0"), positive("12")) == (0, 12)
    assert comma_list(" a, b,,") == ("a", "b")


@pytest.mark.parametrize(
    ("reader", "text"), [(day, "soon"), (count, "-1"), (count, "²"), (count, "9" * 19), (positive, "0"), (count, "")]
)
def test_a_value_that_an_option_cannot_hold_is_named(reader: object, text: str) -> None:
    with pytest.raises(typer.BadParameter, match="write a"):
        reader(text)  # type: ignore[operator]


def test_a_place_is_guessed_from_its_name_and_from_customary_codes() -> None:
    assert [near_place(word) for word in ("Germany", "germny", "UK", "EL", "us", "XQ")] == [
        "DE", "DE", "GB", "GR", "US", None,
    ]  # fmt: skip


def test_whatever_is_printed_steers_no_terminal_and_is_one_line() -> None:
    assert printable("a\x1b[2Jb\n\u202ec") == r"a\x1b[2Jb\n\u202ec"


def test_progress_is_on_standard_error_with_seconds_or_not_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    progress(False)("ingest")
    progress(True)("nothing")
    printed = capsys.readouterr()
    assert not printed.out and printed.err.startswith("[   0.0 s] ingest")
    assert "nothing" not in printed.err
