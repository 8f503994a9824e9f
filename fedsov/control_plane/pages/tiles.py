"""The line of figures above the page: what a person looks for first, each with a link to its part."""

from __future__ import annotations

from dataclasses import dataclass

from fedsov.control_plane.overview.values import Overview
from fedsov.control_plane.rollouts.states import OPEN

AS_WANTED = ("serving", "idle", "unsigned")
"""States of a region that runs what is wanted of it."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure, what it counts, how it is coloured, and which part it leads to."""

    figure: str
    label: str
    part: str
    tone: str = ""


def tiles(overview: Overview) -> tuple[Tile, ...]:
    """The figures of an overview."""
    regions, total = overview.regions, overview.crossings.total
    in_order = sum(region.state in AS_WANTED for region in regions)
    under_way = sum(rollout.state in OPEN for rollout in overview.rollouts)
    reviews, documents = len(overview.reviews), len(overview.documents)
    return (
        Tile(
            f"{in_order} of {len(regions)}" if regions else "0",
            "regions as wanted" if regions else "regions",
            "regions",
            "" if not regions else "permitted" if in_order == len(regions) else "refused",
        ),
        Tile(f"{under_way}", _plural("rollout", under_way) + " under way", "rollouts", "reviewed" if under_way else ""),
        Tile(f"{total.total:,}", _plural("crossing", total.total) + " decided", "crossings"),
        Tile(f"{total.refused:,}", "refused", "refusals", "refused" if total.refused else ""),
        Tile(f"{reviews}", _plural("review", reviews) + " to approve", "reviews", "reviewed" if reviews else ""),
        Tile(f"{documents}", "ending soon", "documents", "reviewed" if documents else ""),
    )


def _plural(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"
