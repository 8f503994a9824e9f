"""What the hub asks of a region, as plain values that can travel to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fedsov.model.embedded import Embedding
from fedsov.model.network import NetworkSpec
from fedsov.partition.dataset import TargetRule
from fedsov.privacy.settings import RecordPrivacy
from fedsov.training.compression import Compression
from fedsov.training.local import LocalSteps, Recipe

PARCELS = "parcels"
"""The record that carries sealed synthetic rows, one item a recipient."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a region is to do: the data set's name, the target, the recipe, the seed, the size of synthetic tables.

    `privacy` is what it asks of privacy, None for nothing; `rounds` how often a joint model will come to be trained,
    `compression` how updates of it are sent up.
    """

    dataset: str
    target: TargetRule
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0
    synthesizer: str = "gaussian_copula"
    synthetic_rows: int = 1000
    privacy: RecordPrivacy | None = None
    rounds: int = 1
    compression: Compression = field(default_factory=Compression)

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
        asked = {
            "target": TargetRule(**value["target"]),
            "recipe": Recipe(network=network, frozen=tuple(recipe["frozen"]), **steps),
            "privacy": RecordPrivacy.from_json(value["privacy"]) if value["privacy"] else None,
            "compression": Compression(**value["compression"]),
        }
        return Work(**{**value, **asked})
