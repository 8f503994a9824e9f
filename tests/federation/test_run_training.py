"""What a run's configuration says of its training: schedules, the end of a training, steps and losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fedsov.composing import compose
from fedsov.config import settings
from fedsov.errors import ConfigurationError
from fedsov.federation import assemble
from fedsov.federation.api import WarmFor
from fedsov.federation.modules import TO_TRAIN
from fedsov.federation.result import RunResult
from fedsov.federation.warm import Warm
from fedsov.training.schedule import Schedule
from tests.federation.test_resume import _assert_same, _killed, _resume, _words

Parameters = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with WarmFor(TO_TRAIN) as found:
        yield found


def _trained(place: Path, warm: Warm, *more: str) -> RunResult:
    place.mkdir(exist_ok=True)
    return assemble.train(settings(compose(_words(place, *more))), warm, say=lambda _: None)


def _joint(result: RunResult) -> Parameters:
    (path,) = result.workspace.glob("hub/models/*/people/model.safetensors")
    return load_file(path)


def _asked(*overrides: str):
    return settings(compose(overrides))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("cosine", Schedule("cosine")),
        ("{name:cosine,least:0.2,warmup:2}", Schedule("cosine", least=0.2, warmup=2)),
        ("{name:step,every:3,by:0.1}", Schedule("step", every=3, by=0.1)),
        ("{name:constant,warmup:1}", Schedule(warmup=1)),
    ],
)
def test_a_schedule_is_set_by_its_name_or_with_its_numbers(given: str, expected: Schedule) -> None:
    assert _asked(f"federation.schedule={given}").schedule == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("linear", "no schedule 'linear'"),
        ("{name:cosine,every:3}", "federation.schedule.every is not a setting"),
        ("{name:step,every:0}", "every must be a whole number of 1 or more, got 0"),
        ("{least:0.1}", "no schedule 'None'"),
        ("[cosine]", 'no schedule "[[]'),
    ],
)
def test_a_schedule_that_would_be_ignored_or_is_none_is_refused(given: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        _asked(f"federation.schedule={given}")


def test_the_regions_step_at_the_round_s_rate(tmp_path: Path, warm: Warm) -> None:
    still = "federation.schedule={name:step,every:1,by:1e-9}"
    one = _trained(tmp_path / "one", warm, "federation.rounds=1", still)
    three = _trained(tmp_path / "three", warm, "federation.rounds=3", still)
    for name, array in _joint(one).items():
        np.testing.assert_allclose(_joint(three)[name], array, atol=1e-6)


def test_a_scheduled_run_that_is_killed_ends_as_if_it_had_not_been(tmp_path: Path, warm: Warm) -> None:
    schedule = "federation.schedule={name:cosine,least:0.1,warmup:1}"
    whole = _trained(tmp_path / "whole", warm, schedule)
    words = _words(tmp_path / "killed", schedule)
    _killed(words, warm, line="joint model, round 2/3")
    _assert_same(_resume(tmp_path / "killed" / "w", warm).workspace, whole.workspace)
