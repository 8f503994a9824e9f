"""The schema of a report of use: what it says comes back as it was, and nothing else is read or can be made."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fedsov.protocol.use_report import (
    MOST_BYTES,
    Drift,
    UseCell,
    UseNoise,
    UseReport,
    UseReportRefused,
    drift_band,
    read_use_report,
    score_words,
    seconds_words,
)

CELL = UseCell("m", 1, "champion", "answered", people=20, requests=130, seconds=(0, 1), score=(3, 9))
OTHER = replace(CELL, score=(0, 2), requests=None)
REPORT = UseReport("DE", 7200, 60, 10, (CELL, OTHER), (Drift("m", 1, (3, 1, 0), "small"),), UseNoise(1.0, 1e-6, 3))


def changed(**values: Any) -> bytes:
    """The report's text with other values at its top."""
    plain = {**json.loads(REPORT.to_bytes()), **values}
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def of_cell(**values: Any) -> bytes:
    """The report's text with another first cell."""
    cells = json.loads(REPORT.to_bytes())["cells"]
    return changed(cells=[{**cells[0], **values}, *cells[1:]])


def test_a_report_is_read_as_it_was_written():
    assert read_use_report(REPORT.to_bytes()) == REPORT
    assert REPORT.ends == 7200 + 3600


@pytest.mark.parametrize("people", [0, 9, 11, 15, -10, 10.0, "10", None, True])
def test_people_are_ten_or_more_in_tens(people):
    with pytest.raises(UseReportRefused):
        read_use_report(of_cell(people=people))


@pytest.mark.parametrize(
    "values",
    [
        {"requests": 7},
        {"requests": 131},
        {"role": "shadow"},
        {"outcome": "asked by anna"},
        {"seconds": [1, 0]},
        {"seconds": [0, 6]},
        {"seconds": [0.0, 1.0]},
        {"score": [0, 10]},
        {"version": 0},
        {"model": ""},
        {"model": "a\nb"},
        {"model": "m" * 201},
        {"jurisdiction": "LU"},
    ],
)
def test_no_other_word_number_or_key_fits_into_a_cell(values):
    with pytest.raises(UseReportRefused):
        read_use_report(of_cell(**values))


@pytest.mark.parametrize(
    "values",
    [
        {"format": "fedsov use 2"},
        {"total": 150},
        {"left_out": 1},
        {"begins": 7201},
        {"minutes": 0},
        {"minutes": 1441},
        {"least": 9},
        {"least": 40},
        {"cells": []},
        {"region": "../DE"},
        {"drift": [["m", 1]]},
        {"drift": [{"model": "m", "version": 2, "inputs": [0, 0, 1], "score": "small"}]},
        {"drift": [{"model": "m", "version": 1, "inputs": [0, 0, 1], "score": "0.26"}]},
        {"noise": {"epsilon": 0.0, "delta": 1e-6, "cells": 1}},
    ],
)
def test_no_other_key_or_value_fits_into_a_report(values):
    with pytest.raises(UseReportRefused):
        read_use_report(changed(**values))


@pytest.mark.parametrize("other", [CELL, replace(CELL, score=(9, 9)), replace(CELL, seconds=(1, 3), score=(0, 3))])
def test_cells_that_share_a_request_are_refused_for_their_difference_could_be_a_person(other):
    with pytest.raises(UseReportRefused, match="could be a person"):
        replace(REPORT, cells=(CELL, other), drift=())


@pytest.mark.parametrize("apart", [{"score": None}, {"version": 2}, {"outcome": "refused"}, {"seconds": (2, 5)}])
def test_cells_of_other_requests_are_not(apart):
    assert replace(REPORT, cells=(CELL, replace(CELL, **apart))).cells[1] != CELL


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        REPORT.to_bytes().replace(b":", b": ", 1),
        REPORT.to_bytes().replace(b'"least":10', b'"least":10,"least":10'),
        b" " * (MOST_BYTES + 1),
        b"[" * 100_000,
    ],
)
def test_what_is_written_in_another_way_or_is_too_large_is_no_report(content):
    with pytest.raises(UseReportRefused):
        read_use_report(content)


def test_a_report_that_is_refused_is_refused_without_a_word_of_it():
    with pytest.raises(UseReportRefused) as refusal:
        read_use_report(of_cell(outcome="anna", model="x\x00anna"))
    assert "anna" not in str(refusal.value)


def test_many_cells_that_overlap_are_refused_at_once():
    with pytest.raises(UseReportRefused):
        replace(REPORT, cells=(CELL,) * 5000)


@pytest.mark.parametrize(("psi", "word"), [(0.0, "small"), (0.0999, "small"), (0.1, "moderate"), (0.26, "large")])
def test_drift_is_a_word(psi, word):
    assert drift_band(psi) == word


def test_bands_are_words_for_people():
    assert [seconds_words(band) for band in ((0, 0), (1, 2), (5, 5))] == ["up to 1 ms", "1 to 25 ms", "above 500 ms"]
    assert [score_words(band) for band in ((9, 9), (0, 9))] == ["0.9 to 1", "0 to 1"]
