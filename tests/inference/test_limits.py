"""RequestLimits of an endpoint: what they refuse to be, and how a rate admits."""

from __future__ import annotations

import pytest

from fedsov.errors import ConfigurationError
from fedsov.inference.limits import MOST_SUBJECTS, Rate, RequestLimits


def test_a_limit_that_there_is_not_is_named():
    with pytest.raises(ConfigurationError, match="bodies"):
        RequestLimits.from_json({"bodies": 3})


@pytest.mark.parametrize("given", [{"body": 0}, {"rows": 0}, {"seconds": 0}, {"per_second": -1}, {"rows": 1.5}])
def test_a_limit_that_cannot_be_is_refused_by_its_name(given):
    with pytest.raises(ConfigurationError, match=rf"serving\.limits\.{next(iter(given))}"):
        RequestLimits.from_json(given)


def test_limits_survive_json():
    limits = RequestLimits(body=100, rows=2, per_subject=0.5)
    assert RequestLimits.from_json(limits.to_json()) == limits


def test_no_rate_admits_all():
    assert all(Rate(0.0).admits("a", 0.0) for _ in range(1000))


def test_a_rate_admits_a_second_s_worth_and_then_its_rate():
    rate = Rate(10.0)
    assert sum(rate.admits("a", 0.0) for _ in range(50)) == 10
    assert sum(rate.admits("a", second / 100) for second in range(1, 301)) == pytest.approx(30, abs=1)


def test_a_rate_below_one_a_second_admits_the_first_at_once():
    rate = Rate(0.1)
    assert [rate.admits("a", now) for now in (0.0, 1.0, 9.0, 10.1)] == [True, False, False, True]


def test_a_clock_that_goes_back_gives_no_more_and_takes_nothing():
    rate = Rate(1.0)
    assert rate.admits("a", 100.0)
    assert not rate.admits("a", 0.0)
    assert not rate.admits("a", 100.5)
    assert rate.admits("a", 101.0)


def test_one_subject_s_rate_is_not_another_s():
    rate = Rate(1.0)
    assert rate.admits(("issuer", "a"), 0.0) and not rate.admits(("issuer", "a"), 0.0)
    assert rate.admits(("issuer", "b"), 0.0)


def test_subjects_without_end_take_no_memory_without_end():
    rate = Rate(1.0)
    for number in range(MOST_SUBJECTS + 10):
        rate.admits(number, 0.0)
    assert len(rate._buckets) <= MOST_SUBJECTS


def test_workers_share_a_rate_out():
    total, each = RequestLimits(per_second=100.0, per_subject=2.0).of_one_worker(4)
    assert total.per_second == 25.0 and each.per_second == 0.5
