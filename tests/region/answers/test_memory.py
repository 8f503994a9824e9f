"""The memory of answers: one a version, repeated to the bit, checked against the ledger, whatever process asks."""

import json
import multiprocessing
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.artifact import Artifact, Kind, Party
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Gate
from fedsov.border.law.bundle_loader import unsafe_open
from fedsov.errors import AnswersBroken, AnswerWithheld, LimitExceeded, WorkspaceUnusable
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.partition.people.changed_people import People, people_of
from fedsov.region.answers import memory
from fedsov.region.answers.memory import PROFILE, STATISTICS, Answers, Described
from fedsov.region.answers.noted import RowsQuestion
from fedsov.region.limits import QUESTION_DAYS, Limits
from fedsov.storage.atomic_files import write_sealed
from tests.own_settings import SECRET

ASKED = RowsQuestion("people", STATISTICS, "shareable", split="one")
DE, HUB = Party("DE", "DE", "Example Deutschland"), Party("hub", "IE", "Example Holding")


def _answers(folder: Path, limits: Limits | None = None) -> Answers:
    gate = Gate(
        DE,
        bundle=unsafe_open(),
        evidence=Register(()),
        ledger=Ledger(folder / "ledger.sqlite", "DE"),
        run="r",
        today=lambda: date(2026, 11, 29),
    )
    return Answers.open(folder, gate, limits or Limits(), SECRET)


def _people(*people: int, columns: tuple[str, ...] = ("age",)) -> People:
    ages = {name: np.array(people, float) for name in columns}
    who = np.array([f"p{one}" for one in people])
    return people_of(ages, who, np.ones(len(people), bool), secret=b"secret")


def _told(answers: Answers, question: RowsQuestion, people: People, make: Callable[[], Mapping[str, Any]]) -> Any:
    return answers.give(question, Described(people), make).answer


def _never() -> dict[str, float]:
    raise AssertionError("asked of the rows again")


def test_an_answer_is_repeated_to_the_bit_by_another_process_of_another_run(tmp_path):
    first = _told(_answers(tmp_path), ASKED, _people(*range(50)), lambda: {"mean": 0.1 + 0.2, "n": 50})
    assert _told(_answers(tmp_path), ASKED, _people(*range(50)), _never) == first == {"mean": 0.1 + 0.2, "n": 50}
    assert _answers(tmp_path).has_given(ASKED)


def test_it_is_repeated_while_fewer_than_the_least_number_of_people_changed_since_it_was_given(tmp_path):
    answers = _answers(tmp_path)
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    for more in range(1, 10):
        assert _told(answers, ASKED, _people(*range(50 + more)), _never) == {"n": 50}
    assert _told(answers, ASKED, _people(*range(60)), lambda: {"n": 60}) == {"n": 60}


def test_the_least_number_is_the_region_s_own(tmp_path):
    answers = _answers(tmp_path, Limits(least_people=30))
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    assert _told(answers, ASKED, _people(*range(79)), _never) == {"n": 50}
    assert _told(answers, ASKED, _people(*range(80)), lambda: {"n": 80}) == {"n": 80}


def test_after_somebody_is_gone_there_is_no_answer_until_enough_have_changed(tmp_path):
    answers = _answers(tmp_path)
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    with pytest.raises(AnswerWithheld, match=r"region DE gives no statistics of people: .*limits\.least_people"):
        _told(answers, ASKED, _people(*range(1, 50)), _never)
    assert _told(answers, ASKED, _people(*range(1, 60)), lambda: {"n": 59}) == {"n": 59}


def test_other_scopes_have_answers_of_their_own(tmp_path):
    answers = _answers(tmp_path)
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    public = RowsQuestion("people", STATISTICS, "public", split="one")
    assert _told(answers, public, _people(*range(20)), lambda: {"n": 20}) == {"n": 20}
    assert _told(answers, ASKED, _people(*range(50)), _never) == {"n": 50}
    assert answers.has_given(public) and not answers.has_given(RowsQuestion("people", PROFILE, "all"))


@pytest.mark.parametrize(
    ("question", "people", "is_given"),
    [
        (RowsQuestion("cohort", STATISTICS, "shareable", split="one"), _people(*range(51)), False),
        (RowsQuestion("cohort", STATISTICS, "shareable", split="one"), _people(*range(49)), False),
        (RowsQuestion("cohort", STATISTICS, "shareable", split="one"), _people(*range(60)), True),
        (RowsQuestion("cohort", STATISTICS, "shareable", split="one"), _people(*range(100, 150)), True),
        (RowsQuestion("cohort", STATISTICS, "shareable", split="one"), _people(*range(51), columns=("a", "b")), False),
    ],
)
def test_a_first_answer_that_would_differ_by_few_people_from_another_is_not_given(tmp_path, question, people, is_given):
    answers = _answers(tmp_path)
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    if is_given:
        assert _told(answers, question, people, lambda: {"other": 1}) == {"other": 1}
    else:
        with pytest.raises(AnswerWithheld):
            _told(answers, question, people, _never)


def test_the_same_version_of_people_has_the_one_answer_under_every_name(tmp_path):
    answers, cohort = _answers(tmp_path), replace(ASKED, dataset="cohort")
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    assert _told(answers, cohort, _people(*range(50)), _never) == {"n": 50}
    assert answers.has_given(cohort)
    _told(answers, cohort, _people(*range(60)), lambda: {"n": 60})
    assert _told(answers, ASKED, _people(*range(60)), _never) == {"n": 60}


@pytest.mark.parametrize(("moved", "is_given"), [(0, False), (9, False), (10, True)])
def test_other_bounds_of_the_same_people_have_another_answer_once_enough_values_differ(tmp_path, moved, is_given):
    answers, people = _answers(tmp_path), _people(*range(50))
    answers.give(ASKED, Described(people, {"age": (0.0, 40.0)}), lambda: {"n": 40})
    now = Described(people, {"age": (0.0, 60.0)}, lambda before: moved)
    told = answers.give(ASKED, now, (lambda: {"n": 60}) if is_given else _never)
    assert told.answer == ({"n": 60} if is_given else {"n": 40})


def test_people_whom_their_owner_calls_the_same_have_no_second_answer_under_other_columns(tmp_path):
    answers, cohort = _answers(tmp_path), replace(ASKED, dataset="cohort")
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    others = _people(*range(100, 150), columns=("a", "b"))
    with pytest.raises(AnswerWithheld):
        answers.give(cohort, Described(others, same_people={"people"}), _never)
    with pytest.raises(AnswerWithheld):
        _told(answers, cohort, _people(*range(50), columns=("a", "b")), _never)


def test_the_same_people_divided_anew_under_one_key_have_no_second_answer(tmp_path):
    answers, ages = _answers(tmp_path), {"age": np.arange(50.0)}
    who, half = np.array([f"p{one}" for one in range(50)]), np.arange(50) % 2 == 0
    _told(answers, ASKED, people_of(ages, who, half, secret=b"secret"), lambda: {"n": 25})
    rows = np.array([f"values:{one}" for one in range(50)])
    with pytest.raises(AnswerWithheld):
        _told(answers, replace(ASKED, dataset="cohort"), people_of(ages, rows, ~half, secret=b"secret"), _never)


def test_people_who_were_divided_anew_are_the_same_people(tmp_path):
    answers, ages = _answers(tmp_path), {"age": np.arange(50.0)}
    who = np.array([f"p{one}" for one in range(50)])
    halves = [people_of(ages, who, np.arange(50) % 2 == turn, secret=b"secret") for turn in (0, 1)]
    _told(answers, ASKED, halves[0], lambda: {"n": 25})
    with pytest.raises(AnswerWithheld, match="divided anew"):
        _told(answers, RowsQuestion("people", STATISTICS, "shareable", split="two"), halves[1], _never)


def test_other_columns_of_the_same_people_are_answered_and_of_nearly_the_same_not(tmp_path):
    answers = _answers(tmp_path)
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    with pytest.raises(AnswerWithheld):
        _told(answers, ASKED, _people(*range(51), columns=("age", "more")), _never)
    assert _told(answers, ASKED, _people(*range(50), columns=("age", "more")), lambda: {"more": 1}) == {"more": 1}


def test_the_ledger_knows_the_digest_of_an_answer_and_nothing_of_what_it_says(tmp_path):
    answers = _answers(tmp_path)
    _told(answers, ASKED, _people(*range(50)), lambda: {"secret number": 1234.5})
    (entry,) = answers.gate.ledger.entries()
    assert entry.body["note"]["answer"]["question"] == json.loads(_plain(ASKED))
    assert "1234.5" not in json.dumps(entry.body) and len(entry.body["note"]["answer"]["digest"]) == 64


def _plain(question: RowsQuestion) -> str:
    return json.dumps({name: getattr(question, name) for name in RowsQuestion.__slots__})


@pytest.mark.parametrize("lost", ["folder", "answers.json", "people", "older", "a byte"])
def test_a_memory_that_lacks_what_the_ledger_knows_is_found(tmp_path, lost):
    region, answers = tmp_path / "DE", _answers(tmp_path / "DE")
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    shutil.copytree(answers.folder, tmp_path / "older")
    _told(answers, ASKED, _people(*range(70)), lambda: {"n": 70})
    if lost == "folder":
        shutil.rmtree(answers.folder)
    elif lost == "answers.json":
        (answers.folder / lost).unlink()
    elif lost == "people":
        next(answers.folder.glob("people-*.bin")).write_bytes(b"")
    elif lost == "older":
        shutil.rmtree(answers.folder)
        shutil.copytree(tmp_path / "older", answers.folder)
    else:
        content = (answers.folder / "answers.json").read_bytes()
        (answers.folder / "answers.json").write_bytes(content.replace(b'"n":70', b'"n":71'))
    with pytest.raises(AnswersBroken, match="restore it from your copy"):
        _told(_answers(region), ASKED, _people(*range(71)), _never)


class Killed(BaseException):
    """Nobody catches it: as if the process had ended there."""


def test_a_kill_between_the_memory_and_the_ledger_loses_nothing_and_breaks_nothing(tmp_path, monkeypatch):
    answers = _answers(tmp_path)
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Gate, "note", killed)
        with pytest.raises(Killed):
            _told(answers, ASKED, _people(*range(70)), lambda: {"n": 70})
    again = _answers(tmp_path)
    assert _told(again, ASKED, _people(*range(71)), _never) == {"n": 70}
    assert len(again.gate.ledger.entries()) == 2


def test_back_to_the_first_people_and_one_more_is_no_third_answer(tmp_path):
    answers = _answers(tmp_path)
    _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    _told(answers, ASKED, _people(*range(70)), lambda: {"n": 70})
    assert _told(answers, ASKED, _people(*range(50), 100), _never) == {"n": 50}
    with pytest.raises(AnswerWithheld):
        _told(answers, ASKED, _people(*range(1, 50), 100), _never)
    assert _told(answers, ASKED, _people(*range(50)), _never) == {"n": 50}
    cohort = RowsQuestion("cohort", STATISTICS, "shareable", split="one")
    for near in (51, 71):
        with pytest.raises(AnswerWithheld):
            _told(answers, cohort, _people(*range(near)), _never)
    assert _told(answers, cohort, _people(*range(50)), _never) == {"n": 50}


def test_each_of_ten_versions_has_its_answer_for_ever_and_nothing_near_one_has_another(tmp_path):
    answers, steps = _answers(tmp_path), [range(10 * step, 10 * step + 40) for step in range(10)]
    for step, people in enumerate(steps):
        assert _told(answers, ASKED, _people(*people), lambda step=step: {"step": step}) == {"step": step}
    again = _answers(tmp_path)
    for step, people in reversed(list(enumerate(steps))):
        assert _told(again, ASKED, _people(*people), _never) == {"step": step}
        assert _told(again, ASKED, _people(*people, 1000), _never) == {"step": step}
        with pytest.raises(AnswerWithheld):
            _told(again, ASKED, _people(*people[1:], 1000), _never)
    sizes = {path.name.partition("-")[0]: path.stat().st_size for path in answers.folder.iterdir()}
    assert set(sizes) == {"answers.json", "people", "lock"} and sizes["people"] < 10 * 40 * 32
    assert len(again.gate.ledger.entries()) == 10


def _forged(path: Path, **changes: Any) -> None:
    """Writes an answer anew, under whatever seal somebody can make who has not the region's secret."""
    body = json.loads(path.read_bytes())["body"]
    body["answers"][-1] |= changes
    write_sealed(path, body, key=b"", bound="answers about people")


def test_a_forged_answer_is_found_although_the_ledger_did_not_know_of_it_yet(tmp_path, monkeypatch):
    answers = _answers(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Gate, "note", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    assert not answers.gate.ledger.entries()
    _forged(answers.folder / "answers.json", answer={"n": 51})
    with pytest.raises(AnswersBroken, match=r"answers\.json was changed, cut, forged"):
        _told(_answers(tmp_path), ASKED, _people(*range(50)), _never)


def test_the_memory_of_another_region_is_none(tmp_path):
    for name, secret in (("DE", SECRET), ("FR", SECRET[::-1])):
        answers = replace(_answers(tmp_path / name), secret=secret)
        _told(answers, ASKED, _people(*range(50)), lambda: {"n": 50})
    shutil.copy(tmp_path / "FR" / "answers" / "answers.json", tmp_path / "DE" / "answers")
    with pytest.raises(AnswersBroken, match="exchanged"):
        _told(_answers(tmp_path / "DE"), ASKED, _people(*range(50)), _never)


def _left(answers: Answers, kind: Kind, round_number: int | None = None, dataset: str = "people") -> None:
    artifact = Artifact(kind, Label(frozenset({"DE"})), b"x", count=50, name="n", pool=dataset, pool_people=50)
    answers.gate.cross(artifact, HUB, round_number=round_number)


def test_questions_are_counted_in_all_runs_whatever_the_version_or_the_name_for_a_year(tmp_path, monkeypatch):
    profile, limits = RowsQuestion("people", PROFILE, "all"), Limits(questions=3)
    answers = _answers(tmp_path, limits)
    _told(answers, profile, _people(*range(50)), lambda: {"rows": 50})
    _left(answers, Kind.REPORT)
    _left(answers, Kind.UPDATE, 1)
    _left(answers, Kind.METRICS, 1)  # the same round's
    answers.count()
    _left(answers, Kind.UPDATE, 2, dataset="cohort")
    for one in (answers, _answers(tmp_path, limits)):
        with pytest.raises(LimitExceeded, match=r"fedsov region set DE limits\.questions=8"):
            one.count()
    _told(answers, profile, _people(*range(70)), lambda: {"rows": 70})
    with pytest.raises(LimitExceeded):
        answers.count()
    for days, is_counted in ((QUESTION_DAYS - 1, True), (QUESTION_DAYS + 1, False)):
        monkeypatch.setattr(memory, "datetime", _Later(timedelta(days=days)))
        if is_counted:
            with pytest.raises(LimitExceeded):
                answers.count()
        else:
            answers.count()


@dataclass(frozen=True)
class _Later:
    """A clock that is so far ahead."""

    ahead: timedelta

    def now(self, zone: tzinfo) -> datetime:
        return datetime.now(zone) + self.ahead


def test_questions_about_example_rows_are_not_counted(tmp_path):
    answers = _answers(tmp_path, Limits(questions=1))
    _left(replace(answers, gate=replace(answers.gate, marks=("example rows",))), Kind.UPDATE, 1)
    answers.count()
    _left(answers, Kind.UPDATE, 1)
    with pytest.raises(LimitExceeded):
        answers.count()


def test_a_memory_that_cannot_be_written_answers_nothing(tmp_path):
    (tmp_path / "answers").write_text("a file in the folder's place")
    with pytest.raises(WorkspaceUnusable, match="answers"):
        _told(_answers(tmp_path), ASKED, _people(*range(50)), lambda: {"n": 50})


def _give(folder: Path, size: int) -> None:
    _told(_answers(folder), ASKED, _people(*range(50)), lambda: {"n": size})


def test_two_runs_that_ask_at_once_get_one_answer(tmp_path):
    _answers(tmp_path).gate.ledger.close()
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_give, args=(tmp_path, size)) for size in (1, 2, 3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    answers = _answers(tmp_path)
    assert len(answers.gate.ledger.entries()) == 1
    assert _told(answers, ASKED, _people(*range(50)), _never)["n"] in (1, 2, 3)
