"""Use is counted by version, and told as Prometheus reads it; workers' counts add up and outlive their worker."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest

from fedsov.inference.use.drift import Reference
from fedsov.inference.use.usage import FOLD, LATENCIES, WINDOW, Usage, joined, prometheus, windows

REFERENCE = Reference.of({"a": np.linspace(-2, 2, 400)}, np.linspace(0, 1, 400))
KEY = ("m", 1)


def counted(requests: int, *, rows: int = 1) -> Usage:
    usage = Usage()
    usage.watch({KEY: REFERENCE}, 0.0)
    for number in range(requests):
        usage.answered("m", 1, "champion", rows=rows, seconds=0.0002 * (1 + number % 3))
        usage.observed(KEY, np.full((rows, 1), 0.1, np.float32), np.full((rows, 1), 0.5, np.float32), 0.0)
    return usage


def text_of(usage: Usage) -> str:
    whole = joined([json.loads(json.dumps(usage.snapshot(0.0)))])
    return prometheus(whole, region="DE", drift=windows(whole, {KEY: REFERENCE}), gauges={"ready": ("Ready.", 1.0)})


def test_the_text_is_what_prometheus_reads():
    usage = counted(300)
    usage.refused(422)
    usage.noted('a "quoted"\nevent')
    text = text_of(usage)
    line = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? [0-9.e+-]+')
    for each in text.splitlines():
        assert each.startswith(("# HELP ", "# TYPE ")) or line.fullmatch(each), each
    names = re.findall(r"^# TYPE (\S+)", text, re.M)
    assert len(names) == len(set(names)) and text.endswith("\n")
    assert 'fedsov_inference_answers_total{region="DE",status="422"} 1' in text
    assert 'fedsov_inference_drift_rows{region="DE",model="m",version="1"} 300' in text


def test_a_histogram_is_cumulative_and_ends_with_all():
    buckets = re.findall(r'seconds_bucket\{[^}]*le="([^"]+)"\} (\d+)', text_of(counted(300)))
    counts = [int(count) for _, count in buckets]
    assert [edge for edge, _ in buckets][-1] == "+Inf" and len(buckets) == len(LATENCIES) + 1
    assert counts == sorted(counts) and counts[-1] == 300
    assert dict(buckets)["0.0001"] == "0" and dict(buckets)["0.00025"] == "100"


def test_workers_counts_add_up():
    whole = joined([counted(3).snapshot(0.0), counted(4, rows=2).snapshot(0.0)])
    assert whole["versions"][0][:5] == ["m", 1, "champion", 7, 11]
    assert windows(whole, {KEY: REFERENCE})[KEY].rows == 11


def test_totals_go_on_in_the_next_process():
    earlier = json.loads(json.dumps(counted(5).snapshot(0.0)))
    usage = Usage(earlier)
    usage.answered("m", 1, "champion", rows=1, seconds=0.1)
    usage.refused(401)
    assert usage.snapshot(0.0)["versions"][0][:4] == ["m", 1, "champion", 6]


def test_a_version_that_nobody_watches_has_no_drift():
    usage = Usage()
    usage.observed(KEY, np.zeros((1, 1)), np.zeros((1, 1)), 0.0)
    assert usage.snapshot(0.0)["drift"] == []


def test_a_window_ends_and_what_is_told_is_of_the_last_and_the_present_one():
    usage = counted(200)
    row = np.full((1, 1), 0.1, np.float32), np.full((1, 1), 0.5, np.float32)
    usage.fold(0.0)
    for moment, rows in ((WINDOW + 1, 201), (2 * WINDOW + 2, 2), (3 * WINDOW + 3, 2)):
        usage.observed(KEY, *row, moment)
        assert usage.snapshot(moment)["drift"][0][2]["rows"] == rows


def test_a_clock_that_goes_back_ends_no_window():
    usage = Usage()
    usage.watch({KEY: REFERENCE}, 1000.0)
    usage.observed(KEY, np.zeros((1, 1)), np.zeros((1, 1)), 0.0)
    assert usage.snapshot(-50.0)["drift"][0][2]["rows"] == 1


def test_a_new_reference_begins_anew_and_the_same_goes_on():
    usage = counted(3)
    usage.watch({KEY: REFERENCE}, 1.0)
    assert usage.snapshot(1.0)["drift"][0][2]["rows"] == 3
    other = Reference.of({"a": np.linspace(-1, 1, 400)}, np.linspace(0, 1, 400))
    usage.watch({KEY: other}, 2.0)
    assert usage.snapshot(2.0)["drift"][0][2]["rows"] == 0


def test_rows_are_folded_before_they_take_memory():
    usage = Usage()
    usage.watch({KEY: REFERENCE}, 0.0)
    for _ in range(FOLD // 100 + 1):
        usage.observed(KEY, np.zeros((100, 1)), np.zeros((100, 1)), 0.0)
    assert usage._pending < FOLD


def test_counting_costs_no_more_than_some_microseconds():
    usage = counted(1)
    inputs, scores = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
    best = min(_seconds(usage, inputs, scores) for _ in range(10))
    assert best < 20e-6


def _seconds(usage: Usage, inputs: np.ndarray, scores: np.ndarray) -> float:
    began = time.process_time()
    for _ in range(1000):
        usage.answered("m", 1, "champion", rows=1, seconds=0.001)
        usage.observed(KEY, inputs, scores, 0.0)
    return (time.process_time() - began) / 1000


@pytest.mark.parametrize("name", ["jurisdiction", "subject", "issuer"])
def test_nothing_in_the_text_names_people_or_where_they_are_from(name):
    assert name not in text_of(counted(200))
