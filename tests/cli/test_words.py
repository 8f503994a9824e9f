"""Sorting a command's words: what is known is sorted, what is not is an error that says what there is."""

from __future__ import annotations

import pytest

from fedsov.cli.words import words_of
from fedsov.errors import ConfigurationError


def test_flags_values_overrides_and_names_are_told_apart_in_any_order() -> None:
    said = words_of(
        ["--from", "DE", "US", "workspace=w", "--json", "--why=it is late", "workspace=v"],
        flags=("--json",),
        values=("--from", "--why"),
        names=1,
    )
    assert said.names == ("US",) and said.json and not said.quiet
    assert said.value("--from") == "DE" and said.value("--why") == "it is late" and said.value("--to") is None
    assert str(said.workspace) == "v" and said.override("seed") is None


def test_a_value_may_hold_an_equals_sign_and_a_minus() -> None:
    assert words_of(["--why", "a=b"], values=("--why",)).value("--why") == "a=b"
    assert words_of(["--why", "-5 degrees"], values=("--why",)).value("--why") == "-5 degrees"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--wrong"], "no option --wrong; this command has --json, --run"),
        (["--run"], "--run needs a value"),
        (["--run", "--json"], "--run needs a value"),
        (["name"], "'name' is neither an option nor KEY=VALUE"),
    ],
)
def test_an_unknown_word_or_a_missing_value_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        words_of(arguments, flags=("--json",), values=("--run",))


def test_an_option_that_is_required_is_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="--by is missing"):
        words_of([], values=("--by",)).required("--by")
