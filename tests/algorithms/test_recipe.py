"""The group `model` becomes a recipe: a network and the steps of each occasion, every value by its key."""

from __future__ import annotations

from typing import Any

import pytest

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.recipe import OCCASIONS, Recipe
from fedsov.errors import ConfigurationError
from fedsov.model.network import NetworkSpec


def _made(task: str = "binary", outputs: int = 1, **model: Any) -> Recipe:
    model = {"name": "mlp", "hidden": [4], **model}
    return Recipe.from_settings(model, seed=7, task=task, outputs=outputs, beside=("private",))


def test_what_is_not_said_is_the_default_with_the_seed_and_the_loss_of_the_target() -> None:
    recipe = _made("regression")
    assert recipe.network == NetworkSpec("mlp", (4,), 1) and recipe.frozen == ()
    assert [getattr(recipe, occasion) for occasion in OCCASIONS] == [LocalSteps(seed=7, loss="regression")] * 3


def test_each_occasion_has_its_own_steps() -> None:
    recipe = _made(
        "multiclass",
        3,
        round={"epochs": 5, "class_weights": [1, 2, 3]},
        fine_tune={"proximal_mu": 0.5},
        frozen=["0.weight"],
        private=["intercept"],
    )
    assert (recipe.network.outputs, recipe.frozen) == (3, ("0.weight",))
    assert (recipe.round.epochs, recipe.round.class_weights) == (5, (1.0, 2.0, 3.0))
    assert (recipe.fine_tune.proximal_mu, recipe.from_scratch.proximal_mu) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ({"round": {"epoch": 5}}, "model.round.epoch is not a setting; did you mean model.round.epochs?"),
        ({"round": {"epochs": 0.5}}, "model.round.epochs must be a whole number of 0 or more, got 0.5"),
        ({"fine_tune": None}, "model.fine_tune must be a mapping with learning_rate, momentum, batch"),
        ({"from_scratch": {"loss": "regression"}}, "model.from_scratch.loss is 'regression', and the loss of dataset"),
        ({"round": {"class_weights": [1]}}, "model.round.class_weights must be [] or 2 numbers above 0, got [1]"),
        (
            {"round": {"class_weights": [1, -1]}},
            "model.round.class_weights must be [] or 2 numbers above 0, got [1, -1]",
        ),
        ({"rounds": {}}, "model.rounds is not a setting; did you mean model.round?"),
        ({"hidden": "16"}, "model.hidden must be a list as [A, B], got '16'"),
        ({"hidden": [True]}, "model.hidden[0] must be a whole number of 1 or more, got True"),
        ({"name": "logistic"}, "model.name=logistic: network logistic has no hidden layers"),
        ({"name": ["mlp"]}, "model.name must be the name of a network, got ['mlp']"),
        ({"frozen": "0.weight"}, "model.frozen must be a list as [A, B], got '0.weight'"),
        ({"frozen": ["9.weight"]}, "model.frozen: no shared parameter '9.weight'; there are 0.weight, 0.bias"),
        ({"frozen": ["0.weight", "0.bias", "2.weight", "2.bias"]}, "model.frozen lists every shared parameter"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_key(model: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _made(**model)
    assert str(refused.value).startswith(line) and "\n" not in str(refused.value)


def test_a_network_that_a_run_does_not_know_is_to_be_installed() -> None:
    says = r"model.name=mine: unknown network 'mine'; .*entry point fedsov.networks\); fedsov.register names it in this"
    with pytest.raises(ConfigurationError, match=says):
        Recipe.from_settings({"name": "mine", "hidden": []}, seed=0, task="binary", outputs=1)


def test_numbers_have_no_classes_to_weigh() -> None:
    assert _made("regression", round={"class_weights": []}).round.class_weights == ()
    with pytest.raises(ConfigurationError, match=r"model.round.class_weights must be \[\]: numbers have no classes"):
        _made("regression", round={"class_weights": [1, 2]})
