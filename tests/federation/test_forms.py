"""The forms of answers: what they know passes as it is, what they do not know does not pass."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord

from fedsov.errors import FedsovError
from fedsov.federation import forms
from fedsov.label import Label
from fedsov.model.features import Statistics

PROFILE = {"rows": 40, "public": 0, "shareable": 40, "classes": 2, "label": Label(frozenset({"DE"})).to_json()}
OUTCOME = {**dict.fromkeys(forms.SCORES, 0.7), "gain": None, "test_rows": 20, "kept": "federated, tuned, own scale"}
SCORES = {"num-examples": 20, "loss": 0.5, "auc": 0.7}


def test_answers_in_their_form_pass_unchanged() -> None:
    said = Statistics.from_records({"age": np.arange(40.0)}, {"age": "numeric"}).to_json()
    assert forms.profile(PROFILE) == PROFILE
    assert forms.statistics(said) == said
    assert forms.outcome(OUTCOME) == OUTCOME
    assert forms.round_scores(SCORES) == SCORES


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (forms.profile, {**PROFILE, "name": "Jane Canary"}),
        (forms.profile, {**PROFILE, "rows": "Jane Canary"}),
        (forms.profile, {**PROFILE, "rows": 1.5}),
        (forms.profile, list(b"Jane Canary")),
        (forms.outcome, {**OUTCOME, "kept": "Jane Canary"}),
        (forms.outcome, {**OUTCOME, "auc": [0.1, 0.2]}),
        (forms.outcome, {**OUTCOME, "note": "Jane Canary 61000"}),
        (forms.round_scores, {**SCORES, "loss": [0.1] * 400}),
        (forms.round_scores, {**SCORES, "Jane Canary": 1.0}),
        (forms.round_scores, {"loss": 0.5}),
    ],
)
def test_what_has_another_form_does_not_pass(form, said) -> None:
    with pytest.raises(FedsovError):
        form(said)


def test_an_update_is_made_anew_from_its_numbers() -> None:
    model = ArrayRecord({"w": Array(np.zeros((2, 2), np.float32))})
    honest = ArrayRecord({"w": Array(np.full((2, 2), 3.0, np.float64))})
    made = forms.update(honest, model)
    assert made["w"].dtype == "float32"
    np.testing.assert_array_equal(made["w"].numpy(), np.full((2, 2), 3.0))
    smuggled = Array("float32", (2, 2), "numpy.ndarray", honest["w"].data + b"Jane Canary" * 50)
    assert b"Canary" not in forms.update(ArrayRecord({"w": smuggled}), model)["w"].data
    with pytest.raises(FedsovError, match="not those of the model"):
        forms.update(ArrayRecord({"w": Array(np.zeros(3, np.float32))}), model)
