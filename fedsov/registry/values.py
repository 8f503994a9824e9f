"""What a registry is told and tells: a model, a run, a version of a model. Values; nothing here imports MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A trained model: its registered name, and its weights, as `fedsov.model.packaging.saved` wrote them.

    The name must be one that MLflow allows for a registered model: no ``/`` and no ``:``.
    """

    name: str
    path: Path
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What one run leaves in a registry. Metrics are (key, value, step); artifacts are texts by file name."""

    run: str
    experiment: str
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[tuple[str, float, int], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    models: tuple[ModelRecord, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record as JSON's own types."""
        return asdict(self) | {"models": [asdict(model) | {"path": str(model.path)} for model in self.models]}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> RunRecord:
        """The inverse of `to_json`, also after a journey as text. Raises KeyError or TypeError for a wrong part."""
        models = tuple(ModelRecord(**{**model, "path": Path(model["path"])}) for model in value["models"])
        metrics = tuple((str(key), float(number), int(step)) for key, number, step in value["metrics"])
        return RunRecord(**{**value, "models": models, "metrics": metrics})


class Version(NamedTuple):
    """One version of a registered model, with the aliases that point to it."""

    name: str
    version: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
