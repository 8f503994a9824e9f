"""One value for the mechanism and its bookkeeping, and noise that nobody can foresee."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError
from fedsov.privacy.mechanism import RecordMechanism, noise_generator, unsafe_noise_generator
from tests.world import ROOT

mechanisms = st.builds(
    RecordMechanism,
    clip=st.floats(1e-3, 1e3),
    noise_multiplier=st.floats(1e-2, 1e3),
    sampling_rate=st.floats(1e-6, 1.0),
    steps=st.integers(1, 10**6),
)


@given(mechanism=mechanisms)
def test_mechanism_and_event_carry_the_same_numbers(mechanism: RecordMechanism) -> None:
    event = mechanism.event
    assert event.kind == "sampled_gaussian" and event.sampler == "poisson"
    assert mechanism.stddev == event.noise_multiplier * mechanism.clip
    assert (event.noise_multiplier, event.sampling_rate, event.steps) == (
        mechanism.noise_multiplier,
        mechanism.sampling_rate,
        mechanism.steps,
    )


@given(mechanism=mechanisms, share=st.floats(0.0, 1.0))
def test_a_part_of_the_steps_is_the_same_mechanism_and_never_more_of_it(
    mechanism: RecordMechanism, share: float
) -> None:
    part = mechanism.for_steps(1 + round(share * (mechanism.steps - 1)))
    assert part.steps <= mechanism.steps and part.stddev == mechanism.stddev
    with pytest.raises(ConfigurationError, match="was accounted for"):
        mechanism.for_steps(mechanism.steps + 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clip", 0.0),
        ("clip", -1.0),
        ("clip", math.nan),
        ("clip", math.inf),
        ("clip", "1"),
        ("noise_multiplier", 0.0),
        ("noise_multiplier", math.nan),
        ("sampling_rate", 0.0),
        ("sampling_rate", 1.5),
        ("steps", 0),
        ("steps", 2.0),
    ],
)
def test_impossible_numbers_are_refused_on_construction(name: str, value: Any) -> None:
    numbers: dict[str, Any] = {"clip": 1.0, "noise_multiplier": 1.0, "sampling_rate": 0.1, "steps": 10}
    with pytest.raises(ConfigurationError, match=name):
        RecordMechanism(**numbers | {name: value})


def test_the_sum_is_divided_by_the_expected_batch_and_not_by_the_drawn_one() -> None:
    assert RecordMechanism(1.0, 1.0, 0.05, 1).expected_batch(2000) == 100.0
    with pytest.raises(ConfigurationError, match="1 row or more"):
        RecordMechanism(1.0, 1.0, 0.05, 1).expected_batch(0)


def test_no_two_generators_draw_the_same_noise() -> None:
    drawn = {tuple(noise_generator().normal(size=4)) for _ in range(50)}
    assert len(drawn) == 50


def test_numpy_s_own_seed_has_no_say_in_the_noise() -> None:
    drawn = set()
    for _ in range(2):
        np.random.seed(0)
        drawn.add(noise_generator().normal())
    assert len(drawn) == 2


def test_a_seeded_generator_repeats_and_warns(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        one, two = unsafe_noise_generator(7), unsafe_noise_generator(7)
    assert one.normal() == two.normal()
    assert "nothing is private" in caplog.text


def test_importing_the_mechanism_and_the_budget_loads_nothing_heavy() -> None:
    code = (
        "import sys, fedsov.privacy.mechanism, fedsov.privacy.accounting, fedsov.privacy.budget;"
        "print({'torch', 'dp_accounting', 'scipy', 'flwr'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"
