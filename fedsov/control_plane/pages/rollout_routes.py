"""The forms of the page by which people act on rollouts.

    POST /rollouts                    model, version, regions (A,B; empty for all), canary, why
    POST /rollouts/NUMBER/ACT         why; region, of an approval (empty: the hub's); seen, of a start: how far it was

Each form has the field `csrf`. The answer leads back to the page; htmx gets an empty one, and the page shows what is
new by itself.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import RedirectResponse, Response

from fedsov.control_plane.pages.acting import LONGEST_WHY, ActName, act_on_rollout, propose_rollout
from fedsov.control_plane.pages.rights import CurrentPerson, needs, site_of
from fedsov.control_plane.people.roles import Right

router = APIRouter()
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Why = Annotated[str, Form(max_length=2 * LONGEST_WHY)]
Name = Annotated[str, Form(max_length=200)]


@router.post("/rollouts")
@needs(Right.OPERATE)
def propose(
    request: Request,
    person: CurrentPerson,
    *,
    model: Name,
    version: Annotated[int, Form(ge=1, le=2**31 - 1)],
    why: Why,
    regions: Annotated[str, Form(max_length=4000)] = "",
    canary: Name = "",
) -> Response:
    """Proposes a version."""
    names = [name.strip() for name in regions.split(",") if name.strip()]
    propose_rollout(site_of(request), person, model, version, regions=names, canary=canary, why=why)
    return _done(request)


@router.post("/rollouts/{number}/{act}")
@needs(Right.SEE)
def act_on(
    request: Request,
    person: CurrentPerson,
    number: Number,
    act: ActName,
    *,
    why: Why,
    region: Name = "",
    seen: Name = "",
) -> Response:
    """Approves, starts, freezes or takes back."""
    act_on_rollout(site_of(request), person, number, act, region=region, why=why, seen=seen)
    return _done(request)


def _done(request: Request) -> Response:
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"hx-trigger": "changed"})
    return RedirectResponse("/#rollouts", status_code=303)
