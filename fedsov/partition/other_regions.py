"""One region's own ingestion: rows of other jurisdictions are refused, and nothing of them is stored.

A region's source should hold its own people alone. Where it holds others, they go to nobody's store and to no
quarantine; said are how many of which country, and whose they are, so that they are ingested there. A region may also
keep them in the quarantine of its home, until it is said where they belong.

    rows = without_others(rows, DE, [FR, US], exact=False)     # rows.said: 120 rows or more of FR are refused: ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fedsov.errors import counted
from fedsov.jurisdiction import Atlas, Region
from fedsov.partition.routing import NO_REGION
from fedsov.partition.sorting import SortedSource
from fedsov.partition.told_counts import about


def without_others(source: SortedSource, own: Region, others: Sequence[Region], *, exact: bool) -> SortedSource:
    """The source without the rows of known jurisdictions that `own` does not hold; what was refused is said.

    Args:
        others: the federation's other regions, as far as they are described.
        exact: whether counts are told as they are; in tens otherwise.
    """
    homes, counts = source.homes, source.combinations.counts
    refusals = [reason.startswith(NO_REGION) for reason in homes.reasons]
    foreign = (homes.home < 0) & (homes.held_by < 0) & np.array([*refusals, False])[homes.reason_of]
    if not foreign.any():
        return source
    atlas = Atlas({}, {}, {region.name: region for region in others})
    said = []
    for place in np.unique(homes.code_of[foreign]):
        code, rows = homes.codes[place], int(counts[foreign & (homes.code_of == place)].sum())
        said.append(f"{_of(code, rows, exact=exact)} refused, and nothing of them is stored: {_whose(code, atlas)}")
    nowhere = np.where(foreign, len(homes.regions), homes.home)  # the place of no region, and of no quarantine
    kept = replace(source.combinations, homes=replace(homes, home=nowhere), counts=np.where(foreign, 0, counts))
    return replace(source, combinations=kept, said=(*source.said, *said))


def _of(code: str, rows: int, *, exact: bool) -> str:
    number = counted(rows, "row") if exact else about(rows)
    return f"{number} of {code} {'is' if exact and rows == 1 else 'are'}"


def _whose(code: str, atlas: Atlas) -> str:
    region = atlas.region(code)
    if region is None:
        return f"no region that is described holds {code} (federation.regions)"
    return f"region {region.name} holds them; ingest them there, by `fedsov region ingest {region.name}`"
