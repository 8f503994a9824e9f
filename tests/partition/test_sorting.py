"""Rows in their places, before any key is at hand; what becomes of them is in test_ingest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsov.errors import InputError
from fedsov.partition.classify import ClassifyRules, RestrictionRule
from fedsov.partition.sorting import report_of, survey
from fedsov.partition.sources import open_source
from tests.partition.world import ATLAS, people, spec_of, two_regions, written


def test_every_row_has_a_region_or_a_reason_and_a_label(tmp_path: Path) -> None:
    places = ["Germany"] * 40 + ["Atlantis"] * 15 + ["US"] * 40 + [None] * 5
    spec = spec_of(written(tmp_path, people(100, country=places)))
    with open_source(spec) as source:
        rows = survey(source, ATLAS, two_regions(), {})
        (batch,) = rows.tables()
    report = report_of(rows, keep_empty=True)
    assert report.stored == {"US": 40, "EU": 40}
    assert report.quarantined == {"jurisdiction unknown": 15, "jurisdiction missing": 5}
    assert "'Atlantis' (10 rows or more)" in report.said[0]
    label_of = rows.combinations.label_of[batch.place]
    assert {rows.combinations.labels[place].origins for place in np.unique(label_of[:40])} == {frozenset({"DE"})}


def test_a_rule_that_binds_no_row_ends_the_ingestion(tmp_path: Path) -> None:
    rules = ClassifyRules(restrictions=(RestrictionRule("contract", "Closed", "contract"),))
    spec = spec_of(written(tmp_path, people(100)), classify=rules)
    with (
        open_source(spec) as source,
        pytest.raises(InputError, match=r"no row of column 'contract'.*'closed' \(\d+ rows"),
    ):
        survey(source, ATLAS, two_regions(), {})
