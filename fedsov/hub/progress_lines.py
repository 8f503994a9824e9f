"""Progress of a run in lines for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedsov.algorithms.update_checks import WEIGHT
from fedsov.hub.region_errors import in_a_round
from fedsov.hub.server_app import CONTRIBUTORS

if TYPE_CHECKING:
    from fedsov.algorithms.rounds import RoundRecord
    from fedsov.hub.run import HubRun


def round_line(run: HubRun, record: RoundRecord, what: str) -> str:
    """What became of a federated round, while the training goes on: scores, the members of a sum, who was missing."""
    about = "~" if run.settings.asked.examples is None else ""  # of people's rows, told to its standard error
    scores = " ".join(
        f"{run.name_of(node)} {about}{metrics['score']:.3f}"
        for node, metrics in record.metrics.items()
        if not math.isnan(metrics.get("score", math.nan))
    )
    absent = {**record.failed, **dict.fromkeys(record.left_out, "left out")}
    names = {node: run.name_of(node) for node in absent}
    lost = ", ".join(f"{names[node]} ({in_a_round(names[node], why)})" for node, why in absent.items())
    missing = f"; without {lost}" if lost else ""
    start = f"{what}, round {record.number}/{run.settings.training.spec.rounds}"
    if record.together:
        rows, parts = int(record.together[WEIGHT]), int(record.together[CONTRIBUTORS])
        return f"{start}: the sum of {parts} regions' updates, made of {rows:,} rows{missing}"
    if not scores:
        return f"{start}: answered; scores stay in the regions{missing}"
    return f"{start}: validation {run.measure.title} (start of round) {scores}{missing}"


def privacy_line(region: str, report: Mapping[str, Any]) -> str:
    """What a region's part of a private run guarantees and costs, in one line."""
    return (
        f"{region}: epsilon {report['epsilon']:.3f} at delta {report['delta']:.3g} for one record, by "
        f"{report['steps']:,} steps, noise multiplier {report['noise_multiplier']:.3g}, "
        f"clipping norm {report['clip']:g}; "
        f"{report['spent_with']:.3f} of {report['lifetime_epsilon']:g} is spent with it"
    )
