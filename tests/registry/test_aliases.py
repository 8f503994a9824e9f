"""An alias that was written without MLflow is the one that MLflow reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov import registry
from fedsov.errors import WorkspaceUnusable
from fedsov.model.packaging import saved
from fedsov.registry.aliases import point
from fedsov.registry.lookup import metrics_of
from fedsov.registry.values import ModelRecord, RunRecord
from fedsov.storage.workspace import registry_of
from tests.model.world import parameters_of, saved_model


def _registered(folder: Path, versions: int) -> None:
    for number in range(1, versions + 1):
        described = saved_model(name="people")
        path = saved.write(folder / "written" / str(number), described, parameters_of(described, seed=number))
        model = ModelRecord("people", path, {"label": "{}"})
        metrics = (("auc", 0.6, 0), ("auc", 0.7, 1), ("loss", float("nan"), 1))
        registry.record(folder, RunRecord(f"r{number}", "people", metrics=metrics, models=(model,)))


def _champions(folder: Path) -> list[int]:
    return [each.version for each in registry.models(folder) if "champion" in each.aliases]


def test_an_alias_points_to_one_version_moves_and_goes(tmp_path: Path) -> None:
    _registered(tmp_path, 2)
    for version in (1, 2, 2, 1):
        point(tmp_path, "people", "champion", version)
        assert _champions(tmp_path) == [version]
    point(tmp_path, "people", "champion", 9)
    assert _champions(tmp_path) == [1], "there is no version 9"
    point(tmp_path, "people", "champion", None)
    assert _champions(tmp_path) == []
    assert metrics_of(tmp_path, "r2") == {"auc": 0.7}, "the last of each, and no NaN"
    assert metrics_of(tmp_path, "r9") == {}


def test_where_there_is_no_registry_nothing_is_made_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    point(tmp_path, "people", "champion", 1)
    assert not registry_of(tmp_path).exists() and metrics_of(tmp_path, "r1") == {}
    registry_of(tmp_path).write_bytes(b"no database" * 100)
    with pytest.raises(WorkspaceUnusable, match="cannot be written"):
        point(tmp_path, "people", "champion", 1)
