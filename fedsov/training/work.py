"""What the hub asks of a region, as plain values that can travel to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fedsov.model.embedded import Embedding
from fedsov.model.network import NetworkSpec
from fedsov.partition.dataset import TargetRule
from fedsov.privacy.settings import RecordPrivacy
from fedsov.training.apart import Apart
from fedsov.training.compression import Compression
from fedsov.training.local import LocalSteps, Recipe
from fedsov.training.schedule import CONSTANT, Schedule

PARCELS = "parcels"
"""The record that carries sealed synthetic rows, one item a recipient."""


@dataclass(frozen=True, slots=True)
class Work:
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
    def from_json(value: Mapping[str, Any]) -> Work:
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
        return Work(**{**value, **asked})
