"""A version is judged by what it answered since it began to run, beside the champion that was there before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.api.control.serving.region_guard import RegionGuard
from fedsov.inference.use.drift import REFERENCE, Reference
from fedsov.inference.use.guard import DRIFT, ERRORS, OK, SLOW, WATCHING, GuardLimits
from fedsov.inference.use.usage import Usage, joined
from fedsov.runtimes.serving.running import Running, RunningVersion
from fedsov.storage.serving_folder import ServingFolder

LIMITS = GuardLimits(requests=100)


class Endpoint:
    """The counts of an endpoint, and what it runs."""

    def __init__(self) -> None:
        self.usage = Usage()

    def asked(self, version: int, count: int, *, seconds: float = 0.001, faults: int = 0) -> Endpoint:
        for _ in range(count):
            self.usage.answered("m", version, "champion", rows=1, seconds=seconds)
        for _ in range(faults):
            self.usage.failed("m", version, "champion")
        return self

    def runs(self, *versions: tuple[int, str], since: str = "monday") -> Running:
        usage: Any = joined([json.loads(json.dumps(self.usage.snapshot(0.0)))])
        present = tuple(RunningVersion("m", number, role, "", 1, since) for number, role in versions)
        return Running(workers=1, counter=1, versions=present, usage=usage)


def word(guard: RegionGuard, running: Running, version: int = 2) -> str:
    guard.look(running)
    return guard.judgements(LIMITS)["m", version].word


def test_a_version_is_judged_by_what_came_since_it_began_and_not_by_an_earlier_time(tmp_path: Path) -> None:
    endpoint, guard = Endpoint().asked(2, 500, faults=400), RegionGuard(tmp_path)
    assert word(guard, endpoint.runs((2, "champion"))) == WATCHING, "those were before"
    assert word(guard, endpoint.asked(2, 120).runs((2, "champion"))) == OK
    assert word(guard, endpoint.asked(2, 5, faults=20).runs((2, "champion"))) == ERRORS


def test_slowness_is_beside_the_champion_that_was_there_before(tmp_path: Path) -> None:
    endpoint, guard = Endpoint().asked(1, 300), RegionGuard(tmp_path)
    guard.look(endpoint.runs((1, "champion")))
    guard.look(endpoint.runs((2, "champion"), since="tuesday"))
    assert word(guard, endpoint.asked(2, 150, seconds=0.02).runs((2, "champion"), since="tuesday")) == SLOW


def test_a_canary_is_beside_the_champion_that_answers_with_it(tmp_path: Path) -> None:
    endpoint, guard = Endpoint(), RegionGuard(tmp_path)
    guard.look(endpoint.runs((1, "champion"), (2, "canary")))
    running = endpoint.asked(1, 200).asked(2, 150, seconds=0.02).runs((1, "champion"), (2, "canary"))
    assert word(guard, running) == SLOW and word(guard, running, 1) == OK


def test_an_agent_that_is_killed_judges_on_by_the_same_window(tmp_path: Path) -> None:
    endpoint = Endpoint().asked(1, 300).asked(2, 50, faults=50)
    first = RegionGuard(tmp_path)
    first.look(endpoint.runs((1, "champion")))
    first.look(endpoint.runs((2, "champion"), since="tuesday"))
    running = endpoint.asked(2, 150, seconds=0.02).runs((2, "champion"), since="tuesday")
    assert word(RegionGuard(tmp_path), running) == SLOW, "the faults were before, and the champion before is known"


def test_what_was_remembered_and_cannot_be_read_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "control" / "guard.json"
    path.parent.mkdir()
    path.write_bytes(b"{")
    assert word(RegionGuard(tmp_path), Endpoint().asked(2, 150).runs((2, "champion"))) == WATCHING


def test_drift_is_against_the_reference_in_the_version_s_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    reference = Reference.of({"a": rng.normal(size=1000)}, rng.uniform(size=1000))
    folder = ServingFolder(tmp_path).model("m", 2)
    folder.mkdir(parents=True)
    (folder / REFERENCE).write_text(json.dumps(reference.to_json()))
    endpoint, guard = Endpoint(), RegionGuard(tmp_path)
    endpoint.usage.watch({("m", 2): reference}, 0.0)
    guard.look(endpoint.runs((2, "champion")))
    for value in rng.normal(3.0, size=150):
        endpoint.usage.observed(("m", 2), np.full((1, 1), value, np.float32), np.full((1, 1), 0.5, np.float32), 0.0)
    running = endpoint.asked(2, 150).runs((2, "champion"))
    guard.look(running)
    judged = guard.judgements(LIMITS)["m", 2]
    assert judged.word == DRIFT and judged.bands["psi"] == "above 0.25"


def test_without_an_endpoint_nothing_is_judged(tmp_path: Path) -> None:
    assert RegionGuard(tmp_path).judgements(LIMITS) == {}
