"""The page escapes what is hostile, needs nothing from outside, and stays of bounded size."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

from fedsov.control_plane.compliance import page
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
    shown = as_html(made_of(*(one | {"by": evil, "why": evil, "until": evil} for one in entries), fault=evil))
    plain = as_html(record(workspace))
    tags = Parsed(shown).tags
    assert {tag for tag, _ in tags} <= {tag for tag, _ in Parsed(plain).tags} | {"article", "br"}
    assert not any(tag == "script" or name.startswith("on") for tag, attributes in tags for name in attributes)
    assert HOSTILE not in shown and "&lt;script&gt;" in shown


def test_the_page_needs_nothing_from_outside_and_can_be_read_by_all(workspace: Path) -> None:
    shown = as_html(record(workspace, register=demo_register().documents))
    tags = Parsed(shown).tags
    assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, _ in tags}
    assert not re.search(r"https?://|url\(|@import", shown)
    assert all(link.get("href", "").startswith("#") for tag, link in tags if tag == "a")
    assert ("html", {"lang": "en"}) in tags and all(one.get("scope") for tag, one in tags if tag == "th")
    ids = [one["id"] for _, one in tags if "id" in one]
    assert len(ids) == len(set(ids)) and {one["href"][1:] for tag, one in tags if tag == "a"} <= set(ids)
    assert "prefers-color-scheme: dark" in shown and "@media print" in shown


PHONE = 390
SCROLLED = (".matrix", ".id", ".at", ".n")
"""Selectors of what stands in a table, and a table scrolls by itself."""


def style() -> list[tuple[str, str]]:
    """(selector, declarations) of every rule, those inside @media included."""
    css = re.sub(r"/\*.*?\*/", "", (Path(page.__file__).parent / "page.css").read_text(), flags=re.DOTALL)
    assert css.count("{") == css.count("}")
    return [(selector.strip(), rule) for selector, rule in re.findall(r"([^{};]+)\{([^{}]*)\}", css)]


def test_nothing_is_wider_than_a_phone_but_tables_which_scroll_by_themselves(workspace: Path) -> None:
    for selector, rule in style():
        if any(part in selector for part in SCROLLED):
            continue
        for name, value in re.findall(r"(?<!max-)(width|min-width|flex-basis|grid-template-columns):\s*([^;]+)", rule):
            bounded = re.sub(r"min\([^()]*100%\)", "100%", value)
            sizes = [
                float(size) * {"rem": 15, "px": 1}[unit] for size, unit in re.findall(r"([\d.]+)(rem|px)", bounded)
            ]
            assert sum(sizes) < PHONE - 30, f"{selector} {{ {name}: {value} }}"
    tags = Parsed(as_html(record(workspace, register=demo_register().documents))).tags
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags
    for before, (tag, _) in pairwise(tags):
        assert tag != "table" or (before[0] == "div" and before[1].get("class") == "wide" and "tabindex" in before[1])
    (scrolls,) = (rule for selector, rule in style() if selector == ".wide" and "overflow-x: auto" in rule)
    assert "position: relative" in scrolls, "words for screen readers alone stand in it, and do not widen the page"


def _luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_it_reads_in_grey_verdicts_have_signs_words_and_patterns_and_inks_contrast(workspace: Path) -> None:
    roots = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", rule)) for selector, rule in style() if selector == ":root"]
    for colours in [root for root in roots if "paper" in root and len(root) > 9]:
        for ink in ("ink", "quiet", "link", "permitted-ink", "reviewed-ink", "refused-ink"):
            light, dark = sorted((_luminance(colours["paper"]), _luminance(colours[ink])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, ink
    shown = as_html(record(workspace))
    for sign, word in (("✓", "permitted"), ("✕", "refused")):
        assert f'<span aria-hidden="true">{sign}</span>' in shown and f'<span class="sr"> {word}</span>' in shown
    rules = dict(style())
    bars = [rules[f".bar .{tone}"] for tone in ("permitted", "reviewed", "refused")]
    assert len({re.sub(r"--\w+", "", rule) for rule in bars}) == 3, "a pattern each, not a colour alone"
    borders = [rule for selector, rule in style() if selector.startswith(".case") and "border-left" in rule]
    assert len({style_of for rule in borders for style_of in re.findall(r"5px (\w+)", rule)}) == 3


def test_a_large_federation_gives_a_page_of_bounded_size() -> None:
    codes = [f"{a}{b}" for a in "ABCDEFGHIJKLM" for b in "ABCDEFGHIJKLM"][:100]
    entries = [
        {"act": "cross", "verdict": "permit", "origins": codes, "destination": code, "kind": "model", "bytes": 1}
        for code in codes
    ]
    told = made_of(*entries)
    shown = as_html(told)
    assert len(told.matrix) == 10_000 and len(shown) < 4_000_000 and "The first 500 of 10,000" in shown
