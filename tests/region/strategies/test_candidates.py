"""Training in one region: steps, candidates, and the best of them."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.recipe import Recipe
from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.metrics import auc, log_loss
from fedsov.model.network import NetworkSpec, head, initial
from fedsov.region.strategies.candidates import StartingPoint, best, on_own_scale, train_alone, train_beside, tune
from fedsov.training.engine import predict, train_locally
from tests.region.strategies.world import divided, rows_of

LOGISTIC, MLP = NetworkSpec(), NetworkSpec("mlp", (4,))
STEPS = LocalSteps(learning_rate=0.05, batch=16, epochs=3, weight_decay=0.0)


def examples(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype(np.float32)
    return X, (X[:, 0] - X[:, 1] + rng.normal(size=n) > 0).astype(np.float32)


@pytest.mark.parametrize("spec", [LOGISTIC, MLP])
def test_training_lowers_the_loss_and_leaves_what_it_was_given_alone(spec):
    X, y = examples()
    first = initial(spec, 3, 0)
    before = {name: array.copy() for name, array in first.items()}
    trained = train_locally(first, X, y, STEPS, spec=spec)
    assert log_loss(y, predict(trained, X, spec)) < log_loss(y, predict(first, X, spec)) - 0.1
    assert all(np.array_equal(first[name], before[name]) for name in first)
    assert all(array.dtype == np.float32 for array in trained.values())


def test_the_same_seed_gives_the_same_parameters_bit_by_bit():
    X, y = examples()
    once, twice = (train_locally(initial(MLP, 3, 0), X, y, STEPS, spec=MLP) for _ in range(2))
    other = train_locally(initial(MLP, 3, 0), X, y, replace(STEPS, seed=1), spec=MLP)
    assert all(np.array_equal(once[name], twice[name]) for name in once)
    assert not np.array_equal(once["0.weight"], other["0.weight"])


def test_steps_are_those_of_torchs_own_sgd():
    import torch

    X, y = examples(64)
    steps = LocalSteps(learning_rate=0.1, momentum=0.9, batch=64, epochs=5, weight_decay=0.0)
    mine = train_locally(initial(LOGISTIC, 3, 0), X, y, steps, spec=LOGISTIC)
    layer = torch.nn.Linear(3, 1)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        optimiser.zero_grad()
        logits = layer(torch.from_numpy(X)).squeeze(1)
        torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(y)).backward()
        optimiser.step()
    assert np.allclose(mine["0.weight"], layer.weight.detach().numpy(), atol=1e-5)
    assert np.allclose(mine["0.bias"], layer.bias.detach().numpy(), atol=1e-5)


def test_weight_decay_shrinks_weights_and_the_proximal_pull_keeps_them_near_their_start():
    X, y = examples()
    first = initial(MLP, 3, 0)

    def moved(**changed):
        trained = train_locally(first, X, y, replace(STEPS, epochs=20, **changed), spec=MLP)
        size = np.sqrt(sum(np.sum(array**2) for array in trained.values()))
        return size, np.sqrt(sum(np.sum((trained[name] - first[name]) ** 2) for name in first))

    assert moved(weight_decay=0.1)[0] < moved()[0]
    assert moved(proximal_mu=5.0)[1] < 0.3 * moved()[1]


def test_frozen_parameters_do_not_move():
    X, y = examples()
    first = initial(MLP, 3, 0)
    trained = train_locally(first, X, y, STEPS, spec=MLP, frozen=first.keys() - head(MLP))
    assert np.array_equal(trained["0.weight"], first["0.weight"])
    assert not np.array_equal(trained["2.weight"], first["2.weight"])


def test_no_rows_foreign_parameters_and_divergence_fail_as_training():
    X, y = examples()
    with pytest.raises(TrainingFailed, match="no rows"):
        train_locally(initial(MLP, 3, 0), X[:0], y[:0], STEPS, spec=MLP)
    with pytest.raises(TrainingFailed, match="shape"):
        train_locally(initial(MLP, 4, 0), X, y, STEPS, spec=MLP)
    with pytest.raises(TrainingFailed, match="learning rate"):
        train_locally(initial(MLP, 3, 0), X * 1e6, y, replace(STEPS, learning_rate=1e30), spec=MLP)


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"momentum": 1.0},
        {"batch": 0},
        {"epochs": -1},
        {"weight_decay": -1.0},
        {"proximal_mu": float("nan")},
        {"seed": -1},
    ],
)
def test_impossible_steps_are_refused_with_their_name(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        LocalSteps(**wrong)


def test_training_alone_learns_and_own_features_go_with_the_model():
    rows = divided(600)
    model = train_alone(rows, StartingPoint(), Recipe())
    assert auc(rows.test.y, model.logits(rows.test)) > 0.7
    assert model.name == "local"
    assert model.features.names == ("years", "remote=no", "remote=yes")


def test_rows_of_another_region_help_even_where_they_stand_on_another_scale():
    few, donor = divided(60, seed=1), rows_of(1000, seed=2, shift=50.0)
    wide = divided(2000, seed=3).test
    beside = train_beside(few, StartingPoint(rows=donor), Recipe())
    alone = train_alone(few, StartingPoint(), Recipe())
    assert beside.name == "synthetic"
    assert log_loss(wide.y, beside.logits(wide)) < log_loss(wide.y, alone.logits(wide))


def test_a_model_on_its_own_scale_fits_a_shifted_region_better():
    model, shifted = train_alone(divided(600), StartingPoint(), Recipe()), divided(600, seed=4, shift=3.0)
    there = on_own_scale(model, shifted.train)
    assert there.parameters is model.parameters
    assert log_loss(shifted.test.y, there.logits(shifted.test)) < log_loss(shifted.test.y, model.logits(shifted.test))


def test_the_best_is_chosen_on_validation_rows_and_the_first_where_there_are_none():
    rows = divided(300)
    good = train_alone(rows, StartingPoint(), Recipe())
    bad = replace(good, name="bad", parameters={name: -array for name, array in good.parameters.items()})
    assert best([bad, good], rows, Recipe().fine_tune) is good
    nothing = rows.validation.select(np.zeros(len(rows.validation), bool))
    assert best([bad, good], replace(rows, validation=nothing), Recipe().fine_tune) is bad


def test_tuning_changes_parameters_only():
    rows = divided(300)
    model = train_alone(rows, StartingPoint(), Recipe())
    tuned = tune(model, rows.train, Recipe().fine_tune)
    assert (tuned.features, tuned.network, tuned.name) == (model.features, model.network, model.name)
    assert not np.array_equal(tuned.parameters["0.weight"], model.parameters["0.weight"])


def test_importing_the_training_modules_brings_no_torch_and_no_way_out():
    program = (
        "import sys; from fedsov.region import private_run; from fedsov.training import client_round, engine\n"
        "from fedsov.region.strategies import candidates, ensembles, federated, selection\n"
        "from fedsov.region.strategies import synthetic, transfer_learning\n"
        "print(sorted({'torch', 'flwr', 'mlflow', 'grpc', 'pandas', 'sdv', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
