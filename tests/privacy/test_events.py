"""Events: what is not known is refused, never guessed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError
from fedsov.privacy.events import Event

SAMPLED = Event("sampled_gaussian", noise_multiplier=1.1, sampling_rate=0.01, steps=100, sampler="poisson")
KINDS = [SAMPLED, Event("gaussian", 2.0, steps=3), Event("laplace", 0.5), Event("stated", epsilon=0.1, delta=1e-9)]


@pytest.mark.parametrize("event", KINDS, ids=lambda event: event.kind)
def test_every_kind_comes_back_from_json_as_it_was(event: Event) -> None:
    assert Event.from_json(event.to_json()) == event


@given(noise=st.floats(1e-3, 1e3), rate=st.floats(1e-6, 1.0), steps=st.integers(1, 10**7))
def test_a_sampled_event_comes_back_from_json_bit_by_bit(noise: float, rate: float, steps: int) -> None:
    event = replace(SAMPLED, noise_multiplier=noise, sampling_rate=rate, steps=steps)
    assert Event.from_json(event.to_json()) == event


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "gauss"}, "the kind of an event must be one of .*'gauss'; did you mean gaussian"),
        ({"sampler": "shuffle"}, "no other way of sampling has an accounting"),
        ({"sampler": "none"}, "has the sampler 'poisson', got 'none'"),
        (
            {"neighbours": "replace_one"},
            "must be one of add_or_remove_one, got 'replace_one'",
        ),
        ({"noise_multiplier": 0.0}, "noise_multiplier must be a number above 0"),
        ({"noise_multiplier": math.nan}, "noise_multiplier must be a number above 0"),
        ({"noise_multiplier": math.inf}, "noise_multiplier must be a number above 0"),
        ({"sampling_rate": 0.0}, "sampling_rate must be a number above 0 and at most 1"),
        ({"sampling_rate": 1.1}, "sampling_rate must be a number above 0 and at most 1"),
        ({"steps": 0}, "steps must be a whole number of 1 or more"),
        ({"steps": True}, "steps must be a whole number of 1 or more"),
        ({"steps": 1.5}, "steps must be a whole number of 1 or more"),
        ({"epsilon": 0.1}, "for a stated event alone"),
        ({"kind": "gaussian", "sampler": "none"}, "does not sample"),
        ({"kind": "stated", "sampler": "none", "noise_multiplier": 0.0, "sampling_rate": 1.0}, "one is above 0"),
        ({"colour": "blue"}, "an event has exactly"),
    ],
)
def test_what_no_event_can_be_is_refused_when_read(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Event.from_json(SAMPLED.to_json() | change)


@pytest.mark.parametrize("name", SAMPLED.to_json())
def test_an_event_that_lacks_a_word_is_not_completed_by_a_default(name: str) -> None:
    with pytest.raises(ConfigurationError, match="exactly"):
        Event.from_json({key: value for key, value in SAMPLED.to_json().items() if key != name})
