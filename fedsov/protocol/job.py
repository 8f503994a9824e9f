"""What the hub asks of a region, as plain values that can travel to it: the training job and a process's start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import CONSTANT, Schedule
from fedsov.algorithms.personalization import Personalization
from fedsov.algorithms.recipe import Recipe
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.artifact import Party
from fedsov.border.law.bundle import Bundle
from fedsov.border.settings import BorderSettings
from fedsov.checks import choice, section, whole
from fedsov.model.targets import TargetRule
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.privacy.settings import RecordPrivacy
from fedsov.protocol.calendar import Calendar

SYNTHESIZERS = ("gaussian_copula",)
"""What can make a synthetic table."""


@dataclass(frozen=True, slots=True)
class SyntheticSettings:
    """Rows of a synthetic table, and the synthesizer that makes it, one of `SYNTHESIZERS`."""

    rows: int
    synthesizer: str

    @staticmethod
    def from_settings(plain: Mapping[str, Any]) -> SyntheticSettings:
        """What ``strategy.synthetic`` says under the names of these fields. Raises ConfigurationError."""
        group, own = "strategy.synthetic", SyntheticSettings.__slots__
        given = section(group, {key: plain[key] for key in own if key in plain}, SyntheticSettings)
        checked = {
            "rows": whole(f"{group}.rows", given["rows"], at_least=1),
            "synthesizer": choice(f"{group}.synthesizer", given["synthesizer"], SYNTHESIZERS),
        }
        return SyntheticSettings(**{**given, **checked})


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What a region is to do: the data set's name, the target, the recipe, the seed, the size of synthetic tables.

    `privacy` is what it asks of privacy, None for nothing; `rounds` how often a global model will come to be trained,
    `schedule` what its learning rate is multiplied by in each round, `compression` how updates of it are sent up,
    `personalization` what the region keeps to itself meanwhile, `algorithm` both halves of the aggregation, `patience`
    how far back the round may lie that the model is of.
    """

    dataset: str
    target: TargetRule
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0
    synthesizer: str = "gaussian_copula"
    synthetic_rows: int = 1000
    privacy: RecordPrivacy | None = None
    rounds: int = 1
    schedule: Schedule = CONSTANT
    compression: Compression = field(default_factory=Compression)
    personalization: Personalization = field(default_factory=Personalization)
    algorithm: Algorithm = field(default_factory=Algorithm)
    patience: int = 0

    @property
    def training(self) -> TrainingSpec:
        """The federated training that the region takes part in."""
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
        )


@dataclass(frozen=True, slots=True)
class RegionStart:
    """All that a region's process is told: itself, its folder, whom it may speak to, and what to do.

    Attributes:
        region, hub, peers: parties; `peers` are the other regions, with their public keys (hexadecimal).
        folder: the region's own folder.
        job: what its ClientApp is to do.
        evidence, rules: the register of documents and additional rules, as paths; `unsafe` opens the border.
        today: the day of the first round, or None for this region's own clock at every decision.
        days_per_round: of a rehearsal (`fedsov.protocol.calendar`).
        secure_sum: the bounds of secure sums, outside which nothing of a global model's training leaves; None without.
        second_process: this is a second process, which makes synthetic rows while the first trains, and nothing else.
        last_known_head: size and digest of this region's ledger as the hub noted them last; the ledger must continue
            them.
    """

    region: Party
    hub: Party
    folder: Path
    run: str
    job: TrainingJob
    evidence: Path | None
    rules: Path | None
    unsafe: bool
    today: date | None
    peers: Mapping[str, Party] = field(default_factory=dict)
    peer_keys: Mapping[str, str] = field(default_factory=dict)
    last_known_head: Mapping[str, Any] | None = None
    days_per_round: int = 0
    secure_sum: Bounds | None = None
    second_process: bool = False

    def calendar(self) -> Calendar:
        """The days this region decides on."""
        return Calendar.of(self.today, self.days_per_round)

    def bundle(self) -> Bundle:
        """The rules this region decides by: its own copy, read here."""
        return BorderSettings(self.evidence, self.rules, self.unsafe).bundle()
