"""The benchmark of a deployment measures what it says, and asks what was asked."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from tests.world import ROOT

sys.path.insert(0, str(ROOT / "scripts"))  # where `python scripts/benchmark_deployment.py` finds its modules
benchmark = import_module("benchmark_deployment")
parties = import_module("deployment_parties")
shares = import_module("deployment_shares")
sleepers = import_module("deployment_sleepers")


def test_the_workload_is_the_one_that_is_named(tmp_path: Path) -> None:
    rows = parties.Rows(tmp_path, 10_000)
    chosen = settings(compose(rows.words(rounds=7, hidden=(64, 32))))
    training = chosen.training
    assert training.rounds == 7 and tuple(training.network.hidden) == (64, 32)
    assert (training.steps.batch, training.steps.epochs, training.steps.learning_rate) == (64, 1, 0.05)
    assert parties.ROUND.search("[   4.8 s] global model, round 2/7: validation AUC")


def test_the_large_models_are_of_the_sizes_that_are_asked_about() -> None:
    for name, hidden in benchmark.LARGE.items():
        widths = (parties.INPUTS, *hidden, 1)
        numbers = sum(into * out + out for into, out in pairwise(widths))
        assert name in benchmark.ASKED and f"{4 * numbers / 2**20:.0f} MiB" in name


def test_a_run_tells_its_first_round_and_the_median_of_the_later_ones() -> None:
    run = parties.Run(10.0, [13.0, 14.0, 14.5, 15.5, 16.0], [1.0, 2.0, 2.5, 3.0, 5.0])
    assert run.to_first_round == 3.0 and run.seconds == 0.5 and run.processor == 1.0


def test_what_tls_costs_is_measured_over_a_pair_of_ends() -> None:
    assert 0 < shares.seconds_per_byte() < 1e-6 and 0 < shares.seconds_per_request() < 0.01


def test_shares_are_of_the_time_between_crossings(tmp_path: Path) -> None:
    lines = [f"gate hub {end}.0 0.1 0" for end in range(10)]
    lines += [f"gate DE {end}.5 0.2 0" for end in range(10)] + [f"gate FR {end}.5 0.05 0" for end in range(10)]
    (tmp_path / "1").write_text("\n".join(lines) + "\n")
    found = shares._shares(tmp_path)
    assert found["gates and ledger at the hub, % of a round"] == pytest.approx(10.0)  # from the third to the eighth
    assert found["gate and ledger at the slowest region, % of a round"] == pytest.approx(20.0)
    assert found[shares.SHARE] == pytest.approx(sum(value for name, value in found.items() if name != shares.SHARE))


def test_regions_that_sleep_sleep_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sleepers, "MANY", 3)
    monkeypatch.setattr(sleepers, "TOGETHER", 2)
    started = time.monotonic()
    found = sleepers.measure(tmp_path)
    assert found["one sleeping region, s"] >= sleepers.SLEEP
    assert found[sleepers.BEYOND] < sleepers.SLEEP and time.monotonic() - started < 60
