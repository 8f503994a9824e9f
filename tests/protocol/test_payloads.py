"""The forms of answers: what they know passes as it is, what they do not know does not pass."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord

from fedsov.algorithms import compression
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.recipe import Recipe
from fedsov.errors import FedsovError
from fedsov.label import Label
from fedsov.model.column_statistics import Statistics
from fedsov.model.targets import TargetRule
from fedsov.protocol import payloads
from fedsov.protocol.job import TrainingJob

PROFILE = {"rows": 40, "public": 0, "shareable": 40, "classes": 2, "label": Label(frozenset({"DE"})).to_json()}
RULES = {"digest": "ab" * 32, "count": 2, "permits": True}
OUTCOME = {
    **dict.fromkeys(payloads.SCORES, 0.7),
    "gain": None,
    "test_rows": 20,
    "selected": "federated, tuned, local feature scaling",
}
SCORES = {"num-examples": 20, "loss": 0.5, "score": 0.7}


def test_answers_in_their_form_pass_unchanged() -> None:
    said = Statistics.from_records({"age": np.arange(40.0)}, {"age": "numeric"}).to_json()
    assert payloads.profile(PROFILE) == PROFILE
    assert payloads.own_rules(RULES) == RULES
    assert payloads.statistics(said) == said
    assert payloads.outcome(OUTCOME) == OUTCOME
    assert payloads.round_scores(SCORES) == SCORES


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (payloads.own_rules, {**RULES, "name": "Jane Canary"}),
        (payloads.own_rules, {**RULES, "digest": "Jane Canary"}),
        (payloads.own_rules, {**RULES, "permits": 1}),
        (payloads.own_rules, {**RULES, "count": -1}),
        (payloads.profile, {**PROFILE, "name": "Jane Canary"}),
        (payloads.profile, {**PROFILE, "rows": "Jane Canary"}),
        (payloads.profile, {**PROFILE, "rows": 1.5}),
        (payloads.profile, list(b"Jane Canary")),
        (payloads.outcome, {**OUTCOME, "selected": "Jane Canary"}),
        (payloads.outcome, {**OUTCOME, "score": [0.1, 0.2]}),
        (payloads.outcome, {**OUTCOME, "note": "Jane Canary 61000"}),
        (payloads.round_scores, {**SCORES, "loss": [0.1] * 400}),
        (payloads.round_scores, {**SCORES, "Jane Canary": 1.0}),
        (payloads.round_scores, {"loss": 0.5}),
    ],
)
def test_what_has_another_form_does_not_pass(form, said) -> None:
    with pytest.raises(FedsovError):
        form(said)


def test_an_update_is_made_anew_from_its_numbers() -> None:
    model = ArrayRecord({"w": Array(np.zeros((2, 2), np.float32))})
    honest = ArrayRecord({"w": Array(np.full((2, 2), 3.0, np.float64))})
    made = payloads.update(honest, model)
    assert made["w"].dtype == "float32"
    np.testing.assert_array_equal(made["w"].numpy(), np.full((2, 2), 3.0))
    smuggled = Array("float32", (2, 2), "numpy.ndarray", honest["w"].data + b"Jane Canary" * 50)
    assert b"Canary" not in payloads.update(ArrayRecord({"w": smuggled}), model)["w"].data
    with pytest.raises(FedsovError, match="not those of the model"):
        payloads.update(ArrayRecord({"w": Array(np.zeros(3, np.float32))}), model)


PEOPLE = TargetRule("ill")
LAYERS = ArrayRecord({"w": Array(np.zeros((20, 5), np.float32)), "b": Array(np.zeros(20, np.float32))})


@pytest.mark.parametrize("how", [Compression("int8"), Compression("topk")])
def test_a_compressed_update_leaves_in_its_one_form_and_nothing_else_does(how: Compression) -> None:
    work = TrainingJob("people", PEOPLE, compression=how)
    change = np.random.default_rng(0).normal(size=120).astype(np.float32)
    packed = compression.packed(change, how, rng=compression.chance(0, client=0, round_number=1)).arrays
    honest = {name: Array(array) for name, array in packed.items()}
    made = payloads.update(ArrayRecord(honest), LAYERS, work)
    assert {name: array.numpy().tolist() for name, array in made.items()} == {
        name: array.tolist() for name, array in packed.items()
    }
    smuggled = {name: _longer(array) for name, array in honest.items()}
    assert all(b"Canary" not in one.data for one in payloads.update(ArrayRecord(smuggled), LAYERS, work).values())
    for wrong in (
        LAYERS,  # the whole model, where a compressed change was agreed on
        ArrayRecord({**honest, "note": Array(np.zeros(3, np.float32))}),
        ArrayRecord({name: Array(array.numpy().astype(np.float64)) for name, array in honest.items()}),
        ArrayRecord({name: Array(np.append(array.numpy(), array.numpy()[:1])) for name, array in honest.items()}),
    ):
        with pytest.raises(FedsovError):
            payloads.update(wrong, LAYERS, work)


def _longer(array: Array) -> Array:
    return Array(array.dtype, array.shape, "numpy.ndarray", array.data + b"Jane Canary" * 50)


def test_what_is_frozen_does_not_leave() -> None:
    work = TrainingJob("people", PEOPLE, Recipe(frozen=("b",)))
    update = ArrayRecord({"w": Array(np.ones((20, 5), np.float32))})
    assert list(payloads.update(update, LAYERS, work)) == ["w"]
    with pytest.raises(FedsovError, match="not those of the model"):
        payloads.update(ArrayRecord({**update, "b": LAYERS["b"]}), LAYERS, work)
    words = Array(np.zeros(101, np.uint64))
    assert list(payloads.words(ArrayRecord({"words": words}), LAYERS, work)) == ["words"]
    with pytest.raises(FedsovError, match="one array of 121 words"):
        payloads.words(ArrayRecord({"words": words}), LAYERS)
