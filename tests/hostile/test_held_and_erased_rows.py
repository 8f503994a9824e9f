"""Rows on a legal hold do not leave by another door, and an erased person does not come back by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from fedsov.api.lifecycle import quarantine
from fedsov.api.lifecycle.erasure import erase
from fedsov.api.lifecycle.quarantine import Chosen
from fedsov.api.lifecycle.retention import hold, release
from fedsov.errors import JobRefused
from fedsov.partition.manifest import MANIFEST
from fedsov.storage.workspace import store_of
from tests.hostile.people_region import COLUMNS, PeopleRegion, drawn
from tests.world import called

WAITS = "dataset.missing_target=quarantine"
PERSON, ELSEWHERE, WHY = "p5", "p52", "case 12"


def _lines(*, without: str = "") -> list[str]:
    """40 people of DE, of whom p0 lacks the target; p50 to p52 have no home."""
    lines = [",".join(map(str, ("DE", *row))) for row in drawn(range(40)) if row[0] != without]
    lines[0] = lines[0].rpartition(",")[0] + ","
    return [*lines, *(",".join(map(str, ("Atlantis", *row))) for row in drawn(range(50, 53)) if row[0] != without)]


def _ingested(region: PeopleRegion, lines: Sequence[str]) -> CompletedProcess[str]:
    (region.place / "people.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    return called("ingest", *region.words(WAITS), "--quiet")


@pytest.fixture(scope="module")
def ingested_once(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    assert _ingested(region, _lines()).returncode == 0
    return region


@pytest.fixture
def region(ingested_once: PeopleRegion, tmp_path: Path) -> PeopleRegion:
    """The same in a workspace that a test may change."""
    return ingested_once.copied(tmp_path / "copy")


def _manifest(region: PeopleRegion) -> str:
    return (store_of(region.folder, "people") / MANIFEST).read_text()


@pytest.mark.parametrize("subject", [None, PERSON])
def test_a_source_without_a_row_on_hold_replaces_nothing_until_the_hold_ends(
    region: PeopleRegion, subject: str | None
) -> None:
    root, before = region.place / "w", _manifest(region)
    hold(root, "DE", "people", subject, why=WHY)
    refused = _ingested(region, _lines(without=PERSON))
    assert refused.returncode == 9 and "legal hold" in refused.stderr, refused.stderr
    whose = "people --subject ID" if subject else "people"
    assert f"`fedsov retention release DE --dataset {whose} --why TEXT` ends the hold" in refused.stderr
    assert PERSON not in refused.stderr and _manifest(region) == before
    release(root, "DE", "people", subject, why="closed")
    assert _ingested(region, _lines(without=PERSON)).returncode == 0


def test_a_source_in_which_a_region_with_a_hold_has_no_row_does_not_remove_its_store(region: PeopleRegion) -> None:
    hold(region.place / "w", "DE", "people", why=WHY)
    before = _manifest(region)
    refused = _ingested(region, [line.replace("DE,", "FR,") for line in _lines()])
    assert refused.returncode == 9 and "region DE keeps rows of people on a legal hold" in refused.stderr
    assert _manifest(region) == before


def test_rows_on_hold_stay_while_others_come_and_go(region: PeopleRegion) -> None:
    hold(region.place / "w", "DE", "people", PERSON, why=WHY)
    done = _ingested(region, _lines(without="p7"))
    assert done.returncode == 0, done.stderr


def test_a_quarantine_s_rows_on_hold_are_not_deleted_in_their_region_or_without_a_home(region: PeopleRegion) -> None:
    root = region.place / "w"
    hold(root, "DE", "people", "p0", why=WHY)
    hold(root, "DE", "people", ELSEWHERE, why=WHY)
    for of in ("DE", None):
        with pytest.raises(JobRefused, match=r"nothing was removed; `fedsov retention release DE --dataset people"):
            quarantine.delete(root, Chosen("people", of), why="tidying")
    with pytest.raises(JobRefused, match=r"`fedsov retention release DE --dataset people --subject ID"):
        erase(root, "DE", ELSEWHERE, why="request")
    assert sum(sum(each.reasons.values()) for each in quarantine.listed(root)) == 4
    for subject in ("p0", ELSEWHERE):
        release(root, "DE", "people", subject, why="closed")
    assert [quarantine.delete(root, Chosen("people", of), why="tidying") for of in ("DE", None)] == [1, 3]


@pytest.mark.parametrize("line", [f"DE,{PERSON},5.0,A,", f"Atlantis,{PERSON},5.0,A,1"])
def test_an_erased_person_comes_back_neither_through_a_fault_nor_without_a_home(
    region: PeopleRegion, line: str
) -> None:
    erase(region.place / "w", "DE", PERSON, why="request")
    refused = _ingested(region, [*_lines(without=PERSON), line])
    assert refused.returncode == 9 and "rows of people whom region DE erased" in refused.stderr, refused.stderr
    assert _ingested(region, _lines(without=PERSON)).returncode == 0


def test_an_erased_person_does_not_come_back_where_the_region_gets_no_row(region: PeopleRegion) -> None:
    erase(region.place / "w", "DE", PERSON, why="request")
    lines = [line.replace("DE,", "FR,") for line in _lines(without=PERSON)]
    refused = _ingested(region, [*lines, f"Atlantis,{PERSON},5.0,A,1"])
    assert refused.returncode == 9 and "rows of people whom region DE erased" in refused.stderr, refused.stderr
