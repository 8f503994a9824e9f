"""Which region answers a request: by the jurisdiction that a signed claim names, never by where the request comes from.

    match route("FR", table, health):
        case Routed(region, reason): ...        # ServingRegion DE, "DE hosts FR, by a crossing that the border permits"
        case NoRegion(451, reason): ...         # no region may serve it
        case NoRegion(503, reason): ...         # those that may are down

Compliant first: only regions that serve the code as their own, or host it by a permitted crossing, are ever looked at.
Of them, home before host (what a host answers must be sealed and sent home), then the nearest, then the table's order.
A region whose health nobody knows is down. A traveller's requests follow the claim.

>>> table = RoutingTable((ServingRegion("DE", frozenset({"DE"}), frozenset({"FR"})),))
>>> route("FR", table, {"DE": True}).region.name, route("KP", table, {"DE": True}).status
('DE', 451)
>>> route("DE", table, {}).status
503
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from fedsov.errors import ConfigurationError

NO_REGION, REGION_DOWN = 451, 503
"""Unavailable for legal reasons (RFC 7725); service unavailable."""


@dataclass(frozen=True, slots=True)
class ServingRegion:
    """A region as routing sees it.

    Attributes:
        own: the codes that it serves as its own, each part of a country by itself.
        hosts: codes that it also serves, each by a crossing that the border permits.
        distance: how far it is from the gateway, in any unit.
    """

    name: str
    own: frozenset[str]
    hosts: frozenset[str] = frozenset()
    distance: float = 0.0

    def serves(self, code: str) -> bool:
        """Whether it may answer this jurisdiction's people."""
        return code in self.own or code in self.hosts


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """The regions that may serve anybody. Raises ConfigurationError for two of one name."""

    regions: tuple[ServingRegion, ...]

    def __post_init__(self) -> None:
        names = [region.name for region in self.regions]
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise ConfigurationError(f"the table names region {name} twice; give it one entry")

    def lawful(self, code: str) -> tuple[ServingRegion, ...]:
        """The regions that may serve a code, in the order in which they are asked; home first, then the nearest."""
        return tuple(sorted((region for region in self.regions if region.serves(code)), key=partial(_order, code)))

    def codes(self) -> tuple[str, ...]:
        """Every code that some region may serve, sorted."""
        return tuple(sorted(frozenset().union(*(region.own | region.hosts for region in self.regions))))

    def chains(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        """The names of regions in the order they are asked, and the codes for which that is the order."""
        chains: dict[tuple[str, ...], list[str]] = {}
        for code in self.codes():
            chains.setdefault(tuple(region.name for region in self.lawful(code)), []).append(code)
        return {chain: tuple(codes) for chain, codes in chains.items()}


@dataclass(frozen=True, slots=True)
class Routed:
    """The region that answers, and why."""

    region: ServingRegion
    reason: str


@dataclass(frozen=True, slots=True)
class NoRegion:
    """No region answers: 451 where none may, 503 where those that may are down."""

    status: int
    reason: str


def route(claim: str, table: RoutingTable, health: Mapping[str, bool]) -> Routed | NoRegion:
    """The region that answers a claim of jurisdiction, or why none does.

    Args:
        claim: an ISO 3166 code, to the letter.
        health: which regions answer, by name; one that is not there is down.
    """
    lawful = table.lawful(claim)
    if not lawful:
        return NoRegion(NO_REGION, f"no region may serve {claim}")
    up = [region for region in lawful if health.get(region.name, False)]
    if not up:
        names = ", ".join(region.name for region in lawful)
        return NoRegion(REGION_DOWN, f"{names} may serve {claim}, and {_are(lawful)} down; no other region may")
    return Routed(up[0], _reason(claim, up[0], lawful))


def _order(code: str, region: ServingRegion) -> tuple[bool, float]:
    return code not in region.own, region.distance


def _are(regions: Iterable[ServingRegion]) -> str:
    return "is" if len(tuple(regions)) == 1 else "all are"


def _reason(claim: str, region: ServingRegion, lawful: tuple[ServingRegion, ...]) -> str:
    before = [other.name for other in lawful[: lawful.index(region)]]
    down = f"{', '.join(before)} down; " if before else ""
    if claim in region.own:
        return f"{down}{region.name} serves {claim} as its own"
    return f"{down}{region.name} hosts {claim}, by a crossing that the border permits"
