"""A configuration becomes settings: every group reaches its class, and what excludes what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from fedsov.config.hydra_compose import compose
from fedsov.config.settings import KEYS, settings, settings_of
from fedsov.errors import ConfigurationError
from fedsov.partition.classify import ConsentRule


def test_every_group_reaches_its_class() -> None:
    run = settings(
        compose(
            [
                "seed=7",
                "today=2026-11-22",
                "workspace=w",
                "strategy.synthetic.rows=77",
                "strategy.local.min_rows=5",
                "federation.rounds=4",
                "runtime.timeout=9",
                "algorithm=ditto",
                "model.hidden=[4]",
                "border=none",
            ]
        )
    )
    assert (run.seed, run.today, run.workspace) == (7, date(2026, 11, 22), Path("w"))
    assert (run.synthetic.rows, run.strategy.local_min_rows, run.federation.rounds) == (77, 5, 4)
    assert (run.runtime.timeout, run.algorithm.name, run.recipe.network.hidden) == (9.0, "ditto", (4,))
    assert run.border.evidence is None and run.personalization.ditto_lambda == 0.1
    assert run.dataset.consent == ConsentRule(share=0.1, seed=7, document="demo-global-consent")
    assert run.training.seed == 7 and run.training.rounds == 4


def test_paths_may_begin_with_the_user_s_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    words = ["workspace='~/w'", "dataset.path='~/p.csv'", "border=own", "border.evidence='~/d.yaml'"]
    table = ["dataset=table", "dataset.jurisdiction=c", "dataset.target=y", "border.rules='~/rules'"]
    run, home = settings(compose(table + words)), Path("/home/somebody")
    assert (run.workspace, run.dataset.path) == (home / "w", home / "p.csv")
    assert (run.border.evidence, run.border.rules) == (home / "d.yaml", home / "rules")
    with pytest.raises(ConfigurationError, match="border.rules must be a path, or null, got ''"):
        settings(compose([*table, *words, "border.rules=''"]))


def test_a_seed_may_be_as_large_as_a_seed_of_steps() -> None:
    run = settings(compose([f"seed={2**63 - 1}"]))
    assert run.seed == run.training.seed == 2**63 - 1
    with pytest.raises(
        ConfigurationError, match="^seed must be a whole number from 0 to 9,223,372,036,854,775,807, got"
    ):
        settings(compose([f"seed={2**63}"]))


def test_a_secure_sum_takes_regions_enough_and_noise_takes_whole_steps() -> None:
    run = settings(compose(["privacy=secure"]))
    assert run.secure_sum is not None and run.strategy.federated_min_regions == 3
    private = settings(compose(["privacy=record", "privacy.batch=100", "model.round.accumulate=3"])).privacy
    assert private is not None and private.batch == 300


def test_settings_come_back_from_what_they_were_made_of() -> None:
    run = settings(compose(["privacy=record", "model.private=[intercept]", "federation.schedule=cosine"]))
    assert settings_of(run.plain) == run


@pytest.mark.parametrize("key", KEYS)
def test_a_run_needs_each_of_its_groups(key: str) -> None:
    plain: Any = OmegaConf.to_container(compose([]), resolve=True)
    with pytest.raises(ConfigurationError, match=f"^{key} is not set$"):
        settings_of({name: value for name, value in plain.items() if name != key})


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["+nosuch=1"], "nosuch is not a setting; a run has federation, dataset"),
        (["+dataset.pth=x"], "dataset.pth is not a setting; did you mean dataset.path?"),
        (["+dataset.bound={}"], "dataset.bound is not a setting; did you mean dataset.bounds?"),
        (["+dataset.tasks=x"], "dataset.tasks is not a setting; did you mean dataset.task?"),
        (["+model.private_steps=x"], "model.private_steps is not a setting; did you mean model.private"),
        (
            ["+strategy.synthetic.row=x"],
            "strategy.synthetic.row is not a setting; did you mean strategy.synthetic.rows?",
        ),
        (["+strategy.local.rows=x"], "strategy.local.rows is not a setting; did you mean strategy.local.min_rows?"),
        (["+privacy.mechanisms=x"], "privacy.mechanisms is not a setting; did you mean privacy.mechanism?"),
        (["+algorithm.option=x"], "algorithm.option is not a setting; did you mean algorithm.options?"),
        (["+model.round.epoch=1"], "model.round.epoch is not a setting; did you mean model.round.epochs?"),
        (["~dataset.jurisdiction"], "dataset.jurisdiction is not set"),
        (["~model.hidden"], "model.hidden is not set"),
        (["~border.unsafe_open"], "border.unsafe_open is not set"),
        (["~strategy.synthetic"], "strategy.synthetic.rows is not set"),
        (["dataset.aliases={Mordor:XX}"], "dataset.aliases: alias 'Mordor' names 'XX', which is no known code"),
        (["dataset.restrictions=[{column:a}]"], "dataset.restrictions[0].equals is not set"),
        (["dataset.consent={share:2,document:d}"], "dataset.consent.share must be a number of 0 or more and at most 1"),
        (["model.hidden=[0]"], "model.hidden[0] must be a whole number of 1 or more, got 0"),
        (["model.name=nosuch"], "model.name=nosuch: unknown network 'nosuch'"),
        (["workspace=''"], "workspace must be a folder, got ''"),
        (["model.frozen=[x]"], "model.frozen: no shared parameter 'x'"),
        (["model.private=[tail]"], "model.private: private='tail' is no part of network mlp"),
        (["strategy.order=[gossip]"], "strategy.order: unknown strategy 'gossip'"),
        (["privacy=secure", "federation.max_update_norm=1"], "federation.max_update_norm is on each region's update"),
        (["privacy=record", "federation.patience=3"], "federation.patience ends a training by"),
        (["today=soon"], "today must be a day as YYYY-MM-DD, got 'soon'"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_its_key(words: Sequence[str], line: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(compose(words))
    assert str(refused.value).startswith(line) and "\n" not in str(refused.value)
