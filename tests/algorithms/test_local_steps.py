"""A learning rate's factor by round: known values, never 0, and the same whatever rounds came before."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fedsov.algorithms.local_steps import READS, Schedule, client_number
from fedsov.errors import ConfigurationError


def _rates(schedule: Schedule, rounds: int) -> list[float]:
    return [schedule.rate(number, rounds) for number in range(1, rounds + 1)]


def test_a_client_s_own_number_is_its_number_whatever_kind_of_whole_number_it_is() -> None:
    for kind in (int, np.int64, np.uint8, np.int32):
        assert client_number(kind(7)) == 7 and type(client_number(kind(7))) is int
    assert client_number(2**32) == client_number(str(2**32)) and client_number("7") != 7


def test_a_constant_rate_stays() -> None:
    assert _rates(Schedule(), 5) == [1.0] * 5


def test_a_cosine_falls_from_one_to_its_least_by_the_paper_s_formula() -> None:
    least, rounds = 0.1, 9
    expected = [least + 0.5 * (1 - least) * (1 + math.cos(t / (rounds - 1) * math.pi)) for t in range(rounds)]
    found = _rates(Schedule("cosine", least=least), rounds)
    assert found == pytest.approx(expected) and found == sorted(found, reverse=True)
    assert (found[0], found[-1]) == (1.0, pytest.approx(least))


def test_steps_fall_after_every_so_many_rounds() -> None:
    assert _rates(Schedule("step", every=2, by=0.5), 6) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("name", READS)
def test_a_warm_up_rises_from_zero_in_equal_steps_and_the_schedule_takes_the_rounds_after_it(name: str) -> None:
    found = _rates(Schedule(name, warmup=3, every=1), 8)
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[3:] == _rates(Schedule(name, every=1), 5)


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("rounds", [1, 2, 3, 10])
def test_no_round_has_a_rate_of_zero(name: str, rounds: int) -> None:
    for warmup in (0, 1, rounds, rounds + 2):
        assert all(0.0 < rate <= 1.0 for rate in _rates(Schedule(name, warmup=warmup), rounds))


def test_steps_beyond_all_numbers_are_infinite_and_no_error() -> None:
    assert Schedule("step", every=1, by=1e300).rate(3, 3) == math.inf


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"name": "linear"}, "schedule must be one of constant, cosine, step, got 'linear'"),
        ({"least": 0.0}, "least must be a number above 0 and at most 1, got 0.0"),
        ({"least": True}, "least must be"),
        ({"every": 0}, "every must be a whole number of 1 or more, got 0"),
        ({"every": 2.5}, "every must be a whole number"),
        ({"by": math.inf}, "by must be a number above 0, got inf"),
        ({"warmup": -1}, "warmup must be a whole number of 0 or more, got -1"),
    ],
)
def test_impossible_numbers_are_refused(numbers: dict, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        Schedule(**numbers)
