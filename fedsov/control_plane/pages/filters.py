"""What templates may call beside their values: how figures, times and the matrix's cells are written."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from fedsov.control_plane.compliance.counts import Count
from fedsov.errors import counted

STATIC = Path(__file__).parent / "static"
HEATS = 9
"""How many strengths of colour a cell of the matrix may have; the stylesheet has a class for each."""


@cache
def static_address(name: str) -> str:
    """Where a static file is asked for: the address changes with its content, so that a browser may keep it."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:8]}"


def _number(value: float) -> str:
    return f"{value:,}"


def _day(at: str) -> str:
    """``2026-11-30`` of a time, as it is written."""
    return at[:10]


def _time(at: str) -> str:
    """``2026-11-30 20:24`` of a time, as it is written: UTC."""
    return at[:16].replace("T", " ")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _tone(count: Count) -> str:
    """The gravest verdict of a cell."""
    if count.refused:
        return "refused" if not count.permitted else "mixed"
    return "reviewed" if count.reviewed else "permitted"


def _heat(total: int, most: int) -> int:
    """How strongly a cell is coloured, 1 to `HEATS`, on a logarithmic scale: counts span powers of ten."""
    return max(1, round(HEATS * math.log1p(total) / math.log1p(max(most, 1))))


def _most(routes: Mapping[Any, Any]) -> int:
    return max((route.count.total for route in routes.values()), default=0)


def _figure(value: float | None) -> str:
    return "not told" if value is None else f"{value:.3g}"


def _ticks(text: str) -> Markup:
    """The text escaped, and what stands between backticks as code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup('<code class="command">{}</code>').format(piece) if number % 2 else escape(piece)
        for number, piece in enumerate(pieces)
    )


def _share(share: float) -> str:
    return f"{share:.0%}"


FILTERS: dict[str, Callable[..., Any]] = {
    "counted": counted,
    "day": _day,
    "figure": _figure,
    "heat": _heat,
    "most": _most,
    "number": _number,
    "share": _share,
    "ticks": _ticks,
    "time": _time,
    "tone": _tone,
    "words": _words,
}
