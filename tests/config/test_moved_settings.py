"""Moved settings: the old name gives the same settings and a warning that names the new one; both are refused."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from fedsov.api.resume import find_run
from fedsov.cli import main
from fedsov.config.hydra_compose import compose
from fedsov.config.moved_settings import MOVED, SettingMoved, renamed, renamed_words
from fedsov.config.settings import Settings, settings, settings_of
from fedsov.errors import ConfigurationError
from fedsov.hub.kept.checkpoints import Checkpoints, RunManifest
from fedsov.ledger.ledger import Ledger

PAIRS = [
    (["model.update.epochs=3"], ["model.round.epochs=3"]),
    (["model.alone.learning_rate=0.5"], ["model.from_scratch.learning_rate=0.5"]),
    (["model.tune.class_weights=[1,3]"], ["model.fine_tune.class_weights=[1,3]"]),
    (["federation.bound=2"], ["federation.max_update_norm=2"]),
    (["++federation.bound=2"], ["++federation.max_update_norm=2"]),
    (["~model.update.accumulate", "model.tune.epochs=1"], ["~model.round.accumulate", "model.fine_tune.epochs=1"]),
    (["+model.update.proximal_mu=1"], ["+model.round.proximal_mu=1"]),
    (
        ["model.private=[intercept]", "model.private_first={epochs:5}"],
        ["model.private=[intercept]", "model.private_only_steps={epochs:5}"],
    ),
    (["model.tune.batch=${model.update.batch}"], ["model.fine_tune.batch=${model.round.batch}"]),
]


def _composed(words: Sequence[str]) -> Settings:
    return settings(compose(words))


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_the_old_name_warns_with_the_new_one_and_gives_the_same_settings(old: list[str], new: list[str]) -> None:
    with pytest.warns(SettingMoved, match="now; old names go with the next release") as caught:
        by_old = _composed(old)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_new = _composed(new)
    assert by_old == by_new and by_old != _composed([])
    assert len(caught) == 1
    given = " ".join(old)
    for name, moved in MOVED.items():
        assert (f"{name} is called {moved} now" in str(caught[0].message)) == any(
            word.lstrip("+~").startswith(name) for word in given.split()
        )


def test_every_moved_setting_is_gone_and_its_new_name_is_there() -> None:
    plain: Any = OmegaConf.to_container(compose([]), resolve=True)
    for old, new in MOVED.items():
        group, _, key = old.partition(".")
        assert new.partition(".")[0] == group and key not in plain[group] and new.partition(".")[2] in plain[group]


@pytest.mark.parametrize(
    "words",
    [
        ["model.update.epochs=3", "model.round.epochs=4"],
        ["model.round.batch=4", "+model.update.proximal_mu=1"],
        ["federation.bound=1", "++federation.max_update_norm=1"],
        ["model.private_first={epochs:5}", "~model.private_only_steps"],
    ],
)
def test_both_names_are_refused(words: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"is the old name of \S+, which is given too; take"):
        compose(words)


def test_a_name_that_begins_as_an_old_one_is_another(recwarn: pytest.WarningsRecorder) -> None:
    words = [
        "model.updates=1",
        "federation.bounds=2",
        "x=model.update",
        "model.private=[a]",
        "model.tuned.x=${model.tunes}",
    ]
    assert renamed_words(words) == words and not recwarn.list


def _files(folder: Path, files: Mapping[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return f"hydra.searchpath=[file://{folder}]"


def test_files_of_a_user_are_read_by_their_old_names_and_a_word_overrides_them(tmp_path: Path) -> None:
    path = _files(
        tmp_path,
        {
            "experiment/slow.yaml": "# @package _global_\nmodel:\n  update: {epochs: 7, batch: 5}\n  tune:\n"
            "    batch: ${model.update.batch}\nfederation:\n  bound: 3\n",
            "model/mine.yaml": "defaults: [mlp, _self_]\nhidden: [4]\nalone:\n  epochs: 9\n",
        },
    )
    with pytest.warns(SettingMoved) as caught:
        chosen = _composed([path, "experiment=slow", "model=mine", "model.update.epochs=2"])
    recipe = chosen.recipe
    assert (recipe.round.epochs, recipe.round.batch, recipe.fine_tune.batch, recipe.from_scratch.epochs) == (2, 5, 5, 9)
    assert recipe.round.momentum == 0.9 and chosen.federation.max_update_norm == 3.0
    lines = "\n".join(str(each.message) for each in caught)
    assert "model.alone is called model.from_scratch now (in model/mine.yaml)" in lines
    assert re.search(
        r"model.update is called model.round now, .*federation.max_update_norm now \(in experiment/slow", lines
    )
    assert "model.update is called model.round now; old names go" in lines


def test_a_file_with_both_names_is_refused_and_named(tmp_path: Path) -> None:
    text = "# @package _global_\nmodel: {update: {epochs: 7}, round: {batch: 5}}\n"
    path = _files(tmp_path, {"experiment/both.yaml": text})
    with pytest.raises(ConfigurationError, match=r"^experiment/both.yaml: model.update is the old name of model.round"):
        compose([path, "experiment=both"])


def _as_written_before(plain: Mapping[str, Any]) -> dict[str, Any]:
    """What the last release wrote down of these settings."""
    before = {new: old for old, new in MOVED.items()}
    return {
        group: {before.get(f"{group}.{key}", f".{key}").rpartition(".")[2]: value for key, value in part.items()}
        if isinstance(part, Mapping)
        else part
        for group, part in plain.items()
    }


def test_what_the_last_release_wrote_down_is_read_without_a_warning() -> None:
    chosen = _composed(["model.private=[intercept]", "model.private_only_steps={epochs:5}"])
    old = _as_written_before(chosen.plain)
    assert set(old["model"]) >= {"update", "alone", "tune", "private_first"} and "bound" in old["federation"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = settings_of(old)
    assert again == chosen and again.plain == chosen.plain
    with pytest.raises(ConfigurationError, match="model.update is the old name"):
        settings_of({**old, "model": {**old["model"], "round": {}}})


def test_a_run_that_the_last_release_began_is_found_to_go_on(tmp_path: Path) -> None:
    chosen = _composed([f"workspace={tmp_path}", "federation.max_update_norm=2", "model.fine_tune.epochs=4"])
    ledger = Ledger(tmp_path / "hub" / "ledger.sqlite", "hub")
    manifest = RunManifest("r1", _as_written_before(chosen.plain), os.getcwd(), ledger.key, {})
    Checkpoints(tmp_path / "hub", "r1", ledger).begin(manifest)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, written = find_run(tmp_path, "latest")
    assert found == chosen and written == manifest and found.federation.max_update_norm == 2.0


def test_a_configuration_that_was_not_composed_here_warns_too() -> None:
    with pytest.warns(SettingMoved, match="federation.bound is called"):
        assert renamed({"federation": {"bound": 1}, "seed": "${federation.bound}"}) == {
            "federation": {"max_update_norm": 1},
            "seed": "${federation.max_update_norm}",
        }


@pytest.mark.parametrize("command", [["train", "--cfg", "job"], ["plan", "today=x"]])
def test_the_command_line_says_it_once_in_one_line(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main.run([*command, "model.update.epochs=3", "federation.bound=1"])
    told = [line for line in capsys.readouterr().err.splitlines() if "called" in line]
    assert told == [
        "fedsov: warning: model.update is called model.round now, federation.bound is called "
        "federation.max_update_norm now; old names go with the next release"
    ]
