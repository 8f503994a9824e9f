"""What a region keeps for itself: private parameters that never leave, and the mixture it weighs on its own rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import fedsov
from fedsov.errors import ConfigurationError, InputError, TrainingFailed
from fedsov.federation.cohort import Cohort
from fedsov.federation.job import Job
from fedsov.model.metrics import log_loss
from fedsov.model.network import NetworkSpec, initial, shapes
from fedsov.training import federated, personal
from fedsov.training.engine import flat, predict, train_one
from fedsov.training.personal import Course, Private
from fedsov.training.steps import LocalSteps, generator, shuffled

SPEC = NetworkSpec("mlp", (4,))
STEPS = LocalSteps(learning_rate=0.05, batch=32, epochs=1)
FIRST = LocalSteps(learning_rate=0.5, momentum=0.0, batch=1000, epochs=5)
COURSE = Course(SPEC, STEPS, Private(first=FIRST))


def _region(seed: int, rows: int = 200, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    return X, (X @ np.array([1.0, -1.0, 0.5]) + shift + 0.5 * rng.normal(size=rows) > 0).astype(np.float32)


REGIONS = {"DE": _region(0, shift=2.0), "US": _region(1, 400, shift=-2.0), "GB": _region(2)}


def _same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), set()),
        (("intercept",), {"2.bias"}),
        (("head",), {"2.bias", "2.weight"}),
        (("first.bias",), {"0.bias"}),
        (("bias",), {"0.bias", "2.bias"}),
        (("0.weight", "intercept"), {"0.weight", "2.bias"}),
    ],
)
def test_words_for_private_parameters_mean_the_network_s_own_names(words: tuple[str, ...], names: set[str]) -> None:
    assert personal.private_names(SPEC, words) == names


def test_a_word_that_means_nothing_and_a_network_that_shares_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'tail' is no part"):
        personal.private_names(SPEC, ("tail",))
    with pytest.raises(ConfigurationError, match="leaves no parameter to share"):
        personal.private_names(NetworkSpec("logistic"), ("head",))


@pytest.mark.parametrize("private", [("intercept",), ("head",), ("first.bias",), Private(("bias",), first=FIRST)])
def test_private_parameters_are_in_no_sum_and_in_no_update(private: tuple[str, ...] | Private) -> None:
    names = personal.private_names(SPEC, private.names if isinstance(private, Private) else private)
    job = Job(
        list(REGIONS.values()), np.ones(3), SPEC, STEPS, private=names,
        first=private.first if isinstance(private, Private) else None,
    )  # fmt: skip
    start = flat(initial(SPEC, 3, 0), shapes(SPEC, 3))
    with Cohort(job, start, keeps_updates=True) as cohort:
        found = cohort.round(2, cohort.round(1, start).mean)
        kept = cohort.kept.copy()
    own, shared = job.own(), np.setdiff1d(np.arange(len(start)), job.own())
    assert found.updates is not None
    assert np.array_equal(found.mean[own], start[own]) and (found.updates[:, own] == start[own]).all()
    assert (found.mean[shared] != start[shared]).all()
    assert len({row.tobytes() for row in kept}) == 3 and (kept != start[own]).all()


def test_what_is_private_is_told_apart_by_region() -> None:
    fitted = fedsov.federate(SPEC, REGIONS, rounds=2, steps=STEPS, private=("head",))
    stay = personal.private_names(SPEC, ("head",))
    assert set(fitted.parameters) == set(shapes(SPEC, 3)) - stay
    assert {name: set(kept) for name, kept in fitted.private.items()} == dict.fromkeys(REGIONS, stay)


def test_a_round_moves_both_halves_and_changes_neither_argument() -> None:
    whole = initial(SPEC, 3, 0)
    names = personal.private_names(SPEC, ("head",))
    incoming, kept = personal.shared(whole, names), personal.own(whole, names)
    before = {name: value.copy() for name, value in whole.items()}
    sent, stays = personal.update(incoming, kept, REGIONS["DE"], COURSE, round=1)
    assert sent.keys() == incoming.keys() and stays.keys() == kept.keys()
    assert _same({**incoming, **kept}, before)
    assert not any(np.array_equal(value, whole[name]) for name, value in {**sent, **stays}.items())


def test_without_private_parameters_a_round_is_the_federated_one() -> None:
    whole = initial(SPEC, 3, 0)
    sent, stays = personal.update(whole, {}, REGIONS["DE"], COURSE, round=3)
    assert not stays and _same(sent, federated.update(whole, *REGIONS["DE"], STEPS, spec=SPEC, round=3))


def test_a_region_alone_learns_what_it_would_have_learned_with_nothing_private() -> None:
    alone = {"DE": REGIONS["DE"]}
    private = fedsov.federate(SPEC, alone, rounds=3, steps=STEPS, private=("head",), seed=5)
    plain = fedsov.federate(SPEC, alone, rounds=3, steps=STEPS, seed=5)
    by_hand = initial(SPEC, 3, 5)
    for number in (1, 2, 3):
        batches = shuffled(200, STEPS, generator(5, 0, number))
        by_hand = train_one(by_hand, *REGIONS["DE"], STEPS, spec=SPEC, batches=batches)
    for name, value in by_hand.items():
        np.testing.assert_allclose(private.of("DE")[name], value, atol=1e-6)
        np.testing.assert_allclose(plain.parameters[name], value, atol=1e-6)


def test_equal_seeds_give_equal_private_parameters() -> None:
    private = Private(("bias",), first=FIRST)
    first, again = (fedsov.federate(SPEC, REGIONS, rounds=2, steps=STEPS, private=private, seed=3) for _ in range(2))
    assert all(_same(first.of(name), again.of(name)) for name in REGIONS)
    assert not np.array_equal(first.private["DE"]["2.bias"], first.private["US"]["2.bias"])


def test_an_intercept_of_its_own_fits_regions_whose_base_rates_differ() -> None:
    joint = fedsov.federate("logistic", REGIONS, rounds=10, steps=STEPS)
    own = fedsov.federate("logistic", REGIONS, rounds=10, steps=STEPS, private=("intercept",))
    for name in ("DE", "US"):
        X, y = _region(9, 1000, shift=2.0 if name == "DE" else -2.0)
        assert log_loss(y, own.logits(X, name)) < log_loss(y, joint.logits(X)) - 0.1
    assert own.private["DE"]["0.bias"] > 0 > own.private["US"]["0.bias"]


def test_a_model_with_private_parts_answers_only_for_a_region_that_took_part() -> None:
    fitted = fedsov.federate(SPEC, REGIONS, rounds=1, steps=STEPS, private=("head",))
    for region in (None, "FR"):
        with pytest.raises(InputError, match="name a region of DE, US, GB"):
            fitted.logits(REGIONS["DE"][0], region)


def test_a_private_parameter_from_outside_is_refused_and_a_missing_one_is_named() -> None:
    whole = initial(SPEC, 3, 0)
    kept = personal.own(whole, {"2.bias"})
    with pytest.raises(TrainingFailed, match=r"'2\.bias' is private"):
        personal.joined(whole, kept, SPEC)
    with pytest.raises(TrainingFailed, match=r"'0\.bias' is neither"):
        personal.joined(personal.shared(whole, {"0.bias"}), {}, SPEC)


def test_a_mixture_is_no_worse_than_its_best_member_on_the_rows_it_was_weighed_on() -> None:
    X, y = REGIONS["DE"]
    members = personal.variants(
        initial(SPEC, 3, 0), initial(SPEC, 3, 1), X[:100], y[:100], spec=SPEC, tune=(STEPS,), train=(STEPS, FIRST)
    )
    assert list(members) == ["joint", "tuned 1", "alone 1", "alone 2"]
    mixed = personal.mixture(members, X[100:], y[100:], spec=SPEC)
    losses = [log_loss(y[100:], predict(one, X[100:], SPEC)) for one in members.values()]
    assert log_loss(y[100:], mixed.logits(X[100:])) <= min(losses) + 1e-6
    assert sum(mixed.weights.values()) == pytest.approx(1.0) and all(mixed.weights.values())


def test_weights_worked_by_hand() -> None:
    y = np.array([0.0, 1.0])
    right, wrong, half = np.array([-1.0, 1.0]), np.array([1.0, -1.0]), np.array([-3.0, -1.0])
    assert personal.greedy_weights([wrong, right], y, picks=4) == (0.0, 1.0)
    assert personal.greedy_weights([half, -half[::-1]], y, picks=4) == (0.5, 0.5)


def test_without_rows_to_weigh_on_the_joint_model_stays_and_without_models_there_is_none() -> None:
    members = {"joint": initial(SPEC, 3, 0), "tuned 1": initial(SPEC, 3, 1)}
    none = np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.float32)
    assert personal.mixture(members, *none, spec=SPEC).weights == {"joint": 1.0}
    with pytest.raises(ConfigurationError, match="at least one model"):
        personal.mixture({}, *none, spec=SPEC)


def test_a_model_weighs_as_much_as_it_made_rows_likely_that_it_was_not_fitted_to():
    weights = personal.likelihood_weights([0.5, 0.5, 0.5 + np.log(2) / 40], 40)
    assert weights == pytest.approx((0.4, 0.4, 0.2))
    assert personal.likelihood_weights([0.9, 0.1], 100_000) == (0.0, 1.0)
