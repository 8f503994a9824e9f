"""The record as one HTML file for people: no script, no outside resource, everything from a ledger escaped.

Long tables are cut in the page, and say so; `report.json` has every line. The template is `page.html` beside this
module, its style `page.css`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fedsov.control_plane.compliance.counts import Count, Model, RouteRecord, union
from fedsov.control_plane.compliance.record import LIMITS, STATEMENT, TITLE, Record

MANY_CELLS = 2_500
"""A matrix of more cells shows counts without details; the routes below it have them."""
MANY_LINES = 500
MANY_DIGESTS = 12
PUBLIC_CODES = ("public", "unnamed", "*")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the matrix: its route (None: nothing crossed), how it is coloured, and how strongly (0 to 1)."""

    route: RouteRecord | None
    tone: str
    heat: float
    home: bool


@dataclass(frozen=True, slots=True)
class Versions:
    """Models of one name and run that the same origins bind."""

    name: str
    run: str
    exporter: str
    origins: tuple[str, ...]
    categories: tuple[str, ...]
    recipients: tuple[str, ...]
    digests: tuple[str, ...]
    crossings: int
    unsafe: bool


def as_html(record: Record, *, names: Mapping[str, str] | None = None, json_digest: str = "") -> str:
    """The page.

    Args:
        names: what kinds of document are called ("scc_eu": "EU standard contractual clauses"), for the grounds.
        json_digest: SHA-256 of the JSON that goes with the page, hex.
    """
    destinations = sorted({route.destination for route in record.matrix}, key=_public_last)
    origins = sorted({route.origin for route in record.matrix}, key=_public_last)
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=TITLE,
            statement=STATEMENT,
            limits=LIMITS,
            record=record,
            origins=origins,
            destinations=destinations,
            grid=_grid(record.matrix, origins, destinations),
            detailed=len(origins) * len(destinations) <= MANY_CELLS,
            versions=_versions(record.models),
            grounds=_grounds(record, names or {}),
            many=MANY_LINES,
            many_digests=MANY_DIGESTS,
            json_digest=json_digest,
        )
    )


def _public_last(code: str) -> tuple[bool, str]:
    return code in PUBLIC_CODES, code


def _grid(
    matrix: Sequence[RouteRecord], origins: Sequence[str], destinations: Sequence[str]
) -> dict[str, dict[str, Cell]]:
    by_place = {(route.origin, route.destination): route for route in matrix}
    most = max((route.count.total for route in matrix), default=1)
    return {
        origin: {
            destination: _cell(by_place.get((origin, destination)), most, home=origin == destination)
            for destination in destinations
        }
        for origin in origins
    }


def _cell(route: RouteRecord | None, most: int, *, home: bool) -> Cell:
    """The tone of the gravest verdict; its strength on a logarithmic scale, for counts span powers of ten."""
    if route is None:
        return Cell(None, "empty", 0.0, home)
    heat = math.log1p(route.count.total) / math.log1p(most)
    return Cell(route, _tone(route.count), round(heat, 2), home)


def _tone(count: Count) -> str:
    if count.refused:
        return "refused" if not count.permitted else "mixed"
    return "reviewed" if count.reviewed else "permitted"


def _versions(models: Sequence[Model]) -> list[Versions]:
    of_name: dict[tuple[str, str, str, tuple[str, ...]], list[Model]] = {}
    for model in models:
        of_name.setdefault((model.run, model.exporter, model.name, model.origins), []).append(model)
    return [
        Versions(
            name=name,
            run=run,
            exporter=exporter,
            origins=origins,
            categories=union(model.categories for model in alike),
            recipients=union(model.recipients for model in alike),
            digests=tuple(model.digest for model in alike),
            crossings=sum(model.crossings for model in alike),
            unsafe=any(model.unsafe for model in alike),
        )
        for (run, exporter, name, origins), alike in of_name.items()
    ]


def _grounds(record: Record, names: Mapping[str, str]) -> dict[str, str]:
    """Grounds that occur and have a name in the law's list of documents."""
    words = {part for ground in record.tallies["mechanism"] for part in ground.replace("+", " ").split()}
    return {word: names[word] for word in sorted(words & names.keys())}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    return environment


def _number(value: float) -> str:
    return f"{value:,}"


def _time(at: str) -> str:
    return at[:16].replace("T", " ")


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "0"


def _epsilon(value: float | None) -> str:
    return "not told" if value is None else f"{value:.3f}"


def _delta(value: float | None) -> str:
    return "not told" if value is None else f"{value:.3g}"


_FILTERS: dict[str, Callable[..., Any]] = {
    "number": _number,
    "time": _time,
    "size": _size,
    "percent": _percent,
    "epsilon": _epsilon,
    "delta": _delta,
}
