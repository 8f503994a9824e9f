"""Who may loosen a region's settings: nobody's job; the first ingestion writes them, and each refusal is an entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.errors import JobRefused, SettingsBroken
from fedsov.keys import create_keys
from fedsov.keys.protocol import KeySettings, RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.model.targets import TargetRule
from fedsov.partition.classify import ClassifyRules, RestrictionRule
from fedsov.partition.description import description_digest, description_of
from fedsov.protocol.job import Asked, TrainingJob
from fedsov.region.admission import Place, admit, admit_rows, settle
from tests.partition.test_manifest import BARE
from tests.partition.world import spec_of

RULE = {"column": "contract", "equals": "closed", "restriction": "home"}
DESCRIPTION = description_of(
    spec_of(Path("people.csv"), classify=ClassifyRules(restrictions=(RestrictionRule(*RULE.values()),)))
)
DESCRIBED = Asked(description=DESCRIPTION)
OPEN = Asked(unsafe_open=True, examples="made up")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Place, RegionKeys]]:
    ledger = Ledger(tmp_path / "ledger.sqlite", "DE")
    yield Place(tmp_path, ledger), create_keys(KeySettings("DE", tmp_path))
    ledger.close()


def _notes(place: Place) -> list[dict]:
    return [dict(entry.body["note"]) for entry in place.ledger.entries()]


def test_the_first_ingestion_writes_the_settings_and_later_ones_are_held_to_them(
    place: tuple[Place, RegionKeys],
) -> None:
    here, keys = place
    with pytest.raises(SettingsBroken, match="fedsov region init DE"):
        admit(here, "people", OPEN, run="r0")
    written, wrote = settle(here, keys, "people", OPEN, run="r1", retention_days=30)
    assert wrote and written.law.unsafe_open and written.of_dataset("people").examples and written.retention_days == 30
    assert settle(here, keys, "people", OPEN, run="r2") == (written, False)
    assert admit(here, "people", Asked(), run="r3") == written
    assert len(_notes(here)) == 1


def test_a_further_data_set_is_people_s_rows_whatever_a_job_says_of_it(place: tuple[Place, RegionKeys]) -> None:
    here, keys = place
    first, _ = settle(here, keys, "people", Asked(examples="made up"), run="r1")
    with pytest.raises(JobRefused, match="datasets.others.examples=true"):
        settle(here, keys, "others", Asked(examples="the same rows again"), run="r2")
    more, wrote = settle(here, keys, "others", Asked(), run="r2")
    assert wrote and not more.of_dataset("others").examples and more.of_dataset("people").examples
    assert more.law == first.law and more.split == first.split
    with pytest.raises(JobRefused, match="keeps its border closed"):
        settle(here, keys, "thirds", Asked(unsafe_open=True), run="r3")
    assert "thirds" not in admit(here, "people", Asked(), run="r4").datasets


def test_each_refusal_is_an_entry_of_the_region_s_ledger(place: tuple[Place, RegionKeys]) -> None:
    here, keys = place
    settle(here, keys, "people", Asked(), run="r1")
    with pytest.raises(JobRefused) as refused:
        admit(here, "people", OPEN, run="r2")
    said = _notes(here)[-1]["refused_job"]
    assert str(refused.value) == "; ".join(said["why"]) and len(said["why"]) == 2
    assert said["asked"]["unsafe_open"] is True
    assert here.ledger.entries()[-1].body["run"] == "r2"


def test_the_first_ingestion_writes_what_sorts_the_rows_and_a_job_that_sorts_otherwise_is_refused(
    place: tuple[Place, RegionKeys],
) -> None:
    here, keys = place
    written, _ = settle(here, keys, "people", DESCRIBED, run="r1")
    assert written.of_dataset("people").description == DESCRIBED.description
    for more in ([], [RULE, {**RULE, "equals": "yes"}]):
        asked = replace(DESCRIBED, description={**DESCRIPTION, "restrictions": more})
        with pytest.raises(JobRefused, match=r"datasets\.people\.restrictions="):
            settle(here, keys, "people", asked, run="r2")
        with pytest.raises(JobRefused, match=r"datasets\.people\.restrictions="):
            admit(here, "people", asked, run="r3")
    with pytest.raises(JobRefused, match=r"datasets\.people\.target_positive="):
        admit(here, "people", Asked(), run="r4", job=TrainingJob("people", TargetRule("wage", positive="1")))
    assert (
        admit(
            here, "people", Asked(), run="r5", job=TrainingJob("people", TargetRule("wage", above_region_median=True))
        )
        == written
    )
    assert len(_notes(here)) == 1 + 5


def test_a_data_set_that_its_owner_named_before_is_described_by_the_first_ingestion(
    place: tuple[Place, RegionKeys],
) -> None:
    here, keys = place
    settle(here, keys, "others", Asked(), run="r1")
    more, wrote = settle(here, keys, "others", DESCRIBED, run="r2")
    assert wrote and more.of_dataset("others").description == DESCRIPTION
    assert settle(here, keys, "others", DESCRIBED, run="r3") == (more, False)


def test_stored_rows_of_another_description_are_refused_and_example_rows_never(place: tuple[Place, RegionKeys]) -> None:
    here, keys = place
    own, _ = settle(here, keys, "people", DESCRIBED, run="r1")
    stored = replace(BARE, dataset="people", description=description_digest(DESCRIPTION))
    admit_rows(here, own, stored, run="r2")
    for digest in ("", description_digest({**DESCRIPTION, "subject": None})):
        with pytest.raises(JobRefused, match="ingest them again"):
            admit_rows(here, own, replace(stored, description=digest), run="r3")
    assert "ingest them again" in _notes(here)[-1]["refused_job"]["why"][0]
    examples = own.changed(["datasets.people.document=made up", "datasets.people.examples=true"])
    admit_rows(here, examples, replace(stored, description=""), run="r4")
