"""Sums of ten people or more do not add up to one person: many questions, newcomers, erasures, names and memories."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.region.worker import ClosedRegion, open_region
from fedsov.storage.atomic_files import plain_json, sha256_hex
from tests.hostile.people_region import PeopleRegion, Row, answered_once, drawn

PEOPLE = 60
STATISTICS, PROFILE = "query.statistics", "query.profile"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    return answered_once(tmp_path_factory.mktemp("people"), PEOPLE)


@pytest.fixture
def region(once: PeopleRegion, tmp_path: Path) -> PeopleRegion:
    """The same in a workspace that a test may change."""
    return once.copied(tmp_path / "copy")


def _statistics(region: PeopleRegion, *more: str, **how: Any) -> dict[str, Any]:
    return region.asked(STATISTICS, *more, scope="shareable", **how)


def _in_training(region: PeopleRegion, rows: list[Row], *more: str) -> list[Row]:
    """Those whose rows the region trains on: only its owner can look."""
    opened = region.opened(*more)
    try:
        incomes = set(opened.outbound.session.divided("shareable").train.columns["income"].tolist())
    finally:
        opened.close()
    return [row for row in rows if row[1] in incomes]


def _public_division(names: list[str], seed: int) -> np.ndarray:
    """(N,) who was trained on when the job's seed and a public hash of a name said so: anybody could work it out."""
    folds = [
        int.from_bytes(hashlib.blake2b(f"subject:{name}".encode(), digest_size=2).digest(), "big") for name in names
    ]
    key = seed.to_bytes(8, "big", signed=True)
    digests = [hashlib.blake2b(str(fold).encode(), key=key, digest_size=8).digest() for fold in folds]
    return np.array([int.from_bytes(digest, "big") / 2.0**64 < 0.6 for digest in digests])


def test_eighty_questions_under_eighty_seeds_do_not_solve_for_the_values_of_sixty_people(region: PeopleRegion) -> None:
    rows = drawn(range(PEOPLE))
    names, incomes = [row[0] for row in rows], np.array([row[1] for row in rows])
    systems, sums = [], []
    for seed in range(80):
        column = _statistics(region, f"seed={seed}")["statistics"]["numeric"]["income"]
        systems.append(_public_division(names, seed))
        sums.append(column["n"] * column["mean"])
    solved = np.linalg.lstsq(np.array(systems, float), np.array(sums), rcond=None)[0]
    assert len(set(sums)) == 1
    assert np.count_nonzero(np.abs(solved - incomes) < 1.0) < 3  # all sixty, to the cent, before


def test_one_newcomer_is_not_the_difference_of_two_answers(region: PeopleRegion) -> None:
    before = _statistics(region)
    for newcomers in (1, 9):
        region.ingest(drawn(range(PEOPLE + newcomers)))
        assert _statistics(region, run=f"after-{newcomers}") == before


def test_once_enough_people_came_there_is_another_answer_and_then_no_third(region: PeopleRegion) -> None:
    before = _statistics(region)
    region.ingest(drawn(range(PEOPLE + 50)))
    after = _statistics(region)
    assert after != before
    region.ingest(drawn(range(PEOPLE + 51)))
    assert _statistics(region) == after


def test_a_person_whose_row_was_corrected_is_not_the_difference_of_two_answers(region: PeopleRegion) -> None:
    before, rows = _statistics(region), drawn(range(PEOPLE))
    name, income, ward, ill = _in_training(region, rows)[0]
    region.ingest([(name, income + 1.0, ward, ill) if row[0] == name else row for row in rows])
    assert _statistics(region) == before


def test_after_an_erasure_nothing_is_said_of_whoever_is_gone_until_enough_others_changed(region: PeopleRegion) -> None:
    before, rows = _statistics(region), drawn(range(PEOPLE))
    gone = _in_training(region, rows)[0]
    left = [row for row in rows if row != gone]
    region.ingest(left)
    assert _statistics(region)["error"].startswith("AnswerWithheld")
    region.ingest([*left, *drawn(range(PEOPLE, PEOPLE + 50))])
    after = _statistics(region)
    assert "statistics" in after and after != before


@pytest.mark.parametrize("more", [(), ("dataset.drop=[ward]",)], ids=["another name", "and fewer columns"])
def test_the_same_people_and_one_more_under_another_data_set_s_name_get_no_answer(
    region: PeopleRegion, more: tuple[str, ...]
) -> None:
    region.set("datasets.cohort.same_people=[people]", *(word.replace("dataset.", "datasets.cohort.") for word in more))
    region.ingest(drawn(range(PEOPLE + 1)), *more, name="cohort")
    if len(_in_training_of_both(region)) == 1:  # the one more is trained on
        assert _statistics(region, *more, name="cohort")["error"].startswith("AnswerWithheld")
    assert region.asked(PROFILE, *more, name="cohort")["error"].startswith("AnswerWithheld")


def _in_training_of_both(region: PeopleRegion) -> list[float]:
    found = []
    for name in ("people", "cohort"):
        opened = region.opened(name=name)
        found.append(set(opened.outbound.session.divided("shareable").train.columns["income"].tolist()))
        opened.close()
    return sorted(found[1] - found[0])


def test_fewer_columns_and_one_more_person_get_no_answer(region: PeopleRegion) -> None:
    region.set("datasets.people.drop=[ward]")
    region.ingest(drawn(range(PEOPLE + 1)), "dataset.drop=[ward]")
    assert region.asked(PROFILE, "dataset.drop=[ward]")["error"].startswith("AnswerWithheld")


def test_a_profile_counts_in_tens_and_a_class_of_few_people_is_none(region: PeopleRegion) -> None:
    region.ingest([(f"q{one}", 1.0 + one, "A", int(one < 9)) for one in range(137)])
    told = region.asked(PROFILE)["profile"]
    assert (told["rows"], told["shareable"], told["public"], told["classes"]) == (130, 130, 0, 1)
    assert told["label"]["origins"] == ["DE"]
    region.ingest([(f"q{one}", 1.0 + one, "A", int(one < 9)) for one in range(139)])
    assert region.asked(PROFILE)["profile"] == told


def test_a_person_whose_rows_are_most_of_a_level_is_not_told_by_its_count(region: PeopleRegion) -> None:
    ward_c = [(f"q{one}", 500.5 + one, "C", one % 2) for one in range(40)]
    usual = [(f"r{one}", 50.0 + one, "AB"[one % 2], one % 2) for one in range(200)]
    region.ingest([*usual, *ward_c])
    assert "C" in _statistics(region)["statistics"]["categorical"]["ward"]["levels"]
    owner = _in_training(region, ward_c)[0]
    region.ingest([*usual, *ward_c, *[owner] * 400, *drawn(range(500, 540))])
    assert "C" not in _statistics(region)["statistics"]["categorical"]["ward"]["levels"]


@pytest.mark.long
def test_a_person_whose_value_is_most_of_a_sum_does_not_move_it(region: PeopleRegion) -> None:
    rows = [(f"q{one}", 50.0 + one, "A", one % 2) for one in range(200)]
    region.ingest(rows)
    rich = _in_training(region, rows)[0]
    region.ingest([(row[0], 1e9, *row[2:]) if row == rich else (f"s{row[0]}", *row[1:]) for row in rows])
    described = _statistics(region)["statistics"]["numeric"]["income"]
    assert described["mean"] < 1000.0 and described["squared_deviations"] < 1e8


def test_a_memory_of_answers_that_was_lost_or_put_back_is_found_and_nothing_is_answered_anew(
    region: PeopleRegion, tmp_path: Path
) -> None:
    memory, before = region.folder / "answers", _statistics(region)
    shutil.copytree(memory, tmp_path / "old")
    region.ingest(drawn(range(PEOPLE + 50)))
    assert _statistics(region) != before
    shutil.rmtree(memory)
    assert _statistics(region)["error"] == "AnswersBroken"
    shutil.rmtree(memory)
    shutil.copytree(tmp_path / "old", memory)
    assert _statistics(region)["error"] == "AnswersBroken"


def test_back_to_the_first_people_and_one_newcomer_is_not_the_difference_of_two_answers(region: PeopleRegion) -> None:
    first = _statistics(region)
    region.ingest(drawn(range(PEOPLE + 50)))
    second = _statistics(region)
    assert second != first
    newcomer = next(one for one in range(900, 999) if _trained_on(region, one))
    region.ingest([*drawn(range(PEOPLE)), *drawn([newcomer])])
    assert _statistics(region) == first
    region.ingest([*drawn(range(PEOPLE + 50)), *drawn([newcomer])])
    assert _statistics(region) == second


def _trained_on(region: PeopleRegion, person: int) -> bool:
    """Whether the region would train on this person's row beside those that it has."""
    region.ingest([*drawn(range(PEOPLE)), *drawn([person])])
    return bool(_in_training(region, drawn([person])))


def test_scores_at_a_run_s_end_are_of_the_people_whom_the_profile_counted(region: PeopleRegion) -> None:
    """A newcomer changes neither the model that is scored nor the rows that it is scored on."""

    def finished(run: str) -> dict[str, Any]:
        return dict(region.asked("query.finish", strategy="local", run=run)["metrics"])

    region.ingest(drawn(range(400)))  # the secret divides them: a fifth of so many is never too few
    before = finished("before")
    assert before["score"] is not None and before["test_rows"] in range(50, 120, 10)
    region.ingest(drawn(range(409)))
    assert finished("after-nine-more") == before
    region.ingest(drawn(range(500)))
    assert finished("after-fifty-more") != before


def test_sums_of_people_are_of_values_within_the_declared_bounds(region: PeopleRegion) -> None:
    """The hub's job cannot widen them beyond the robust range, nor single anybody out by narrow ones."""
    region.ingest([(f"q{one}", 50.0 + one, "A", one % 2) for one in range(260)])
    region.set("datasets.people.bounds={income: [0, 100]}")
    within = _statistics(region, "dataset.bounds={income: [0, 100]}")["statistics"]["numeric"]["income"]
    assert within["n"] > 100 and within["mean"] < 100.0  # of 50 to 309, four in five are drawn in to 100
    region.set("datasets.people.bounds={income: [100000000, 1000000000]}")
    rich = [(f"r{one}", 50.5 + one, "A", one % 2) for one in range(199)] + [("rich", 1e9, "A", 1)]
    region.ingest(rich, "dataset.bounds={income: [100000000, 1000000000]}")
    few = _statistics(region, "dataset.bounds={income: [100000000, 1000000000]}", run="few")["statistics"]["numeric"][
        "income"
    ]
    assert few["n"] == 0


def test_bounds_that_a_job_chooses_are_refused_and_those_that_its_owner_widens_mend_a_version(
    region: PeopleRegion,
) -> None:
    narrow = "dataset.bounds={income: [0, 5500]}"
    refused = open_region(region.start(narrow))
    assert isinstance(refused, ClosedRegion) and "'datasets.people.bounds={income: [0.0, 5500.0]}'" in refused.failure
    region.set("datasets.people.bounds={income: [0, 1]}", "limits.questions=100")
    region.ingest(drawn(range(PEOPLE + 50)), "dataset.bounds={income: [0, 1]}")
    spoilt = _statistics(region, "dataset.bounds={income: [0, 1]}", run="spoilt")["statistics"]["numeric"]["income"]
    assert spoilt["n"] == 0
    region.set("datasets.people.bounds={income: [0, 9000]}")
    mended = _statistics(region, "dataset.bounds={income: [0, 9000]}", run="mended")
    assert mended["statistics"]["numeric"]["income"]["n"] > 0
    trained = _in_training(region, drawn(range(PEOPLE + 50)), "dataset.bounds={income: [0, 9000]}")
    one_less = max(row[1] for row in trained) - 0.01
    word = f"bounds={{income: [0, {one_less}]}}"
    region.set(f"datasets.people.{word}")
    assert _statistics(region, f"dataset.{word}", run="one-less") == mended


def test_a_forged_memory_is_found_although_its_digest_would_fit(region: PeopleRegion) -> None:
    """Whoever may write the folder takes its last answer away, or writes another, under a digest anew."""
    file, before = region.folder / "answers" / "answers.json", _statistics(region)
    sealed = json.loads(file.read_bytes())
    less, other = (json.loads(json.dumps(sealed["body"])) for _ in range(2))
    less["answers"].pop()
    other["answers"][-1]["answer"]["numeric"]["income"]["mean"] = 1.0
    for body in (less, other):
        for seal in ("sha256", "hmac_sha256"):
            file.write_bytes(plain_json({"body": body, seal: sha256_hex(plain_json(body))}))
            assert _statistics(region)["error"] == "AnswersBroken"
    file.write_bytes(plain_json(sealed))
    assert _statistics(region) == before


def test_more_questions_in_a_year_than_its_owner_allows_are_refused_in_whatever_run_version_or_data_set(
    region: PeopleRegion,
) -> None:
    region.set("limits.questions=8")
    told = [_statistics(region, run=f"r{number}") for number in range(9)]
    refused = ["error" in one for one in told]
    assert not refused[0] and refused[-1] and refused == sorted(refused)  # others were asked before
    assert "fedsov region set DE limits.questions=18" in told[-1]["error"]
    stored = r"limits\.questions=\d+.*the rows are stored"
    with pytest.raises(AssertionError, match=stored):
        region.ingest(drawn(range(PEOPLE + 50)))
    assert "limits.questions=" in region.asked(PROFILE)["error"]
    with pytest.raises(AssertionError, match=stored):
        region.ingest(drawn(range(500, 560)), name="cohort")
    assert "limits.questions=" in region.asked(PROFILE, name="cohort")["error"]
