"""A round's answer is read as another party's update would be: whatever is not of this round is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from fedsov.algorithms.compression import Compression
from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import BenchFailed, FedsovError, TrainingFailed
from fedsov.model.network import initial
from fedsov.model.parameters import flat
from fedsov.privacy.mechanism import RecordMechanism, generators_of
from fedsov.region.bench.rounds import NoisySteps, Outline, RoundAnswer, RoundTask
from fedsov.region.bench.tasks import THIS_PROCESS, Written
from fedsov.training.client_state import ClientState, Layout
from tests.region.bench.world import MLP, STEPS, same

KEPT = Personalization(PrivateParameters(("intercept",)), ditto_lambda=0.3)


def _round(noise: NoisySteps | None = None, **changes: Any) -> RoundTask:
    """A round over 60 rows of three inputs; 20 more are scored."""
    training = TrainingSpec(MLP, STEPS, personalization=KEPT, **changes)
    rng, whole, layout = np.random.default_rng(0), initial(MLP, 3, 0), Layout.of(training, 3)
    rows = rng.normal(size=(60, 3)).astype(np.float32), rng.integers(0, 2, 60).astype(np.float32)
    state = ClientState.first(training, layout, flat(whole, layout.shaped), 1)
    scored = rng.normal(size=(20, 3)).astype(np.float32)
    return RoundTask(training, 1, 7, rows, scored, whole=whole, state=state, layout=layout, noise=noise)


def _changed(name: str, array: np.ndarray | None) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    def change(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        other = {key: value for key, value in arrays.items() if key != name}
        return other if array is None else {**other, name: array}

    return change


LIES: list[tuple[Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]], type[FedsovError], str]] = [
    (_changed("logits", None), BenchFailed, "'logits' as none"),
    (_changed("logits", np.zeros(21, np.float32)), BenchFailed, r"float32\[21\]; expected float32\[20\]"),
    (_changed("sent/0.weight", None), BenchFailed, "other parameters than the network's"),
    (_changed("sent/2.bias", np.zeros(1, np.float32)), BenchFailed, "other parameters"),
    (_changed("sent/rows", np.zeros((60, 3), np.float32)), BenchFailed, "other parameters"),
    (_changed("sent/0.bias", np.zeros(9, np.float32)), BenchFailed, r"expected float32\[4\]"),
    (_changed("sent/0.bias", np.full(4, np.nan, np.float32)), TrainingFailed, "NaN, infinity"),
    (_changed("sent/0.bias", np.full(4, 1e9, np.float32)), TrainingFailed, "2.20 or more"),
    (_changed("state/personal/0.bias", None), BenchFailed, "'state/personal/0.bias' as none"),
    (
        _changed("state/private/2.bias", np.full(1, np.inf, np.float32)),
        TrainingFailed,
        "keeps of a round is not finite",
    ),
]


@pytest.mark.parametrize(("lie", "error", "why"), LIES)
def test_an_answer_that_is_not_of_this_round_is_refused(
    lie: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]], error: type[FedsovError], why: str
) -> None:
    task = _round()
    written = task.run()
    assert isinstance(task.read(written), RoundAnswer)
    with pytest.raises(error, match=why):
        task.read(Written(written.plain, lie(written.arrays)))


def test_a_compressed_answer_has_its_one_form() -> None:
    task = _round(compression=Compression("topk", 0.2))
    written = task.run()
    assert set(task.read(written).sent) == {"indices", "values"}
    backwards = {**written.arrays, "sent/indices": written.arrays["sent/indices"][::-1].copy()}
    with pytest.raises(TrainingFailed, match="indices do not ascend"):
        task.read(Written({}, backwards))
    with pytest.raises(TrainingFailed, match="must be indices"):
        task.read(Written({}, _changed("sent/values", None)(written.arrays)))


def test_a_reason_for_a_refusal_is_words_and_not_a_table() -> None:
    task = _round()
    with pytest.raises(TrainingFailed, match="lower the learning rate"):
        task.read(Written({"refused": "its update contains NaN; lower the learning rate"}, {}))
    with pytest.raises(BenchFailed, match="no text"):
        task.read(Written({"refused": [[1.0, 2.0]]}, {}))


def test_noisy_steps_that_were_taken_before_are_not_drawn_again() -> None:
    mechanism, draw = RecordMechanism(1.0, 2.0, 0.5, 4), generators_of(5)
    drawn = THIS_PROCESS.do(_round(NoisySteps(mechanism, (draw(), draw()))))
    assert drawn.steps is not None and not same(drawn.sent, THIS_PROCESS.do(_round()).sent)
    again = THIS_PROCESS.do(_round(NoisySteps(mechanism, taken=drawn.steps)))
    assert again.steps is None and same(again.sent, drawn.sent)


def test_noisy_steps_that_are_not_finite_are_not_kept() -> None:
    draw = generators_of(5)
    task = _round(NoisySteps(RecordMechanism(1.0, 2.0, 0.5, 4), (draw(), draw())))
    written = task.run()
    with pytest.raises(TrainingFailed, match="not finite after noisy steps"):
        task.read(Written({}, {**written.arrays, "steps": written.arrays["steps"] * np.nan}))


def test_an_outline_names_every_parameter_and_makes_those_that_are_private() -> None:
    parts = THIS_PROCESS.do(Outline(TrainingSpec(MLP, STEPS, personalization=KEPT), 3, 0))
    assert dict(parts.shaped) == {name: array.shape for name, array in initial(MLP, 3, 0).items()}
    assert same(parts.private, {"2.bias": initial(MLP, 3, 0)["2.bias"]})


@pytest.mark.parametrize(
    "shapes",
    [None, [], [["w"]], [["w", [1], 2]], [["w", [-1]]], [["w", [True]]], [["w", ["1"]]], [["w", [2**40]]], [[3, [1]]],
     [["w", [1] * 9]], [["v", [2**20, 2**20]]], {"w": [1]}, "w"],
)  # fmt: skip
def test_shapes_that_are_none_are_refused(shapes: Any) -> None:
    with pytest.raises(BenchFailed):
        Outline(TrainingSpec(MLP, STEPS), 3, 0).read(Written({"shapes": shapes}, {}))


def test_private_parameters_that_nobody_asked_for_are_refused() -> None:
    listed = {"shapes": [["w", [2]], ["v", [1]]]}
    arrays = {"private/w": np.zeros(2, np.float32)}
    with pytest.raises(BenchFailed, match="private parameters that the network has not"):
        Outline(TrainingSpec(MLP, STEPS), 3, 0).read(Written(listed, arrays))
    asked = Outline(TrainingSpec(MLP, STEPS, personalization=KEPT), 3, 0)
    assert list(asked.read(Written(listed, arrays)).private) == ["w"]
    with pytest.raises(BenchFailed, match="has not"):
        asked.read(Written(listed, {}))
