"""What the hub asks of a region, as plain values that can travel to it: the training job, what it would like of the
region's border, and a process's start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from fedsov.checks import choice, section, whole
from fedsov.model.targets import TargetRule
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.privacy.settings import RecordPrivacy
from fedsov.protocol.calendar import Calendar, real_day

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
    how far back the round may lie that the model is of, `calls_examples` whether it takes the rows for examples,
    `bounds` the least and the greatest value that a column is declared to have.
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
    calls_examples: bool = False
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)

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
class Asked:
    """What a job would like of a region's border; the region's own settings decide (`fedsov.region.settings`).

    Attributes:
        evidence, rules: the register of documents and additional rules, as paths; None for none.
        unsafe_open: that everything be permitted.
        today: the day of the first round; None for the region's own clock at every decision.
        days_per_round: of a rehearsal (`fedsov.protocol.calendar`).
        examples: the document that calls the data set's rows published, made up or examples; None where they are not.
        consent: the group ``dataset.consent``: by what rows may become public; None where nobody is asked.
        description: what the rows are sorted by (`fedsov.partition.description`); None where nothing is said of it.
    """

    evidence: Path | None = None
    rules: Path | None = None
    unsafe_open: bool = False
    today: date | None = None
    days_per_round: int = 0
    examples: str | None = None
    consent: Mapping[str, Any] | None = None
    description: Mapping[str, Any] | None = None

    @property
    def rehearses(self) -> bool:
        """Whether the job says which day it is."""
        return self.today is not None or self.days_per_round > 0

    @property
    def marks(self) -> dict[str, str]:
        """What every entry, plan, table and report of such a job bears: a word, and the sentence for people."""
        said = {}
        if self.examples is not None:
            said["example rows"] = f"EXAMPLE ROWS: {self.examples}; the seed divides them, no lifetime budget applies."
        if self.rehearses:
            day = "its own day" if self.today is None else self.today.isoformat()
            pace = f", {self.days_per_round} days a round" if self.days_per_round else ""
            said["rehearsed day"] = f"REHEARSAL: decided as if it began on {day}{pace}; not on the real days."
        return said

    def calendar(self, clock: Callable[[], date] = real_day) -> Calendar:
        """The days that the job would have decided on; of a party that decides, by the clock of its ledger."""
        return Calendar.of(self.today, self.days_per_round, clock=clock)


@dataclass(frozen=True, slots=True)
class RegionStart:
    """All that a region's process is told: itself, its folder, whom it may speak to, and what to do.

    Attributes:
        region, hub, peers: parties; `peers` are the other regions, with their sealing keys and each region's signature
            of its own (hexadecimal).
        folder: the region's own folder.
        job: what its ClientApp is to do.
        asked: what the job would like of the region's border.
        secure_sum: the bounds of secure sums, outside which nothing of a global model's training leaves; None without.
        second_process: this is a second process, which makes synthetic rows while the first trains, and nothing else.
        last_known_head: size and digest of this region's ledger as the hub noted them last; the ledger must continue
            them.
        hub_head: the head of the hub's ledger, and what proves that it continues those told before
            (`fedsov.ledger.proofs.continuations`); a region that noted one opens for no other hub.
    """

    region: Party
    hub: Party
    folder: Path
    run: str
    job: TrainingJob
    asked: Asked
    peers: Mapping[str, Party] = field(default_factory=dict)
    peer_keys: Mapping[str, str] = field(default_factory=dict)
    peer_signatures: Mapping[str, str] = field(default_factory=dict)
    last_known_head: Mapping[str, Any] | None = None
    hub_head: Mapping[str, str] = field(default_factory=dict)
    secure_sum: Bounds | None = None
    second_process: bool = False
