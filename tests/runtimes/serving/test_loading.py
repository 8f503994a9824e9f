"""What an endpoint loads: the approved files and no others; what cannot be loaded leaves what was there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsov.errors import ConfigurationError
from fedsov.inference.use.drift import Reference
from fedsov.label import Label
from fedsov.runtimes.serving.issuer_keys import IssuerKeys
from fedsov.runtimes.serving.loading import load_issuers, load_state, names_of
from tests.inference.models import MIXED, NUMBERS
from tests.runtimes.serving.serving_world import MODEL, ServingWorld


@pytest.fixture
def world(tmp_path: Path) -> ServingWorld:
    own = ServingWorld.new(tmp_path)
    own.approve(1)
    return own


def test_champion_canary_and_shadow_are_loaded_with_their_shares(world):
    world.approve(2, mode="canary", share=0.25, seed=2)
    world.approve(3, MIXED, mode="shadow", share=0.5, seed=3)
    state = load_state(world.place, None)
    versions = state.models[MODEL]
    assert [(each.version, each.role) for each in versions.all] == [(1, "champion"), (2, "canary"), (3, "shadow")]
    assert versions.canaries[0][1] == 0.25 and versions.shadows[0][1] == 0.5 and state.faults == ()
    assert names_of(state.models) == f"{MODEL} 1, {MODEL} 2 (canary), {MODEL} 3 (shadow)"
    known = versions.champion.reader._known
    assert known == {"age", "years", "remote"}  # a column that only the shadow asks for is none too many


@pytest.mark.parametrize("name", ["model.json", "model.onnx"])
@pytest.mark.parametrize("change", ["a byte", "gone"])
def test_a_file_that_is_not_the_approved_one_is_not_served(world, name, change):
    before = load_state(world.place, None)
    folder = world.approve(2, seed=2)
    if change == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    state = load_state(world.place, before)
    assert state.models[MODEL].champion.version == 1 and len(state.faults) == 1
    assert f"{MODEL} 2 (champion) cannot be loaded" in state.faults[0] and name in state.faults[0]
    assert load_state(world.place, None).models == {}


def test_a_canary_that_cannot_be_loaded_leaves_its_share_to_the_champion(world):
    folder = world.approve(2, mode="canary", share=0.5, seed=2)
    (folder / "model.onnx").unlink()
    state = load_state(world.place, None)
    assert state.models[MODEL].canaries == () and state.models[MODEL].champion.version == 1 and state.faults


def test_a_version_that_did_not_change_is_used_again(world):
    before = load_state(world.place, None)
    world.approve(2, mode="canary", share=0.5, seed=2)
    after = load_state(world.place, before)
    assert after.models[MODEL].champion.predictor is before.models[MODEL].champion.predictor


def test_a_model_that_is_no_more_approved_is_no_more_served(world):
    before = load_state(world.place, None)
    world.versions = []
    world.write_list()
    assert load_state(world.place, before).models == {}


def test_without_a_list_nothing_is_served(tmp_path):
    state = load_state(ServingWorld.new(tmp_path).place, None)
    assert state.models == {} and state.faults == ()


def test_a_reference_of_the_model_is_watched_and_one_of_another_is_a_fault(world):
    folder = world.place.serving.model(MODEL, 1)
    rows = np.zeros((20, NUMBERS.inputs))
    own = Reference.of(dict(zip(NUMBERS.names, rows.T, strict=True)), np.full(20, 0.5))
    (folder / "reference.json").write_text(json.dumps(own.to_json()))
    assert load_state(world.place, None).models[MODEL].champion.reference == own
    other = Reference.of({"a": np.zeros(20)}, np.full(20, 0.5))
    (folder / "reference.json").write_text(json.dumps(other.to_json()))
    state = load_state(world.place, None)
    assert "is of another model" in state.faults[0] and state.models[MODEL].champion.reference is None


def test_a_reference_that_was_not_approved_measures_nothing_and_the_version_answers(world):
    folder = world.place.serving.model(MODEL, 1)
    (folder / "reference.json").write_text("{}")
    (first,) = world.versions
    for content in (b"{}", None):
        world.versions = [replace(first, files={**first.files, "reference.json": "00" * 32})]
        world.write_list()
        if content is None:
            (folder / "reference.json").unlink()
        state = load_state(world.place, None)
        assert state.models[MODEL].champion.reference is None
        assert f"drift of {MODEL} 1 is not measured" in state.faults[0]


def test_issuers_are_those_that_the_settings_took(world):
    from hashlib import sha256

    digest = sha256(world.place.serving.issuers.read_bytes()).hexdigest()
    assert load_issuers(replace(world.place, issuers_sha256=digest)).issuers[0].issuer == world.tokens.issuer
    with pytest.raises(ConfigurationError, match=r"serving\.issuers=FILE"):
        load_issuers(replace(world.place, issuers_sha256="0" * 64))
    world.place.serving.issuers.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_issuers(world.place)


def test_a_table_that_no_settings_took_is_believed_by_nobody(world):
    assert world.place.serving.issuers.exists()
    assert load_issuers(replace(world.place, issuers_sha256="")).issuers == ()
    keys = IssuerKeys(world.place)
    assert keys.check.table.issuers
    keys.take(replace(world.place, issuers_sha256=""))
    assert keys.check.table.issuers == (), "who was believed is so no more once the settings name no table"


def test_a_table_that_cannot_be_had_leaves_the_old_one_only_where_the_settings_still_name_it(world):
    keys, content = IssuerKeys(world.place), world.place.serving.issuers.read_bytes()
    world.place.serving.issuers.write_bytes(content + b"# edited")
    with pytest.raises(ConfigurationError, match="is not the table"):
        keys.take(world.place)
    assert keys.check.table.issuers
    with pytest.raises(ConfigurationError, match="is not the table"):
        keys.take(replace(world.place, issuers_sha256="0" * 64))
    assert keys.check.table.issuers == ()


def test_an_older_list_than_one_that_was_believed_is_refused_before_the_ledger_s_number_is_known(world):
    old = world.place.serving.approved.read_bytes()
    first = load_state(world.place, None)
    world.versions = []
    world.write_list()
    second = load_state(world.place, first)
    assert second.models == {}
    world.place.serving.approved.write_bytes(old)
    third = load_state(world.place, second)
    assert third.models == {} and "an older one was put back" in third.faults[0]
    world.place.serving.approved.unlink()
    fourth = load_state(world.place, third)
    world.place.serving.approved.write_bytes(old)
    assert load_state(world.place, fourth).models == {}, "nor where there was none in between"


def test_a_version_that_takes_data_for_which_nothing_was_decided_waits_for_the_decision(world):
    label = Label(frozenset({"DE"}), frozenset({"personal", "health"}))
    before = load_state(replace(world.place, categories=("personal",)), None)
    world.approve(2, seed=2)
    world.versions = [replace(each, label=label) for each in world.versions]
    world.write_list()
    state = load_state(replace(world.place, categories=("personal",)), before)
    assert state.models[MODEL].champion.version == 1 and "takes health data" in state.faults[0]
    decided = load_state(replace(world.place, categories=("health", "personal")), state)
    assert decided.models[MODEL].champion.version == 2 and decided.faults == ()
