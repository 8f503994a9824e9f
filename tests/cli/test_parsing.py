"""A command's words, sorted: settings, names and options, in any order."""

from __future__ import annotations

import itertools

import pytest
from click import Option

from fedsov.cli.parsing import is_setting, sort_words
from fedsov.errors import ConfigurationError
from tests.cli.world import call

OPTIONS = {
    name: option
    for option in (
        Option(["--json"], is_flag=True),
        Option(["--why", "-w"], metavar="TEXT"),
        Option(["--info", "-i"], metavar="[WHAT]"),
    )
    for name in option.opts
}


def test_settings_names_and_options_are_told_apart_in_every_order() -> None:
    parts = (["--why", "it = late"], ["US"], ["seed=1"], ["--json"], ["+experiment=quick"])
    for order in itertools.permutations(parts):
        line = sort_words([word for part in order for word in part], OPTIONS, "fedsov test")
        assert line.names == ["US"] and set(line.settings) == {"seed=1", "+experiment=quick"}
        assert line.options == {"--why": "it = late", "--json": None}


@pytest.mark.parametrize(
    "word",
    ["a=b", "+a.b=c", "++a=b", "~a", "~a=b", "a@b=c", "a=[1,2]", "a='x y'", "a={b:c}", "a=", "model/x=1", "~model/x"],
)
def test_whatever_hydra_reads_is_a_setting(word: str) -> None:
    assert is_setting(word)
    assert sort_words([word], OPTIONS, "fedsov test").settings == [word]


@pytest.mark.parametrize("word", ["US", "--why=a", "-w", "-", "R0aed", "~/papers"])
def test_a_name_or_an_option_is_no_setting(word: str) -> None:
    assert not is_setting(word)


def test_a_value_may_hold_an_equals_sign_begin_with_a_minus_and_follow_an_equals_sign() -> None:
    for words in (["--why", "a=b"], ["--why=a=b"], ["-w", "a=b"], ["-wa=b"]):
        assert sort_words(words, OPTIONS, "fedsov test").options == {"--why": "a=b"}
    assert sort_words(["--why", "-5 degrees"], OPTIONS, "fedsov test").options == {"--why": "-5 degrees"}


def test_an_option_with_an_optional_value_takes_none_from_a_setting_or_an_option() -> None:
    for words in (["--info"], ["--info", "seed=1"], ["-i", "--json"]):
        assert sort_words(words, OPTIONS, "fedsov test").options["--info"] == ""
    assert sort_words(["--info", "config", "seed=1"], OPTIONS, "fedsov test").options == {"--info": "config"}


def test_after_two_dashes_every_word_is_a_name() -> None:
    line = sort_words(["seed=1", "--", "a=b", "--json"], OPTIONS, "fedsov test")
    assert (line.settings, line.names, line.options) == (["seed=1"], ["a=b", "--json"], {})
    assert line.words() == ["--", "a=b", "--json"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wrong"], "unknown option '--wrong'; see `fedsov test --help`"),
        (["--jsn"], "did you mean --json"),
        (["-x"], "unknown option '-x'"),
        (["--why"], "--why needs a value, TEXT"),
        (["--why", "--json"], "--why needs a value"),
        (["-w", "-i"], "-w needs a value"),
        (["--json=no"], "--json takes no value, got 'no'"),
        (["--why", "a", "-w", "b"], "--why is given twice, 'a' and 'b'"),
    ],
)
def test_an_unknown_option_a_missing_value_and_a_second_one_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message.replace("?", "\\?")):
        sort_words(words, OPTIONS, "fedsov test")


def test_an_option_given_twice_alike_is_given_once() -> None:
    assert sort_words(["-w", "a", "--why=a", "--json", "--json"], OPTIONS, "fedsov test").options["--why"] == "a"


def test_flags_may_stand_before_and_after_settings_and_names() -> None:
    answers = {call("budget", *words).line for words in itertools.permutations(["workspace=/absent", "--json"])}
    assert len(answers) == 1 and "workspace /absent holds no run yet" in answers.pop()
    orders = itertools.permutations(["--json", "workspace=/absent", "US", "--refused"])
    lines = {call("ledger", "show", *words).line for words in orders}
    assert len(lines) == 1 and "workspace /absent holds no run yet" in lines.pop()
