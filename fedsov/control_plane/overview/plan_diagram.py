"""The plan as a drawing: where each box and line goes, from the plan alone. The template writes the SVG.

The hub stands above; below it one frame for each strategy, with a box for each region in it. A line joins the hub to
each frame that exchanges something with it, and an arc a donor of synthetic rows to who gets them. A refused crossing
is a line of its own that ends before its region. A narrow screen gets the same drawing with fewer columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedsov.control_plane.overview.values import PlannedRegion, ShownPlan

STRATEGIES = ("federated", "transfer_learning", "synthetic", "local", "none")
"""In the order they are drawn."""
TITLES = {
    "federated": "Federated",
    "transfer_learning": "Transfer learning",
    "synthetic": "Synthetic rows",
    "local": "Local",
    "none": "No model",
}
EXCHANGES = {
    "federated": "updates up, global model down",
    "transfer_learning": "start model down",
    "synthetic": "synthetic rows down",
}
"""What passes between the hub and the regions of a strategy; nothing for the others."""
BOX_WIDTH, BOX_HEIGHT, GAP, PADDING, TITLE, HUB_WIDTH, HUB_HEIGHT, RAIL, SPINE = 118, 46, 10, 12, 40, 180, 46, 34, 20


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in the drawing's units, and the region in it."""

    x: float
    y: float
    width: float
    height: float
    region: PlannedRegion | None = None


@dataclass(frozen=True, slots=True)
class StrategyFrame:
    """A strategy's frame: its box, its regions' boxes, what it exchanges with the hub, and the line that joins them.

    `wire` is an SVG path.
    """

    strategy: str
    title: str
    exchange: str
    box: Box
    regions: tuple[Box, ...]
    wire: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """A whole drawing."""

    width: float
    height: float
    hub: Box
    frames: tuple[StrategyFrame, ...]


def diagram(plan: ShownPlan, *, width: float) -> Diagram:
    """The drawing of a plan, so wide; frames that do not fit beside each other stand below, joined along the left."""
    groups = [(strategy, _following(plan, strategy)) for strategy in STRATEGIES]
    present = [(strategy, regions) for strategy, regions in groups if regions]
    rows = _rows(present, width)
    if len(rows) > 1:
        rows = _rows(present, width - SPINE)
    is_single = len(rows) <= 1
    left = 0.0 if is_single else SPINE
    used = left + max((_row_width(row) for row in rows), default=width)
    hub = Box(used / 2 - HUB_WIDTH / 2 if is_single else 0.0, 0.0, HUB_WIDTH, HUB_HEIGHT)
    leaves = hub.x + HUB_WIDTH / 2 if is_single else SPINE / 2
    frames: list[StrategyFrame] = []
    y = float(HUB_HEIGHT + RAIL)
    for row in rows:
        x = left
        for strategy, regions, columns in row:
            box = Box(x, y, *_size(len(regions), columns))
            wire = f"M{leaves:g} {HUB_HEIGHT}V{y - RAIL / 2:g}H{x + box.width / 2:g}V{y:g}"
            frames.append(_frame(strategy, regions, box, columns, wire))
            x += box.width + 2 * GAP
        y += max(frame.box.height for frame in frames[-len(row) :]) + RAIL
    return Diagram(used, y - RAIL, hub, tuple(frames))


Row = list[tuple[str, list[PlannedRegion], int]]
"""Frames beside each other: the strategy, its regions, and in how many columns these stand."""


def _rows(present: Sequence[tuple[str, list[PlannedRegion]]], width: float) -> list[Row]:
    rows: list[Row] = []
    for strategy, regions in present:
        frame = (strategy, regions, _columns(len(regions), width))
        if rows and _row_width([*rows[-1], frame]) <= width:
            rows[-1].append(frame)
        else:
            rows.append([frame])
    return rows


def _row_width(row: Row) -> float:
    return sum(_size(len(regions), columns)[0] for _, regions, columns in row) + 2 * GAP * (len(row) - 1)


def _following(plan: ShownPlan, strategy: str) -> list[PlannedRegion]:
    return [region for region in plan.regions if region.strategy == strategy]


def _columns(count: int, width: float) -> int:
    """As square as the regions allow, no wider than the drawing, and wide enough for the frame's title."""
    fitting = max(1, int((width - 2 * PADDING + GAP) // (BOX_WIDTH + GAP)))
    return min(count, fitting, 3 if count <= 9 else max(3, round(count**0.5 * 1.3)))


def _size(count: int, columns: int) -> tuple[float, float]:
    rows = -(-count // columns)
    wide = columns * (BOX_WIDTH + GAP) - GAP + 2 * PADDING
    return max(wide, 172.0), TITLE + rows * (BOX_HEIGHT + GAP) - GAP + PADDING


def _frame(strategy: str, regions: Sequence[PlannedRegion], box: Box, columns: int, wire: str) -> StrategyFrame:
    boxes = tuple(
        Box(
            box.x + PADDING + (number % columns) * (BOX_WIDTH + GAP),
            box.y + TITLE + (number // columns) * (BOX_HEIGHT + GAP),
            BOX_WIDTH,
            BOX_HEIGHT,
            region,
        )
        for number, region in enumerate(regions)
    )
    return StrategyFrame(strategy, TITLES[strategy], EXCHANGES.get(strategy, ""), box, boxes, wire)
