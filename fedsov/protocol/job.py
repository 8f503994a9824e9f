"""What the hub asks of a region, as plain values that can travel to it: the training job and a process's start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.artifact import Party
from fedsov.border.law.bundle import Bundle
from fedsov.border.settings import BorderSettings
from fedsov.model.embeddings import Embedding
from fedsov.model.network import NetworkSpec
from fedsov.model.targets import TargetRule
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.privacy.settings import RecordPrivacy
from fedsov.protocol.calendar import Calendar
from fedsov.training.apart import Apart
from fedsov.training.compression import Compression
from fedsov.training.schedule import CONSTANT, Schedule
from fedsov.training.steps import LocalSteps, Recipe


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What a region is to do: the data set's name, the target, the recipe, the seed, the size of synthetic tables.

    `privacy` is what it asks of privacy, None for nothing; `rounds` how often a joint model will come to be trained,
    `schedule` what its learning rate is multiplied by in each round, `compression` how updates of it are sent up,
    `apart` what the region keeps to itself meanwhile, `patience` how far back the round may lie that the model is of.
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
    apart: Apart = field(default_factory=Apart)
    patience: int = 0

    @property
    def remembers(self) -> bool:
        """True where anything stays with a region from round to round."""
        return self.apart.remembers or self.compression.remembers

    def steps_of(self, round: int) -> LocalSteps:
        """The steps of one round of federated training, from 1."""
        return self.recipe.update.at(self.schedule.rate(round, self.rounds))

    def to_json(self) -> dict[str, Any]:
        """Plain values for the line."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> TrainingJob:
        """The inverse of `to_json`."""
        recipe = dict(value["recipe"])
        plain = recipe["network"]
        embeddings = tuple(Embedding(*one) for one in plain["embeddings"])
        network = NetworkSpec(**{**plain, "hidden": tuple(plain["hidden"]), "embeddings": embeddings})
        steps = {
            name: LocalSteps(**{**recipe[name], "class_weights": tuple(recipe[name]["class_weights"])})
            for name in ("alone", "update", "tune")
        }
        lists = {key: tuple(value["target"][key]) for key in ("classes", "scale")}
        asked = {
            "target": TargetRule(**{**value["target"], **lists}),
            "recipe": Recipe(network=network, frozen=tuple(recipe["frozen"]), **steps),
            "privacy": RecordPrivacy.from_json(value["privacy"]) if value["privacy"] else None,
            "schedule": Schedule(**value["schedule"]),
            "compression": Compression(**value["compression"]),
            "apart": Apart.from_json(value["apart"]),
        }
        return TrainingJob(**{**value, **asked})


@dataclass(frozen=True, slots=True)
class RegionStart:
    """All that a region's process is told: itself, its folder, whom it may speak to, and what to do.

    Attributes:
        region, hub, peers: parties; `peers` are the other regions, with their public keys (hexadecimal).
        folder: the region's own folder.
        job: what its ClientApp is to do (`fedsov.protocol.job.TrainingJob`, as JSON).
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
    job: Mapping[str, Any]
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

    def to_json(self) -> dict[str, Any]:
        """Plain values for the line."""
        return {
            "region": self.region.to_json(),
            "hub": self.hub.to_json(),
            "folder": str(self.folder),
            "run": self.run,
            "job": dict(self.job),
            "evidence": str(self.evidence) if self.evidence else None,
            "rules": str(self.rules) if self.rules else None,
            "unsafe": self.unsafe,
            "today": self.today.isoformat() if self.today else None,
            "days_per_round": self.days_per_round,
            "peers": {name: party.to_json() for name, party in self.peers.items()},
            "peer_keys": dict(self.peer_keys),
            "second_process": self.second_process,
            "secure_sum": None if self.secure_sum is None else asdict(self.secure_sum),
            "last_known_head": None if self.last_known_head is None else dict(self.last_known_head),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> RegionStart:
        """The inverse of `to_json`."""
        return RegionStart(
            region=Party.from_json(value["region"]),
            hub=Party.from_json(value["hub"]),
            folder=Path(value["folder"]),
            run=value["run"],
            job=value["job"],
            evidence=Path(value["evidence"]) if value["evidence"] else None,
            rules=Path(value["rules"]) if value["rules"] else None,
            unsafe=value["unsafe"],
            today=date.fromisoformat(value["today"]) if value["today"] else None,
            days_per_round=value["days_per_round"],
            peers={name: Party.from_json(party) for name, party in value["peers"].items()},
            peer_keys=value["peer_keys"],
            secure_sum=None if value["secure_sum"] is None else Bounds(**value["secure_sum"]),
            last_known_head=value["last_known_head"],
            second_process=value["second_process"],
        )

    def calendar(self) -> Calendar:
        """The days this region decides on."""
        return Calendar.of(self.today, self.days_per_round)

    def bundle(self) -> Bundle:
        """The rules this region decides by: its own copy, read here."""
        return BorderSettings(self.evidence, self.rules, self.unsafe).bundle()
