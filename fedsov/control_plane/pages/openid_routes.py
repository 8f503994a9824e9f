"""Signing in by the hub's OpenID provider: to it, and back."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from fedsov.control_plane.pages.problems import local_path
from fedsov.control_plane.pages.rights import Forbidden, guest_token, open_to_anybody, site_of
from fedsov.control_plane.pages.signing_in import as_guest, signed_in
from fedsov.control_plane.people.openid import RETURN_PATH, SignIn, begin_sign_in, take_sign_in
from fedsov.control_plane.people.openid_calls import OpenIdCalls
from fedsov.control_plane.people.sessions import new_token
from fedsov.errors import ConfigurationError

router = APIRouter()


@router.get("/openid")
@open_to_anybody
async def to_provider(request: Request, onward: str = "/") -> Response:
    """Sends the browser to the provider."""
    site, guest = site_of(request), guest_token(request) or new_token()
    begun = await run_in_threadpool(
        begin_sign_in, site.database, guest=guest, onward=local_path(onward), now=site.now()
    )
    address = await _calls(request).authorization(begun, redirect=_return_address(request))
    return as_guest(RedirectResponse(address, status_code=303), guest)


@router.get(RETURN_PATH)
@open_to_anybody
async def from_provider(request: Request, state: str = "", code: str = "", iss: str = "", error: str = "") -> Response:
    """Takes who the provider says it is, and begins their session where the hub has an account."""
    site = site_of(request)
    begun: SignIn | None = await run_in_threadpool(
        take_sign_in, site.database, state=state, guest=guest_token(request), now=site.now()
    )
    if begun is None:
        raise Forbidden("this sign-in was not begun in this browser, or is over; go to the sign-in page and begin anew")
    calls = _calls(request)
    if error or not code or (iss and iss != calls.provider.issuer):
        raise Forbidden(f"{calls.provider.label} did not sign you in; go to the sign-in page and begin anew")
    subject = await calls.subject(begun, code=code, redirect=_return_address(request), now=site.now())
    account = await run_in_threadpool(site.accounts.of_subject, subject)
    if account is None:
        raise Forbidden(
            f"{calls.provider.label} knows you as {subject!r}, and this hub has no account of that subject; ask its "
            "operator for one (`fedsov account add NAME --subject ID`)"
        )
    return await run_in_threadpool(signed_in, request, account, onward=begun.onward, by="openid")


def _calls(request: Request) -> OpenIdCalls:
    calls: OpenIdCalls | None = request.app.state.openid
    if calls is None:
        raise ConfigurationError("this hub names no OpenID provider; sign in by a password")
    return calls


def _return_address(request: Request) -> str:
    """Where the provider sends the browser back to: this site, by the name that the browser uses of it."""
    host = request.headers["host"]
    return next(origin for origin in site_of(request).origins if origin.endswith(f"//{host}")) + RETURN_PATH
