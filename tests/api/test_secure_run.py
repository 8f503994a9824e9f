"""A whole run with secure sums: real rows, a process per region, and a tap on every line between them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fedsov.api import train
from fedsov.api.ledger_audit import verify_all
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.ledger.ledger import Ledger
from tests.world import Overheard, overhear

ALIKE = ("federation.rounds=2", "today=2026-11-23")
MEMBERS = ("DE", "GB", "US")


@pytest.fixture(scope="module")
def summed(tmp_path_factory: pytest.TempPathFactory) -> Overheard:
    return overhear(["privacy=secure", f"workspace={tmp_path_factory.mktemp('summed')}", *ALIKE])


def _entries(run: Overheard, owner: str) -> list[dict]:
    return [
        dict(entry.body) for entry in Ledger.read(run.result.ledger[owner]).entries() if entry.body["act"] == "cross"
    ]


@pytest.mark.long
def test_the_global_model_is_that_of_a_run_in_which_the_hub_saw_every_update(summed: Overheard, tmp_path: Path) -> None:
    plain = overhear([f"workspace={tmp_path}", *ALIKE])
    one, other = (_global_model(run) for run in (summed, plain))
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_allclose(array, other[name], atol=1e-5)


def _global_model(run: Overheard) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    (path,) = run.result.workspace.glob("hub/**/stackoverflow/*.safetensors")
    return load_file(path)


def test_the_hub_is_told_the_sum_s_rows_and_contributors_and_no_region_s_scores(summed: Overheard) -> None:
    lines = [line for line in summed.lines if line.startswith("global model")]
    assert len(lines) == 2 and all("the sum of 3 regions' updates, made of 2,7" in line for line in lines)
    assert all(not seen.metrics and seen.together["contributors"] == 3 for seen in summed.result.rounds)
    for name in MEMBERS:
        scores = [entry for entry in _entries(summed, name) if entry["kind"] == "metrics" and entry["round"]]
        assert all(entry["round"] in (1, 2) and not entry["origins"] for entry in scores)  # of the public model alone


def test_each_member_s_ledger_holds_every_step_and_verifies(summed: Overheard) -> None:
    assert all(not finding.fault for finding in verify_all(summed.result.workspace))
    for name in MEMBERS:
        bound = [
            (one["round"], one["name"]) for one in _entries(summed, name) if one["kind"] == "update" and one["origins"]
        ]
        assert bound == [(1, "words"), (2, "words")]
        steps = [one["name"] for one in _entries(summed, name) if one["name"] in ("keys", "letters", "list", "shares")]
        assert steps == ["keys", "letters", "list", "shares"] * 2


def test_every_region_has_the_verify_keys_of_all_and_they_never_passed_the_hub(summed: Overheard) -> None:
    regions = summed.result.workspace / "regions"
    known = [json.loads((regions / name / "verify_keys.json").read_text()) for name in ("US", "GB", "DE", "IN", "CA")]
    assert all(one == known[0] for one in known) and set(known[0]) == {"US", "GB", "DE", "IN", "CA"}
    for name, key in known[0].items():
        assert Ledger.read(summed.result.ledger[name]).key == key


def test_two_members_are_too_few_for_a_sum_and_the_plan_says_so(tmp_path: Path) -> None:
    two = ["privacy=secure", "federation.regions=[US,GB]", "border=unsafe_open", f"workspace={tmp_path}", *ALIKE]
    chosen = settings(compose(two))
    plan, _ = train.plan_settings(chosen, progress=lambda line: None)
    assert not plan.following("federated")
    said = "Not federated: only GB, US could be a member; needs at least 3 regions."
    assert all(said in plan.region(name).reasons for name in ("GB", "US"))
