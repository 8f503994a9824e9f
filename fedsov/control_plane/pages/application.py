"""The application that people call: pages and `/api/v1`, behind one guard.

    application(Site(database, origins=frozenset({"https://hub.example:8443"}), note=ledger.note, acts=Acts(...)))

Whoever serves it gives it TLS: its cookies are sent over nothing else. It keeps nothing in memory but rates, so any
number of processes serve the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles

from fedsov.control_plane.pages import api_routes, openid_routes, rollout_routes, signing_in
from fedsov.control_plane.pages.problems import answer_errors
from fedsov.control_plane.pages.rights import declared_right, guard
from fedsov.control_plane.pages.shield import AddressRate, Shield
from fedsov.control_plane.pages.site import Site
from fedsov.control_plane.people.openid_calls import OpenIdCalls

STATIC = Path(__file__).parent / "static"


def application(site: Site, *, routers: Sequence[APIRouter] = (), rate: AddressRate | None = None) -> FastAPI:
    """The ASGI application.

    Args:
        routers: pages beside signing in; each endpoint declares its right (`fedsov.control_plane.pages.rights`).
        rate: how often an address may ask.

    Raises ValueError, naming them, for endpoints that declare no right.
    """
    _check_declared(routers)
    app = FastAPI(
        title="fedsov control plane",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(guard)],
        middleware=[Middleware(Shield, origins=site.origins, rate=rate or AddressRate())],
    )
    app.state.site = site
    answer_errors(app)
    app.state.openid = None if site.provider is None else OpenIdCalls(site.provider)
    for router in (signing_in.router, openid_routes.router, rollout_routes.router, api_routes.router, *routers):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _check_declared(routers: Sequence[APIRouter]) -> None:
    routes = [route for router in routers for route in router.routes]
    undeclared = [route for route in routes if declared_right(getattr(route, "endpoint", None)) is None]
    if undeclared:
        raise ValueError(f"endpoints without a right: {undeclared}; write @needs(...) under each @router line")
