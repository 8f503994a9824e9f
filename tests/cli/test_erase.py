"""`fedsov erase`: what became of each place is printed, the models are listed, and nothing names the person."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion, drawn


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A region of 40 people."""
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    region.ingest(drawn(range(40)))
    return region.place / "w"


def test_an_erasure_says_of_each_place_what_became_of_it_and_never_the_person(workspace: Path) -> None:
    ended = call("erase", "--subject", "p7", "--region", "DE", "--why", "request 118", "--workspace", workspace)
    assert ended.code == 0, ended.err
    assert "store (rows and identifiers): 1 row of people erased" in ended.out
    assert "quarantine (rows without a home): nothing of the subject" in ended.out
    assert "backups" in ended.out and "p7" not in ended.out
    plain = call("erase", "--subject", "p8", "--region", "DE", "--why", "r", "--workspace", workspace, "--json").json
    assert plain["removed"]["store"] == ["1 row of people"] and "p8" not in json.dumps(plain)
    listed = call("erase", "--lineage", "--region", "DE", "--workspace", workspace)
    assert plain["subject"] in listed.out and listed.out.count("no model of this region") == 2
    assert set(call("erase", "--lineage", "--region", "DE", "--workspace", workspace, "--json").json) >= {
        plain["subject"]
    }


def test_a_person_who_came_anew_is_taken_again_and_one_who_was_never_erased_is_refused(workspace: Path) -> None:
    words = ("--region", "DE", "--why", "a new contract", "--workspace", workspace)
    assert call("erase", "--subject", "p9", *words).code == 0
    again = call("erase", "--subject", "p9", "--again", *words).out
    assert "are taken again" in again and "`fedsov ingest --rebuild dataset=@FILE " in again
    assert "erased no such subject" in call("erase", "--subject", "p1", "--again", *words).line


def test_what_is_missing_is_named(workspace: Path) -> None:
    words = ("--region", "DE", "--workspace", workspace)
    assert "erase needs --subject and --why" in call("erase", *words).line
    assert "leave --subject" in call("erase", "--lineage", "--subject", "p1", *words).line
    assert (
        "unknown region 'FR'"
        in call("erase", "--subject", "p1", "--why", "w", "--region", "FR", "--workspace", workspace).line
    )


def test_where_no_row_was_the_subject_s_that_is_said_and_no_silence_is_announced(workspace: Path) -> None:
    ended = call("erase", "--subject", "nobody", "--region", "DE", "--why", "request 119", "--workspace", workspace)
    assert ended.code == 0 and "no row of the subject was in region DE" in ended.out
    assert "tells no statistics of these" not in ended.out
