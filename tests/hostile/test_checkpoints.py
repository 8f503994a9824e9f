"""What somebody who may write the hub's folder does to a run that was killed, so that a model loses its bonds.

A checkpoint is edited, sealed anew as an earlier version did, signed with another key, swapped for another round's or
another run's, or put back from an older copy: each is refused by its name. And whatever it says of its label, the
labels of the plan's members bind the model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.algorithms.rounds import RoundRecord
from fedsov.errors import CheckpointDamaged, ConfigurationError
from fedsov.hub.federated_training import train_together
from fedsov.hub.kept.checkpoints import Checkpoint, Checkpoints, RunManifest
from fedsov.hub.planning.plan_values import Profile
from fedsov.hub.server_app import TrainingState
from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_files import PURPOSE, write_signed
from fedsov.model.features import Features, Statistics
from fedsov.storage.atomic_files import plain_json, sha256_hex
from tests.hostile.fuzzing import fuzzed
from tests.hub.world import World, connected

LABEL = Label(frozenset({"DE", "FR"}), frozenset({"personal"}))


def _checkpoint(rounds: int, label: Label = LABEL) -> Checkpoint:
    features = Features.fit(Statistics.from_records({"age": np.arange(40.0)}, {"age": "numeric"}))
    records = tuple(RoundRecord(number, {}, {}) for number in range(1, rounds + 1))
    return Checkpoint("shareable", label, 900, features, TrainingState({"a": np.full(3, rounds)}, {}, records))


@pytest.fixture
def checkpoints(tmp_path: Path) -> Iterator[Checkpoints]:
    with closing(Ledger(tmp_path / "ledger.sqlite", "hub")) as ledger:
        several = Checkpoints(tmp_path, "r1", ledger)
        several.begin(RunManifest("r1", {"seed": 1}, "/here", ledger.key, {"the rules": "digest"}))
        for rounds in (1, 2, 3):
            several.keep(_checkpoint(rounds))
        yield several


def _edited(path: Path, ledger: Ledger) -> None:
    """The label's origins are taken out, and nothing else."""
    value = json.loads(path.read_bytes())
    value["body"]["label"] = PUBLIC.to_json()
    path.write_bytes(plain_json(value))


def _sealed_anew(path: Path, ledger: Ledger) -> None:
    """As an earlier version sealed it: a body, and its SHA-256."""
    body = json.loads(path.read_bytes())["body"] | {"label": PUBLIC.to_json()}
    path.write_bytes(plain_json({"body": body, "sha256": sha256_hex(plain_json(body))}))


def _signed_by_another(path: Path, ledger: Ledger) -> None:
    body = json.loads(path.read_bytes())["body"] | {"label": PUBLIC.to_json()}
    with closing(Ledger(path.parent / "other" / "ledger.sqlite", "hub")) as other:
        signature = other.sign(PURPOSE + plain_json(body)).hex()
    shutil.rmtree(path.parent / "other")
    path.write_bytes(plain_json({"body": body, "key": ledger.key, "signature": signature}))


def _signed_by_the_hub_and_never_noted(path: Path, ledger: Ledger) -> None:
    """Somebody borrowed the key for a moment, or kept a signature; the ledger knows nothing of it."""
    body = json.loads(path.read_bytes())["body"] | {"label": PUBLIC.to_json()}
    signature = ledger.sign(PURPOSE + plain_json(body)).hex()
    path.write_bytes(plain_json({"body": body, "key": ledger.key, "signature": signature}))


def _swapped(path: Path, ledger: Ledger) -> None:
    shutil.copy(path.with_name("shareable-0002.json"), path)
    shutil.copy(path.with_name("shareable-0002.safetensors"), path.with_suffix(".safetensors"))


def _of_another_run(path: Path, ledger: Ledger) -> None:
    other = Checkpoints(path.parents[2], "r2", ledger)
    other.keep(_checkpoint(3, PUBLIC))
    shutil.copy(other.folder / path.name, path)


@pytest.mark.parametrize(
    "change",
    [
        _edited,
        _sealed_anew,
        _signed_by_another,
        _signed_by_the_hub_and_never_noted,
        _swapped,
        _of_another_run,
    ],
)
def test_a_checkpoint_that_was_edited_sealed_anew_or_swapped_is_refused_by_its_name(
    checkpoints: Checkpoints, change: Callable[[Path, Ledger], None]
) -> None:
    assert checkpoints.ledger is not None
    change(checkpoints.folder / "shareable-0003.json", checkpoints.ledger)
    with pytest.raises(CheckpointDamaged, match=r"shareable-0003\.json was changed"):
        checkpoints.last("shareable")


def test_a_checkpoint_put_back_from_an_older_copy_of_the_folder_is_refused_by_its_name(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    shutil.copytree(checkpoints.folder, tmp_path / "copy")
    for rounds in (4, 5, 6):
        checkpoints.keep(_checkpoint(rounds))
    shutil.rmtree(checkpoints.folder)
    shutil.copytree(tmp_path / "copy", checkpoints.folder)
    with pytest.raises(CheckpointDamaged, match=r"shareable-0006\.json is gone, and shareable-0003\.json is older"):
        checkpoints.last("shareable")


def test_going_back_by_one_checkpoint_is_possible_and_said(checkpoints: Checkpoints) -> None:
    (checkpoints.folder / "shareable-0003.json").unlink()
    said: list[str] = []
    last = checkpoints.last("shareable", say=said.append)
    assert last is not None and last.round == 2
    (line,) = said
    assert line.startswith("shareable-0003.json is gone") and line.endswith("shareable-0002.json is taken")


def test_a_checkpoint_that_no_run_wrote_is_refused_by_its_name(checkpoints: Checkpoints) -> None:
    for end in ("json", "safetensors"):
        shutil.copy(checkpoints.folder / f"shareable-0003.{end}", checkpoints.folder / f"shareable-0009.{end}")
    with pytest.raises(CheckpointDamaged, match=r"shareable-0009\.json is none that the hub's ledger notes"):
        checkpoints.last("shareable")


def test_a_manifest_of_the_run_that_was_edited_or_put_back_is_refused_by_its_name(checkpoints: Checkpoints) -> None:
    assert checkpoints.ledger is not None
    path = checkpoints.folder / "run.json"
    before = path.read_bytes()
    checkpoints.begin(RunManifest("r1", {"seed": 1}, "/here", checkpoints.ledger.key, {}, {"DE": "digest"}))
    after = path.read_bytes()
    for content in (before, after.replace(b'"seed":1', b'"seed":2'), plain_json({"body": {}, "sha256": ""})):
        path.write_bytes(content)
        with pytest.raises(CheckpointDamaged, match=r"run\.json was changed"):
            checkpoints.begun()
    path.write_bytes(after)
    begun = checkpoints.begun()
    assert begun is not None and begun.stores == {"DE": "digest"}


def test_a_finished_run_does_not_begin_again_from_its_old_manifest(checkpoints: Checkpoints) -> None:
    before = (checkpoints.folder / "run.json").read_bytes()
    checkpoints.finish()
    (checkpoints.folder / "run.json").write_bytes(before)
    with pytest.raises(CheckpointDamaged, match=r"run\.json was changed"):
        checkpoints.begun()


def test_a_run_of_another_hub_is_refused_where_there_is_another_ledger(
    tmp_path: Path, checkpoints: Checkpoints
) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(tmp_path / "checkpoints", tmp_path / "elsewhere" / "checkpoints")
    with closing(Ledger(tmp_path / "elsewhere" / "ledger.sqlite", "hub")) as ledger:
        for elsewhere in (Checkpoints(tmp_path / "elsewhere", "r1", ledger), Checkpoints(tmp_path / "elsewhere", "r1")):
            with pytest.raises(ConfigurationError, match="by the hub of another workspace"):
                elsewhere.begun()


def test_a_write_killed_between_its_note_and_its_place_is_found_whole(checkpoints: Checkpoints) -> None:
    path = checkpoints.folder / "shareable-0003.json"
    path.rename(path.with_suffix(".pending"))  # as a kill leaves it: noted, and not yet in its place
    last = checkpoints.last("shareable")
    assert last is not None and last.round == 3


def _members() -> list[Profile]:
    labels = {name: Label(frozenset({name}), frozenset({"personal"})) for name in ("DE", "FR", "US")}
    return [Profile(name, 600, 0, label, 2) for name, label in labels.items()]


def test_a_checkpoint_without_bonds_that_the_hub_itself_signed_binds_by_the_plan_all_the_same(tmp_path: Path) -> None:
    with connected(World(tmp_path)) as run:
        train_together(run, _members(), "shareable", what="global model", minimum=2)
        last = run.checkpoints.last("shareable")
        assert last is not None
        run.checkpoints.keep(replace(last, label=PUBLIC))
        model = train_together(run, _members(), "shareable", what="global model", minimum=2)
    assert model.label.origins == {"DE", "FR", "US"} and model.label.categories == {"personal"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@fuzzed(15)
@given(body=st.dictionaries(st.text(), _JSON), junk=st.binary(max_size=40), place=st.integers(0, 10_000))
def test_whatever_stands_in_a_checkpoint_it_is_read_as_written_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, body: Mapping[str, Any], junk: bytes, place: int
) -> None:
    hub = tmp_path_factory.mktemp("hub")
    with closing(Ledger(hub / "ledger.sqlite", "hub")) as ledger:
        checkpoints = Checkpoints(hub, "r1", ledger)
        checkpoints.keep(_checkpoint(1))
        path = checkpoints.folder / "shareable-0001.json"
        whole = path.read_bytes()
        for content in (
            whole[: place % len(whole)] + junk + whole[place % len(whole) :],
            plain_json({"body": body, "key": ledger.key, "signature": "00"}),
            b"[" * (place * 20),
            junk,
        ):
            path.write_bytes(content)
            if content == whole:
                assert checkpoints.last("shareable") is not None
            else:
                with pytest.raises(CheckpointDamaged, match=r"shareable-0001\.json"):
                    checkpoints.last("shareable")
        write_signed(path, body, ledger, run="r1")  # a hub that writes nonsense
        with pytest.raises(CheckpointDamaged):
            checkpoints.last("shareable")
