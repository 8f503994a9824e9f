"""Which approved list the hub wants each region to serve: the one that it published, or noted, last.

put(connection, WantedList.of(listed, rollout=3, direction="forward", at=now))
drift = drifting(every(connection), {"DE": 6})          # the lists that regions say they serve
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Column, Connection, Integer, String, Table, delete, insert, select

from fedsov.control_plane.database.engine import METADATA
from fedsov.inference.approved import ApprovedList

WANTED = Table(
    "wanted_lists",
    METADATA,
    Column("region", String(200), primary_key=True),
    Column("counter", Integer, nullable=False),
    Column("versions", JSON, nullable=False),
    Column("rollout", Integer, nullable=False),
    Column("direction", String(10), nullable=False),
    Column("at", String(40), nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedList:
    """What a region is to serve.

    Attributes:
        counter: of the approved list.
        versions: (model, version, mode) of each that is on it.
        rollout: by which; 0 by none.
        at: since when, ISO 8601.
    """

    region: str
    counter: int
    versions: tuple[tuple[str, int, str], ...]
    rollout: int
    direction: str
    at: str

    @staticmethod
    def of(listed: ApprovedList, *, rollout: int, direction: str, at: str) -> WantedList:
        """What a list wants."""
        versions = tuple((each.model, each.version, each.mode) for each in listed.versions)
        return WantedList(
            region=listed.region,
            counter=listed.counter,
            versions=versions,
            rollout=rollout,
            direction=direction,
            at=at,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        names = ("region", "counter", "rollout", "direction", "at")
        return {name: getattr(self, name) for name in names} | {"versions": [list(each) for each in self.versions]}


def put(connection: Connection, wanted: WantedList) -> None:
    """Notes what a region is to serve from now on."""
    connection.execute(delete(WANTED).where(WANTED.c.region == wanted.region))
    connection.execute(insert(WANTED).values(wanted.to_json()))


def every(connection: Connection) -> dict[str, WantedList]:
    """What each region is to serve, by region; none where nothing was ever published for it."""
    return {row.region: _wanted(row) for row in connection.execute(select(WANTED).order_by(WANTED.c.region))}


def drifting(wanted: Mapping[str, WantedList], served: Mapping[str, int]) -> dict[str, str]:
    """The regions that serve another list than is wanted of them, by region, in a sentence.

    Args:
        served: the number of the list that each region says its endpoint has; regions that said nothing are absent.
    """
    sentences = {}
    for region, each in wanted.items():
        counter = served.get(region)
        if counter is None:
            sentences[region] = f"{region} has not said which list it serves; list {each.counter} is wanted"
        elif counter < each.counter:
            sentences[region] = f"{region} serves list {counter}, and list {each.counter} is wanted since {each.at}"
        elif counter > each.counter:
            sentences[region] = (
                f"{region} serves list {counter}, and this hub knows of none after {each.counter}: the hub is an older "
                f"copy of itself; `fedsov rollout propose` again, and approve as {region}, begins after list {counter}"
            )
    return sentences


def _wanted(row: Any) -> WantedList:
    versions = tuple((str(model), int(version), str(mode)) for model, version, mode in row.versions)
    return WantedList(
        region=row.region,
        counter=row.counter,
        versions=versions,
        rollout=row.rollout,
        direction=row.direction,
        at=row.at,
    )
