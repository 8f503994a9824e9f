"""Rows of a file are read as an ingestion reads them, and each is bound by the rules of its data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedsov.errors import InputError
from fedsov.label import Label
from fedsov.model.packaging.encoder import InputColumn
from fedsov.model.targets import TargetRule
from fedsov.region.serving.asked_rows import AskedBatch, RowsAsked, opened

COLUMNS = (InputColumn("income", "numeric"), InputColumn("ward", "categorical", ("007", "B")))
DESCRIPTION: dict[str, Any] = {
    "jurisdiction": "country",
    "aliases": {"Bundesrepublik": "DE"},
    "categories": {"ward": ["health"]},
    "default_categories": ["personal"],
    "restrictions": [{"column": "consent", "equals": "no", "restriction": "contract"}],
    "csv": {"decimal": ","},
}


def _batches(place: Path, text: str, **changed: Any) -> tuple[list[AskedBatch], tuple[str, ...]]:
    (place / "rows.csv").write_text(text)
    words = {"columns": COLUMNS, "target": TargetRule("ill"), "dataset": "people", "description": DESCRIPTION}
    asked = RowsAsked(place / "rows.csv", **{**words, "served": ("DE", "FR"), "serves": "DE, FR", **changed})
    with opened(asked) as source:
        return list(source.batches()), tuple(source.extra)


def test_numbers_words_and_missing_values_are_what_they_are_in_a_store(tmp_path: Path) -> None:
    (batch,), extra = _batches(tmp_path, "ward;income;country;x\n007;1,5;DE;1\n B ;NA;Bundesrepublik;2\n;-2;FR;3\n")
    assert (
        batch.columns["income"].tolist()[::2] == [1.5, -2.0]
        and batch.columns["income"][1] != batch.columns["income"][1]
    )
    assert batch.columns["ward"].tolist() == ["007", "B", None]
    assert batch.jurisdictions == {"DE": 2, "FR": 1} and extra == ("x",) and len(batch) == 3


def test_a_label_joins_origins_categories_and_the_restrictions_of_the_rows(tmp_path: Path) -> None:
    (batch,), _ = _batches(tmp_path, "ward;income;country;consent\nB;1;DE;yes\nB;2;FR;yes\n")
    bound = Label(frozenset({"DE", "FR"}), frozenset({"personal", "health"}))
    assert batch.label == bound
    (batch,), _ = _batches(tmp_path, "ward;income;country;consent\nB;1;DE;yes\nB;2;DE;no\n")
    assert batch.label.restrictions == {"contract"}


def test_rows_that_do_not_say_what_a_restriction_asks_are_bound_by_it(tmp_path: Path) -> None:
    (batch,), _ = _batches(tmp_path, "ward;income;country\nB;1;DE\n")
    assert batch.label.restrictions == {"contract"}


def test_rows_that_say_no_jurisdiction_are_of_whom_the_caller_says(tmp_path: Path) -> None:
    (batch,), _ = _batches(tmp_path, "ward;income\nB;1\n", jurisdiction="FR")
    assert batch.label.origins == {"FR"}
    (batch,), _ = _batches(tmp_path, "ward;income\nB;1\n", home="DE")
    assert batch.label.origins == {"DE"}
    with pytest.raises(InputError, match="has no column 'country' of jurisdictions, and the region serves DE, FR"):
        _batches(tmp_path, "ward;income\nB;1\n")


def test_without_a_description_all_is_personal_and_rows_say_nothing_of_their_law(tmp_path: Path) -> None:
    (batch,), _ = _batches(tmp_path, "ward,income\nB,1\n", description={}, home="DE")
    assert batch.label.origins == {"DE"} and batch.label.categories
