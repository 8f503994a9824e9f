"""The one page: everything of an overview, each part for itself, and a stream that tells which part has changed.

    application(site, routers=[overview_routes(NewestOverview(database, hub="hub"))])

| address | what |
|---|---|
| `/` | the page |
| `/parts/NAME` | one part of it as it is now |
| `/live` | server-sent events: a digest of each part, at once and whenever another one changes |
| `/crossings` | every route, with pages |

The page asks for a part when its digest is another than the one that it shows. So nothing is remembered of who looks:
a page that comes back after an hour, or to another service, gets what changed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from fedsov.control_plane.overview.counted_parts import all_routes
from fedsov.control_plane.overview.plan_diagram import diagram
from fedsov.control_plane.overview.read_overview import NewestOverview
from fedsov.control_plane.overview.seen_by import seen_by
from fedsov.control_plane.overview.values import Overview, ShownRollout, digest
from fedsov.control_plane.pages.rights import CurrentPerson, Forbidden, SignInNeeded, guard, needs, site_of
from fedsov.control_plane.pages.site import Acts
from fedsov.control_plane.pages.templates import render
from fedsov.control_plane.pages.tiles import tiles
from fedsov.control_plane.people.roles import Person, Right

PARTS = (
    *("alarms", "summary", "regions", "plan", "crossings", "refusals"),
    *("rollouts", "reviews", "budgets", "documents"),
)
ENDING = "is_ending"
"""Set in the application's state, it has streams end, since the service does; pages begin them again."""
LOOK_SECONDS = 0.5
"""How often a stream looks for changes."""
GUARD_LOOKS = 20
"""After how many looks a stream checks again that its person is signed in; as often it says that it is there."""
WIDE, NARROW = 900.0, 330.0
"""Of the plan's drawing."""
ROUTES_A_PAGE = 200
STATE_TONES: Mapping[str, str] = {
    **dict.fromkeys(("serving", "done", "published", "passed"), "permitted"),
    **dict.fromkeys(("behind", "unsigned", "proposed", "approved", "running", "frozen", "signed"), "reviewed"),
    **dict.fromkeys(("cut off", "closed", "stopped", "rolled back", "refused", "taken back"), "refused"),
}
"""How a state of a region, of a rollout or of a region in one is coloured; quiet where it is not here."""
VERDICT_TONES: Mapping[str, str] = {"pass": "permitted", "fail": "refused", "undecided": "reviewed"}
DOCUMENT_TONES: Mapping[str, str] = {"expired": "refused", "overdue": "refused", "valid": "permitted"}
ACT_TITLES: Mapping[str, str] = {"approve": "Approve", "start": "Start", "freeze": "Freeze", "rollback": "Roll back"}
ACT_RIGHTS: Mapping[str, Right] = {
    "approve": Right.APPROVE,
    "start": Right.OPERATE,
    "freeze": Right.OPERATE,
    "rollback": Right.OPERATE,
}


def overview_routes(newest: NewestOverview) -> APIRouter:
    """The page's addresses."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse)
    @needs(Right.SEE)
    def page(request: Request, person: CurrentPerson) -> HTMLResponse:
        return render(request, "overview.html", parts=PARTS, **_context(request, newest, person))

    @router.get("/parts/{name}", response_class=HTMLResponse)
    @needs(Right.SEE)
    def part(request: Request, person: CurrentPerson, name: str) -> HTMLResponse:
        if name not in PARTS:
            raise HTTPException(404)
        return render(request, f"parts/{name}.html", **_context(request, newest, person))

    @router.get("/live")
    @needs(Right.SEE)
    async def live(request: Request, person: CurrentPerson) -> StreamingResponse:
        return StreamingResponse(_events(request, newest, person), media_type="text/event-stream")

    @router.get("/crossings", response_class=HTMLResponse)
    @needs(Right.SEE)
    def crossings(request: Request, person: CurrentPerson, page: int = 1) -> HTMLResponse:
        return _crossings(request, person, page)

    return router


def _crossings(request: Request, person: Person, page: int) -> HTMLResponse:
    if not person.is_for_all:
        raise Forbidden("crossings are shown to accounts for all regions; ask the hub's operator for such an account")
    with site_of(request).database.reading() as connection:
        routes = all_routes(connection)
    pages = max(1, -(-len(routes) // ROUTES_A_PAGE))
    page = min(max(page, 1), pages)
    shown = routes[(page - 1) * ROUTES_A_PAGE : page * ROUTES_A_PAGE]
    return render(request, "crossings.html", routes=routes, shown=shown, page=page, pages=pages)


def _context(request: Request, newest: NewestOverview, person: Person) -> dict[str, Any]:
    overview, acts = seen_by(newest.read(), person), site_of(request).acts
    return {
        "overview": overview,
        "digests": digests(overview),
        "tiles": tiles(overview),
        "wide_diagram": diagram(overview.plan, width=WIDE),
        "narrow_diagram": diagram(overview.plan, width=NARROW),
        "state_tones": STATE_TONES,
        "verdict_tones": VERDICT_TONES,
        "document_tones": DOCUMENT_TONES,
        "act_titles": ACT_TITLES,
        "may_propose": acts.propose is not None and person.is_for_all and person.may(Right.OPERATE),
        "acts_of": lambda rollout: acts_of(rollout, person, acts),
    }


def digests(overview: Overview) -> dict[str, str]:
    """The digest of each part, by its name on the page."""
    return {**overview.digests(), "summary": digest(tiles(overview))}


def acts_of(rollout: ShownRollout, person: Person, acts: Acts) -> list[tuple[str, str]]:
    """What this person may do with a rollout now, and this hub can: each act, and its region ("" for all of it).

    What is about the whole of it is for accounts of every region; a region's approval for who may approve there.
    """
    return [
        (act, region)
        for act, region in rollout.acts
        if person.may(ACT_RIGHTS[act], region=region)
        and (region in acts.regions_here if region else person.is_for_all)
        and getattr(acts, act) is not None
    ]


async def _events(request: Request, newest: NewestOverview, person: Person) -> AsyncIterator[str]:
    """The stream of one page: ends with the session, or with the page."""
    sent: dict[str, str] = {}
    looks = 0
    while not (getattr(request.app.state, ENDING, False) or await request.is_disconnected()):
        now = await run_in_threadpool(lambda: digests(seen_by(newest.read(), person)))
        if now != sent:
            sent = now
            yield f"event: parts\ndata: {json.dumps(now)}\n\n"
        looks += 1
        if looks % GUARD_LOOKS == 0:
            if not await _is_signed_in(request):
                yield "event: ended\ndata: {}\n\n"
                return
            yield ": here\n\n"
        await asyncio.sleep(LOOK_SECONDS)


async def _is_signed_in(request: Request) -> bool:
    try:
        await guard(request)
    except (SignInNeeded, Forbidden):
        return False
    return True
