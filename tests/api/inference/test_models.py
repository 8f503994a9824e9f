"""A region loads its own models at home, and the hub's through the hub's gate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fedsov import load
from fedsov.api.inference.predict import Asking, predict
from fedsov.border.gate import Refused
from fedsov.errors import CheckpointDamaged, ConfigurationError
from fedsov.label import PUBLIC, Label
from fedsov.model.packaging.loaded import LoadedModel
from fedsov.registry.lookup import listed
from fedsov.storage.workspace import Workspace
from tests.api.inference.world import crossings, register, workspace_of
from tests.model.world import BOUND, parameters_of, saved_model

ROWS = {"age": [41.0, None], "salary": [5e4, 1.0], "remote": ["no", None], "size": ["1", "20"]}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A hub in IE, and regions DE, GB and US."""
    return workspace_of(tmp_path / "w")


def test_a_region_s_own_model_is_at_home_and_nothing_crosses(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    model = load("DE", "people-de@candidate", workspace=workspace.root)
    assert (model.name, model.version, model.saved.region, model.label) == ("people-de", 1, "DE", BOUND)
    expected = LoadedModel(saved_model(), parameters_of(saved_model(), seed=1)).predict(ROWS)
    np.testing.assert_array_equal(model.predict(ROWS), expected)
    assert crossings(workspace, "DE") == crossings(workspace, "hub") == []


def test_the_hub_s_model_comes_through_its_gate_each_time_for_inference(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    for times in (1, 2):
        model = load("DE", "people", workspace=workspace.root)
        assert (model.saved.region, model.version) == ("hub", 1)
        assert crossings(workspace, "hub") == [("model", "DE", "permit")] * times
    expected = LoadedModel(saved_model(), parameters_of(saved_model(), seed=1)).predict(ROWS)
    np.testing.assert_array_equal(model.predict(ROWS), expected)


def test_a_region_whom_the_law_does_not_let_have_it_does_not_load_it(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    with pytest.raises(Refused, match=r"model of DE · personal to US"):
        load("US", "people@candidate", workspace=workspace.root)
    assert crossings(workspace, "hub") == [("model", "US", "refuse")]
    register(workspace, "hub", "public", label=PUBLIC)
    assert load("US", "public", workspace=workspace.root).label.is_public


def test_a_region_s_model_is_not_another_region_s(workspace: Workspace) -> None:
    register(workspace, "GB", "people-gb")
    with pytest.raises(ConfigurationError, match=r"unknown model of region DE 'people-gb'; .*it is a model of GB"):
        load("DE", "people-gb", workspace=workspace.root)
    with pytest.raises(ConfigurationError, match="unknown region 'FR'"):
        load("FR", "people-gb", workspace=workspace.root)


def test_a_global_model_whose_private_parameters_stay_is_not_whole_and_crosses_nothing(workspace: Workspace) -> None:
    whole = saved_model("mlp", hidden=(3,))
    register(workspace, "hub", "people", network=whole.network, absent=("2.bias",))
    with pytest.raises(ConfigurationError, match=r"not whole: 2\.bias stay in the regions .*load that one"):
        load("DE", "people", workspace=workspace.root)
    assert crossings(workspace, "hub") == []


def test_a_label_that_was_edited_in_the_description_alone_is_found(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    (version,) = listed(workspace.region("DE"))
    path = version.folder / "model.json"
    described = json.loads(path.read_text())
    described["label"] = PUBLIC.to_json()
    path.write_text(json.dumps(described))
    with pytest.raises(CheckpointDamaged, match="its registry says otherwise"):
        load("DE", "people-de", workspace=workspace.root)


def test_rows_are_answered_by_the_hub_s_model_in_the_region(workspace: Workspace, tmp_path: Path) -> None:
    register(workspace, "hub", "people")
    (tmp_path / "rows.csv").write_text("age,salary,remote,size\n41,50000,no,1\n,1,,20\n")
    done = predict(workspace.root, "DE", "people", tmp_path / "rows.csv", tmp_path / "out.csv", Asking())
    assert (done.owner, done.rows, done.label) == ("hub", 2, Label(frozenset({"DE"}), BOUND.categories))
    told = [float(line) for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    expected = load("DE", "people", workspace=workspace.root).predict(ROWS)["probability"]
    np.testing.assert_allclose(told, expected, atol=1e-6)
    assert crossings(workspace, "DE") == [("records", "DE", "permit")]
