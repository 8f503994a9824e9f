"""Steps by autograd: torch's own, whatever the module does; bounded record by record; drawn from a seed."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

import fedsov
from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.config.hub_settings import hub_settings
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.network import NetworkSpec, build, initial, load, register, shapes
from fedsov.model.parameters import flat, named
from fedsov.model.seeding import seeded
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.training.autograd import ROWS
from fedsov.training.engine import advance, held, predict, train_locally, train_one
from tests.training.clients import STEPS, clipping, noisy_round, one_round, orders, run, task

from ..model.odd_networks import WORKING, linear, partly_untrained

for _name, _build in WORKING.items():
    register(f"steps-{_name}", _build)
register("steps-partly-untrained", partly_untrained)
DROPOUT, TIED, UNUSED = (NetworkSpec(f"steps-{name}") for name in ("dropout", "tied", "unused"))
PARTLY = NetworkSpec("steps-partly-untrained")
STILL = [
    "additive",
    "by-columns",
    "changing-rows",
    "hooked",
    "in-place",
    "normed",
    "recurrent",
    "scaled",
    "tied",
    "unused",
]
"""Networks that draw nothing while they train."""
ONE_STEP = LocalSteps(learning_rate=1.0, momentum=0.0, batch=1, epochs=1, weight_decay=0.0)


def by_hand(spec: NetworkSpec, X: np.ndarray, y: np.ndarray, batches, steps: LocalSteps) -> dict[str, np.ndarray]:
    """The same steps by torch's own optimiser, on the module as it is."""
    module = load(build(spec, 4), initial(spec, 4, 3)).double().train()
    weights = [values for values in module.parameters() if values.ndim > 1]
    others = [values for values in module.parameters() if values.ndim <= 1]
    groups = [{"params": weights, "weight_decay": steps.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=steps.learning_rate, momentum=steps.momentum)
    for rows in batches:
        optimiser.zero_grad()
        logits = module(torch.from_numpy(X[rows]))[:, 0]
        torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(y[rows].astype(float))).backward()
        optimiser.step()
    return {name: values.detach().numpy() for name, values in module.named_parameters()}


@pytest.mark.parametrize("name", STILL)
def test_a_network_of_one_s_own_takes_the_steps_of_torch_s_optimiser(name):
    spec, (X, y) = NetworkSpec(f"steps-{name}"), task("binary", 1, 40, 0)
    steps = replace(STEPS, weight_decay=0.0) if name == "unused" else STEPS  # torch steps what is unused not at all
    batches = orders([(X, y)], steps)
    trained = named(run(spec, steps, [(X, y)], batches)[0], shapes(spec, 4))
    expected = by_hand(spec, X, y, batches[0], steps)
    assert max(float(np.abs(trained[key] - expected[key]).max(initial=0.0)) for key in expected) <= 1e-12
    assert any(np.abs(trained[key] - array).max(initial=0.0) > 1e-3 for key, array in initial(spec, 4, 3).items())


def test_a_gradient_of_many_rows_is_added_up_in_parts():
    rows = [task("binary", 1, 2 * ROWS + 5, 0)]
    steps = replace(STEPS, batch=2 * ROWS + 5, epochs=1)
    batches = orders(rows, steps)
    trained = named(run(TIED, steps, rows, batches)[0], shapes(TIED, 4))
    expected = by_hand(TIED, *rows[0], batches[0], steps)
    assert max(float(np.abs(trained[key] - expected[key]).max()) for key in expected) <= 1e-12


def moved(spec: NetworkSpec, rows, batch: list[int], **how) -> np.ndarray:
    """(P,) how far one plain step of rate 1 moves the parameters, in float64."""
    start = flat(initial(spec, 4, 3), shapes(spec, 4), np.float64)
    return run(spec, ONE_STEP, [rows], [[np.array(batch)]], **how)[0] - start


@pytest.mark.parametrize("name", STILL)
@pytest.mark.parametrize("clip", [0.01, 0.5, 1e9])
def test_each_record_s_own_gradient_is_bounded_whatever_the_network_does(name, clip):
    spec, rows = NetworkSpec(f"steps-{name}"), task("binary", 1, 6, 1)
    rows[0][:] *= 9
    alone = [moved(spec, rows, [place]) for place in range(6)]
    bounded = [each * min(1.0, clip / max(float(np.linalg.norm(each)), 1e-300)) for each in alone]
    together = moved(spec, rows, list(range(6)), terms=GradientTerms(clipping(clip, 0.0, [rows], 1 / 6)))
    assert np.abs(together - np.sum(bounded, axis=0)).max() <= 1e-9 * max(1.0, np.abs(together).max())


@pytest.mark.parametrize(("name", "hidden"), [("cnn", (3,)), ("ft_transformer", (8, 1)), ("mlp", (6,))])
def test_records_own_gradients_are_those_of_opacus(name, hidden):
    from opacus import GradSampleModule

    spec, (X, y) = NetworkSpec(name, hidden), task("binary", 1, 7, 1)
    plain = load(build(spec, 4), initial(spec, 4, 3)).double().train()
    module = GradSampleModule(plain, loss_reduction="sum", strict=True)
    logits = module(torch.from_numpy(X))[:, 0]
    targets = torch.from_numpy(y.astype(float))
    torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum").backward()
    each = torch.cat([values.grad_sample.reshape(7, -1) for values in module.parameters()], 1)
    expected = (each * (0.3 / each.norm(dim=1, keepdim=True)).clamp(max=1.0)).sum(0).numpy()
    how = {"closed_form": False, "terms": GradientTerms(clipping(0.3, 0.0, [(X, y)], 1 / 7))}
    assert np.abs(moved(spec, (X, y), list(range(7)), **how) + expected).max() <= 1e-12


def test_where_records_cannot_be_taken_together_it_is_said_once(caplog):
    rows, spec = task("binary", 1, 6, 1), NetworkSpec("steps-recurrent")
    from fedsov.training import autograd

    autograd._tell.cache_clear()
    with caplog.at_level(logging.WARNING, "fedsov"):
        for _ in range(2):
            moved(spec, rows, [0, 1, 2], terms=GradientTerms(clipping(1.0, 0.0, [rows], 0.5)))
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "each record's gradient is computed by itself, which is slow"
    ]


@pytest.mark.parametrize("noise", [False, True])
def test_what_requires_no_gradient_is_never_trained_nor_decayed_nor_noisy(noise):
    X, y = task("binary", 1, 40, 0)
    start = initial(PARTLY, 4, 3)
    if noise:
        mechanism = RecordMechanism(clip=1.0, noise_multiplier=1.0, sampling_rate=0.3, steps=3)
        trained = noisy_round(start, X, y, STEPS, mechanism, spec=PARTLY)
    else:
        trained = train_locally(start, X, y, STEPS, spec=PARTLY)
    assert np.array_equal(trained["0.weight"], start["0.weight"])
    assert all(not np.array_equal(trained[name], start[name]) for name in ("0.bias", "2.weight", "2.bias"))


def test_a_federated_training_keeps_what_is_not_trained_where_it_is_frozen_and_refuses_where_it_would_be_sent():
    rows = [task("binary", 1, 40, place) for place in range(2)]
    with pytest.raises(ConfigurationError, match="'0.weight' has requires_grad=False"):
        fedsov.federate(PARTLY, rows, rounds=1)
    work = fedsov.Work(frozen=["0.weight"], processes=1)
    fitted = fedsov.federate(PARTLY, rows, rounds=1, work=work, algorithm="fedadam")
    assert np.array_equal(fitted.parameters["0.weight"], initial(PARTLY, 4, 0)["0.weight"])
    chosen = settings(compose(["model.name=steps-partly-untrained", "model.hidden=[]"]))
    with pytest.raises(ConfigurationError, match=r"name it in model.frozen"):
        hub_settings(chosen).training.first_parameters(4, "shareable")


@pytest.mark.parametrize("name", WORKING)
def test_a_network_of_one_s_own_is_trained_with_noise_on_each_record(name):
    spec, (X, y) = NetworkSpec(f"steps-{name}"), task("binary", 1, 24, 0)
    before, mechanism = X.copy(), RecordMechanism(clip=1.0, noise_multiplier=1.0, sampling_rate=0.3, steps=2)
    start = initial(spec, 4, 0)
    once, again = (noisy_round(start, X, y, STEPS, mechanism, spec=spec, seed=4) for _ in range(2))
    assert all(np.array_equal(once[key], again[key]) for key in start)
    assert all(not np.array_equal(once[key], start[key]) for key in start if start[key].size)
    assert np.array_equal(X, before)


def test_dropout_follows_from_the_seed_of_the_steps_and_the_client_s_own_seed():
    rows = [task("binary", 1, 40, 0)] * 3
    batches = orders(rows, STEPS)[:1] * 3  # three clients with the same rows in the same order
    one, two, three = run(DROPOUT, STEPS, rows, batches, terms=GradientTerms(seeds=[5, 6, 5]))
    assert np.array_equal(one, three) and not np.array_equal(one, two)
    assert np.array_equal(run(DROPOUT, STEPS, rows[:1], batches[:1], terms=GradientTerms(seeds=[6]))[0], two)
    default = run(DROPOUT, STEPS, rows, batches)
    assert len({row.tobytes() for row in default}) == 3
    assert np.array_equal(run(DROPOUT, STEPS, rows, batches), default)
    assert not np.array_equal(run(DROPOUT, replace(STEPS, seed=1), rows, batches), default)


def test_dropout_is_on_while_it_trains_and_draws_anew_in_every_step():
    """A step of rate 1 on a record moves only the units that were not dropped; those differ from step to step."""
    rows = task("binary", 1, 1, 0)
    dropped = []
    for seed in range(6):
        gradient = named(moved(DROPOUT, rows, [0], terms=GradientTerms(seeds=[seed])), shapes(DROPOUT, 4))["3.weight"]
        dropped.append(tuple((gradient == 0)[0]))
    assert len(set(dropped)) > 3


def test_a_federation_with_dropout_is_the_same_bits_with_any_number_of_processes_and_scores_without_it():
    rows = [task("binary", 1, size, place) for place, size in enumerate((40, 22, 31, 40, 8))]
    each = [
        fedsov.federate(DROPOUT, rows, rounds=2, steps=STEPS, seed=seed, work=fedsov.Work(processes=processes))
        for seed, processes in ((0, 1), (0, 2), (1, 2))
    ]
    one, two, other = (np.concatenate([array.ravel() for array in fitted.parameters.values()]) for fitted in each)
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    X = rows[0][0].astype(np.float32)
    assert np.array_equal(each[0].logits(X), each[0].logits(X))
    assert each[0].rounds == each[1].rounds  # scores of each round too


def test_a_region_s_round_with_dropout_repeats_and_differs_from_round_to_round():
    X, y = task("binary", 1, 40, 0)
    first = initial(DROPOUT, 4, 0)
    one, again, other = (one_round(first, X, y, STEPS, spec=DROPOUT, number=number) for number in (1, 1, 2))
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["in-place", "changing-rows"])
def test_layers_that_work_in_place_change_neither_the_rows_that_are_trained_on_nor_those_that_are_scored(name):
    spec, rows = NetworkSpec(f"steps-{name}"), [task("binary", 1, 20, place) for place in range(2)]
    rows = [(X.astype(np.float32), y) for X, y in rows]
    before = [X.copy() for X, _ in rows]
    first = initial(spec, 4, 0)
    clients = held(rows, STEPS, spec)
    advance(torch.from_numpy(flat(first, first)[None].repeat(2, 0)), clients, orders(rows, STEPS), STEPS, spec=spec)
    assert np.array_equal(clients.X.numpy(), np.concatenate(before))
    fitted = fedsov.federate(spec, rows, rounds=2, steps=STEPS, work=fedsov.Work(processes=1))
    fitted.logits(rows[0][0])
    predict(train_one(first, *rows[0], STEPS, spec=spec), rows[0][0], spec)
    assert all(np.array_equal(X, kept) for (X, _), kept in zip(rows, before, strict=True))


def test_a_network_that_fails_on_some_rows_is_named_and_they_are_not():
    def looked_up(inputs: int, outputs: int) -> torch.nn.Module:
        return linear(
            inputs, outputs, lambda self, X: self.last(X) + self.table(X[:, 0].long()), table=torch.nn.Embedding(3, 1)
        )

    register("looks-up", looked_up)
    spec, X, y = NetworkSpec("looks-up"), np.full((5, 4), 7, np.float32), np.ones(5)
    for act in (
        lambda: train_locally(initial(spec, 4, 0), X, y, STEPS, spec=spec),
        lambda: predict(initial(spec, 4, 0), X, spec),
        lambda: fedsov.federate(spec, [(X, y)], rounds=1, work=fedsov.Work(processes=1, measures=False)),
        lambda: fedsov.federate(spec, [(X, y)], rounds=1, work=fedsov.Work(processes=1)),
    ):
        with pytest.raises(TrainingFailed, match="'looks-up' failed on these rows: IndexError: index out of range"):
            act()


def test_the_caller_s_generator_is_not_drawn_from_by_steps():
    rows = [task("binary", 1, 20, 0)]
    torch.manual_seed(2)
    expected = torch.rand(2)
    torch.manual_seed(2)
    run(DROPOUT, STEPS, rows, orders(rows, STEPS))
    assert torch.equal(torch.rand(2), expected)
    with seeded(11):
        run(DROPOUT, STEPS, rows, orders(rows, STEPS))
        inside = torch.rand(1)
    with seeded(11):
        assert torch.equal(torch.rand(1), inside)
