"""One round of K clients is K rounds of one client; what is refused leaves no trace; state comes in and goes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedsov.algorithms.catalogue import ALGORITHMS, Algorithm, AlgorithmSpec
from fedsov.algorithms.client_half import ClientHalf, GradientTerms
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import LocalSteps, generator, shuffled
from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.network import NetworkSpec, initial, register, shapes
from fedsov.model.parameters import flat, named
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.training.client_round import ClientRound, RoundResult, client_round, measured_on
from fedsov.training.client_state import ClientState, Layout
from fedsov.training.engine import held, train_one

MLP = NetworkSpec("mlp", (4,))
STEPS = LocalSteps(learning_rate=0.1, batch=16, epochs=2)
START = flat(initial(MLP, 3, 0), shapes(MLP, 3))


def _client(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(np.float32)


ROWS = [_client(0, 20), _client(1, 70), _client(2, 33)]


def _spec(**changed: object) -> TrainingSpec:
    return replace(TrainingSpec(MLP, STEPS, rounds=3), **changed)  # type: ignore[arg-type]


def _round(
    training: TrainingSpec, chosen: range, state: ClientState | None = None, **more: object
) -> tuple[RoundResult, Layout]:
    layout = Layout.of(training, 3)
    course = ClientRound(training, 2, list(chosen), **more)  # type: ignore[arg-type]
    begun = state or ClientState.first(training, layout, START, len(chosen))
    rows = held([ROWS[place] for place in chosen], training.steps, MLP)
    return client_round(START, begun, rows, layout, course), layout


ALONE = PrivateParameters(("head",), private_only_steps=replace(STEPS, epochs=1), alternates=True)
KINDS = {
    "plain": _spec(),
    "private": _spec(personalization=Personalization(ALONE)),
    "ditto": _spec(personalization=Personalization(ditto_lambda=0.3)),
    "int8": _spec(compression=Compression("int8")),
    "topk": _spec(compression=Compression("topk", share=0.3)),
    "frozen": _spec(frozen=("0.weight",)),
    "proximal": _spec(steps=replace(STEPS, proximal_mu=0.5)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_round_of_three_clients_is_three_rounds_of_one(kind: str) -> None:
    training = KINDS[kind]
    together, layout = _round(training, range(3))
    assert not together.refused and np.abs(together.updates).max() > 1e-3
    for place in range(3):
        alone, _ = _round(training, range(place, place + 1))
        for name in ("trained", "updates"):
            np.testing.assert_allclose(getattr(together, name)[place], getattr(alone, name)[0], atol=1e-6)
        for name in ("private", "personal", "residual"):
            np.testing.assert_allclose(getattr(together.state, name)[place], getattr(alone.state, name)[0], atol=1e-6)
    assert np.array_equal(together.updates[:, layout.private], np.zeros((3, len(layout.private))))


def test_rows_are_in_the_order_of_seed_client_and_round() -> None:
    result, layout = _round(_spec(seed=9), range(1, 2))
    batches = shuffled(70, STEPS, generator(9, 1, 2))
    by_hand = train_one(named(START, layout.shaped), *ROWS[1], STEPS, spec=MLP, batches=batches)
    np.testing.assert_allclose(result.trained[0], flat(by_hand, layout.shaped), atol=1e-6)


def test_frozen_parameters_are_not_sent_and_stay_as_they_came() -> None:
    result, layout = _round(KINDS["frozen"], range(3))
    still = np.setdiff1d(np.arange(layout.size), layout.sent)
    assert len(still) == 12 and not result.updates[:, still].any() and result.updates[:, layout.sent].any()


def test_a_refused_client_counts_nothing_and_keeps_what_it_had() -> None:
    training = _spec(compression=Compression("topk"), personalization=Personalization(PrivateParameters(("head",))))
    norms = np.linalg.norm(_round(training, range(3))[0].updates, axis=1)
    bounded = replace(training, max_update_norm=float(np.median(norms)) * 1.0001)
    before = ClientState.first(bounded, Layout.of(bounded, 3), START, 3)
    result, _ = _round(bounded, range(3), before)
    (refused,) = result.refused
    assert refused == int(norms.argmax()) and "its update has norm" in result.refused[refused]
    assert not result.updates[refused].any() and result.accepted.tolist() == [place != refused for place in range(3)]
    for name in ("private", "residual"):
        same = (getattr(result.state, name) == getattr(before, name)).all(axis=1)
        assert same.tolist() == [place == refused for place in range(3)]


def test_no_argument_is_changed() -> None:
    training = KINDS["private"]
    state = ClientState.first(training, Layout.of(training, 3), START, 3)
    before = START.copy(), state.private.copy()
    _round(training, range(3), state)
    assert np.array_equal(START, before[0]) and np.array_equal(state.private, before[1])


def test_noisy_steps_are_taken_once_and_what_was_answered_is_answered_again() -> None:
    mechanism = RecordMechanism(clip=1.0, noise_multiplier=1.0, sampling_rate=0.3, steps=5)
    answers, asked = [], []

    def noise() -> tuple[RecordMechanism]:
        asked.append(mechanism)
        return (mechanism,)

    def remembered(steps):  # type: ignore[no-untyped-def]
        if not answers:
            answers.append(steps())
        return answers[0].copy()

    first, _ = _round(_spec(), range(1), noise=noise, remembered=remembered)
    again, _ = _round(_spec(), range(1), noise=noise, remembered=remembered)
    other, _ = _round(_spec(), range(1), noise=noise)
    assert len(asked) == 2 and np.array_equal(first.trained, again.trained)
    assert not np.array_equal(first.trained, other.trained)
    assert first.effective[0] > 1 and again.effective[0] == 1  # nothing was stepped


def test_the_model_that_came_in_is_measured_on_each_client_s_own_rows() -> None:
    layout = Layout.of(_spec(), 3)
    rows = held(ROWS, STEPS, MLP)
    result, _ = _round(_spec(), range(3), measure=measured_on(rows, _spec(), layout))
    assert set(result.metrics) == {0, 1, 2} and all(set(told) == {"loss", "auc"} for told in result.metrics.values())
    assert len({told["loss"] for told in result.metrics.values()}) == 3


def test_a_network_that_fails_while_it_is_measured_is_named() -> None:
    class FailsOnRows(torch.nn.Linear):
        def forward(self, X: torch.Tensor) -> torch.Tensor:
            if X.max() > 6:
                raise ValueError("too large")
            return super().forward(X)

    register("fails-on-rows", FailsOnRows)
    spec = NetworkSpec("fails-on-rows")
    training = _spec(network=spec)
    layout, far = Layout.of(training, 3), held([(np.full((4, 3), 7.0), np.ones(4))], STEPS, spec)
    with pytest.raises(TrainingFailed, match="'fails-on-rows' failed on these rows: ValueError: too large"):
        measured_on(far, training, layout)(0, np.zeros(4, np.float32))


def test_two_pulls_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    half = ClientHalf(
        lambda state, incoming: GradientTerms(anchor=incoming, anchor_weight=0.1),
        lambda state, update, taken: (update, state),
    )
    monkeypatch.setitem(ALGORITHMS, "toy", AlgorithmSpec(client=half))
    with pytest.raises(ConfigurationError, match="an anchor of its own; set proximal_mu to 0"):
        _round(replace(KINDS["proximal"], algorithm=Algorithm("toy")), range(1))


def test_what_a_half_makes_of_an_update_is_what_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    half = ClientHalf(
        lambda state, incoming: GradientTerms(drift=-state["h"]),
        lambda state, update, taken: (2 * update, {"h": state["h"] + update}),
        keeps=("h",),
    )
    plain, _ = _round(_spec(), range(3))
    monkeypatch.setitem(ALGORITHMS, "toy", AlgorithmSpec(client=half))
    result, _ = _round(_spec(algorithm=Algorithm("toy")), range(3))
    np.testing.assert_allclose(result.updates, 2 * plain.updates, atol=1e-6)
    np.testing.assert_allclose(result.trained, START + 2 * plain.updates, atol=1e-6)
    np.testing.assert_allclose(result.state.algorithm["h"], plain.updates, atol=1e-6)
    pulled, _ = _round(_spec(algorithm=Algorithm("toy")), range(3), result.state)
    assert np.abs(pulled.updates - result.updates).max() > 1e-3
