"""What one worker counts: each request once, in its window, people by digests that no other window knows."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fedsov.inference.tokens.token_check import Claims
from fedsov.inference.use.cells import (
    ANSWERED,
    FAILED,
    FOLD,
    NO_SCORE,
    NOBODY,
    CellKey,
    UseCells,
    UseFrame,
    joined_frames,
    score_band,
)
from tests.inference.endpoint_world import MODEL, ROW, asked, at_once, endpoint, headers, run, served
from tests.inference.models import CLASSES, MIXED, NUMBER, NUMBERS, predictor

HOUR = 3600
VERSION = served(1)
OUTPUTS = np.array([[0.31]], np.float32)


def claims(subject: str | None, jurisdiction: str = "DE") -> Claims:
    return Claims(jurisdiction, subject, "https://idp.example", 2e9, "k")


def counting(now: float = 7200.0, secret: bytes | None = b"s" * 32) -> UseCells:
    cells = UseCells(HOUR, lambda begins: None if secret is None else secret + begins.to_bytes(8, "big"))
    assert not cells.taken(now)
    return cells


def people(frame: UseFrame) -> set[int]:
    return {person for each in frame.cells.values() for person in each}


def test_a_request_is_counted_in_one_cell_of_its_window():
    cells = counting()
    for subject in ("anna", "ben", "anna"):
        cells.observe(VERSION, ANSWERED, claims(subject), seconds=0.003, outputs=OUTPUTS)
    cells.observe(VERSION, FAILED, claims("anna"), seconds=9.0)
    (frame,) = cells.taken(7300.0)
    key = (MODEL, 1, "champion", ANSWERED, "DE", 1, 3)
    assert frame.begins == 7200 and sorted(frame.cells[key].values()) == [1, 2]
    assert list(frame.cells[(MODEL, 1, "champion", FAILED, "DE", 5, NO_SCORE)].values()) == [1]
    assert not cells.taken(7301.0), "what was taken is forgotten"


def test_a_person_is_the_same_in_every_worker_of_a_window_and_another_in_the_next():
    first, second = counting(), counting()
    for cells in (first, second):
        cells.observe(VERSION, ANSWERED, claims("anna"), seconds=0.003, outputs=OUTPUTS)
    (one_worker,), (other_worker,) = first.taken(10_800.0), second.taken(7300.0)
    assert people(one_worker) == people(other_worker)
    assert people(joined_frames([one_worker, other_worker])) == people(one_worker)
    first.observe(VERSION, ANSWERED, claims("anna"), seconds=0.003, outputs=OUTPUTS)
    (later,) = first.taken(10_801.0)
    assert later.begins == 10_800 and not people(later) & people(one_worker)


def test_two_people_of_one_name_at_two_issuers_are_two():
    cells = counting()
    for issuer in ("https://a.example", "https://b.example"):
        cells.observe(VERSION, ANSWERED, Claims("DE", "anna", issuer, 2e9, "k"), seconds=0.1, outputs=OUTPUTS)
    assert len(people(cells.taken(7300.0)[0])) == 2


def test_a_token_without_a_subject_is_nobody():
    cells = counting()
    cells.observe(VERSION, ANSWERED, claims(None), seconds=0.003, outputs=OUTPUTS)
    assert people(cells.taken(7300.0)[0]) == {NOBODY}


def test_no_name_is_in_what_is_put_down():
    cells = counting()
    cells.observe(VERSION, ANSWERED, claims("anna"), seconds=0.003, outputs=OUTPUTS)
    (frame,) = cells.taken(7300.0)
    assert "anna" not in str(frame.to_json()) and UseFrame.from_json(frame.to_json()) == frame


@pytest.mark.parametrize("cells", [UseCells(0, lambda begins: b"s" * 32), counting(secret=None)])
def test_where_nothing_is_to_be_counted_or_no_secret_is_there_nobody_is(cells):
    for _ in range(FOLD + 1):
        cells.observe(VERSION, ANSWERED, claims("anna"), seconds=0.003, outputs=OUTPUTS)
    frames = cells.taken(7300.0)
    assert not any(frame.cells for frame in frames)
    assert sum(frame.uncounted for frame in frames) == (FOLD + 1 if cells.seconds else 0)


@pytest.mark.parametrize(
    ("target", "columns", "outputs", "band"),
    [
        (None, NUMBERS, [[0.05]], 0),
        (None, NUMBERS, [[0.95]], 9),
        (None, NUMBERS, [[0.2], [0.3]], NO_SCORE),
        (CLASSES, MIXED, [[0.1, 0.72, 0.18]], 7),
        (NUMBER, MIXED, [[52_000.0]], NO_SCORE),
    ],
)
def test_a_score_is_the_greatest_probability_of_one_row(target, columns, outputs, band):
    model = predictor(columns) if target is None else predictor(columns, target)
    assert score_band(served(1, model=model), np.array(outputs, np.float32)) == band


@pytest.mark.parametrize("way", [asked, at_once], ids=["asgi", "at once"])
def test_an_endpoint_counts_who_was_answered_and_who_was_admitted_and_refused(way):
    app = endpoint()
    app.cells = counting()
    run(way(app))
    run(way(app, {"rows": [{**ROW, "age": "old"}]}))
    run(way(app, head=headers("no.token.here")))
    (frame,) = app.cells.taken(7300.0)
    outcomes = {CellKey(*key).outcome: sum(people.values()) for key, people in frame.cells.items()}
    assert outcomes == {"answered": 1, "refused": 1}


def test_a_shadow_s_answer_is_no_request_of_its_own():
    from fedsov.inference.versions import ModelVersions
    from tests.inference.endpoint_world import state

    app = endpoint(state(ModelVersions(served(1), shadows=((served(2, "shadow"), 1.0),))))
    app.cells = counting()
    run(at_once(app))
    (frame,) = app.cells.taken(7300.0)
    assert [CellKey(*key).version for key in frame.cells] == [1]


def test_an_observation_costs_a_microsecond_or_two_with_all_that_follows_from_it():
    cells, known = counting(), [claims(f"person {number}") for number in range(1000)]
    best = 1.0
    for _ in range(5):
        began = time.process_time()
        for _ in range(20):
            for each in known:
                cells.observe(VERSION, ANSWERED, each, seconds=0.0004, outputs=OUTPUTS)
        best = min(best, (time.process_time() - began) / 20_000)
        cells.taken(7300.0)
    assert best < 5e-6, f"{best * 1e6:.2f} µs, and scripts/benchmark measures it in calm"
