"""Totals of what was told: sums from a least to a most, and bands that are sure to hold a quantile."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from fedsov.control_plane.metrics.exposition import open_telemetry, prometheus
from fedsov.control_plane.metrics.totals import Requests, totals
from fedsov.protocol.use_report import Drift, UseCell, UseReport

FAST = UseCell("m", 1, "champion", "answered", people=20, requests=130, seconds=(0, 0), score=(0, 4))
SLOW = replace(FAST, people=10, requests=10, seconds=(3, 5), score=(5, 9))
REFUSED = UseCell("m", 1, "champion", "refused", people=10, requests=None)
FIRST = UseReport("DE", 3600, 60, 10, (FAST, SLOW, REFUSED), (Drift("m", 1, (4, 1, 0), "small"),))
SECOND = UseReport("DE", 7200, 60, 10, (FAST,), (Drift("m", 1, (3, 1, 1), "large"),))
OTHER = UseReport("FR", 3600, 60, 10, (replace(FAST, model='m "x"\\'),))


def test_windows_are_added_up_by_region_and_version():
    de, fr = totals([SECOND, OTHER, FIRST])
    assert (de.region, de.windows, de.begins, de.ends, de.people) == ("DE", 2, 3600, 10_800, 20)
    assert de.outcomes["answered"] == Requests(270, 297) and de.outcomes["refused"] == Requests(10, None)
    assert de.requests == Requests(280, None) and str(de.requests) == "280 or more"
    assert de.drift is not None and de.drift.score == "large", "of the last window"
    assert fr.requests == Requests(130, 139)


def test_a_quantile_is_within_the_bands_that_were_joined():
    (de,) = totals([FIRST])
    assert de.seconds_of(0.5) == (0, 0) and de.seconds_of(0.99) == (3, 5)
    assert totals([UseReport("DE", 0, 60, 10, (REFUSED,))])[0].seconds_of(0.5) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=6))
def test_the_quantile_of_any_requests_in_those_bands_is_within(drawn):
    cells = [replace(FAST, seconds=(min(a, b), max(a, b)), requests=10 * n) for a, b, n in drawn]
    (total,) = totals([UseReport("DE", 3600 * place, 60, 10, (cell,)) for place, cell in enumerate(cells)])
    for share in (0.5, 0.99):
        band = total.seconds_of(share)
        for edge in (0, 1):
            weights = [max(cell.requests or 0, cell.people) for cell in cells]
            rows = sorted(
                cell.seconds[edge] for cell, weight in zip(cells, weights, strict=True) for _ in range(weight)
            )
            at = rows[math.ceil(share * len(rows)) - 1]
            assert band is not None and band[edge] == at


def test_prometheus_reads_what_is_written():
    families = {family.name: family for family in text_string_to_metric_families(prometheus(totals([FIRST, OTHER])))}
    samples = families["fedsov_use_requests"].samples
    assert {sample.labels["model"] for sample in samples} == {"m", 'm "x"\\'}
    assert sum(sample.value for sample in samples if sample.labels["region"] == "DE") == 150
    assert {sample.labels["seconds"] for sample in samples} == {"up to 1 ms", "above 25 ms", "any"}
    assert families["fedsov_use_window_end_seconds"].samples[0].value == 7200


def test_open_telemetry_has_the_same_numbers():
    plain = json.loads(json.dumps(open_telemetry(totals([FIRST]), now=1.5)))
    metrics = plain["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    first = metrics[0]
    assert first["name"] == "fedsov_use_requests_total" and first["sum"]["isMonotonic"]
    assert sum(point["asDouble"] for point in first["sum"]["dataPoints"]) == 150
    assert {point["timeUnixNano"] for point in first["sum"]["dataPoints"]} == {"1500000000"}


@pytest.mark.parametrize("wanted", ["region", "p99", "answered", "scores", "drift"])
def test_a_total_has_plain_values(wanted):
    (total,) = totals([FIRST])
    assert wanted in json.loads(json.dumps(total.to_json()))
