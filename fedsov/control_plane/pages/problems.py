"""How an error is answered: a page for people, a piece for htmx, JSON for `/api`; never a value that was sent.

What fedsov raises says what is wrong and what mends it, and that sentence is shown. Of anything else the kind alone is
logged, and the answer says that it is the hub's fault.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from fedsov.control_plane.pages.acting import NotThere
from fedsov.control_plane.pages.rights import ChoosePassword, Forbidden, SignInNeeded
from fedsov.control_plane.pages.shield import HEADERS
from fedsov.control_plane.pages.templates import render
from fedsov.control_plane.people.openid_calls import ProviderFailed
from fedsov.errors import (
    ApprovalRefused,
    CertificateRefused,
    ConfigurationError,
    CrossingRefused,
    FedsovError,
    JobRefused,
    LedgerBroken,
    LimitExceeded,
    WorkspaceUnusable,
)

STATUS: Mapping[type[FedsovError], int] = {
    SignInNeeded: 401,
    Forbidden: 403,
    NotThere: 404,
    ChoosePassword: 403,
    LimitExceeded: 429,
    ConfigurationError: 422,
    CrossingRefused: 409,
    ApprovalRefused: 409,
    CertificateRefused: 409,
    JobRefused: 409,
    ProviderFailed: 502,
    LedgerBroken: 503,
    WorkspaceUnusable: 503,
}
"""The status of an error, by its kind; 400 for any other of fedsov."""
TITLES: Mapping[int, str] = {
    400: "That cannot be done",
    401: "Sign in",
    403: "That is not yours to do",
    404: "There is no such thing here",
    405: "That cannot be asked here",
    409: "It was refused",
    413: "It is too large",
    422: "Something in it is not right",
    429: "Too often",
    500: "The hub failed",
    502: "The OpenID provider failed",
    503: "The hub cannot write",
}
_log = logging.getLogger(__name__)


def answer_errors(application: FastAPI) -> None:
    """Teaches an application how to answer each error."""
    application.add_exception_handler(FedsovError, _of_fedsov)
    application.add_exception_handler(HTTPException, _of_http)
    application.add_exception_handler(RequestValidationError, _of_fields)
    application.add_exception_handler(Exception, _unexpected)


def local_path(target: str) -> str:
    """A path of this site to go on to; ``/`` for whatever could be another site's (an open redirect)."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_local and "\\" not in target else "/"


async def _of_fedsov(request: Request, error: Exception) -> Response:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    if isinstance(error, SignInNeeded) and not _is_api(request):
        return _elsewhere(request, f"/login?next={quote(_wanted(request))}")
    if isinstance(error, ChoosePassword) and not _is_api(request):
        return _elsewhere(request, "/password")
    return _problem(request, status, str(error))


async def _of_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    sentence = {
        404: "Nothing is at this address; go back to the overview.",
        405: "This address takes another method.",
        413: "The form is larger than 64 KiB; send less.",
    }
    return _problem(request, status, sentence.get(status, "The request cannot be answered."))


async def _of_fields(request: Request, error: Exception) -> Response:
    """Names the fields that are wrong and how, never what was in them."""
    listed = error.errors() if isinstance(error, RequestValidationError) else []
    words = "; ".join(f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in listed)
    return _problem(request, 422, f"{words or 'a field is not right'}; correct it and send it again")


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("a page failed: %s at %s", type(error).__name__, request.scope.get("route"))
    answer = _problem(
        request, 500, "The page failed, and the hub's log says where; open it again, or tell the operator."
    )
    answer.headers.update({**HEADERS, "cache-control": "no-store"})  # what answers last stands outside the shield
    return answer


def _problem(request: Request, status: int, sentence: str) -> Response:
    if _is_api(request):
        return JSONResponse({"error": sentence, "status": status}, status_code=status)
    template = "problem_piece.html" if "hx-request" in request.headers else "problem.html"
    return render(request, template, status=status, title=TITLES.get(status, TITLES[400]), sentence=sentence)


def _elsewhere(request: Request, path: str) -> Response:
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"hx-redirect": path})
    return RedirectResponse(path, status_code=303)


def _wanted(request: Request) -> str:
    if request.method != "GET" or "hx-request" in request.headers:
        return "/"
    return local_path(request.url.path + (f"?{request.url.query}" if request.url.query else ""))


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/api/")
