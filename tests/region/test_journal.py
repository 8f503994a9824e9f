"""What a region remembers of a run: own states by round."""

from __future__ import annotations

import numpy as np
import pytest

from fedsov.errors import BudgetBroken, CheckpointDamaged
from fedsov.region.journal import ROUNDS_KEPT, Journal, OwnStates, Released
from fedsov.training.client_state import InMemoryStates
from tests.own_settings import SECRET


def _states(region):
    journal = Journal.open(region, "r1", SECRET)
    return OwnStates(journal, journal.folder)


def test_a_round_that_is_asked_for_again_begins_with_the_same_arrays_in_another_process(tmp_path):
    first = _states(tmp_path)
    assert first.load("shareable", 1) == {}
    first.save("shareable", 2, {"private/2.bias": np.float32([1.5])})
    first.save("shareable", 3, {"private/2.bias": np.float32([2.5])})
    again = _states(tmp_path)
    assert [float(again.load("shareable", number)["private/2.bias"][0]) for number in (2, 3)] == [1.5, 2.5]


def test_only_the_newest_rounds_are_kept_and_others_are_never_guessed(tmp_path):
    states = _states(tmp_path)
    for number in range(2, ROUNDS_KEPT + 4):
        states.save("public", number, {"control/0.bias": np.float32([number])})
    assert len(list(states.folder.glob("own-public-*"))) == ROUNDS_KEPT
    with pytest.raises(CheckpointDamaged, match="kept nothing to begin round 2"):
        states.load("public", 2)
    assert states.load("shareable", 2) == {}  # it took part in none before


def test_a_changed_state_is_refused(tmp_path):
    states = _states(tmp_path)
    states.save("public", 2, {"residual/0.bias": np.float32([2])})
    path = states.folder / "own-public-0002.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointDamaged, match="changed"):
        states.load("public", 2)


def test_a_region_that_missed_rounds_begins_with_the_newest_it_has_and_never_with_a_later_one(tmp_path):
    states = _states(tmp_path)
    for number in (2, 5):
        states.save("shareable", number, {"private/2.bias": np.float32([number])})
    for number, kept in ((2, 2), (3, 2), (4, 2), (5, 5), (9, 5)):
        assert float(states.load("shareable", number)["private/2.bias"][0]) == kept
    assert states.load("shareable", 1) == {}


def test_a_file_that_was_lost_is_no_missed_round(tmp_path):
    states = _states(tmp_path)
    for number in (2, 3):
        states.save("shareable", number, {"private/2.bias": np.float32([number])})
    (states.folder / "own-shareable-0003.safetensors").unlink()
    with pytest.raises(CheckpointDamaged):
        states.load("shareable", 4)


def test_a_round_after_others_without_this_region_begins_with_what_it_last_kept(tmp_path):
    for states in (_states(tmp_path), InMemoryStates()):
        states.save("shareable", 2, {"residual/change": np.float32([2])})
        states.save("shareable", 6, {"residual/change": np.float32([6])})  # after round 5; 3 and 4 were without it
        found = [float(states.load("shareable", number)["residual/change"][0]) for number in (2, 5, 5, 6)]
        assert found == [2, 2, 2, 6]


def test_a_region_that_came_late_begins_its_first_round_with_nothing_however_often_it_is_asked(tmp_path):
    for states in (_states(tmp_path), InMemoryStates()):
        assert states.load("shareable", 3) == {}
        states.save("shareable", 4, {"private/2.bias": np.float32([4])})
        assert states.load("shareable", 3) == {}


class _Noted:
    """What a ledger was told of releases; the newest is what it knows."""

    def __init__(self):
        self.states = [None]

    def __call__(self, state):
        self.states.append(dict(state))


def _released(region, noted):
    return Released(Journal.open(region, "r1", SECRET), noted)


def test_each_release_is_noted_once_it_is_on_the_disk_and_its_journal_is_known_again(tmp_path):
    noted = _Noted()
    memory = _released(tmp_path, noted)
    memory.check(None)
    memory.keep(statistics={"age": [1.5, float("nan")]})
    memory.keep({"w": np.float32([2.5])}, question="q1", rounds_left=1)
    assert [state["count"] for state in noted.states[1:]] == [1, 2]
    again = _released(tmp_path, noted)
    again.check(noted.states[-1])
    assert again.recall()["question"] == "q1" and again.recall().keys() == memory.recall().keys()
    assert len(noted.states) == 3


@pytest.mark.parametrize("release", ["statistics", "median", "update"])
def test_a_journal_that_is_lost_or_put_back_is_found_for_every_kind_of_release(tmp_path, release):
    noted = _Noted()
    memory = _released(tmp_path, noted)
    memory.keep(before="anything")
    older = (tmp_path / "runs" / "r1" / "journal.json").read_bytes()
    memory.keep(**({release: 1.5} if release != "update" else {"arrays": {"w": np.float32([1])}, "question": "q"}))
    memory.keep(another="thing")
    for put in (lambda path: path.write_bytes(older), lambda path: path.unlink()):
        put(tmp_path / "runs" / "r1" / "journal.json")
        with pytest.raises(BudgetBroken, match="it was lost, cut or put back"):
            _released(tmp_path, noted).check(noted.states[-1])


def test_a_journal_whose_release_was_exchanged_is_found(tmp_path):
    noted = _Noted()
    _released(tmp_path, noted).keep(statistics={"age": [1.5, 2]})
    journal = Journal.open(tmp_path, "r1", SECRET)
    journal.note(private={**journal.notes["private"], "statistics": {"age": [1.25, 2]}})
    with pytest.raises(BudgetBroken, match="it was changed"):
        _released(tmp_path, noted).check(noted.states[-1])


def test_a_release_that_was_kept_and_not_yet_noted_when_the_process_was_killed_is_noted_then(tmp_path):
    noted = _Noted()
    memory = _released(tmp_path, noted)
    memory.keep(median=1.5)
    memory.keep(statistics={"age": [1.5]})
    killed = noted.states[:2]
    again = _Noted()
    _released(tmp_path, again).check(killed[-1])
    assert again.states[-1] == noted.states[-1]
    for behind in (None, {"count": 1, "digest": "0" * 64}, {"count": 3, "digest": "0" * 64}):
        with pytest.raises(BudgetBroken):
            _released(tmp_path, again).check(behind)


def test_a_journal_that_lacks_the_scores_of_a_round_that_left_is_found(tmp_path):
    journal = Journal.open(tmp_path, "r1", SECRET)
    journal.check_rounds(0)
    with pytest.raises(CheckpointDamaged, match="round 1 left this region, and the run's journal knows of 0"):
        journal.check_rounds(1)
    journal.rounds([("loss", 0.5, 0), ("loss", float("nan"), 1)])
    again = Journal.open(tmp_path, "r1", SECRET)
    again.check_rounds(2)
    with pytest.raises(CheckpointDamaged, match="begin a new run"):
        again.check_rounds(3)
