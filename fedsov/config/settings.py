"""Hydra's configuration becomes frozen settings here and nowhere else.

`settings` checks every value of a composed configuration (`fedsov.config.hydra_compose`) and names what is wrong with
it. Past this module nobody sees a dictionary of settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import CONSTANT, Recipe, Schedule
from fedsov.algorithms.personalization import Personalization
from fedsov.algorithms.training_spec import TrainingSpec, personalization_of
from fedsov.artifact import Party
from fedsov.border.law.bundle_loader import load_atlas
from fedsov.border.settings import BorderSettings
from fedsov.checks import whole
from fedsov.config.hydra_compose import one_line
from fedsov.config.moved_settings import renamed
from fedsov.config.recipe import check_rates, recipe_of, schedule_of
from fedsov.config.sections import check_shape, only
from fedsov.errors import ConfigurationError
from fedsov.hub.planning.plan_values import StrategyRule
from fedsov.jurisdiction import Atlas, Region
from fedsov.model.targets import TargetRule
from fedsov.partition.classify import ClassifyRules, ConsentRule, RestrictionRule
from fedsov.partition.dataset import DatasetSpec
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.privacy.secure_aggregation.protocol import FEWEST
from fedsov.privacy.settings import RecordPrivacy

if TYPE_CHECKING:
    from omegaconf import DictConfig


ROLES = ("controller", "processor")


@dataclass(frozen=True, slots=True)
class SyntheticSettings:
    """Rows of a synthetic table, and the synthesizer that makes it."""

    rows: int
    synthesizer: str


@dataclass(frozen=True, slots=True)
class Settings:
    """One run, checked.

    Attributes:
        workspace: the folder everything is written under.
        today: the day decisions are made on; None for the real day of each decision.
        schedule: what the regions' learning rate is multiplied by in each round.
        patience: rounds without a lesser validation loss after which the federated training ends; None: never.
        max_update_norm: the longest update (L2) of a region that is accepted.
        days_per_round: how many days pass with each round, in a rehearsal of a long training.
        regions: the federation's regions, or None for one per jurisdiction found in the data.
        secure_sum: bounds of the secure sums that a global model is made by; None where the hub sees each update.
        runtime: how the hub reaches its regions, one of `fedsov.runtimes.RUNTIMES`, which checks it.
        plain: the composed configuration these settings came from, for other processes and for the record.
        privacy: what is asked of privacy; None where no noise is added.
        compression: how updates are sent up.
        personalization: what regions keep to themselves while a global model is trained.
    """

    workspace: Path
    seed: int
    today: date | None
    hub: Party
    regions: tuple[Region, ...] | None
    atlas: Atlas
    dataset: DatasetSpec
    strategy: StrategyRule
    synthetic: SyntheticSettings
    recipe: Recipe
    algorithm: Algorithm
    rounds: int
    days_per_round: int
    border: BorderSettings
    runtime: str
    timeout: float
    plain: Mapping[str, Any]
    secure_sum: Bounds | None = None
    privacy: RecordPrivacy | None = None
    schedule: Schedule = CONSTANT
    patience: int | None = None
    max_update_norm: float = math.inf
    compression: Compression = field(default_factory=Compression)
    personalization: Personalization = field(default_factory=Personalization)

    def __post_init__(self) -> None:
        self.training.check(noise=self.privacy is not None, secure_sum=self.secure_sum is not None)
        check_rates(self.schedule, self.recipe.round, self.rounds)
        _check_patience(self)

    @property
    def training(self) -> TrainingSpec:
        """The federated training that hub and regions agree on."""
        return TrainingSpec(
            network=self.recipe.network,
            steps=self.recipe.round,
            algorithm=self.algorithm,
            rounds=self.rounds,
            seed=self.recipe.round.seed,
            schedule=self.schedule,
            personalization=self.personalization,
            compression=self.compression,
            frozen=self.recipe.frozen,
            patience=self.patience,
            max_update_norm=self.max_update_norm,
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
    return settings_of(renamed({key: value for key, value in plain.items() if key != "hydra"}))


def settings_of(plain: Mapping[str, Any]) -> Settings:
    """The settings of a configuration given as plain values, also as the last release wrote them; see `settings`."""
    plain = renamed(plain, warns=False)
    check_shape(plain)
    try:
        return _settings(plain)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"a setting has a value of the wrong kind: {error}") from error


def _settings(plain: Mapping[str, Any]) -> Settings:
    algorithm = Algorithm(str(plain["algorithm"]["name"]), dict(plain["algorithm"]["options"]))
    atlas = load_atlas({str(key): str(value) for key, value in plain["dataset"]["aliases"].items()})
    federation, strategy, border = plain["federation"], plain["strategy"], plain["border"]
    summed = plain["privacy"]["secure_aggregation"]
    seed = whole("seed", plain["seed"], at_least=0)
    dataset = _dataset(plain["dataset"], seed=seed)
    recipe = recipe_of(plain["model"], seed=seed, target=dataset.target)
    privacy = RecordPrivacy.from_settings(plain["privacy"], plain["dataset"])
    return Settings(
        workspace=Path(_word("workspace", plain["workspace"], "a folder")),
        seed=seed,
        today=_day(plain["today"]),
        hub=_hub(federation["hub"], atlas),
        regions=_regions(federation, atlas),
        atlas=atlas,
        dataset=dataset,
        strategy=_strategy(
            strategy,
            minimum=max(
                whole("federation.minimum_regions", federation["minimum_regions"], at_least=2),
                FEWEST if summed else 0,
            ),
        ),
        synthetic=SyntheticSettings(
            whole("strategy.synthetic.rows", strategy["synthetic"]["rows"], at_least=1),
            str(strategy["synthetic"]["synthesizer"]),
        ),
        recipe=recipe,
        algorithm=algorithm,
        rounds=whole("federation.rounds", federation["rounds"], at_least=1),
        days_per_round=whole("federation.days_per_round", federation.get("days_per_round", 0), at_least=0),
        border=BorderSettings(_path(border["evidence"]), _path(border["rules"]), bool(border["unsafe_open"])),
        runtime=_word("runtime.kind", plain["runtime"]["kind"], "the name of a runtime"),
        timeout=_seconds("runtime.timeout", plain["runtime"]["timeout"]),
        plain=plain,
        secure_sum=Bounds() if summed else None,
        privacy=privacy and privacy.accumulating(recipe.round.accumulate),
        schedule=schedule_of(federation.get("schedule", "constant")),
        patience=_patience(federation.get("patience")),
        max_update_norm=_bound(federation.get("max_update_norm"), summed=summed),
        compression=Compression.from_settings(federation),
        personalization=personalization_of(plain["model"], algorithm, recipe),
    )


def _hub(plain: Mapping[str, Any], atlas: Atlas) -> Party:
    hub = Party(
        str(plain["name"]), str(plain["location"]), str(plain["entity"]), *_part("federation.hub", plain, atlas)
    )
    if atlas.code(hub.location) is None:
        raise ConfigurationError(f"federation.hub.location is {hub.location!r}, no ISO code of a country")
    return hub


def _part(key: str, plain: Mapping[str, Any], atlas: Atlas) -> tuple[frozenset[str], str]:
    """The countries that own half of a party or more, and its role in the law; neither need be set."""
    codes = {str(owner): atlas.code(owner) for owner in plain.get("owners") or ()}
    owners, role = frozenset(filter(None, codes.values())), str(plain.get("role", "controller"))
    for owner in sorted(name for name, code in codes.items() if code is None):
        raise ConfigurationError(f"{key} has the owner {owner!r}, which is no ISO code of a country")
    if role not in ROLES:
        raise ConfigurationError(f"{key} has the role {role!r}; expected {' or '.join(ROLES)}")
    return owners, role


def _seconds(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ConfigurationError(f"{key} must be a number of seconds above 0, got {value!r}")
    return float(value)


def _day(value: Any) -> date | None:
    if value is None:
        return None
    with suppress(ValueError):
        return date.fromisoformat(str(value))
    raise ConfigurationError(f"today must be a day as YYYY-MM-DD, got {value!r}")


def _path(value: Any) -> Path | None:
    return None if value is None else Path(str(value))


def _regions(federation: Mapping[str, Any], atlas: Atlas) -> tuple[Region, ...] | None:
    wanted, catalogue = federation["regions"], federation.get("catalogue", {})
    if wanted == "auto":
        return None
    if not isinstance(wanted, list) or not wanted:
        raise ConfigurationError(f"federation.regions must be a list of regions, or auto; got {wanted!r}")
    if len(set(map(str, wanted))) < len(wanted):
        raise ConfigurationError(f"federation.regions names a region twice: {', '.join(map(str, wanted))}")
    return tuple(_region(str(name), catalogue, atlas) for name in wanted)


def _region(name: str, catalogue: Mapping[str, Any], atlas: Atlas) -> Region:
    if name in catalogue:
        found = catalogue[name]
        owners, role = _part(f"the region {name}", found, atlas)
        return Region(
            name=str(found["name"]),
            jurisdictions=frozenset(map(str, found["jurisdictions"])),
            location=str(found["location"]),
            entity=str(found["entity"]),
            key_id=str(found["key_id"]),
            retention_days=found.get("retention_days"),
            owners=owners,
            role=role,
        )
    code = atlas.code(name)
    if code is None:
        raise ConfigurationError(
            f"federation.regions: no region {name!r}; name one of the catalogue "
            f"({', '.join(catalogue) or 'empty'}) or an ISO code of a country"
        )
    return region_of(code)


def region_of(code: str) -> Region:
    """The region that a jurisdiction gets where none is described: of its own name, in its own territory."""
    return Region(code, frozenset({code}), code, f"operator in {code}", f"{code.lower()}-store")


def _dataset(plain: Mapping[str, Any], *, seed: int) -> DatasetSpec:
    consent = plain["consent"]
    rules = ClassifyRules(
        categories={str(key): tuple(map(str, value)) for key, value in plain["categories"].items()},
        default_categories=tuple(map(str, plain["default_categories"])),
        restrictions=tuple(
            RestrictionRule(**only("dataset.restrictions", rule, ("column", "equals", "restriction")))
            for rule in plain["restrictions"]
        ),
    )
    return DatasetSpec(
        name=str(plain["name"]),
        source=str(plain["source"]),
        path=_path(plain["path"]),
        package_item=_text(plain["package_item"]),
        source_options=plain.get("source_options", {}),
        sha256=str(plain["sha256"] or ""),
        jurisdiction=_word("dataset.jurisdiction", plain["jurisdiction"], "the name of a column"),
        subject=plain["subject"],
        target=_target(plain),
        aliases={str(key): str(value) for key, value in plain["aliases"].items()},
        kinds={str(key): str(value) for key, value in plain["kinds"].items()},
        drop=tuple(map(str, plain["drop"])),
        classify=rules,
        consent=None if consent is None else _consent(consent, seed=seed),
        nonfinite=plain["nonfinite"],
        missing_target=plain["missing_target"],
    )


def _consent(plain: Mapping[str, Any], *, seed: int) -> ConsentRule:
    found = only("dataset.consent", plain, ("share", "document", "column", "equals"))
    return ConsentRule(
        share=float(found.get("share") or 0.0),
        seed=seed,
        document=_word("dataset.consent.document", found.get("document"), "the id of a document"),
        column=_text(found.get("column")),
        equals=_text(found.get("equals")),
    )


def _word(key: str, value: Any, called: str) -> str:
    if value is None or isinstance(value, Mapping | list):
        raise ConfigurationError(f"{key} must be {called}, got {value!r}")
    return str(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _strategy(plain: Mapping[str, Any], *, minimum: int) -> StrategyRule:
    return StrategyRule(
        order=tuple(map(str, plain["order"])),
        federated_min_rows=whole("strategy.federated.min_rows", plain["federated"]["min_rows"], at_least=0),
        federated_min_regions=minimum,
        transfer_min_rows=whole(
            "strategy.transfer_learning.min_rows", plain["transfer_learning"]["min_rows"], at_least=0
        ),
        transfer_min_public_rows=whole(
            "strategy.transfer_learning.min_public_rows", plain["transfer_learning"]["min_public_rows"], at_least=0
        ),
        synthetic_min_rows=whole("strategy.synthetic.min_rows", plain["synthetic"]["min_rows"], at_least=0),
        synthetic_min_donor_rows=whole(
            "strategy.synthetic.min_donor_rows", plain["synthetic"]["min_donor_rows"], at_least=0
        ),
        local_min_rows=whole("strategy.local.min_rows", plain["local"]["min_rows"], at_least=0),
    )


def _patience(value: Any) -> int | None:
    return None if value is None else whole("federation.patience", value, at_least=1)


def _bound(value: Any, *, summed: bool) -> float:
    """The longest update that is accepted. Raises ConfigurationError."""
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
        raise ConfigurationError(f"federation.max_update_norm must be a number above 0, or null, got {value!r}")
    if summed:
        raise ConfigurationError(
            "federation.max_update_norm is on each region's update, and a secure sum shows the hub their sum"
        )
    return float(value)


def _check_patience(settings: Settings) -> None:
    """Raises ConfigurationError where the hub will not hear the losses that would end a training."""
    blind = {
        "privacy=record": "no score leaves a region" if settings.privacy else "",
        "privacy=secure": "the hub hears no region's scores" if settings.secure_sum else "",
    }
    if settings.patience is not None and (
        why := "; ".join(f"under {key} {said}" for key, said in blind.items() if said)
    ):
        raise ConfigurationError(
            f"federation.patience ends a training by the regions' validation losses, and {why}; "
            "set federation.patience=null, and federation.rounds to what the training is to have"
        )


def _target(plain: Mapping[str, Any]) -> TargetRule:
    """The target, binary, of several classes or a number. Raises ConfigurationError for another, naming the way out."""
    task, classes, scale = plain.get("task", "binary"), plain.get("classes", []), plain.get("target_scale") or []
    if not isinstance(scale, list) or not all(type(one) in (int, float) for one in scale):
        raise ConfigurationError(f"dataset.target_scale must be two numbers as [LOW, HIGH], got {scale!r}")
    if not isinstance(classes, list):
        raise ConfigurationError(f"dataset.classes must be a list as [A, B], got {classes!r}")
    rule = TargetRule(
        _word("dataset.target", plain["target"], "the name of a column"),
        bool(plain["target_above_region_median"]),
        _text(plain["target_positive"]),
        tuple(map(str, classes)),
        tuple(map(float, scale)),
        _text(plain.get("label_separator")) or "",
    )
    if task != rule.task:
        raise ConfigurationError(
            f"dataset.task is {task!r}, and what is said of the target is {rule.task}: regression has "
            "dataset.target_scale=[LOW, HIGH], multiclass dataset.classes=[A, B, C], multilabel these and "
            "dataset.label_separator, and binary none of them"
        )
    return rule
