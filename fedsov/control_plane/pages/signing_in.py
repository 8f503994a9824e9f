"""Signing in and out, and choosing a password.

A form of a browser that nobody signed in with is bound to a guest's cookie, so that no other site signs somebody in as
somebody else (login CSRF). Signing in begins a new session whatever cookie the browser brings (session fixation).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from fedsov.control_plane.pages.acting import NOTE
from fedsov.control_plane.pages.problems import local_path
from fedsov.control_plane.pages.rights import (
    GUEST_COOKIE,
    SESSION_COOKIE,
    SignInNeeded,
    guest_token,
    open_to_anybody,
    site_of,
)
from fedsov.control_plane.pages.templates import render
from fedsov.control_plane.people.accounts import PersonAccount
from fedsov.control_plane.people.attempts import forget_attempts, take_attempt
from fedsov.control_plane.people.passwords import LONGEST
from fedsov.control_plane.people.sessions import PersonSession, begin_session, end_session, new_token
from fedsov.errors import ConfigurationError

router = APIRouter()
Word = Annotated[str, Form(max_length=LONGEST + 1)]


@router.get("/login")
@open_to_anybody
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002  (the parameter's name in the address)
    """The form."""
    return _login_form(request, onward=next)


@router.post("/login")
@open_to_anybody
def login(request: Request, name: Word, password: Word, onward: Word = "/") -> Response:
    """Signs somebody in by a password."""
    site, address = site_of(request), _address(request)
    name = name.strip().casefold()
    take_attempt(site.database, name, address, now=site.now())
    account = site.accounts.checked(name, password, now=site.now())
    if account is None:
        return _login_form(
            request, onward=onward, name=name, problem="Name or password is wrong. Try again.", status=401
        )
    forget_attempts(site.database, name, address)
    return signed_in(request, account, onward="/password" if account.is_temporary else onward, by="password")


@router.post("/logout")
@open_to_anybody
def logout(request: Request) -> Response:
    """Ends the session."""
    session: PersonSession | None = request.state.session
    if session is not None:
        end_session(site_of(request).database, session.token)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="lax")
    answer.headers["clear-site-data"] = '"cache", "storage"'
    return answer


@router.get("/password")
@open_to_anybody
def password_page(request: Request) -> Response:
    """The form for another password."""
    return render(request, "password.html", must_choose=_own_session(request).must_choose, problem="")


@router.post("/password")
@open_to_anybody
def password(request: Request, old: Word, new: Word, again: Word) -> Response:
    """Sets the password that the person chose, ends all their sessions and begins a new one."""
    site, session, address = site_of(request), _own_session(request), _address(request)
    take_attempt(site.database, session.name, address, now=site.now())
    try:
        if new != again:
            raise ConfigurationError("the new password was written in two ways; write it twice alike")
        if not site.accounts.choose(session.name, old=old, new=new, now=site.now()):
            raise ConfigurationError("the password until now is wrong; write the one that you signed in with")
    except ConfigurationError as problem:
        return render(request, "password.html", status=422, must_choose=session.must_choose, problem=str(problem))
    forget_attempts(site.database, session.name, address)
    return _with_session(RedirectResponse("/", status_code=303), _begun(request, session.name))


def signed_in(request: Request, account: PersonAccount, *, onward: str, by: str) -> Response:
    """Begins the session of somebody who proved who they are, noted in the hub's ledger, and sends them on.

    Args:
        by: how they proved it.
    """
    site_of(request).note({NOTE: {"act": "signed in", "by": account.name, "signed_in_by": by}})
    token = _begun(request, account.name, must_choose=account.is_temporary)
    return _with_session(RedirectResponse(local_path(onward), status_code=303), token)


def _begun(request: Request, name: str, *, must_choose: bool = False) -> str:
    site, before = site_of(request), request.cookies.get(SESSION_COOKIE, "")
    return begin_session(site.database, name, now=site.now(), must_choose=must_choose, before=before)


def _with_session(answer: Response, token: str) -> Response:
    answer.set_cookie(SESSION_COOKIE, token, secure=True, httponly=True, samesite="lax", path="/")
    answer.delete_cookie(GUEST_COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


def _login_form(request: Request, *, onward: str, name: str = "", problem: str = "", status: int = 200) -> Response:
    """The form, for a browser that has a guest's cookie from now on; for somebody who is signed in, the way on."""
    if request.state.person is not None and not problem:
        return RedirectResponse(local_path(onward), status_code=303)
    token = guest_token(request) or new_token()
    request.cookies[GUEST_COOKIE] = token
    provider = site_of(request).provider
    shown = {"onward": local_path(onward), "name": name, "problem": problem, "provider": provider}
    answer = render(request, "login.html", status=status, **shown)
    return as_guest(answer, token)


def as_guest(answer: Response, token: str) -> Response:
    """An answer that gives a browser its guest's cookie."""
    answer.set_cookie(GUEST_COOKIE, token, secure=True, httponly=True, samesite="lax", path="/")
    return answer


def _own_session(request: Request) -> PersonSession:
    session: PersonSession | None = request.state.session
    if session is None or request.state.person is None:
        raise SignInNeeded("nobody is signed in; sign in")
    return session


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
