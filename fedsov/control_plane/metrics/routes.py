"""What regions told of their use, under ``/api/v1/metrics``: as JSON, and as Prometheus reads it.

GET /api/v1/metrics[?days=30]       totals by region and version
GET /api/v1/metrics/prometheus      the same since the first report, for a scrape with a program's token
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse

from fedsov.control_plane.metrics.evaluations import with_evaluations
from fedsov.control_plane.metrics.exposition import prometheus
from fedsov.control_plane.metrics.totals import Total
from fedsov.control_plane.metrics.use_sums import sums
from fedsov.control_plane.pages.rights import CurrentPerson, needs, site_of
from fedsov.control_plane.people.roles import Person, Right

DAY = 86_400.0
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def metrics_routes() -> APIRouter:
    """The routes; whose account is for some regions sees those alone."""
    router = APIRouter(prefix="/api/v1/metrics")

    @router.get("")
    @needs(Right.SEE)
    def told(
        request: Request, person: CurrentPerson, days: Annotated[int, Query(ge=1, le=36_500)] = 30
    ) -> list[dict[str, Any]]:
        """Totals of the windows of the last days."""
        since = site_of(request).now() - DAY * days
        return [total.to_json() for total in _seen_by(request, person, since)]

    @router.get("/prometheus")
    @needs(Right.SEE)
    def scraped(request: Request, person: CurrentPerson) -> PlainTextResponse:
        """Everything that was told, in the text format of Prometheus."""
        return PlainTextResponse(prometheus(_seen_by(request, person, 0.0)), media_type=TEXT)

    return router


def _seen_by(request: Request, person: Person, since: float) -> list[Total]:
    with site_of(request).database.reading() as connection:
        return [
            total
            for total in with_evaluations(connection, sums(connection, since=since))
            if person.is_for(total.region)
        ]
