"""The page escapes what is hostile, needs nothing from outside, and stays of bounded size."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from fedsov.control_plane.compliance.page import as_html
from tests.border.world import demo_register
from tests.control_plane.compliance.ledgers import (
    made_of,
    record,
)

HOSTILE = '<script>alert("x")</script>'


class Parsed(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_hostile_words_of_an_entry_are_text_and_never_markup(workspace: Path) -> None:
    """Every text field at once, in an element and in an attribute; none brings a tag or an attribute of its own."""
    evil = HOSTILE + '" onmouseover="x()" \''
    texts = ("name", "kind", "destination", "destination_name", "purpose", "reason", "remedy", "run", "digest", "at")
    lists = ("documents", "categories", "origins", "basis", "rules", "citations", "missing", "obligations")
    body = dict.fromkeys(texts, evil) | {name: [evil] for name in lists}
    person = {"name": evil, "entity": evil, "location": evil, "owners": [evil], "role": evil}
    body |= {"exporter": person, "importer": person, "bundle": evil, "privacy": {evil: evil}, "review": evil}
    entries = [
        body | {"act": act, "verdict": verdict}
        for act in ("cross", "release", "approve")
        for verdict in ("permit", "review", "refuse")
    ]
    page = as_html(made_of(*(one | {"by": evil, "why": evil, "until": evil} for one in entries), fault=evil))
    plain = as_html(record(workspace))
    tags = Parsed(page).tags
    assert {tag for tag, _ in tags} <= {tag for tag, _ in Parsed(plain).tags} | {"article", "br"}
    assert not any(tag == "script" or name.startswith("on") for tag, attributes in tags for name in attributes)
    assert HOSTILE not in page and "&lt;script&gt;" in page


def test_the_page_needs_nothing_from_outside_and_can_be_read_by_all(workspace: Path) -> None:
    page = as_html(record(workspace, register=demo_register().documents))
    tags = Parsed(page).tags
    assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, _ in tags}
    assert not re.search(r"https?://|url\(|@import", page)
    assert all(link.get("href", "").startswith("#") for tag, link in tags if tag == "a")
    assert ("html", {"lang": "en"}) in tags and all(one.get("scope") for tag, one in tags if tag == "th")
    ids = [one["id"] for _, one in tags if "id" in one]
    assert len(ids) == len(set(ids)) and {one["href"][1:] for tag, one in tags if tag == "a"} <= set(ids)
    assert "prefers-color-scheme: dark" in page and "@media print" in page


def test_a_large_federation_gives_a_page_of_bounded_size() -> None:
    codes = [f"{a}{b}" for a in "ABCDEFGHIJKLM" for b in "ABCDEFGHIJKLM"][:100]
    entries = [
        {"act": "cross", "verdict": "permit", "origins": codes, "destination": code, "kind": "model", "bytes": 1}
        for code in codes
    ]
    told = made_of(*entries)
    page = as_html(told)
    assert len(told.matrix) == 10_000 and len(page) < 4_000_000 and "The first 500 of 10,000" in page
