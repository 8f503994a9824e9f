"""The parts of the page that come from counted entries, and the newest plan: tables in, values out."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, func, select

from fedsov.control_plane.compliance.counts import Count
from fedsov.control_plane.compliance.page import PUBLIC_CODES
from fedsov.control_plane.overview.collecting import PLANS
from fedsov.control_plane.overview.counted_entries import (
    BUDGETS,
    LEDGERS,
    PLACES,
    REFUSALS,
    REVIEWS,
    ROUTES,
    TOTALS,
)
from fedsov.control_plane.overview.values import (
    CountedRoute,
    CrossingMatrix,
    PlannedRegion,
    RefusedCase,
    ShownPlan,
    ToldBudget,
    WaitingReview,
)

VERDICTS = ("permitted", "reviewed", "refused")
MANY_PLACES = 14
"""Rows and columns of the matrix; the busiest are shown where there are more."""
MANY_REFUSALS = 12
MANY_REVIEWS = 20


def crossings(connection: Connection) -> CrossingMatrix:
    """All crossings that were counted, as sums by origin and destination."""
    origins, destinations = (_busiest(connection, ROUTES.c[side]) for side in ("origin", "destination"))
    shown = _routes(connection, ROUTES.c.origin.in_(origins), ROUTES.c.destination.in_(destinations))
    distinct = select(ROUTES.c.origin, ROUTES.c.destination).distinct().subquery()
    every = int(connection.scalar(select(func.count()).select_from(distinct)) or 0)
    counted = connection.scalars(select(LEDGERS.c.owner).order_by(LEDGERS.c.owner)).all()
    owners = tuple(connection.scalars(select(TOTALS.c.owner).order_by(TOTALS.c.owner)))
    names = {str(code): str(name) for code, name in connection.execute(select(PLACES.c.code, PLACES.c.name))}
    return CrossingMatrix(
        total=_total(connection),
        origins=origins,
        destinations=destinations,
        routes={(route.origin, route.destination): route for route in shown},
        hidden=every - len(shown),
        owners=owners,
        silent=tuple(owner for owner in counted if owner not in owners),
        names={code: names[code] for code in sorted({*origins, *destinations} & names.keys())},
    )


def all_routes(connection: Connection) -> list[CountedRoute]:
    """Every route, refusals first, then the busiest."""
    return sorted(
        _routes(connection),
        key=lambda each: (-each.count.refused, -each.count.total, each.origin, each.destination),
    )


def _routes(connection: Connection, *where: ColumnElement[bool]) -> list[CountedRoute]:
    sums = [func.sum(ROUTES.c[word]) for word in VERDICTS]
    places = (ROUTES.c.origin, ROUTES.c.destination)
    return [
        CountedRoute(origin, destination, Count(*(int(each) for each in counts)))
        for origin, destination, *counts in connection.execute(
            select(*places, *sums).where(*where).group_by(*places).order_by(*places)
        )
    ]


def _total(connection: Connection) -> Count:
    sums = connection.execute(select(*(func.sum(TOTALS.c[word]) for word in VERDICTS)))
    return Count(*(int(each or 0) for each in sums.one()))


def _busiest(connection: Connection, side: Column[str]) -> tuple[str, ...]:
    """The places with most crossings, then in the order of their codes, public ones last."""
    total = func.sum(ROUTES.c.permitted + ROUTES.c.reviewed + ROUTES.c.refused)
    busiest = connection.scalars(select(side).group_by(side).order_by(total.desc(), side).limit(MANY_PLACES))
    return tuple(sorted(busiest, key=lambda place: (place in PUBLIC_CODES, place)))


def refusals(connection: Connection, *, many: int = MANY_REFUSALS) -> tuple[RefusedCase, ...]:
    """The latest refusals, each case once."""
    rows = connection.execute(select(REFUSALS).order_by(REFUSALS.c.last.desc(), REFUSALS.c.id).limit(many))
    return tuple(_refused(row) for row in rows)


def _refused(row: Row[Any]) -> RefusedCase:
    lists = json.loads(row.lists)
    return RefusedCase(
        exporter=row.exporter,
        importer=row.importer,
        destination=row.destination,
        origins=tuple(lists["origins"]),
        kind=row.kind,
        name=row.name,
        reason=row.reason,
        missing=tuple(lists["missing"]),
        remedy=row.remedy,
        citations=tuple(lists["citations"]),
        count=row.times,
        last=row.last,
    )


def reviews(connection: Connection, today: date, *, many: int = MANY_REVIEWS) -> tuple[WaitingReview, ...]:
    """Reviews without an approval that holds today, the latest first."""
    rows = connection.execute(select(REVIEWS).order_by(REVIEWS.c.last.desc(), REVIEWS.c.id))
    every = (_review(row, today) for row in rows)
    return tuple(review for review in every if review.state != "approved")[:many]


def _review(row: Row[Any], today: date) -> WaitingReview:
    return WaitingReview(
        id=row.id,
        state=_review_state(row, today),
        exporter=row.exporter,
        importer=row.importer,
        destination=row.destination,
        origins=tuple(json.loads(row.origins)),
        kind=row.kind,
        name=row.name,
        reason=row.reason,
        held=row.held,
        first=row.first,
        last=row.last,
        by=row.approved_by,
        why=row.why,
        until=row.until,
    )


def _review_state(row: Row[Any], today: date) -> str:
    if not row.approved_by:
        return "waiting"
    if row.withdrawn:
        return "withdrawn"
    return "expired" if row.until and row.until[:10] < today.isoformat() else "approved"


def budgets(connection: Connection) -> tuple[ToldBudget, ...]:
    """Each region's budget, as its ledger noted it last."""
    rows = connection.execute(select(BUDGETS).order_by(BUDGETS.c.region))
    return tuple(
        ToldBudget(row.region, row.spent, row.lifetime, row.delta, row.at, row.unbounded_since) for row in rows
    )


def plan(connection: Connection) -> ShownPlan:
    """The newest plan; one without a run where none was made yet."""
    row = connection.execute(select(PLANS)).one_or_none()
    if row is None:
        return ShownPlan()
    body = json.loads(row.body)
    return ShownPlan(
        run=body["run"],
        at=body["at"],
        hub=row.hub,
        regions=tuple(_planned(region) for region in body["regions"]),
        contributors=tuple(body["contributors"]),
        marks=tuple(body["marks"]),
        unsafe=body["unsafe"],
    )


def _planned(region: dict[str, Any]) -> PlannedRegion:
    lists = {
        "blocked": tuple((source, target, why) for source, target, why in region["blocked"]),
        "amendments": tuple(region["amendments"]),
    }
    return PlannedRegion(**{**region, **lists})
