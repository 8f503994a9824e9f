"""Limits: their defaults, their bounds, and what a training may not exceed."""

import numpy as np
import pytest

from fedsov.algorithms.local_steps import LocalSteps, Schedule
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import ConfigurationError, LimitExceeded
from fedsov.model.network import NetworkSpec
from fedsov.region.limits import Limits


def training(*, rounds: int = 10, schedule: Schedule | None = None, **steps: float) -> TrainingSpec:
    return TrainingSpec(
        NetworkSpec(),
        LocalSteps(**steps),
        rounds=rounds,
        schedule=schedule or Schedule(),  # type: ignore[arg-type]
    )


def test_limits_survive_plain_values_and_an_empty_group_is_the_defaults():
    limits = Limits(rounds=7, learning_rate=np.float64(0.5), least_people=25, dominance=0.2)
    assert Limits.from_settings(limits.to_json()) == limits
    assert Limits.from_settings({}) == Limits()


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"rounds": 0}, "limits.rounds must be a whole number of 1 or more, got 0"),
        ({"least_people": 9}, "limits.least_people must be a whole number of 10 or more, got 9"),
        ({"dominance": 0}, "limits.dominance must be a number above 0 and at most 1, got 0"),
        ({"dominance": 1.1}, "limits.dominance must be a number above 0 and at most 1, got 1.1"),
        ({"learning_rate": float("nan")}, "limits.learning_rate must be a number"),
        ({"steps": True}, "limits.steps must be a whole number"),
        ({"question": 5}, "limits.question is not a setting; did you mean limits.questions"),
        (None, "limits must be a mapping"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_by_its_name_in_the_file(group, message):
    with pytest.raises(ConfigurationError) as caught:
        Limits.from_settings(group)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "asked", "remedy"),
    [
        (Limits(rounds=9), training(), "fedsov region set DE limits.rounds=10"),
        (Limits(learning_rate=0.1), training(learning_rate=0.5), "fedsov region set DE limits.learning_rate=0.5"),
        (
            Limits(learning_rate=0.1),
            training(learning_rate=0.1, schedule=Schedule("step", every=2, by=2.0)),
            "fedsov region set DE limits.learning_rate=1.6",
        ),
        (Limits(steps=19), training(batch=10, epochs=2), "fedsov region set DE limits.steps=20"),
    ],
)
def test_a_training_beyond_a_limit_is_refused_with_the_command_that_would_allow_it(limits, asked, remedy):
    with pytest.raises(LimitExceeded) as caught:
        limits.check("DE", asked, rows=100)
    assert remedy in str(caught.value)
    name, value = remedy.removeprefix("fedsov region set DE limits.").split("=")
    Limits.from_settings({**limits.to_json(), name: float(value) if "." in value else int(value)}).check(
        "DE", asked, rows=100
    )


def test_a_training_at_its_limits_is_allowed_and_one_row_more_is_not():
    limits, asked = Limits(rounds=10, learning_rate=0.02, steps=20), training(batch=10, epochs=2)
    limits.check("DE", asked, rows=100)
    with pytest.raises(LimitExceeded, match="22 steps a round are more than the 20"):
        limits.check("DE", asked, rows=101)


def test_the_answer_after_the_last_allowed_one_is_refused():
    Limits(questions=3).check_questions("DE", 3)
    with pytest.raises(LimitExceeded, match=r"fedsov region set DE limits\.questions=8"):
        Limits(questions=3).check_questions("DE", 4)


@pytest.mark.parametrize(
    ("steps", "mends"),
    [
        ({"batch": 9}, {"batch": 10}),
        ({"batch": 3, "accumulate": 3}, {"batch": 4, "accumulate": 3}),
        ({"learning_rate": 1.0, "weight_decay": 1.0}, {"learning_rate": 0.09, "weight_decay": 1.0}),
        ({"learning_rate": 0.5, "proximal_mu": 0.59}, {"learning_rate": 0.15, "proximal_mu": 0.59}),
    ],
)
def test_steps_over_people_that_tell_of_the_last_rows_are_refused_and_over_examples_not(steps, mends):
    Limits().check("DE", training(**steps), rows=100)
    setting = next(name for name, value in mends.items() if steps[name] != value)
    with pytest.raises(LimitExceeded, match=rf"region DE.*set model\.round\.{setting}={mends[setting]}\b"):
        Limits().check("DE", training(**steps), rows=100, people=True)
    Limits().check("DE", training(**mends), rows=100, people=True)


def test_a_pull_is_measured_at_the_schedules_greatest_rate():
    asked = training(learning_rate=0.1, weight_decay=0.9, schedule=Schedule("step", every=2, by=2.0))
    with pytest.raises(LimitExceeded, match="forgets"):
        Limits().check("DE", asked, rows=100, people=True)
