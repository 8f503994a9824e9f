"""Why a column is not learned from is told with what its data set declares of it."""

from __future__ import annotations

from fedsov.hub.federated_training import within_bounds
from fedsov.model.features import CONSTANT, TOO_FEW


def test_a_column_whose_bounds_leave_too_few_people_apart_is_told_with_them_and_not_as_constant() -> None:
    told = within_bounds({"income": TOO_FEW, "age": TOO_FEW, "ward": CONSTANT}, {"income": (0.0, 1.0), "ward": (0, 1)})
    assert "dataset.bounds.income=[0, 1]" in told["income"] and "constant" not in told["income"]
    assert "region set" in told["income"] and (told["age"], told["ward"]) == (TOO_FEW, CONSTANT)
