"""`/api/v1`: what the pages show and do, as JSON, for programs of people who have an account.

    GET  /api/v1/me                       who is signed in, and as what
    GET  /api/v1/regions                  each region: when it was heard, what runs there
    GET  /api/v1/rollouts[/NUMBER]        rollouts
    POST /api/v1/rollouts                 {"model", "version", "regions", "canary", "why"}
    POST /api/v1/rollouts/NUMBER/ACT      {"why", "region"}; ACT is approve, start, freeze or rollback
    GET  /api/v1/configuration            what stands proposed to each region, and what it has in force
    GET  /api/v1/acts                     what people did here, as the hub's ledger notes it (auditors)
    GET  /api/v1/audit                    whose ledgers verify, who countersigned them, what is due (auditors)
    GET  /api/v1/openapi.json             this, as OpenAPI

A program sends ``Authorization: Bearer TOKEN`` (`fedsov account token NAME`). An error is ``{"error": sentence,
"status": code}``, and the sentence says what mends it. What JSON has beside these names is refused by name.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from fedsov.control_plane.configuration.standing import standing
from fedsov.control_plane.pages.acting import (
    LONGEST_WHY,
    ActName,
    act_on_rollout,
    propose_rollout,
    rollout_seen_by,
    rollouts_seen_by,
)
from fedsov.control_plane.pages.rights import CurrentPerson, check_region, needs, site_of
from fedsov.control_plane.people.roles import Right
from fedsov.control_plane.regions.directory import directory
from fedsov.errors import ConfigurationError

router = APIRouter(prefix="/api/v1")
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Name = Annotated[str, Field(max_length=200)]
Why = Annotated[str, Field(max_length=2 * LONGEST_WHY)]


class ProposedRollout(BaseModel):
    """What is proposed."""

    model_config = ConfigDict(extra="forbid", strict=True)
    model: Name
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    why: Why
    regions: Annotated[list[Name], Field(max_length=5000)] = []
    canary: Name = ""


class ReasonGiven(BaseModel):
    """Why, for which region's approval, and how far a rollout was that is started (its `progress`)."""

    model_config = ConfigDict(extra="forbid", strict=True)
    why: Why
    region: Name = ""
    seen: Name = ""


@router.get("/me")
@needs(Right.SEE)
def me(person: CurrentPerson) -> dict[str, Any]:
    """Who is signed in."""
    rights = [right for right in Right if person.may(right)]
    return {"name": person.name, "roles": sorted(person.roles), "regions": sorted(person.regions), "rights": rights}


@router.get("/regions")
@needs(Right.SEE)
def regions(request: Request, person: CurrentPerson) -> list[dict[str, Any]]:
    """Each region as it was heard last."""
    site = site_of(request)
    with site.database.reading() as connection:
        listed = directory(connection)
    now = datetime.fromtimestamp(site.now(), UTC)
    return [
        {
            "name": each.name,
            "is_reachable": each.is_reachable(now),
            "seen_at": each.seen_at.isoformat(),
            "reachable_since": each.reachable_since.isoformat(),
            "list": each.counter,
            "running": [asdict(version) for version in each.running],
        }
        for each in listed
        if person.is_for(each.name)
    ]


@router.get("/rollouts")
@needs(Right.SEE)
def rollouts(request: Request, person: CurrentPerson) -> list[dict[str, Any]]:
    """Every rollout, the newest first."""
    return rollouts_seen_by(site_of(request), person)


@router.get("/rollouts/{number}")
@needs(Right.SEE)
def rollout(request: Request, person: CurrentPerson, number: Number) -> dict[str, Any]:
    """A rollout."""
    return rollout_seen_by(site_of(request), person, number)


@router.post("/rollouts", status_code=201)
@needs(Right.OPERATE)
def propose(request: Request, person: CurrentPerson, proposal: ProposedRollout) -> dict[str, Any]:
    """Proposes a version."""
    number = propose_rollout(
        site_of(request),
        person,
        proposal.model,
        proposal.version,
        regions=proposal.regions,
        canary=proposal.canary,
        why=proposal.why,
    )
    return rollout_seen_by(site_of(request), person, number)


@router.post("/rollouts/{number}/{act}")
@needs(Right.SEE)
def act_on(
    request: Request, person: CurrentPerson, number: Number, act: ActName, reason: ReasonGiven
) -> dict[str, Any]:
    """Approves, starts, freezes or takes back."""
    act_on_rollout(site_of(request), person, number, act, region=reason.region, why=reason.why, seen=reason.seen)
    return rollout_seen_by(site_of(request), person, number)


@router.get("/configuration")
@needs(Right.SEE)
def configuration(request: Request, person: CurrentPerson) -> list[dict[str, Any]]:
    """What stands proposed to each region, and what it answered."""
    with site_of(request).database.reading() as connection:
        listed = standing(connection)
    return [each.to_json() for each in listed if person.is_for(each.proposal.region)]


@router.get("/acts")
@needs(Right.AUDIT)
def acts(request: Request, person: CurrentPerson) -> list[dict[str, Any]]:
    """What people did at this hub, the oldest first, as its ledger notes it."""
    check_region(person, Right.AUDIT, "")
    return list(site_of(request).noted())


@router.get("/audit")
@needs(Right.AUDIT)
def audit(request: Request, person: CurrentPerson) -> dict[str, Any]:
    """Whose ledgers verify, who countersigned them, and what is due; verified when it is asked, which takes a while."""
    check_region(person, Right.AUDIT, "")
    tell = site_of(request).audit
    if tell is None:
        raise ConfigurationError("this hub's pages cannot tell; `fedsov audit status` does in its home")
    return tell()


@router.get("/openapi.json", include_in_schema=False)
@needs(Right.SEE)
def openapi(request: Request, person: CurrentPerson) -> dict[str, Any]:
    """This interface, as OpenAPI."""
    schema: dict[str, Any] = request.app.openapi()
    own = {path: calls for path, calls in schema["paths"].items() if path.startswith("/api/")}
    return {**schema, "paths": own}
