"""Totals of use for monitors: the text format of Prometheus (0.0.4), and OTLP as JSON for collectors of OpenTelemetry.

    prometheus(totals)               # fedsov_use_requests_total{region="DE",model="m",version="1",...} 130
    open_telemetry(totals, now=now)  # one request of OTLP/HTTP, as its JSON

Numbers are the least that was told. Both are made from what is in the hub's database, which passed each region's gate;
a monitor asks nobody else. A counter grows by a window at a time, and starts anew only where the database does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedsov.control_plane.metrics.totals import Total
from fedsov.protocol.use_report import DRIFT, score_words, seconds_words

Labels = Mapping[str, str]
Sample = tuple[Labels, float]
COUNTER, GAUGE = "counter", "gauge"


def measures(totals: Sequence[Total]) -> list[tuple[str, str, str, list[Sample]]]:
    """Name, kind, what it is, and samples of each measure."""
    requests: list[Sample] = []
    for total in totals:
        for part, count in sorted(total.parts.items(), key=str):
            words = {"seconds": seconds_words(part.seconds), "score": score_words(part.score)}
            requests.append(({**_labels(total), "outcome": part.outcome, **words}, float(count.least)))
    drift: list[Sample] = []
    for total in totals:
        if total.drift is not None:
            drift += [
                ({**_labels(total), "psi": word}, float(count))
                for word, count in zip(DRIFT, total.drift.inputs, strict=True)
            ]
    scores: list[Sample] = [
        (_labels(total), float(DRIFT.index(total.drift.score))) for total in totals if total.drift is not None
    ]
    figures: list[Sample] = [
        ({**_labels(total), "measure": name}, value) for total in totals for name, value in total.evaluation.items()
    ]
    return [
        ("fedsov_use_requests_total", COUNTER, "Requests that were told, at least, by how they ended.", requests),
        ("fedsov_use_people", GAUGE, "Different people who asked within a window, at least.",
         [(_labels(total), float(total.people)) for total in totals]),
        ("fedsov_use_window_end_seconds", GAUGE, "When the last window ended that was told of, since 1970.",
         [(_labels(total), float(total.ends)) for total in totals]),
        ("fedsov_use_drift_inputs", GAUGE, "Inputs of the last window by their population stability index.", drift),
        ("fedsov_use_drift_score", GAUGE, "Of the scores of the last window: 0 small, 1 moderate, 2 large.", scores),
        ("fedsov_model_evaluation", GAUGE, "Of the version's run on the region's test rows.", figures),
    ]  # fmt: skip


def prometheus(totals: Sequence[Total]) -> str:
    """The text that Prometheus reads."""
    lines: list[str] = []
    for name, kind, what, samples in measures(totals):
        lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{{{_in_prometheus(labels)}}} {value:.15g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def open_telemetry(totals: Sequence[Total], *, now: float) -> dict[str, Any]:
    """An ExportMetricsServiceRequest of OTLP 1.x as plain JSON.

    Args:
        now: seconds since 1970.
    """
    moment = str(int(now * 1e9))
    metrics = []
    for name, kind, what, samples in measures(totals):
        points = [
            {"attributes": _in_otlp(labels), "timeUnixNano": moment, "asDouble": value} for labels, value in samples
        ]
        data: dict[str, Any] = {"dataPoints": points}
        if kind == COUNTER:
            data |= {"aggregationTemporality": 2, "isMonotonic": True}
        metrics.append({"name": name, "description": what, "sum" if kind == COUNTER else "gauge": data})
    scope = {"scope": {"name": "fedsov"}, "metrics": metrics}
    resource = {"attributes": _in_otlp({"service.name": "fedsov"})}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}


def _labels(total: Total) -> dict[str, str]:
    return {"region": total.region, "model": total.model, "version": str(total.version), "role": total.role}


def _in_prometheus(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _in_otlp(labels: Labels) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in labels.items()]
