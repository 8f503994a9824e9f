"""Hydra's configuration becomes frozen settings here and nowhere else.

Each group of settings belongs to a class of the package that uses it: its fields are the group's keys, and its
`from_settings` checks their values and names what is wrong. This module hands every class its group, adds what they
need of each other, and checks what excludes what. Past this module nobody sees a dictionary of settings. To add a
setting, add a field to its class, a line to the YAML of its group, and what uses it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.personalization import Personalization
from fedsov.algorithms.recipe import Recipe
from fedsov.algorithms.training_spec import PRIVATE_SETTINGS, TrainingSpec, personalization_of
from fedsov.border.law.bundle_loader import load_atlas
from fedsov.border.settings import BorderSettings
from fedsov.checks import SEEDS, only, prefixed, refused, require, whole
from fedsov.config.federation import FederationSettings, RuntimeSettings
from fedsov.config.hydra_compose import demo_register, one_line
from fedsov.config.moved_settings import renamed
from fedsov.config.own_tables import check_documents
from fedsov.errors import ConfigurationError
from fedsov.hub.planning.plan_values import StrategyRule
from fedsov.jurisdiction import Atlas, code_of_place
from fedsov.model.declared_values import SCHEMA_SETTINGS
from fedsov.partition.dataset import DatasetSpec
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.privacy.secure_aggregation.protocol import FEWEST
from fedsov.privacy.settings import RecordPrivacy
from fedsov.protocol.job import SyntheticSettings
from fedsov.storage.workspace import named_path

if TYPE_CHECKING:
    from omegaconf import DictConfig

KEYS = (
    *("federation", "dataset", "model", "strategy", "algorithm", "privacy", "border", "runtime"),
    *("workspace", "seed", "today"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """One run, checked.

    Attributes:
        workspace: the folder everything is written under.
        today: the day decisions are made on; None for the real day of each decision.
        federation: who takes part, and how many rounds.
        runtime: how the hub reaches its regions.
        plain: the composed configuration these settings came from, for other processes and for the record.
        secure_sum: bounds of the secure sums that a global model is made by; None where the hub sees each update.
        privacy: what is asked of privacy; None where no noise is added.
        personalization: what regions keep to themselves while a global model is trained.
    """

    workspace: Path
    seed: int
    today: date | None
    atlas: Atlas
    federation: FederationSettings
    dataset: DatasetSpec
    strategy: StrategyRule
    synthetic: SyntheticSettings
    recipe: Recipe
    algorithm: Algorithm
    border: BorderSettings
    runtime: RuntimeSettings
    plain: Mapping[str, Any]
    secure_sum: Bounds | None = None
    privacy: RecordPrivacy | None = None
    personalization: Personalization = field(default_factory=Personalization)

    def __post_init__(self) -> None:
        self.training.check(noise=self.privacy is not None, secure_sum=self.secure_sum is not None)
        self.federation.schedule.check(self.recipe.round, self.federation.rounds)
        _check_hub_can_know(self)

    @property
    def training(self) -> TrainingSpec:
        """The federated training that hub and regions agree on."""
        federation = self.federation
        return TrainingSpec(
            network=self.recipe.network,
            steps=self.recipe.round,
            algorithm=self.algorithm,
            rounds=federation.rounds,
            seed=self.recipe.round.seed,
            schedule=federation.schedule,
            personalization=self.personalization,
            compression=federation.compression,
            frozen=self.recipe.frozen,
            patience=federation.patience,
            max_update_norm=federation.max_update_norm,
        )


def settings(config: DictConfig) -> Settings:
    """The settings of a composed configuration.

    Raises ConfigurationError for a missing, unknown or impossible value, naming its key.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigurationError(one_line(error)) from error
    return _checked(renamed({key: value for key, value in plain.items() if key != "hydra"}))


def settings_of(plain: Mapping[str, Any]) -> Settings:
    """The settings of a configuration given as plain values, also as the last release wrote them; see `settings`."""
    return _checked(renamed(plain, warns=False))


def _checked(plain: Mapping[str, Any]) -> Settings:
    """The settings of plain values by their names of now."""
    plain = only("", plain, KEYS)
    for key in KEYS:
        require("", plain, key)
    try:
        return _settings(plain)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise ConfigurationError(f"a setting has a value of the wrong kind: {error}") from error


def _settings(plain: Mapping[str, Any]) -> Settings:
    seed = whole("seed", plain["seed"], at_least=0, at_most=SEEDS)
    dataset = DatasetSpec.from_settings(plain["dataset"], seed=seed, beside=SCHEMA_SETTINGS)
    privacy = RecordPrivacy.from_settings(plain["privacy"], plain["dataset"])
    with prefixed("dataset.aliases: "):
        atlas = load_atlas(dataset.aliases)
    if dataset.location is not None:
        dataset = replace(dataset, location=code_of_place("dataset.location", dataset.location, atlas))
    federation = FederationSettings.from_settings(plain["federation"], atlas)
    target, summed = dataset.target, plain["privacy"]["secure_aggregation"]
    recipe = Recipe.from_settings(
        plain["model"], seed=seed, task=target.task, outputs=len(target.classes) or 1, beside=PRIVATE_SETTINGS
    )
    algorithm = Algorithm.from_settings(plain["algorithm"])
    strategy = StrategyRule.from_settings(
        plain["strategy"],
        min_regions=max(federation.minimum_regions, FEWEST if summed else 0),
        beside={"synthetic": SyntheticSettings.__slots__},
    )
    border = BorderSettings.from_settings(plain["border"])
    check_documents(border.evidence, dataset.examples, demo_register())
    return Settings(
        workspace=named_path("workspace", plain["workspace"], "a folder"),
        seed=seed,
        today=_day(plain["today"]),
        atlas=atlas,
        federation=federation,
        dataset=dataset,
        strategy=strategy,
        synthetic=SyntheticSettings.from_settings(plain["strategy"].get("synthetic", {})),
        recipe=recipe,
        algorithm=algorithm,
        border=border,
        runtime=RuntimeSettings.from_settings(plain["runtime"]),
        plain=plain,
        secure_sum=Bounds() if summed else None,
        privacy=privacy and privacy.accumulating(recipe.round.accumulate),
        personalization=personalization_of(plain["model"], algorithm, recipe),
    )


def _day(value: Any) -> date | None:
    if value is None:
        return None
    with suppress(ValueError):
        return date.fromisoformat(str(value))
    raise refused("today", "a day as YYYY-MM-DD", value)


def _check_hub_can_know(settings: Settings) -> None:
    """Raises ConfigurationError where the hub is to judge by what it does not hear: losses, or single updates."""
    blind = {
        "privacy=record": "no score leaves a region" if settings.privacy else "",
        "privacy=secure": "the hub hears no region's scores" if settings.secure_sum else "",
    }
    why = "; ".join(f"under {key} {reason}" for key, reason in blind.items() if reason)
    if settings.federation.patience is not None and why:
        raise ConfigurationError(
            f"federation.patience ends a training by the regions' validation losses, and {why}; "
            "set federation.patience=null, and federation.rounds to what the training is to have"
        )
    if settings.secure_sum is not None and settings.federation.max_update_norm < math.inf:
        raise ConfigurationError(
            "federation.max_update_norm is on each region's update, and a secure sum shows the hub their sum; "
            "set federation.max_update_norm=null, or privacy.secure_aggregation=false"
        )
