"""Composing a configuration: what Hydra finds wrong, or does not, is one line with the nearest setting or choice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fedsov.config.hydra_compose import check_choices, compose, one_line
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
