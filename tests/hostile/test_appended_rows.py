"""Rows that are appended are seen as those of a new ingestion by what protects people: no door beside the doors."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.api.lifecycle.erasure import erase, lift
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import JobRefused
from fedsov.hub.runtime import IngestRequest
from fedsov.keys import open_keys
from fedsov.keys.protocol import KeySettings
from fedsov.ledger.ledger import Ledger
from fedsov.partition.store import Store
from fedsov.region.people_budgets import KeyedPeople
from fedsov.runtimes.ingestion_process import ingest_source
from fedsov.runtimes.ingestion_request import request_to_json
from fedsov.storage.workspace import Workspace, ledger_of, store_of
from tests.hostile.people_region import COLUMNS, PeopleRegion, Row, answered_once, drawn

PEOPLE = 60
PROFILE, STATISTICS = "query.profile", "query.statistics"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    return answered_once(tmp_path_factory.mktemp("people"), PEOPLE)


@pytest.fixture
def region(once: PeopleRegion, tmp_path: Path) -> PeopleRegion:
    return once.copied(tmp_path / "copy")


def _ingested(region: PeopleRegion, rows: Sequence[Row], **how: object) -> dict[str, Any]:
    """What the ingestion process says of these people's rows, in this process."""
    path = region.place / "more.csv"
    path.write_text("\n".join([",".join(COLUMNS), *(",".join(map(str, ("DE", *row))) for row in rows)]) + "\n")
    words = [word for word in region.words() if not word.startswith("dataset.path=")]
    chosen = settings(compose([*words, f"dataset.path={path}"]))
    request = request_to_json(IngestRequest(chosen.plain, "r2"), Workspace(region.place / "w"))
    return ingest_source({**request, **how})


def _appended(region: PeopleRegion, rows: Sequence[Row]) -> str:
    return str(_ingested(region, rows, append="")["said"][0])


def _stored(region: PeopleRegion) -> Store:
    return Store.open(store_of(region.folder, "people"), open_keys(KeySettings("DE", region.folder)))


def _statistics(region: PeopleRegion) -> dict[str, Any]:
    return region.asked(STATISTICS, scope="shareable")


def test_one_newcomer_who_is_appended_is_not_the_difference_of_two_answers_and_enough_are(region: PeopleRegion) -> None:
    before, profile = _statistics(region), region.asked(PROFILE)
    for newcomer in (60, 61):
        assert _appended(region, drawn([newcomer])) == "appended 1 of 1 row (DE 1)"
        assert _statistics(region) == before and region.asked(PROFILE) == profile
    assert len(_stored(region).read()) == PEOPLE + 2
    _appended(region, drawn(range(62, 2 * PEOPLE)))
    after = _statistics(region)
    assert "statistics" in after and after != before and region.asked(PROFILE)["profile"]["rows"] == 2 * PEOPLE


def test_rows_of_an_erased_person_are_not_appended_until_the_person_gave_them_anew(region: PeopleRegion) -> None:
    root = region.place / "w"
    erase(root, "DE", "p5", by="A. Person", why="request 1")
    with pytest.raises(JobRefused, match="erased") as refused:
        _appended(region, drawn([5, 70]))
    assert "p5" not in str(refused.value) and len(_stored(region).read()) == PEOPLE - 1
    lift(root, "DE", "p5", by="A. Person", why="a new contract")
    _appended(region, drawn([5, 70]))
    assert len(_stored(region).read()) == PEOPLE + 1


def test_a_budget_covers_appended_people_under_the_names_that_a_new_ingestion_gives_them(region: PeopleRegion) -> None:
    _appended(region, drawn(range(PEOPLE, 2 * PEOPLE)))
    ours = KeyedPeople.of(_stored(region).read())
    _ingested(region, drawn(range(2 * PEOPLE)), drops_appended=True)
    theirs = KeyedPeople.of(_stored(region).read())
    assert np.array_equal(ours.subjects, theirs.subjects) and np.array_equal(ours.rows, theirs.rows)
    assert len(ours.subjects) == 2 * PEOPLE


def test_the_ledger_has_the_day_of_an_appended_source_which_is_as_old_when_it_comes_again(
    region: PeopleRegion,
) -> None:
    _appended(region, drawn(range(70, 90)))
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        arrivals = [entry.body["note"]["source_arrived"] for entry in ledger.notes("source_arrived")]
    assert len({note["source"] for note in arrivals}) == 2 and {note["dataset"] for note in arrivals} == {"people"}
