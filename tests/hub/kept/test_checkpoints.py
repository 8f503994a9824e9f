"""A checkpoint is there whole or not at all; what was changed is named, with the way to go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsov.algorithms.rounds import RoundRecord
from fedsov.errors import CheckpointDamaged, LedgerBroken
from fedsov.hub.kept.checkpoints import Checkpoint, Checkpoints, RunManifest, runs
from fedsov.hub.server_app import TrainingState
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.model.features import Features, Statistics

LABEL = Label(frozenset({"DE"}), frozenset({"personal"}))
MANIFEST = RunManifest("r1", {"seed": 1}, "/here", "key", {"the rules": "digest"})


def _checkpoint(rounds: int) -> Checkpoint:
    columns = Statistics.from_records({"age": np.arange(40.0)}, {"age": "numeric"})
    records = tuple(
        RoundRecord(number, {2: {"score": 0.5 + number}}, {3: "Refused"}, {4: "out"}) for number in range(1, rounds + 1)
    )
    arrays = {"b": np.full(2, rounds, np.float32), "a": np.zeros((1, 3), np.float32)}
    reached = TrainingState(arrays, {"m_t/0": np.ones(2)}, records)
    return Checkpoint("shareable", LABEL, 900, Features.fit(columns), reached, {"out": {"FR": "why"}})


@pytest.fixture
def checkpoints(tmp_path: Path) -> Iterator[Checkpoints]:
    with closing(Ledger(tmp_path / "ledger.sqlite", "hub")) as ledger:
        yield Checkpoints(tmp_path, "r1", ledger)


def test_what_is_kept_is_read_as_it_was_in_the_order_of_the_model(checkpoints: Checkpoints) -> None:
    assert checkpoints.last("shareable") is None
    checkpoints.keep(_checkpoint(2))
    last = checkpoints.last("shareable")
    assert last is not None and last.round == 2 and last.label == LABEL and last.people == 900
    assert list(last.reached.parameters) == ["b", "a"] and last.examination == {"out": {"FR": "why"}}
    np.testing.assert_array_equal(last.reached.parameters["b"], [2, 2])
    np.testing.assert_array_equal(last.reached.state["m_t/0"], np.ones(2))
    assert last.reached.rounds == _checkpoint(2).reached.rounds and last.features == _checkpoint(2).features
    assert checkpoints.last("public") is None


def test_the_newest_two_are_kept_and_the_tenth_comes_after_the_ninth(checkpoints: Checkpoints) -> None:
    for number in (8, 9, 10):
        checkpoints.keep(_checkpoint(number))
    assert sorted(path.name for path in checkpoints.folder.glob("*.json")) == [
        "shareable-0009.json",
        "shareable-0010.json",
    ]
    last = checkpoints.last("shareable")
    assert last is not None and last.round == 10


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_changed_byte_is_named_with_the_file_to_delete_and_where_the_run_would_go_on(
    checkpoints: Checkpoints, suffix: str
) -> None:
    for number in (1, 2):
        checkpoints.keep(_checkpoint(number))
    path = checkpoints.folder / f"shareable-0002{suffix}"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(CheckpointDamaged, match=r"delete .*shareable-0002.json to go on from shareable-0001"):
        checkpoints.last("shareable")


def test_another_run_s_checkpoint_is_refused(tmp_path: Path, checkpoints: Checkpoints) -> None:
    checkpoints.keep(_checkpoint(1))
    (tmp_path / "checkpoints" / "r2").mkdir()
    for path in (tmp_path / "checkpoints" / "r1").iterdir():
        path.rename(tmp_path / "checkpoints" / "r2" / path.name)
    with pytest.raises(CheckpointDamaged, match=r"shareable-0001\.json is none that the hub's ledger notes"):
        Checkpoints(tmp_path, "r2").last("shareable")


def test_a_checkpoint_is_signed_with_the_hub_s_key_and_noted_in_its_ledger(checkpoints: Checkpoints) -> None:
    assert checkpoints.ledger is not None
    checkpoints.keep(_checkpoint(1))
    path = checkpoints.folder / "shareable-0001.json"
    (entry,) = checkpoints.ledger.entries("r1")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert entry.body["note"] == {"checkpoint": {"name": "shareable-0001", "sha256": digest}}
    assert json.loads(path.read_bytes())["key"] == checkpoints.ledger.key


def test_without_the_ledger_checkpoints_are_read_and_none_is_written(tmp_path: Path, checkpoints: Checkpoints) -> None:
    checkpoints.keep(_checkpoint(1))
    reading = Checkpoints(tmp_path, "r1")
    assert reading.last("shareable") is not None
    with pytest.raises(LedgerBroken, match="no checkpoint is written without a ledger"):
        reading.keep(_checkpoint(2))


def test_a_run_is_known_from_its_beginning_until_it_is_forgotten(tmp_path: Path, checkpoints: Checkpoints) -> None:
    assert runs(tmp_path) == []
    checkpoints.begin(MANIFEST)
    checkpoints.begin(replace(MANIFEST, stores={"DE": "digest"}))
    checkpoints.keep(_checkpoint(1))
    begun = checkpoints.begun()
    assert begun is not None and begun.stores == {"DE": "digest"} and runs(tmp_path) == ["r1"]
    checkpoints.finish()
    assert checkpoints.begun() is None and [path.name for path in checkpoints.folder.iterdir()] == ["run.json"]
    checkpoints.forget()
    assert runs(tmp_path) == []
