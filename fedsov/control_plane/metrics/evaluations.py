"""How a version did on the test rows of its regions: what its run noted, beside what its endpoint is asked.

    with_evaluations(connection, totals)         # each total with the figures of its region

The figures crossed each region's border in the version's own training, rounded as that asked; the hub has them with the
rollout of the version, and asks nobody for them. A version that no rollout brought has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from fedsov.control_plane.metrics.totals import Total
from fedsov.control_plane.rollouts.tables import every

NORMAL = 1.96
"""Standard errors on either side of a figure that hold 95 % of a normal distribution."""
GAIN, ERROR = "gain", "gain_se"


def with_evaluations(connection: Connection, totals: Sequence[Total]) -> list[Total]:
    """The totals, each with what the newest rollout of its version says of its region."""
    known: dict[tuple[str, int], Mapping[str, float]] = {}
    for rollout, proposal in every(connection):
        known.setdefault((rollout.model, rollout.version), proposal.evaluation)
    return [replace(each, evaluation=of_region(known.get(each.key[1:3], {}), each.region)) for each in totals]


def of_region(evaluation: Mapping[str, float], region: str) -> dict[str, float]:
    """The figures of one region, by their names without it.

    >>> of_region({"DE_auc": 0.74, "GB_auc": 0.7, "aggregate_auc": 0.72}, "DE")
    {'auc': 0.74}
    """
    prefix = f"{region}_"
    return {name.removeprefix(prefix): value for name, value in evaluation.items() if name.startswith(prefix)}


def evaluation_words(figures: Mapping[str, float]) -> str:
    """Figures for people; the gain over a model of the region alone with its 95 % interval.

    Validation figures of other models of the run are left out; `to_json` has them.

    >>> evaluation_words({"auc": 0.742, "gain": 0.01, "gain_se": 0.005, "public_model_validation_auc": 0.7})
    'auc 0.742, gain 0.01 (0.0002 to 0.0198)'
    """
    words = []
    for name, value in sorted(figures.items()):
        if name == ERROR or "_validation_" in name:
            continue
        interval = ""
        if name == GAIN and ERROR in figures:
            low, high = (value + sign * NORMAL * figures[ERROR] for sign in (-1, 1))
            interval = f" ({low:.3g} to {high:.3g})"
        words.append(f"{name} {value:.4g}{interval}")
    return ", ".join(words)
