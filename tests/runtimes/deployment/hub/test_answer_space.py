"""The share of memory that regions' answers take: each has its own, and what waits for nobody counts no more."""

import pytest

from fedsov.runtimes.deployment.hub.answer_space import LEAST, AnswerSpace, SpaceFull, half_of_memory


def test_a_region_has_its_own_share_and_all_together_theirs():
    space = AnswerSpace(most=3 * LEAST, of_region=2 * LEAST)
    with space.reading("DE", LEAST):
        space.keep("DE", 1, "q1", LEAST)
        with pytest.raises(SpaceFull, match="answers of DE"), space.reading("DE", LEAST):
            pass
        with space.reading("FR", LEAST), pytest.raises(SpaceFull, match="all regions"), space.reading("US", LEAST):
            pass
    with space.reading("US", 1):
        pass


def test_what_is_taken_or_waits_for_a_run_that_ended_counts_no_more():
    space = AnswerSpace(most=LEAST, of_region=LEAST)
    for end in (lambda: space.taken(["q"]), lambda: space.ended(lambda run: run == 1)):
        space.keep("DE", 1, "q", 1)
        assert space.waiting(["q", "another"]) == ["q"]
        assert space.runs() == {1}
        with pytest.raises(SpaceFull), space.reading("DE", 1):
            pass
        end()
        with space.reading("DE", 1):
            pass


def test_a_reading_that_breaks_off_gives_its_room_back():
    space = AnswerSpace(most=LEAST)
    with pytest.raises(ZeroDivisionError), space.reading("DE", LEAST):
        raise ZeroDivisionError
    with space.reading("DE", LEAST):
        pass
    assert half_of_memory() > LEAST
