"""What a registry holds is read from its file as MLflow tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError, WorkspaceUnusable
from fedsov.model.packaging import saved
from fedsov.registry import models, promote, record
from fedsov.registry import tracking as _tracking  # noqa: F401  the slow import is paid once
from fedsov.registry.lookup import find, folder_of, listed, name_of, params_of
from fedsov.registry.tracking import opened
from fedsov.registry.values import ModelRecord, RunRecord
from tests.model.world import parameters_of, saved_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A registry with two models: one of three versions, the second of which is gone."""
    for run in range(3):
        for name in ("b", "a") if run else ("b",):
            model = saved_model(name=name)
            path = saved.write(tmp_path / "written" / f"{name}{run}", model, parameters_of(model, seed=run))
            params = {"border.evidence": "None", "seed": str(run)}
            record(tmp_path, RunRecord(f"{name}{run}", "e", params, models=(ModelRecord(name, path, {"n": str(run)}),)))
    promote(tmp_path, "b", 1)
    with opened(tmp_path / "mlflow.db") as client:
        client.delete_model_version("b", "2")
    return tmp_path


def test_versions_aliases_tags_and_folders_are_those_that_mlflow_tells(folder: Path) -> None:
    ours = listed(folder)
    assert [(each.name, each.version, each.aliases, dict(each.tags)) for each in ours] == [
        (each.name, each.version, each.aliases, dict(each.tags)) for each in models(folder)
    ]
    with opened(folder / "mlflow.db") as client:
        for each in ours:
            theirs = client.get_model_version(each.name, str(each.version))
            assert each.folder == folder_of(theirs.source) and each.run == theirs.run_id
            assert params_of(folder, each.run) == client.get_run(theirs.run_id).data.params
    assert all((each.folder / "model.safetensors").is_file() for each in ours)


def test_a_reference_names_the_newest_a_number_or_an_alias(folder: Path) -> None:
    versions = listed(folder)
    named = {"b": 3, "b/1": 1, "b@champion": 1, "b@candidate": 3, "a": 2, "a/1": 1}
    for reference, version in named.items():
        found = find(versions, reference)
        assert found is not None and (found.name, found.version) == (name_of(reference), version)
    assert find(versions, "c") is None
    for reference, said in (("b/2", "no version '2'; it has 1, 3"), ("b@x", "unknown alias of model b 'x'")):
        with pytest.raises(ConfigurationError, match=said):
            find(versions, reference)


def test_a_folder_without_a_registry_has_none_and_a_damaged_one_says_so(tmp_path: Path) -> None:
    assert listed(tmp_path) == ()
    (tmp_path / "mlflow.db").write_bytes(b"no database at all")
    with pytest.raises(WorkspaceUnusable, match=r"mlflow\.db cannot be read"):
        listed(tmp_path)
