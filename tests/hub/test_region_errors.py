"""All that is known of a region's failure is a type's name: each of fedsov's own has a line with a way out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fedsov import errors
from fedsov.cli.main import COMMANDS
from fedsov.errors import FedsovError
from fedsov.hub.region_errors import IN_A_ROUND, WAYS_OUT, error_by_name, in_a_round, region_error

FOLDER = Path("/a place/regions/DE")


@pytest.mark.parametrize("name", list(WAYS_OUT))
def test_a_way_out_names_the_region_and_its_log_and_commands_that_run_as_they_stand(name: str) -> None:
    line = str(region_error("DE", name, folder=FOLDER, dataset="people"))
    assert line.startswith("region DE: ") and f"({name}; log: {FOLDER / 'worker.log'})" in line and "{" not in line
    for command in re.findall(r"`(.*?)`", line):
        program, subcommand, *words = shlex.split(command)
        assert program == "fedsov" and subcommand in COMMANDS
        assert subcommand != "region" or words[-2:] == ["--workspace", "/a place"]


def test_no_setting_is_proposed_where_a_region_answers_nothing_after_an_erasure() -> None:
    """It proposed limits.least_people, which only a greater number can change: then still more people must come."""
    line = str(region_error("DE", "AnswerWithheld", folder=FOLDER, dataset="people"))
    assert "limits.least_people=" not in line and "no setting mends it" in line and "`fedsov ingest --append`" in line


@pytest.mark.parametrize("name", list(IN_A_ROUND))
def test_a_gate_s_refusal_in_a_round_is_told_with_the_ledger_that_knows_the_reason(name: str) -> None:
    line = in_a_round("DE", name)
    (commands,) = re.findall(r"`(.*?)`", line)
    program, subcommand, *words = shlex.split(commands)
    assert line.startswith(f"{name}: ") and (program, subcommand) == ("fedsov", "ledger") and subcommand in COMMANDS
    assert words == ["show", "DE" if name == "Refused" else "hub", "--refused"]
    assert in_a_round("DE", "KeyUnavailable") == "KeyUnavailable"


def test_a_region_s_own_words_are_told_and_another_name_is_no_more_than_that() -> None:
    told = region_error("DE", "JobRefused: region DE keeps its border closed", folder=FOLDER, dataset="people")
    assert isinstance(told, errors.JobRefused) and str(told) == "region DE keeps its border closed"
    other = region_error("DE", "ZeroDivisionError", folder=FOLDER, dataset="people")
    assert type(other) is FedsovError and "it failed with ZeroDivisionError" in str(other)
    assert type(error_by_name("Iterable", "no error of ours")) is FedsovError


def test_of_a_region_on_another_machine_no_path_of_this_one_is_named():
    for name in WAYS_OUT:
        line = str(region_error("DE", name, folder=FOLDER, dataset="people", is_here=False))
        assert str(FOLDER.parent.parent) not in line
        assert line.endswith(f"({name}; log: regions/DE/worker.log in HOME, the home of region DE)")
    line = str(region_error("DE", "LimitExceeded", folder=FOLDER, dataset="people", is_here=False))
    assert "fedsov region set DE limits.rounds=N --workspace HOME" in line
