"""What a run ended with, as values: for the table, for ``--json``, and for notebooks."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fedsov.algorithms.rounds import RoundRecord
from fedsov.hub.planning.plan_values import Plan, RegionPlan
from fedsov.protocol import NOT_DISCLOSED
from fedsov.protocol.ingestion_report import IngestionReport


@dataclass(frozen=True, slots=True)
class RegionResult:
    """One region's line of the table. Scores are on test rows; None where there is no model, or one class.

    `amendments` say in sentences how its plan changed during training.
    """

    region: str
    rows: int | None
    strategy: str
    reason: str
    selected: str
    score: float | None
    local_score: float | None
    gain: float | None
    gain_se: float | None
    test_rows: int | None
    note: str
    crossings: Mapping[str, int]
    amendments: tuple[str, ...] = ()

    @property
    def kept(self) -> str:
        """What `selected` was called in version 0.1. Deprecated."""
        warnings.warn("RegionResult.kept is called selected now", DeprecationWarning, stacklevel=2)
        return self.selected

    @staticmethod
    def of(
        plan: RegionPlan, outcome: Mapping[str, Any] | None, failure: str | None, *, crossings: Mapping[str, int]
    ) -> RegionResult:
        """A region's plan and outcome in one line; `failure` is why there is no outcome."""
        reported = outcome or {}
        return RegionResult(
            region=plan.region,
            rows=plan.rows,
            strategy=plan.strategy,
            reason=" ".join(plan.reasons),
            selected=str(reported.get("selected", "none")),
            score=reported.get("score"),
            local_score=reported.get("local_score"),
            gain=reported.get("gain"),
            gain_se=reported.get("gain_se"),
            test_rows=reported.get("test_rows"),
            note=failure or _note(plan.strategy, reported),
            crossings=dict(crossings),
            amendments=tuple(amendment.sentence() for amendment in plan.amendments),
        )

    def scores(self) -> dict[str, float]:
        """The numbers that exist, by name."""
        scores = {"score": self.score, "local_score": self.local_score, "gain": self.gain, "gain_se": self.gain_se}
        return {key: value for key, value in scores.items() if value is not None}


ROUNDED = "ROUNDED SCORES"
"""How the mark of a run begins whose scores are told to their standard errors."""
_SHOWN = 10
"""How many regions a result names in its one line."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A whole run.

    Attributes:
        refusals: the ledger entries of what was refused, each once (no content, no value of a record).
        heads: each ledger's size and digest at the end, ``hub`` first.
        privacy: what each region's private release guarantees and costs, in sentences; empty without privacy.
        models: registered name and version, by the owner of the registry.
        planned: how many rounds a federated training was to have; `rounds` are those that it had.
        stopped: why it ended before, empty where it did not.
        measure: what the regions' scores are, "auc" or, of numbers, "r2".
        unused: each column that some model does not use, and why.
        marks: what stands above the table, in sentences: example rows, a rehearsed day, rules that were not shipped.
    """

    run: str
    workspace: Path
    unsafe: bool
    ingested: IngestionReport | None
    plan: Plan
    regions: tuple[RegionResult, ...]
    refusals: tuple[Mapping[str, Any], ...]
    heads: Mapping[str, Mapping[str, Any]]
    rounds: tuple[RoundRecord, ...] = ()
    models: Mapping[str, list[Any]] = field(default_factory=dict)
    seconds: float = 0.0
    privacy: tuple[str, ...] = ()
    planned: int = 0
    stopped: str = ""
    measure: str = "auc"
    unused: Mapping[str, str] = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    def recorded(self, versions: Mapping[str, list[Any]], *, seconds: float) -> RunResult:
        """The same run with the versions its models were registered under."""
        return replace(self, models=dict(versions), seconds=seconds)

    def to_json(self) -> dict[str, Any]:
        """Plain values with stable keys (README, "For machines")."""
        ingested = self.ingested
        return {
            "run": self.run,
            "workspace": str(self.workspace),
            "unsafe_open": self.unsafe,
            "marks": list(self.marks),
            "seconds": round(self.seconds, 3),
            "ingested": None
            if ingested is None
            else {
                "rows_in": ingested.rows_in,
                "stored": ingested.stored,
                "quarantined": dict(ingested.quarantined),
                "up_to_date": ingested.up_to_date,
                "kinds": dict(ingested.kinds),
            },
            "unused": dict(self.unused),
            "measure": self.measure,
            "regions": {region.region: _line(region) for region in self.regions},
            "rounds": {"planned": self.planned, "run": len(self.rounds), "stopped": self.stopped},
            "privacy": list(self.privacy),
            "refusals": [dict(refusal) for refusal in self.refusals],
            "ledger_heads": {name: dict(head) for name, head in self.heads.items()},
            "models": {owner: [list(version) for version in versions] for owner, versions in self.models.items()},
            "plan": self.plan.to_json(),
        }

    @property
    def is_rounded(self) -> bool:
        """Whether scores are told to their standard errors."""
        return any(mark.startswith(ROUNDED) for mark in self.marks)

    @property
    def results(self) -> dict[str, RegionResult]:
        """Each region's line by its name."""
        return {line.region: line for line in self.regions}

    @property
    def plan_model(self) -> str:
        """A registered model and its version, ``NAME VERSION``: the hub's first, else a region's."""
        for owner in sorted(self.models, key=lambda name: name != "hub"):
            for name, version in self.models[owner]:
                return f"{name} {version}"
        return "MODEL VERSION"

    @property
    def ledger(self) -> dict[str, Path]:
        """The ledgers' files, ``hub`` first."""
        from fedsov.storage.workspace import Workspace

        return Workspace(self.workspace).ledgers()

    def __repr__(self) -> str:
        lines = [
            f"{line.region} {line.strategy}"
            + ("" if line.score is None else f" {'~' if self.is_rounded else ''}{line.score:.3f}")
            for line in self.regions
        ]
        beyond = [f"{len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        return f"RunResult({self.run}: {', '.join([*lines[:_SHOWN], *beyond])})"

    def __str__(self) -> str:
        from fedsov.api.report import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from fedsov.api.report import as_html

        return as_html(self)


def _note(strategy: str, outcome: Mapping[str, Any]) -> str:
    """What became of the strategy, where that needs a word; the region's own record says more."""
    if outcome.get("selected") == "local" and strategy != "local":
        return f"{strategy.replace('_', ' ')} was worse than local training on validation rows".capitalize()
    if outcome.get("selected") == NOT_DISCLOSED:
        return "Scores and what was selected stay in the region (privacy=record): its mlflow.db has them"
    if outcome and outcome.get("local_score") is None and outcome.get("score") is not None:
        return "Training alone was not possible"
    return ""


def _line(region: RegionResult) -> dict[str, Any]:
    keys = ("rows", "strategy", "reason", "selected", "score", "local_score", "gain", "gain_se", "test_rows", "note")
    plain = {key: getattr(region, key) for key in keys} | {"crossings": dict(region.crossings)}
    plain["kept"] = region.selected  # its name of version 0.1, for one release
    plain["amendments"] = list(region.amendments)
    return dict(json.loads(json.dumps(plain, allow_nan=False, default=str)))
