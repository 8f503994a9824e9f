"""`train` as a Hydra application: settings and Hydra's own options in any order, passed on as they stand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.world import call
from tests.world import ROOT


def shown(*words: str) -> Any:
    """The settings that a run would use."""
    ended = call("train", "--cfg", "job", *words)
    assert ended.code == 0, ended.err
    return yaml.safe_load(ended.out)


def test_every_form_of_a_setting_passes_through_unchanged() -> None:
    config = shown(
        "algorithm=krum",
        "experiment=quick",
        "++seed=7",
        "~runtime.timeout",
        "model.private=[intercept]",
        "federation.schedule={name:cosine,least:0.1,warmup:2}",
        "dataset.kinds={age:numeric}",
        "dataset.aliases.Deutschland=DE",
        'dataset.label_separator=";"',
        "today='2026-11-22'",
        "+algorithm@second=fedavg",
    )
    assert config["algorithm"]["name"] == "krum" and config["second"]["name"] == "fedavg"
    assert config["federation"]["rounds"] == 2 and config["seed"] == 7 and "timeout" not in config["runtime"]
    assert config["model"]["private"] == ["intercept"] and config["dataset"]["label_separator"] == ";"
    assert config["federation"]["schedule"] == {"name": "cosine", "least": 0.1, "warmup": 2}
    assert config["dataset"]["kinds"] == {"age": "numeric"} and config["dataset"]["aliases"] == {"Deutschland": "DE"}
    assert config["today"] == "2026-11-22"


def test_options_and_settings_stand_in_any_order() -> None:
    parts = (["--cfg=job"], ["seed=3"], ["--workspace", "w x"], ["-p", "federation"])
    orders = (parts, parts[::-1], parts[1:] + parts[:1])
    texts = {call("train", *(word for part in order for word in part)).out for order in orders}
    assert len(texts) == 1 and texts.pop().startswith("# @package federation\n")
    assert shown("--workspace", "w x")["workspace"] == shown("workspace='w x'")["workspace"] == "w x"


def test_the_settings_are_printed_as_json_too() -> None:
    plain = shown("algorithm=krum")
    assert call("train", "--cfg", "job", "algorithm=krum", "--json").json == plain
    assert set(call("train", "-c", "all", "--json").json) == {*plain, "hydra"}


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("--info", "defaults"), "Defaults List"),
        (("--info=searchpath",), "Config search path"),
        (("-i", "searchpath", "algorithm=krum"), "Config search path"),
        (("--version",), "Hydra 1.3"),
    ],
)
def test_hydra_prints_what_it_is_asked_for_and_nothing_runs(
    words: tuple[str, ...], printed: str, tmp_path: Path
) -> None:
    ended = call("train", *words, f"workspace={tmp_path / 'w'}")
    assert ended.code == 0 and printed in ended.out
    assert not (tmp_path / "w" / "regions").exists()


def test_a_call_leaves_the_process_as_it_was() -> None:
    words, before = list(sys.argv), dict(os.environ)
    shown("seed=3")
    call("train", "--cfg", "job", "nosuch=1")
    assert sys.argv == words and dict(os.environ) == before


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--cfg jb", "unknown --cfg 'jb'; did you mean job? There are job, hydra, all"),
        ("--info nothing", "unknown --info 'nothing'; there are all, config, "),
        ("--info --json", "--json goes with a run and with --cfg; take it away from --info=all"),
        ("--config-name x", "unknown option '--config-name'"),
        ("--resolve", "--resolve flag can only be used"),
        ("--resume", "--resume needs a value, RUN; see `fedsov train --help`"),
        ("--resume latest seed=1 -m", "a run goes on with its own settings; take away seed=1 --multirun"),
        ("--resume latest --workspace /absent", "no run was begun there"),
        ("--cfg job algorithm=fedavgg", "unknown algorithm 'fedavgg'; did you mean fedavg? There are bulyan, "),
        ("--cfg job experiment=quik", "unknown experiment 'quik'; did you mean quick?"),
        ("--cfg job -m algorithm=krum,krumm", "unknown algorithm 'krumm'; did you mean krum?"),
        ("--cfg job federation.round=3", "unknown setting 'federation.round'; did you mean federation.rounds?"),
        ("--cfg job rounds=3", "unknown setting 'rounds'; did you mean federation.rounds?"),
        ("--cfg job seed=[1", "cannot read the override seed=[1"),
        ("--cfg job --workspace a workspace=b", "--workspace a and workspace=b name different folders"),
        ("krum", "'krum' is neither an option nor KEY=VALUE; see `fedsov train --help`"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_2(words: str, line: str) -> None:
    ended = call("train", *words.split())
    assert ended.code == 2 and line in ended.line


def test_the_first_line_comes_before_anything_slow_and_an_interruption_says_how_to_go_on(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "fedsov", "train", "--workspace", str(tmp_path / "w"), "experiment=quick"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # else it is inherited where it is ignored
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT)
    signal.signal(signal.SIGINT, before)
    assert process.stderr is not None
    first = process.stderr.readline()
    assert first == "[   0.0 s] starting: loading PyTorch, Flower and Hydra\n"
    process.send_signal(signal.SIGINT)
    *_, line = process.stderr.read().splitlines()
    assert process.wait(timeout=60) == 130
    command = f"fedsov train --resume latest --workspace {tmp_path / 'w'}"
    assert line == f"fedsov: interrupted; to resume after an interruption: {command}"
