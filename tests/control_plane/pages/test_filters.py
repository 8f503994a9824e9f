"""How figures, marks of code and cells are written."""

from __future__ import annotations

import re

import pytest

from fedsov.control_plane.compliance.counts import Count
from fedsov.control_plane.pages.filters import FILTERS, HEATS, STATIC, static_address

ticks, heat, tone = (FILTERS[name] for name in ("ticks", "heat", "tone"))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("run `fedsov status` there", 'run <code class="command">fedsov status</code> there'),
        ("<b>`<i>`</b>", '&lt;b&gt;<code class="command">&lt;i&gt;</code>&lt;/b&gt;'),
        ("an odd ` mark <", "an odd ` mark &lt;"),
        ("", ""),
    ],
)
def test_what_stands_between_backticks_is_code_and_everything_is_escaped(text, html):
    assert str(ticks(text)) == html


def test_a_cell_has_a_strength_that_the_stylesheet_knows_and_grows_with_its_count():
    strengths = [heat(total, 10**6) for total in (1, 10, 1_000, 10**6)]
    assert strengths == sorted(set(strengths))
    assert (strengths[0] >= 1, strengths[-1], heat(0, 0)) == (True, HEATS, 1)
    known = set(re.findall(r"\.heat-(\d+)", (STATIC / "page.css").read_text()))
    assert known == {str(number) for number in range(1, HEATS + 1)}


def test_a_cell_has_the_tone_of_its_gravest_verdict():
    counts = [Count(1, 0, 0), Count(1, 1, 0), Count(1, 0, 1), Count(0, 0, 1)]
    assert [tone(each) for each in counts] == ["permitted", "reviewed", "mixed", "refused"]


def test_a_static_file_has_an_address_by_its_content_and_whose_it_is_lies_beside():
    assert re.fullmatch(r"/static/page\.css\?v=[0-9a-f]{8}", static_address("page.css"))
    for library in ("htmx", "idiomorph"):
        assert "Zero-Clause BSD" in (STATIC / f"{library}-LICENSE.txt").read_text()
        assert len([*STATIC.glob(f"{library}-*.min.js")]) == 1
