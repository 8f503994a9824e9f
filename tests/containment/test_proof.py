"""The proof itself, whole, in network namespaces where the machine has them; and that its controls can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.containment import network
from tests.containment.canaries import Search, canaries_of, needles
from tests.containment.hostile_app import IN_VAIN, NEVER
from tests.containment.proof import HONEST, REGIONS, Report, _judge_control, _Passed, _strays, prove
from tests.containment.test_capture import frame


def _prove(place: Path, **size: int) -> Report:
    """Where there are no namespaces, the report says why; `scripts/prove-containment` prints the same."""
    report = prove(place / "proof", **size)
    print(f"containment was proved over {report.networks}")
    return report


def _check(report: Report) -> None:
    assert report.networks.startswith("namespaces" if not network.why_not() else "the loopback interface")
    assert report.bytes_clear > 500_000 and report.bytes_at_hub > 100_000 and len(report.encodings) > 70
    assert len(report.attempts) >= 26 + len(NEVER) + len(IN_VAIN) and report.refused == len(report.attempts) - len(
        IN_VAIN
    )
    assert any("rare float" in line for line in report.control)
    if not network.why_not():
        assert report.links == 5 and report.packets > 1000 and len(report.control) >= 5


def test_nothing_leaks_and_what_was_planted_is_found(tmp_path: Path) -> None:
    report = _prove(tmp_path)
    assert not report.faults
    _check(report)


@pytest.mark.long
def test_nothing_leaks_in_many_rounds_over_many_rows(tmp_path: Path) -> None:
    report = _prove(tmp_path, rounds=20, rows=2000)
    assert not report.faults
    _check(report)


def test_a_search_that_finds_no_planted_leak_fails_itself() -> None:
    report, places = Report("a test"), network.loopback(REGIONS)
    canaries = [canary for name in REGIONS for canary in canaries_of(name)]
    _judge_control(report, Search(needles(canaries)), places, _Passed({}, {"FR.sent": b"nothing"}, 0), canaries)
    assert len(report.faults) == 3 and all("the control failed" in fault for fault in report.faults)


def test_a_packet_to_anybody_but_the_hub_is_a_stray() -> None:
    place = network.Place(HONEST, "10.0.0.1", "namespace", "link")
    (stray,) = _strays(_Passed({HONEST: [frame(b"x")]}, {}, 0), {HONEST: place})
    assert stray == "DE: tcp 10.0.0.1 -> 10.0.0.2:60"
