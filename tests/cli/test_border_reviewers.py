"""`border reviewer`: the register of who may approve is made, added to, listed; a person is revoked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.world import Ended, call

Run = Callable[..., Ended]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command over the register of a workspace in which one person may approve."""
    assert call("region", "init", "DE", "--workspace", tmp_path).code == 0
    first = ("init", "A. Person", "--role", "officer", "--key", tmp_path / "a.pem")
    assert call("border", "reviewer", *first, "--workspace", tmp_path).code == 0
    return lambda *words: call("border", "reviewer", *words, "--workspace", tmp_path)


def test_the_register_is_listed_made_once_and_takes_a_public_half(run: Run, tmp_path: Path) -> None:
    again = run("init", "B. Person", "--role=counsel", "--key", tmp_path / "b.pem")
    assert again.code == 2 and "fedsov border reviewer add NAME" in again.line and not (tmp_path / "b.pem").exists()
    assert run("add", "B. Person", "--role=counsel", f"--public={'ab' * 32}").code == 0
    listed = run("list", "--json").json
    assert [(each["name"], each["role"], each["revoked"]) for each in listed] == [
        ("A. Person", "officer", None),
        ("B. Person", "counsel", None),
    ]
    assert run("list").out.endswith("2 reviewers\n")
    assert "give the reviewer's --key FILE" in run("add", "C. Person", "--role=r").line


def test_a_revoked_person_stays_in_the_register_and_is_revoked_once(run: Run) -> None:
    assert run("remove", "A. Person").out.startswith("A. Person is revoked")
    assert run("list", "--json").json[0]["revoked"] and "revoked on" in run("list").out
    again = run("remove", "A. Person")
    assert again.code == 2 and "reviewer 'A. Person' was revoked on" in again.line
    assert "unknown reviewer 'B. Person'" in run("remove", "B. Person").line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "A. Person", "--role=r", f"--public={'ab' * 32}"), "reviewer 'A. Person' is registered already"),
        (("add", "B. Person", "--role=r", "--public=abc"), "must be 64 hexadecimal digits"),
        (("add", "B. Person", "--role= ", f"--public={'ab' * 32}"), "a reviewer's role is ''"),
    ],
)
def test_who_cannot_be_registered_is_one_line_and_2(run: Run, words: tuple[str, ...], said: str) -> None:
    ended = run(*words)
    assert ended.code == 2 and said in ended.line
    assert run("list").out.endswith("1 reviewer\n")
