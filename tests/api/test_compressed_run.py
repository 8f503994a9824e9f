"""Whole runs with compressed updates: a process per region, what their ledgers say, and a hub that is killed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsov.api.ledger_audit import verify_all
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger
from tests.api.test_resume import PRIVATE, _assert_same, _killed, _to_the_end, _words
from tests.world import Overheard, overhear

ALIKE = ("federation.rounds=4", "model.hidden=[128]", "today=2026-11-23", "strategy.order=[federated]")
NUMBERS = 128 * 20 + 128 + 128 + 1
TOPK = ("federation.compression=topk", "federation.compression_share=0.3")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Overheard:
    return overhear([f"workspace={tmp_path_factory.mktemp('plain')}", *ALIKE])


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Overheard:
    return overhear([f"workspace={tmp_path_factory.mktemp('int8')}", "federation.compression=int8", *ALIKE])


def _updates(run: Overheard, region: str = "DE") -> list[dict]:
    bodies = [dict(entry.body) for entry in Ledger.read(run.result.ledger[region]).entries()]
    return [body for body in bodies if body.get("kind") == "update" and body["verdict"] == "permit"]


def test_the_ledger_says_a_quarter_of_the_bytes_and_the_tensors_that_crossed(
    plain: Overheard, quantised: Overheard
) -> None:
    whole, sent = _updates(plain), _updates(quantised)
    assert len(whole) == len(sent) == 4
    assert {one["bytes"] for one in whole} == {4 * NUMBERS + 4 * 128}  # NumPy's head is 128 bytes an array
    assert {one["bytes"] for one in sent} == {NUMBERS + 4 * 12 + 2 * 128}
    assert sent[0]["bytes"] < 0.28 * whole[0]["bytes"]
    assert all(one["tensors"] == {"codes": [NUMBERS], "scales": [12]} for one in sent)
    assert all(not finding.fault for finding in verify_all(quantised.result.workspace))


def test_the_quantised_model_is_as_good(plain: Overheard, quantised: Overheard) -> None:
    one, other = ({name: found.score for name, found in run.result.results.items()} for run in (plain, quantised))
    assert one.keys() == other.keys() and len(one) == 5
    for name, score in one.items():
        assert abs(score - other[name]) < 0.02
    for node, metrics in plain.result.rounds[-1].metrics.items():
        assert abs(metrics["score"] - quantised.result.rounds[-1].metrics[node]["score"]) < 0.01


def test_what_is_frozen_is_not_sent_and_stays(tmp_path: Path) -> None:
    run = overhear([f"workspace={tmp_path}", *ALIKE, "model.frozen=[0.weight]", "federation.rounds=2"])
    assert all(one["tensors"] == {"0.bias": [128], "2.bias": [1], "2.weight": [1, 128]} for one in _updates(run))
    assert _first_weights(run).std() == pytest.approx(20**-0.5 / 3**0.5, rel=0.05)  # uniform, as at the beginning


def _first_weights(run: Overheard) -> np.ndarray:
    from safetensors.numpy import load_file

    (path,) = run.result.workspace.glob("hub/**/stackoverflow/*.safetensors")
    return load_file(path)["0.weight"]


@pytest.mark.parametrize("more", [TOPK, ("federation.compression=int8",)], ids=["topk", "int8"])
def test_a_killed_run_ends_with_the_same_bits(tmp_path: Path, more: tuple[str, ...]) -> None:
    words = _words(tmp_path, *more)
    for number in (1, 2):  # after the regions kept their residuals, before the hub's checkpoint; and right after one
        _killed(words, line=f"global model, round {number}/3")
    _killed(words, file="hub/checkpoints/*/shareable-0002.json")
    _assert_same(_to_the_end(words), _to_the_end(_words(tmp_path / "again", *more)))


@pytest.mark.long
def test_a_noisy_update_is_compressed_after_the_noise_and_the_same_when_it_is_asked_for_again(tmp_path: Path) -> None:
    words = _words(tmp_path, *TOPK, *PRIVATE)
    for number in (1, 2):
        _killed(words, line=f"global model, round {number}/2")
    workspace = _to_the_end(words)
    assert all(not finding.fault for finding in verify_all(workspace))
    for region in ("AT", "DE"):
        entries = Ledger.read(workspace / "regions" / region / "ledger.sqlite").entries()
        updates = [dict(one.body) for one in entries if one.body.get("kind") == "update" and one.body["origins"]]
        digests = {number: {one["digest"] for one in updates if one["round"] == number} for number in (1, 2)}
        assert [len(found) for found in digests.values()] == [1, 1] and len(updates) == 4  # each was asked for twice
        assert all(set(one["tensors"]) == {"indices", "values"} for one in updates)


def test_masks_and_compression_exclude_each_other_before_anything_runs() -> None:
    with pytest.raises(ConfigurationError, match="compression=int8 and secure_aggregation exclude each other"):
        settings(compose(["privacy=secure", "federation.compression=int8"]))
    with pytest.raises(ConfigurationError, match="compression must be one of none, int8, topk, got 'zip'"):
        settings(compose(["federation.compression=zip"]))
    with pytest.raises(ConfigurationError, match="compression_share must be a number above 0"):
        settings(compose(["federation.compression_share=0"]))
    with pytest.raises(ConfigurationError, match="frozen: no shared parameter '7.weight'; there are 0.weight"):
        settings(compose(["model.frozen=[7.weight]"]))


def test_a_secure_sum_has_no_word_about_what_is_frozen(tmp_path: Path) -> None:
    more = ("privacy=secure", "model.frozen=[0.weight]", "federation.rounds=2")
    run = overhear([f"workspace={tmp_path}", *ALIKE, *more])
    words = [one["tensors"] for one in _updates(run) if "words" in one["tensors"]]
    assert words == [{"words": [128 + 128 + 1 + 1]}] * 2
    assert _first_weights(run).std() == pytest.approx(20**-0.5 / 3**0.5, rel=0.05)
