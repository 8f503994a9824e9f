"""The plan's drawing: every region has a box inside its strategy's frame, nothing lies over anything, at any width."""

from __future__ import annotations

import itertools

import pytest

from fedsov.control_plane.overview.plan_diagram import STRATEGIES, diagram
from fedsov.control_plane.overview.values import PlannedRegion, ShownPlan


def plan(*counts):
    regions = (
        PlannedRegion(f"{strategy[:2]}{number}", 500, strategy, "why")
        for strategy, count in zip(STRATEGIES, counts, strict=False)
        for number in range(count)
    )
    return ShownPlan(run="r1", regions=tuple(regions))


def overlap(one, other):
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@pytest.mark.parametrize("width", [330.0, 900.0])
@pytest.mark.parametrize("counts", [(3, 1, 1), (0, 0, 0, 1), (100,), (40, 20, 20, 19, 1), ()])
def test_every_region_is_in_its_frame_and_nothing_overlaps(width, counts):
    drawn = diagram(plan(*counts), width=width)
    boxes = [box for frame in drawn.frames for box in frame.regions]
    assert len(boxes) == sum(counts)
    assert drawn.width <= width
    for frame in drawn.frames:
        for box in frame.regions:
            assert frame.box.x < box.x
            assert box.x + box.width < frame.box.x + frame.box.width
            assert frame.box.y < box.y
            assert box.y + box.height < frame.box.y + frame.box.height <= drawn.height
    for several in (boxes, [drawn.hub, *(frame.box for frame in drawn.frames)]):
        assert not [pair for pair in itertools.combinations(several, 2) if overlap(*pair)]


@pytest.mark.parametrize("width", [330.0, 900.0])
def test_no_line_runs_through_a_frame(width):
    drawn = diagram(plan(5, 3, 3, 2, 1), width=width)
    for frame in drawn.frames:
        start, rest = frame.wire.removeprefix("M").split("V", 1)
        down, rest = rest.split("H")
        across, end = rest.split("V")
        x, y = map(float, start.split())
        pieces = [(x, y, x, float(down)), (x, float(down), float(across), float(down))]
        pieces.append((float(across), float(down), float(across), float(end)))
        for left, top, right, bottom in pieces:
            left, right = sorted((left, right))
            for other in drawn.frames:
                box = other.box
                crosses = left < box.x + box.width and right > box.x and top < box.y + box.height and bottom > box.y
                assert not crosses
