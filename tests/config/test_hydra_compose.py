"""Composing a configuration: what Hydra finds wrong, or does not, is one line with the nearest setting or choice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from fedsov.config import hydra_compose as composing
from fedsov.config.hydra_compose import check_choices, compose, one_line, opened
from fedsov.config.moved_settings import SettingMoved
from fedsov.errors import ConfigurationError


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["federation.round=3"], "unknown setting 'federation.round'; did you mean federation.rounds? See `fedsov"),
        (["rounds=3"], "unknown setting 'rounds'; did you mean federation.rounds?"),
        (["algorithmm=krum"], "unknown setting 'algorithmm'; did you mean algorithm?"),
        (["modle.hidden=[8]"], "unknown setting 'modle.hidden'; did you mean model.hidden?"),
        (["strategy.federated.mr=3"], "did you mean strategy.federated.min_rows?"),
        (["strategy.federated.zzz=3"], "unknown setting 'strategy.federated.zzz'; strategy.federated has min_rows"),
        (["nonsense=1"], "unknown setting 'nonsense'; see `fedsov train --cfg job`"),
        (["~federation.round"], "did you mean federation.rounds?"),
        (["algorithm=fedavgg"], "unknown algorithm 'fedavgg'; did you mean fedavg? There are bulyan, "),
        (["dataset=nothing"], "unknown dataset 'nothing'; there are delta, postgresql, s3, stackoverflow, table"),
        (["dataset@data=tabel"], "unknown dataset@data 'tabel'; did you mean table?"),
        (["border=nonne"], "unknown border 'nonne'; did you mean none? There are demo, none, own, unsafe_open"),
        (["border=evidence_demo"], "unknown border 'evidence_demo'; there are demo"),
        (["experiment=quik"], "unknown experiment 'quik'; did you mean quick? There is quick"),
        (["+algorithm=krum"], "algorithm has a value already; write algorithm=CHOICE without a +"),
        (["seed=[1"], "cannot read the override seed=[1"),
        (["=3"], "Config group override"),
    ],
)
def test_what_cannot_be_composed_is_one_line_with_the_way_out(overrides: Sequence[str], line: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        compose(overrides)
    message = str(refused.value)
    assert line in message and "\n" not in message and "python -m" not in message


def test_a_setting_that_only_another_choice_of_a_group_has_is_suggested_with_that_choice() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean dataset\.path\?"):
        compose(["dataset=table", "dataset.pth=x"])


def test_several_groups_with_a_setting_of_that_name_are_all_named() -> None:
    with pytest.raises(
        ConfigurationError, match=r"did you mean model\.\w+\.learning_rate or model\.\w+\.learning_rate"
    ):
        compose(["learning_rate=1"])


def test_choices_of_a_search_path_of_one_s_own_are_left_to_hydra() -> None:
    check_choices(["hydra.searchpath=[file:///own]", "algorithm=mine"])
    check_choices(["experiment=null", "algorithm=krum,fedavg", "seed=1", "algorithm=${x}", "+experiment=quick"])
    with pytest.raises(ConfigurationError, match="unknown algorithm 'mine'"):
        check_choices(["algorithm=mine"])


def test_an_error_about_a_setting_that_exists_keeps_hydra_s_own_words() -> None:
    assert one_line(ValueError("Could not override 'seed'.\nwhy")).startswith("Could not override 'seed'.; why")


def by_hydra(words: Sequence[str]) -> DictConfig:
    """What Hydra alone composes of all words at once."""
    with initialize_config_dir(version_base="1.3", config_dir=str(composing.config_dir())):
        return hydra_compose("train", overrides=opened(words))


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["algorithm=fedyogi", "algorithm.options.eta=0.5", "federation.rounds=3"],
        ["dataset.name=x", "dataset=table", "dataset.kinds={a: drop}", "dataset.aliases={Austria: DE}", "border=none"],
        ["experiment=quick", "~model", "++new=[1, 2]", "+further.key={a: ${seed}}", "~federation.rounds"],
        ["~experiment", "+region@federation.catalogue.XX=de", "federation.catalogue.XX.name=XX", "privacy=record"],
        ["hydra.run.dir=elsewhere", "seed=3"],
    ],
)
def test_what_is_composed_again_is_what_hydra_composes_of_all_words_at_once(words: Sequence[str]) -> None:
    expected = by_hydra(words)
    for config in (compose(words), compose(words), compose([*words])):
        assert OmegaConf.to_container(config) == OmegaConf.to_container(expected)
        assert list(config) == list(expected) and OmegaConf.is_struct(config) is OmegaConf.is_struct(expected)
        with pytest.raises(AttributeError, match="nobodys"):
            config.nobodys = 1
        config.seed = 77


def test_a_file_of_a_group_that_changed_is_read_anew_and_an_old_name_in_it_is_said_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(composing.config_dir(), tmp_path / "configs")
    monkeypatch.setattr(composing, "config_dir", lambda: tmp_path / "configs")
    quick = tmp_path / "configs" / "experiment" / "quick.yaml"
    assert compose(["experiment=quick", "seed=3"]).federation.max_update_norm != 7.25
    quick.write_text(quick.read_text().replace("rounds: 2", "bound: 7.25"))
    for seed in (3, 4):
        with pytest.warns(SettingMoved, match="federation.bound is called federation.max_update_norm now"):
            assert compose(["experiment=quick", f"seed={seed}"]).federation.max_update_norm == 7.25
