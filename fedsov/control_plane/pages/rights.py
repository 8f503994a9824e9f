"""Who may call what: each endpoint declares its right, and one guard before all of them checks it.

    @router.get("/rollouts/{number}")
    @needs(Right.SEE)
    def rollout(request: Request, person: CurrentPerson, number: int): ...

The guard is a dependency of the whole application, so that nobody forgets it: an endpoint that declares no right is
refused to everybody. It looks at the session's cookie, or at a token in `Authorization: Bearer`; at the right; and, for
whatever changes something, at where the request comes from and at the CSRF token of its form (field `csrf`, or header
`X-CSRF-Token`). A bearer token is sent by no browser on its own, so it needs no CSRF token; it opens nothing as a
cookie, nor a cookie's token anything as a bearer token.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from fedsov.control_plane.pages.site import Site
from fedsov.control_plane.people.roles import RIGHTS, Person, Right
from fedsov.control_plane.people.sessions import PersonSession, csrf_of, session_of
from fedsov.errors import FedsovError

SESSION_COOKIE, GUEST_COOKIE = "__Host-fedsov", "__Host-fedsov-guest"
"""The prefix makes a browser refuse one that another host, or a page without TLS, tries to set."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_RIGHT = "fedsov_right"
_ANYBODY = "anybody"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class SignInNeeded(FedsovError):
    """Nobody is signed in."""


class Forbidden(FedsovError):
    """The person's roles or regions do not give the right, or the request was not sent by the hub's own page."""


class ChoosePassword(FedsovError):
    """The person signed in with a temporary password, and has to choose another first."""


def needs(right: Right) -> Callable[[Endpoint], Endpoint]:
    """Declares the right that an endpoint needs."""
    return lambda endpoint: _declared(endpoint, right)


def open_to_anybody(endpoint: Endpoint) -> Endpoint:
    """Declares that an endpoint answers people who are not signed in."""
    return _declared(endpoint, _ANYBODY)


def declared_right(endpoint: Any) -> str | None:
    """What an endpoint declares: a right, ``anybody``, or None."""
    return getattr(endpoint, _RIGHT, None)


async def guard(request: Request) -> None:
    """Checks a request before its endpoint is called. Raises SignInNeeded, Forbidden, ChoosePassword."""
    right = declared_right(request.scope.get("endpoint"))
    session, is_bearer = await _session(request)
    person = None if session is None else await run_in_threadpool(_person, site_of(request), session)
    request.state.session, request.state.person = session, person
    if request.method not in SAFE_METHODS and not is_bearer:
        _check_origin(request)
        await _check_csrf(request, session)
    if right == _ANYBODY:
        return
    if person is None or session is None:
        raise SignInNeeded("nobody is signed in, or the session is over; sign in")
    if session.must_choose:
        raise ChoosePassword("this password was made for you; choose another first")
    if right is None or not person.may(Right(right)):
        raise Forbidden(refusal(person, right))


def check_region(person: Person, right: Right, region: str) -> None:
    """Raises Forbidden where a person may not do something about a region; "" is the hub's own, for all regions."""
    if not person.may(right):
        raise Forbidden(refusal(person, right))
    if not region and not person.is_for_all:
        raise Forbidden(f"your account is for {', '.join(sorted(person.regions))} alone; this is about every region")
    if not person.may(right, region=region):
        raise Forbidden(f"your account is not for region {region}; {_MENDS}")


def refusal(person: Person, right: str | None) -> str:
    """Why a person may not, and what mends it."""
    if right is None:
        return "this page declares no right, so nobody may open it; report it to the hub's operator"
    roles = " or ".join(sorted(RIGHTS[Right(right)]))
    return f"your account ({', '.join(sorted(person.roles))}) may not do this: it needs the role {roles}; {_MENDS}"


def site_of(request: Request) -> Site:
    """What the application stands on."""
    site: Site = request.app.state.site
    return site


def guest_token(request: Request) -> str:
    """The cookie of a browser that nobody signed in with yet; "" where it has none."""
    return request.cookies.get(GUEST_COOKIE, "")


def current_csrf(request: Request) -> str:
    """The CSRF token for the forms of a page that is sent now."""
    session: PersonSession | None = getattr(request.state, "session", None)
    return session.csrf if session is not None else csrf_of(guest_token(request))


def _declared(endpoint: Endpoint, right: str) -> Endpoint:
    setattr(endpoint, _RIGHT, right)
    return endpoint


async def _session(request: Request) -> tuple[PersonSession | None, bool]:
    """The session, and whether it came as a bearer token."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    is_bearer = scheme.casefold() == "bearer"
    token = bearer.strip() if is_bearer else request.cookies.get(SESSION_COOKIE, "")
    if not token:
        return None, is_bearer
    site = site_of(request)
    is_act = "text/event-stream" not in request.headers.get("accept", "")
    session = await run_in_threadpool(session_of, site.database, token, now=site.now(), is_act=is_act)
    is_of_its_kind = session is None or session.is_program == is_bearer
    return (session if is_of_its_kind else None), is_bearer


def _person(site: Site, session: PersonSession) -> Person | None:
    account = site.accounts.find(session.name)
    return None if account is None else account.person


def _check_origin(request: Request) -> None:
    """A browser says which page sends a form; one of another site is refused, whatever it brings."""
    origin, fetched_from = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
    if (origin is not None and origin not in site_of(request).origins) or fetched_from not in ("same-origin", "none"):
        raise Forbidden("another site's page sent this, so nothing was done; open the hub's page and do it there")


async def _check_csrf(request: Request, session: PersonSession | None) -> None:
    brought = request.headers.get("x-csrf-token")
    if brought is None and "form" in request.headers.get("content-type", ""):
        field = (await request.form()).get("csrf")
        brought = field if isinstance(field, str) else None
    token = session.token if session is not None else guest_token(request)
    if not token or not brought or not hmac.compare_digest(brought.encode(), csrf_of(token).encode()):
        raise Forbidden("the form is not of this session, so nothing was done; load the page again and repeat it")


def _current_person(request: Request) -> Person:
    """The person of a request that the guard let through."""
    person: Person = request.state.person
    return person


CurrentPerson = Annotated[Person, Depends(_current_person)]
"""A parameter of an endpoint: who is signed in."""
_MENDS = "ask the hub's operator (`fedsov account change NAME`)"
