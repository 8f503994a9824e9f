"""`attack`: a public table and a region's store, what is printed and written, registered, and refused."""

from __future__ import annotations

import hashlib
import json
import shlex
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.cli.world import call
from tests.world import answered, called

FAST = ("--shadows", "8", "--rows", "240", "--runs", "64", "--quiet")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 people of two countries; the outcome hangs on the first column and on chance."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("table") / "people.csv"
    X = rng.normal(size=(300, 6))
    y = (X[:, 0] + rng.normal(size=300) > 0).astype(int)
    lines = ["country,a,b,c,d,e,f,job,sick"]
    for row, (values, outcome) in enumerate(zip(X, y, strict=True)):
        words = [*(f"{value:.4f}" for value in values), ("nurse", "clerk")[row % 2], str(outcome)]
        lines.append(",".join([("DE", "US")[row % 2 if row < 60 else 0], *words]))
    path.write_text("\n".join(lines) + "\n")
    return path


def _on(table: Path, *more: str) -> tuple[str, ...]:
    return ("attack", "--data", str(table), "dataset.target=sick", "dataset.drop=[country]", *more)


def test_a_public_table_is_attacked_told_written_and_can_be_registered(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "attack.json"
    overfit = (
        "model.hidden=[64]",
        "model.round.learning_rate=0.1",
        "model.round.weight_decay=0",
        "federation.rounds=20",
    )
    words = _on(table, *FAST, *overfit, "--attacks", "loss,lira,canary", "--out", str(out))
    said = answered(called(*words, "--json"))
    report = json.loads(out.read_bytes())
    assert {key: said[key] for key in report} == report and stat.S_IMODE(out.stat().st_mode) == 0o600
    assert said["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert report["shadow_models"] == 8 and report["rows"] | {"where": ""} == {
        "where": "", "held": 300, "attacked": 240, "inputs": 8, "unused": {"country": "dataset.drop"},
    }  # fmt: skip
    assert set(report["membership"]) == {"loss", "lira_online", "lira_offline"}
    assert report["verdict"] == "fail" and report["claimed"]["epsilon"] is None and report["audit"]["claimed"] is None
    entered = _registered(said["register"], tmp_path)
    assert entered["kind"] == "attack_test" and entered["terms"] == {"attack_test": "fail"}
    assert entered["sha256"] == said["sha256"]


def _registered(command: str, folder: Path) -> dict:
    words = [word if word != "documents.yaml" else str(folder / word) for word in shlex.split(command)[1:]]
    answered(called(*words, "--json"))
    return yaml.safe_load((folder / "documents.yaml").read_text())["documents"][0]


@pytest.mark.long
def test_a_region_s_rows_are_attacked_under_its_keys_and_the_claim_stands_beside_the_bound(
    table: Path, tmp_path: Path
) -> None:
    data = ("dataset=table", f"dataset.path={table}", "dataset.jurisdiction=country", "dataset.target=sick")
    words = (*data, f"workspace={tmp_path}", "federation.regions=[DE,US]")
    assert called("ingest", *words, "--quiet").returncode == 0
    private = ("privacy=record", "privacy.epsilon=2", "--attacks", "lira,canary,inversion")
    done = called("attack", "--region", "DE", *words, *FAST, "--quick", *private)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "regions" / "DE" / "attack.json").read_text())
    assert 1.9 < report["claimed"]["epsilon"] <= 2.0 and report["audit"]["epsilon"] <= report["claimed"]["epsilon"]
    assert [one["recovered"] for one in report["inversion"] if one["noisy"]] == [0.0, 0.0]
    for told in (
        "record-level, add-or-remove-one adjacency",
        "lira offline",
        "canary audit, 64 runs",
        "not claimed: an attack",
    ):
        assert told in done.stdout
    assert "defeated" not in done.stdout and "anonymous because" in done.stdout
    (tmp_path / "regions" / "DE" / "keyring.json").unlink()
    assert called("attack", "--region", "DE", *words, *FAST).returncode == 6
    done = called("attack", "--region", "FR", *words, *FAST)
    assert done.returncode == 2 and "there are DE, US" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --region NAME for a region's stored rows, or --data FILE"),
        (("--region", "DE", "--rows", "0"), "--rows is '0'; write a whole number above 0"),
        (("--region", "DE", "--data", "x.csv"), "give --region NAME"),
        (
            ("--region", "DE", "--attacks", "magic"),
            "unknown attack 'magic'; there are loss, lira, art, inversion, canary",
        ),
        (("--region", "DE", "--attacks", ","), "no attack is named"),
        (("--region", "DE", "--rows", "many"), "--rows is 'many'; write a whole number"),
        (("--wrong",), "unknown option '--wrong'; see"),
    ],
)
def test_what_cannot_be_attacked_is_refused_in_one_line(words: tuple[str, ...], said: str) -> None:
    ended = call("attack", *words)
    assert ended.code == 2 and said in ended.line


def test_an_absent_extra_is_named_with_the_command_that_mends_it(table: Path, tmp_path: Path) -> None:
    """The same command where the toolbox cannot be found."""
    code = (
        "import importlib.util as u, sys; real = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'art' else real(name, package)\n"
        f"from fedsov.cli import run; sys.exit(run({list(_on(table, '--quiet', f'workspace={tmp_path}'))!r}))"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and "pip install 'fedsov[attack]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
