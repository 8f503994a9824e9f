"""Templates: everything that stands in one is escaped, and a name that is not there is an error, never an empty word.

    render(request, "rollouts.html", rollouts=listed)

Beside its own values a template has `site_name`, `person` (None where nobody is signed in), `csrf` and `may`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from fedsov.control_plane.pages.filters import FILTERS, static_address
from fedsov.control_plane.pages.rights import current_csrf, site_of
from fedsov.control_plane.people.roles import Person, Right


@cache
def environment() -> Environment:
    """The environment of every template; it reads the package's own folder alone."""
    parsed = Environment(
        loader=PackageLoader("fedsov.control_plane.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    parsed.filters |= FILTERS
    parsed.globals["static"] = static_address
    return parsed


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a piece of it for htmx."""
    person: Person | None = getattr(request.state, "person", None)

    def may(right: str, region: str = "") -> bool:
        return person is not None and person.may(Right(right), region=region)

    words = {
        "site_name": site_of(request).name,
        "person": person,
        "csrf": current_csrf(request),
        "may": may,
        "status": status,
    }
    return HTMLResponse(environment().get_template(template).render(**words, **values), status_code=status)
