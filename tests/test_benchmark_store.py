"""The benchmark of a store erases and re-keys what it says."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from tests.world import ROOT

sys.path.insert(0, str(ROOT / "scripts"))  # where `python scripts/benchmark_store.py` finds its modules
benchmark = import_module("benchmark_store")


def test_a_person_is_erased_at_each_repeat_and_each_file_is_wrapped_anew(tmp_path: Path) -> None:
    measured = benchmark.measure(tmp_path, rows=300, files=20, repeats=2)
    assert set(measured) == set(benchmark.ASKED) and all(clock > 0 for clock, _ in measured.values())
    keys = benchmark.rotate(benchmark.KeySettings("DE", tmp_path))
    large, many = (benchmark.Store.open(tmp_path / "store" / name, keys) for name in ("large", "many"))
    assert large.manifest.rows == large.manifest.notes["people"] == 298 and len(many.manifest.files) == 20
    assert benchmark.rekey([tmp_path / "store" / "many"], keys) == 20
