"""Runs under algorithms that keep something: what is private is in no message, on no hub, and in the region's model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fedsov.algorithms.local_steps import shuffled
from fedsov.api import train
from fedsov.api.attack import Size, examine
from fedsov.api.attack_rows import Attacked
from fedsov.api.ledger_audit import verify_all
from fedsov.errors import ConfigurationError
from fedsov.label import PUBLIC
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.flower_messages import unpack
from fedsov.runtimes.framed_socket import LENGTHS
from tests.api.test_resume import PRIVATE as NOISY
from tests.api.test_resume import _words, compose, settings

TRAINED = ("AT", "DE")
SHARED = {"0.weight", "0.bias", "2.weight"}


class Enough(Exception):
    """Every model is written; recording them with MLflow would take longer than all before."""


@dataclass
class Trained:
    """A run up to its models, and every byte that passed between its processes."""

    workspace: Path
    frames: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def hear(self, frame: bytes) -> None:
        self.frames.append(frame)
        if any(self.workspace.glob("hub/models/*/people/model.safetensors")):
            raise Enough


def _run(place: Path, *more: str) -> Trained:
    words, run = _words(place, "federation.rounds=2", *more), Trained(place / "w")
    with pytest.raises(Enough):
        train.train_settings(settings(compose(words)), progress=run.lines.append, on_bytes=run.hear)
    return run


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    keeps = ("algorithm=ditto", "algorithm.options.ditto_lambda=0.01", "model.private=[intercept]")
    return _run(tmp_path_factory.mktemp("apart"), *keeps)


def _tensors(run: Trained, owner: str, kind: str) -> list[set[str]]:
    """The names of the arrays in each crossing of the federated training that an owner let out."""
    folder = run.workspace / ("hub" if owner == "hub" else f"regions/{owner}")
    entries = [dict(entry.body) for entry in Ledger.read(folder / "ledger.sqlite").entries()]
    return [set(one["tensors"]) for one in entries if one.get("kind") == kind and one["origins"] and one["tensors"]]


def _record(run: Trained, region: str) -> dict:
    (path,) = run.workspace.glob(f"regions/{region}/models/*/record.json")
    return json.loads(path.read_text())


def _own(run: Trained, region: str) -> Mapping[str, np.ndarray]:
    """What a region kept last."""
    *_, newest = sorted(run.workspace.glob(f"regions/{region}/runs/*/own-shareable-*"))
    return load_file(newest)


def _arrays(run: Trained) -> Iterator[tuple[str, np.ndarray]]:
    """Every array in every message between processes, by name."""
    for frame in run.frames:
        start = frame.find(b'{"root"')
        if start < LENGTHS.size:
            continue
        message = unpack(frame[start - 4 :])
        if message.has_content():
            for record in message.content.array_records.values():
                yield from ((name, array.numpy()) for name, array in record.items())


def _is_in(numbers: np.ndarray, run: Trained) -> bool:
    return any(array.shape == numbers.shape and np.array_equal(array, numbers) for _, array in _arrays(run))


def test_private_parameters_are_in_no_update_and_in_no_model_that_is_sent(apart: Trained) -> None:
    for name in TRAINED:
        assert _tensors(apart, name, "update") == [SHARED] * 2
    assert _tensors(apart, "hub", "model") == [SHARED] * 6  # to two regions, in two rounds and at the end


def test_the_hub_keeps_the_shared_parameters_alone_and_a_region_s_model_is_whole(apart: Trained) -> None:
    workspace = apart.workspace
    (global_model,) = workspace.glob("hub/models/*/people/model.safetensors")
    assert set(load_file(global_model)) == SHARED
    assert b'"private":"2.bias"' in apart.frames[-1]  # the registered model's tag
    for name in TRAINED:
        (kept,) = workspace.glob(f"regions/{name}/models/*/model.safetensors")
        assert set(load_file(kept)) == SHARED | {"2.bias"}
    assert all(not finding.fault for finding in verify_all(workspace))


def test_no_personal_copy_and_no_private_number_is_in_any_message(apart: Trained) -> None:
    (global_model,) = apart.workspace.glob("hub/models/*/people/model.safetensors")
    assert _is_in(load_file(global_model)["0.weight"], apart)  # what was sent would be found
    for name in TRAINED:
        own = _own(apart, name)
        assert {f"personal/{one}" for one in SHARED} < set(own)
        for key in ("personal/0.weight", "personal/2.weight", "personal/0.bias", "private/2.bias"):
            assert not _is_in(own[key], apart)
            assert not any(own[key].tobytes() in frame for frame in apart.frames if own[key].nbytes > 16)


@pytest.mark.parametrize("algorithm", ["scaffold", "fednova", "fedper", "fedrep"])
def test_each_algorithm_runs_and_sends_no_more_than_it_says(tmp_path: Path, algorithm: str) -> None:
    run = _run(tmp_path, f"algorithm={algorithm}")
    whole = SHARED | {"2.bias"}
    sent = {"fedper": {"0.weight", "0.bias"}, "fedrep": {"0.weight", "0.bias"}}.get(algorithm, whole)
    for name in TRAINED:
        assert _tensors(run, name, "update") == [sent] * 2
        assert {"auc", "local_auc"} < {metric for metric, _, _ in _record(run, name)["metrics"]}
    drifts = [name for names in _tensors(run, "hub", "model") for name in names if name.startswith("drift/")]
    assert len(drifts) == (8 if algorithm == "scaffold" else 0)  # four arrays to each of two regions in round 2


def test_scaffold_s_controls_follow_the_schedule_of_the_regions_rate() -> None:
    chosen = settings(compose(["federation.schedule={name:step,every:2,by:0.5}", "model.round.accumulate=3"]))
    counts = [chosen.training.step_counts(number) for number in (1, 2, 3, 5)]
    assert [each.rate for each in counts] == pytest.approx([0.02, 0.02, 0.01, 0.005])
    assert counts[0].taken(100) == len(shuffled(100, chosen.recipe.round, np.random.default_rng(0))) == 6


def test_a_training_that_ended_early_has_the_private_parameters_of_its_best_round(tmp_path: Path) -> None:
    wild = ("federation.schedule={name:step,every:2,by:4}", "federation.patience=3", "federation.rounds=9")
    still = (
        "model.fine_tune.epochs=0",
        "model.from_scratch.epochs=0",
        "model.private=[intercept]",
        "strategy.order=[federated]",
    )
    run = _run(tmp_path, *wild, *still)  # no steps after the last round, so that what is kept is what was joined
    (stopped,) = [line for line in run.lines if "global model: stopped" in line]
    best = int(stopped.partition("came into round ")[2].partition(" ")[0])
    assert 1 < best < 6 and f"after round {best + 3}/9" in stopped
    for name in TRAINED:
        (own,) = run.workspace.glob(f"regions/{name}/runs/*/own-shareable-{best:04d}.safetensors")
        (kept,) = run.workspace.glob(f"regions/{name}/models/*/model.safetensors")
        assert np.array_equal(load_file(kept)["2.bias"], load_file(own)["private/2.bias"])
        assert not np.array_equal(load_file(kept)["2.bias"], _own(run, name)["private/2.bias"])


def test_private_parameters_take_noisy_steps_under_privacy_and_what_is_kept_beside_is_told_to_nobody(
    tmp_path: Path,
) -> None:
    run = _run(tmp_path, *NOISY, "algorithm=ditto", "model.private=[intercept]")
    for name in TRAINED:
        assert _tensors(run, name, "update") == [SHARED] * 2
        own = _own(run, name)
        (update,) = run.workspace.glob(f"regions/{name}/runs/*/update-*")
        assert np.array_equal(load_file(update)["2.bias"], own["private/2.bias"])  # of the steps that were accounted
        assert not _is_in(own["personal/0.weight"], run)
    assert any(b"not disclosed" in frame for frame in run.frames)


def test_private_parameters_are_in_no_secure_sum(tmp_path: Path) -> None:
    more = ("privacy=secure", "strategy.order=[federated]", "strategy.federated.min_rows=50", "dataset.consent=null")
    run = _run(tmp_path, *more, "model.private=[intercept]")
    (global_model,) = run.workspace.glob("hub/models/*/people/model.safetensors")
    shared = load_file(global_model)
    size = sum(array.size for array in shared.values()) + 1
    words = [array.shape for name, array in _arrays(run) if name == "words"]
    assert set(shared) == SHARED and words and set(words) == {(size,)}
    assert all("private/2.bias" in _own(run, name) for name in ("AT", "DE", "FR"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["algorithm=scaffold", "privacy=record"], "counts each region's steps.*choose one of fedavg(?!.*fedrep)"),
        (["algorithm=fednova", "privacy=record"], "counts each region's steps"),
        (["algorithm=scaffold", "privacy=secure"], "looks at each region's update by itself"),
        (["algorithm=fednova", "privacy=secure"], "looks at each region's update by itself"),
        (["algorithm=fedrep", "privacy=record"], "step alone do so without noise.*fedper"),
        (["model.private=[intercept]", "model.private_only_steps={epochs:5}", "privacy=record"], "without noise"),
        (["model.private=[tail]"], "'tail' is no part of network mlp"),
        (["model.private_only_steps={epochs:5}"], "model.private names none"),
        (["algorithm=scaffold", "+model.round.proximal_mu=1"], "model.round.proximal_mu pulls steps otherwise"),
        (
            ["model.private=[intercept]", "model.private_only_steps={epochs:0.5}"],
            "private_only_steps.epochs must be a whole",
        ),
        (
            ["model.private=[intercept]", "model.private_only_steps={batch:2.5}"],
            "private_only_steps.batch must be a whole",
        ),
        (
            ["model.private=[intercept]", "model.private_only_steps={loss:regression}"],
            "private_only_steps.loss is 'regression'",
        ),
        (["model.private=[intercept]", "model.private_only_steps={class_weights:[1]}"], "class_weights must be"),
        (
            ["model.private=[intercept]", "model.private_only_steps={pace:2}"],
            "private_only_steps.pace is not a setting",
        ),
        (["algorithm=fedrep", "model=logistic"], "leaves no parameter to share"),
        (["algorithm=fedrep", "algorithm.options.head_epochs=0"], "head_epochs must be a whole number"),
    ],
)
def test_what_cannot_be_had_together_is_refused_when_composed_in_one_line(words: Sequence[str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        settings(compose(words))
    assert "\n" not in str(refused.value)


def test_steps_of_private_parameters_are_a_round_s_but_for_what_is_said() -> None:
    chosen = settings(compose(["model.private=[first.bias]", "model.private_only_steps={epochs:5,learning_rate:0.5}"]))
    first, update = chosen.personalization.private.private_only_steps, chosen.recipe.round
    assert first is not None and (first.epochs, first.learning_rate, first.batch) == (5, 0.5, update.batch)


def test_fedrep_s_head_epochs_stand_beside_what_else_is_said_of_its_steps() -> None:
    for said, epochs in (("{learning_rate:0.5}", 7), ("{learning_rate:0.5,epochs:3}", 3)):
        words = ["algorithm=fedrep", "algorithm.options.head_epochs=7", f"model.private_only_steps={said}"]
        first = settings(compose(words)).personalization.private.private_only_steps
        assert first is not None and (first.epochs, first.learning_rate) == (epochs, 0.5)


def test_a_training_in_which_some_parameters_step_alone_is_not_attacked_as_if_it_were_another() -> None:
    rng = np.random.default_rng(0)
    rows = Attacked("DE", PUBLIC, rng.normal(size=(40, 2)).astype(np.float32), np.arange(40) % 2, ("age", "visits"), 40)
    for words in (
        ["algorithm=fedrep"],
        ["model.private=[intercept]", "model.private_only_steps={epochs:3}"],
        ["federation.schedule=cosine"],
        ["model.frozen=[0.bias]"],
    ):
        with pytest.raises(ConfigurationError, match="would be another training"):
            examine(settings(compose(words)), rows, ("loss",), Size(shadows=2), progress=print)
