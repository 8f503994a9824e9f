"""A public crossing names the origins and categories of what was released for it."""

from __future__ import annotations

from typing import Any

from fedsov.control_plane.compliance.page import as_html
from tests.control_plane.compliance.ledgers import made_of


def entry(act: str, **changed: Any) -> dict[str, Any]:
    party = {"name": changed.pop("by", "DE"), "location": "DE"}
    return {"act": act, "verdict": "permit", "at": "2026-11-01T10:00", "run": "r1", "exporter": party} | changed


def released(origin: str, by: str, **changed: Any) -> dict[str, Any]:
    return entry("release", by=by, origins=[origin], categories=["health"], documents=["doc-1"], **changed)


def crossed(**changed: Any) -> dict[str, Any]:
    return entry("cross", **({"kind": "model", "name": "start", "destination": "IN"} | changed))


def test_the_very_content_that_was_released_has_the_origins_of_its_release() -> None:
    told = made_of(
        released("DE", "DE", digest="aa"), released("US", "US", digest="bb"), crossed(by="hub", digest="aa")
    ).public
    assert [(each.origins, each.categories, each.documents, each.traced) for each in told] == [
        (("DE",), ("health",), ("doc-1",), "content")
    ]


def test_a_model_of_released_rows_names_all_that_was_released_in_its_run() -> None:
    other = released("CN", "CN", run="r0")
    (told,) = made_of(released("DE", "DE"), released("US", "US"), other, crossed(by="hub")).public
    assert (told.origins, told.traced) == (("DE", "US"), "run")


def test_a_region_s_own_releases_are_those_of_what_it_sends() -> None:
    (told,) = made_of(released("DE", "DE"), released("US", "US"), crossed(by="US")).public
    assert told.origins == ("US",)


def test_what_nothing_was_released_for_has_no_origin_and_a_refused_release_is_none() -> None:
    (told,) = made_of(released("DE", "DE", verdict="refuse"), crossed(by="hub")).public
    assert (told.origins, told.traced) == ((), "none")


def test_a_bound_crossing_is_not_among_them_and_the_page_shows_those_that_are() -> None:
    told = made_of(released("DE", "DE"), crossed(), crossed(name="bound", origins=["DE"]))
    assert [each.name for each in told.public] == ["start"]
    assert "Public crossings, and whose records they came from" in as_html(told)
