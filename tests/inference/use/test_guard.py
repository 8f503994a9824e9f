"""A version that was rolled out is judged by its own region over the requests that it had."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from fedsov.errors import ConfigurationError
from fedsov.inference.use.drift import DriftWindow, Reference
from fedsov.inference.use.guard import DRIFT, ERRORS, OK, SLOW, WATCHING, GuardLimits, VersionWindow, at_least, judge
from fedsov.inference.use.usage import FINE, Usage, joined

LIMITS = GuardLimits()
KEY = ("m", 2)
RNG = np.random.default_rng(0)
REFERENCE = Reference.of({"a": RNG.normal(size=2000)}, RNG.uniform(size=2000))


def window(
    requests: int = 500, *, seconds: float = 0.001, slow: int = 0, faults: int = 0, unread: int = 0
) -> VersionWindow:
    """What a worker counted of so many answers, `slow` of which took forty times longer."""
    usage = Usage()
    for number in range(requests):
        usage.answered(*KEY, "champion", rows=1, seconds=seconds * (40 if number < slow else 1))
    for _ in range(faults):
        usage.failed(*KEY, "champion")
    for _ in range(unread):
        usage.unread(*KEY, "champion")
    return VersionWindow.of(joined([json.loads(json.dumps(usage.snapshot(0.0)))]), KEY)


def asked(shift: float, rows: int = 400) -> DriftWindow:
    rng = np.random.default_rng(1)
    return DriftWindow(REFERENCE).with_rows(rng.normal(shift, size=(rows, 1)), rng.uniform(size=(rows, 1)))


def test_fewer_requests_than_were_asked_for_are_watched_whatever_they_are():
    assert judge(window(100, faults=99), window(), LIMITS).word == WATCHING
    assert judge(window(100, faults=99), window(), GuardLimits(requests=150)).word == ERRORS


def test_a_version_that_does_as_the_one_before_is_ok_and_says_no_count():
    judged = judge(window(), window(), LIMITS)
    assert (judged.word, judged.stops) == (OK, False)
    assert judged.bands == {"errors": "up to 0.01", "slower": "up to 1.5", "psi": "unknown"}
    assert judged.unjudged == ("drift: the region has no reference of its inputs in training",)


@pytest.mark.parametrize(("faults", "word"), [(5, OK), (6, ERRORS)])
def test_more_than_one_in_a_hundred_that_fail_are_too_many(faults: int, word: str):
    assert judge(window(500 - faults, faults=faults), None, LIMITS).word == word


def test_rows_that_are_not_read_count_as_far_as_the_version_before_read_them():
    careless = window(450, unread=50)
    assert judge(careless, window(450, unread=50), LIMITS).word == OK
    assert judge(careless, window(500), LIMITS).word == ERRORS
    assert judge(careless, None, LIMITS).word == ERRORS, "nothing says that clients were careless before"


@pytest.mark.parametrize(("times", "word"), [(1.0, OK), (1.9, OK), (2.6, SLOW), (40.0, SLOW)])
def test_a_version_whose_slowest_answers_take_twice_as_long_is_slow(times: float, word: str):
    assert judge(window(seconds=0.001 * times), window(), LIMITS).word == word


def test_a_few_slow_answers_of_two_hundred_are_chance_and_many_are_not():
    before = window(5000)
    assert judge(window(200, slow=3), before, LIMITS).word == OK
    assert judge(window(200, slow=12), before, LIMITS).word == SLOW


def test_slowness_without_a_version_before_is_said_to_be_unjudged():
    for before in (None, window(199)):
        judged = judge(window(seconds=1.0), before, LIMITS)
        assert judged.word == OK and judged.bands["slower"] == "unknown"
        assert any(each.startswith("slow: no version before it answered 200 requests") for each in judged.unjudged)


@pytest.mark.parametrize(("shift", "word"), [(0.0, OK), (1.5, DRIFT)])
def test_inputs_unlike_those_of_training_are_drift_and_the_input_is_named(shift: float, word: str):
    judged = judge(VersionWindow(requests=400, drift=asked(shift)), None, LIMITS)
    assert judged.word == word and ("a (PSI above 0.25)" in judged.why) == (word == DRIFT)


def test_a_window_is_what_came_since_and_all_of_it_where_counting_began_anew():
    then, now = window(300, faults=2, slow=1), window(800, faults=3, slow=2)
    since = now.since(then)
    assert (since.requests, since.faults, sum(since.fine)) == (500, 1, 500)
    assert window(100).since(now) == window(100), "the endpoint was started again"
    assert now.since(VersionWindow()) == now


def test_a_window_survives_json():
    own = window(250, slow=4, unread=1)
    assert VersionWindow.from_json(json.loads(json.dumps(own.to_json()))) == own


def test_the_percentile_is_that_of_the_seconds_to_a_quarter_of_a_doubling():
    usage, rng = Usage(), np.random.default_rng(2)
    seconds = rng.lognormal(-6.0, 0.5, 3000)
    for each in seconds:
        usage.answered(*KEY, "champion", rows=1, seconds=float(each))
    own = VersionWindow.of(joined([usage.snapshot(0.0)]), KEY)
    exact = float(np.quantile(seconds, 0.99))
    assert exact / 1.01 <= own.p99 <= exact * 2**0.25 * 1.01
    assert VersionWindow().p99 == 0.0 and VersionWindow(fine=(0,) * len(FINE) + (5,)).p99 == math.inf


def test_the_probability_is_the_binomial_one():
    by_hand = sum(math.comb(200, k) * 0.01**k * 0.99 ** (200 - k) for k in range(5, 201))
    assert at_least(5, of=200, share=0.01) == pytest.approx(by_hand, rel=1e-9)
    assert at_least(10_000, of=20_000, share=0.01) == 0.0


@pytest.mark.parametrize("plain", [{"requests": 0}, {"errors": 0}, {"slower": 1}, {"psi": "x"}, {"p99": 2}])
def test_limits_that_cannot_be_are_refused(plain):
    with pytest.raises(ConfigurationError, match="serving.guard"):
        GuardLimits.from_settings(plain)
