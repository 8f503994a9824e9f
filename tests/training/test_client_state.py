"""What a client keeps: to its disk and back, by round, and refused where it is of another model."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.network import NetworkSpec
from fedsov.training.client_state import ClientState, InMemoryStates, Layout, from_arrays, to_arrays

TRAINING = TrainingSpec(
    NetworkSpec("mlp", (4,)),
    LocalSteps(),
    Algorithm("scaffold"),
    personalization=Personalization(PrivateParameters(("intercept",)), ditto_lambda=0.1),
    compression=Compression("topk"),
)
LAYOUT = Layout.of(TRAINING, 3)


def test_a_state_comes_back_from_arrays_as_it_was() -> None:
    rng = np.random.default_rng(0)
    first = ClientState.first(TRAINING, LAYOUT, np.zeros(LAYOUT.size, np.float32), 1)
    state = ClientState(
        *(
            rng.normal(size=getattr(first, name).shape).astype(np.float32)
            for name in ("private", "personal", "residual")
        ),
        {"control": rng.normal(size=(1, LAYOUT.size)).astype(np.float32)},
    )
    arrays = to_arrays(state, TRAINING, LAYOUT)
    assert {"private/2.bias", "personal/0.weight", "residual/change", "algorithm/control"} < set(arrays)
    again = from_arrays(arrays, first, LAYOUT)
    for name in ("private", "personal", "residual"):
        assert np.array_equal(getattr(again, name), getattr(state, name))
    assert np.array_equal(again.algorithm["control"], state.algorithm["control"])


def test_what_was_kept_of_another_model_is_refused() -> None:
    first = ClientState.first(TRAINING, LAYOUT, np.zeros(LAYOUT.size, np.float32), 1)
    with pytest.raises(TrainingFailed, match=r"3 numbers were kept back, of a model of 20"):
        from_arrays({"residual/change": np.zeros(3, np.float32)}, first, LAYOUT)


def test_the_first_state_is_of_the_first_parameters() -> None:
    begun = np.arange(LAYOUT.size, dtype=np.float32)
    state = ClientState.first(TRAINING, LAYOUT, begun, 2)
    assert state.private.tolist() == [[20.0], [20.0]] and np.array_equal(state.personal, [begun, begun])
    assert state.residual.shape == (2, 20) and not state.residual.any()


def test_a_layout_knows_what_is_sent_and_refuses_what_cannot_be_frozen() -> None:
    assert LAYOUT.private.tolist() == [20] and len(LAYOUT.sent) == 20
    with pytest.raises(ConfigurationError, match=r"no shared parameter '2.bias'"):
        Layout.of(
            TrainingSpec(TRAINING.network, LocalSteps(), personalization=TRAINING.personalization, frozen=("2.bias",)),
            3,
        )


def test_a_round_begins_with_the_newest_before_it() -> None:
    states = InMemoryStates()
    states.save("shareable", 2, {"a": np.ones(1)})
    states.save("shareable", 4, {"a": np.full(1, 4.0)})
    assert states.load("shareable", 1) == {} and states.load("public", 3) == {}
    assert [float(states.load("shareable", number)["a"][0]) for number in (2, 3, 4, 9)] == [1.0, 1.0, 4.0, 4.0]


def test_a_layout_is_pickled_by_names_and_is_the_same_again() -> None:
    kept = Personalization(PrivateParameters(("intercept",)))
    training = TrainingSpec(NetworkSpec("mlp", (300,)), LocalSteps(), personalization=kept, frozen=("0.bias",))
    layout = Layout.of(training, 200)
    content = pickle.dumps(layout)
    again = pickle.loads(content)
    assert len(content) < 1000 < layout.size and list(again.shaped) == list(layout.shaped)
    assert again.private_names == layout.private_names
    assert np.array_equal(again.private, layout.private) and np.array_equal(again.sent, layout.sent)
