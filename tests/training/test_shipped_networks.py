"""Every shipped network is trained and scored through every entrance: arrays, a region's functions, attacks, a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import fedsov
from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.recipe import Recipe
from fedsov.attacks.gradient_inversion import invert
from fedsov.attacks.membership import Target, observe
from fedsov.attacks.shadow_models import AttackedTraining
from fedsov.config.hub_settings import hub_settings
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError
from fedsov.model.architectures import ARCHITECTURES
from fedsov.model.metrics import auc
from fedsov.model.network import NETWORKS, NetworkSpec, initial, shapes
from fedsov.model.parameters import flat, named
from fedsov.privacy.mechanism import Clipping, RecordMechanism
from fedsov.region.strategies.candidates import StartingPoint, train_alone
from fedsov.region.strategies.transfer_learning import versions
from fedsov.training.engine import advance, held, predict
from fedsov.training.rows import DataSplit, Rows
from tests.training.clients import noisy_round, one_round, orders

from ..world import people

SHIPPED = [
    NetworkSpec("logistic"),
    NetworkSpec("mlp", (6,)),
    NetworkSpec("ft_transformer", (8, 1)),
    NetworkSpec("cnn", (3,)),
]
BY_NAME = {"argvalues": SHIPPED, "ids": lambda spec: spec.name}
STEPS = LocalSteps(learning_rate=0.05, momentum=0.9, batch=16, epochs=4, weight_decay=0.0)


def rows(count: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Squares of 2 by 2 pixels, whose first tells the outcome."""
    X = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


def area(spec: NetworkSpec, parameters: dict[str, np.ndarray]) -> float:
    X, y = rows(400, 9)
    return auc(y, predict(parameters, X, spec)) or 0.0


def test_every_shipped_network_is_looked_at_here():
    assert {spec.name for spec in SHIPPED} == {*NETWORKS, *ARCHITECTURES}


@pytest.mark.parametrize("algorithm", ["fedavg", "fedadam", "scaffold", "ditto"])
@pytest.mark.parametrize("spec", **BY_NAME)
def test_through_federate(spec, algorithm):
    options, regions = fedsov.FederateOptions(processes=1), {"DE": rows(120, 1), "US": rows(80, 2)}
    fitted = fedsov.federate(spec, regions, rounds=10, steps=STEPS, algorithm=algorithm, options=options)
    X, y = rows(400, 9)
    assert (auc(y, fitted.logits(X)) or 0) > 0.9
    assert fitted.parameters.keys() == shapes(spec, 4).keys() and len(fitted.rounds) == 10


@pytest.mark.parametrize("spec", **BY_NAME)
def test_through_federate_with_a_private_parameter_by_its_name(spec):
    name = list(shapes(spec, 4))[-1]
    fitted = fedsov.federate(spec, {"DE": rows(40, 1), "US": rows(40, 2)}, rounds=1, steps=STEPS, private=[name])
    assert name not in fitted.parameters and fitted.private["DE"].keys() == {name}
    assert fitted.logits(rows()[0], "DE").shape == (120,)


@pytest.mark.parametrize("spec", **BY_NAME)
def test_through_a_region_s_rounds_plain_and_private(spec):
    X, y = rows()
    current = initial(spec, 4, 0)
    for number in range(1, 5):
        current = one_round(current, X, y, STEPS, spec=spec, number=number)
    assert area(spec, current) > 0.8
    mechanism = RecordMechanism(clip=1.0, noise_multiplier=0.2, sampling_rate=0.4, steps=25)
    noisy = noisy_round(initial(spec, 4, 0), X, y, STEPS, mechanism, spec=spec)
    assert area(spec, noisy) > 0.6


@pytest.mark.parametrize("spec", **BY_NAME)
def test_through_what_a_region_does_by_itself_and_with_a_model_that_it_received(spec):
    def some(count: int, seed: int) -> Rows:
        X, y = rows(count, seed)
        columns = {f"p{place}": X[:, place].astype(float) for place in range(4)}
        return Rows(columns, dict.fromkeys(columns, "numeric"), y.astype(np.float32))

    divided = DataSplit(some(120, 0), some(40, 1), some(40, 2))
    recipe = Recipe(network=spec, from_scratch=STEPS, fine_tune=replace(STEPS, learning_rate=0.01))
    alone = train_alone(divided, StartingPoint(), recipe)
    assert (auc(divided.test.y, alone.logits(divided.test)) or 0) > 0.8
    for version in versions(alone, divided, recipe):
        assert (auc(divided.test.y, version.logits(divided.test)) or 0) > 0.8


@pytest.mark.parametrize("spec", **BY_NAME)
def test_through_shadow_models_and_where_gradients_cannot_be_inverted_it_is_said(spec):
    X, y = rows(60)
    seen = observe(Target(X, y, AttackedTraining(spec, STEPS)), 4)
    assert seen.scores.shape == (5, 60) and np.isfinite(seen.scores).all()
    if spec.name in NETWORKS:
        assert invert(X, y, spec, batch=1, trials=1, seed=0).error < 1e-3
    else:
        with pytest.raises(ConfigurationError, match=f"inversion needs .* logistic or mlp, not {spec.name}"):
            invert(X, y, spec, batch=1, trials=1, seed=0)


@pytest.mark.parametrize("spec", [NetworkSpec("ft_transformer", (8, 1)), NetworkSpec("cnn", (3,), 2)])
def test_other_architectures_learn_and_their_records_are_bounded_too(spec):
    loss = "multiclass" if spec.outputs > 1 else "binary"
    X, y = np.random.default_rng(0).normal(size=(64, 4)), np.random.default_rng(1).integers(0, 2, 64)
    y = (X[:, 0] > 0).astype(int)
    steps = LocalSteps(learning_rate=0.1, momentum=0.9, batch=16, epochs=15, weight_decay=0.0, loss=loss)
    start = torch.from_numpy(np.tile(flat(initial(spec, 4, 0), shapes(spec, 4), np.float64), (1, 1)))
    trained = start.clone()
    advance(trained, held([(X, y)], steps, spec, np.float64), orders([(X, y)], steps), steps, spec=spec)
    logits = predict(named(trained[0].numpy().astype(np.float32), shapes(spec, 4)), X.astype(np.float32), spec)
    answers = logits.argmax(1) if spec.outputs > 1 else logits > 0
    assert (answers == y).mean() > 0.9
    one = LocalSteps(learning_rate=1.0, momentum=0.0, batch=1, epochs=1, weight_decay=0.0, loss=loss)
    for bound in (0.01, 1e9):
        moved = start.clone()
        pull = GradientTerms(Clipping(bound, [0.0], [1.0], [np.random.default_rng(0)]))
        advance(moved, held([(X * 9, y)], one, spec, np.float64), [[np.arange(3)]], one, spec=spec, terms=pull)
        plain = start.clone()
        advance(plain, held([(X * 9, y)], one, spec, np.float64), [[np.arange(3)]], one, spec=spec)
        norm = float((moved - start).norm())
        assert norm <= 3 * bound * (1 + 1e-9)
        if bound > 1:  # unbounded, the sum of the records' gradients is three times their mean
            assert norm == pytest.approx(3 * float((plain - start).norm()), rel=1e-9)


def test_a_run_with_the_shipped_cnn_trains_it_and_says_which_numbers_of_columns_it_takes(tmp_path: Path) -> None:
    pixels, rng = [f"p{place:02}" for place in range(16)], np.random.default_rng(0)
    lines = [",".join(["country", *pixels, "bright"])]
    for country, count in {"AT": 150, "DE": 160}.items():
        for row in rng.normal(size=(count, 16)):
            lines.append(",".join([country, *(f"{value:.2f}" for value in row), str(int(row[:4].sum() > 0))]))
    words = [
        *people(tmp_path, lines, target="bright"),
        "dataset.target_above_region_median=false",
        "model=cnn",
        "model.hidden=[4]",
        "federation.rounds=2",
        "strategy.order=[federated]",
        "strategy.federated.min_rows=50",
    ]
    result = fedsov.train(words, say=lambda _: None)
    assert {region.strategy for region in result.regions} == {"federated"}
    assert all((region.score or 0) > 0.5 for region in result.regions)
    with pytest.raises(ConfigurationError, match="squares of 2 pixels a side or more, row by row, not 15 inputs"):
        hub_settings(settings(compose(words))).training.first_parameters(15, "shareable")
