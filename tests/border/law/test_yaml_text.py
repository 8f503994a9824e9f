"""YAML is read as plain mappings, lists and words; what can do more than people read is refused, with file and line."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings

from fedsov.border.law.yaml_text import read_mapping, read_tree
from fedsov.errors import ConfigurationError
from tests.border.world import BOMB, BROKEN, broken_yaml, yaml_texts


def test_plain_values_are_read_as_they_stand() -> None:
    text = b"""
    word: health
    quoted: "NO"
    number: 12
    share: 0.5
    flag: true
    day: 2026-11-22
    nothing: null
    list: [a, [b, {c: d}]]
    """
    assert read_mapping(text, "file.yaml") == {
        "word": "health",
        "quoted": "NO",
        "number": 12,
        "share": 0.5,
        "flag": True,
        "day": date(2026, 11, 22),
        "nothing": None,
        "list": ["a", ["b", {"c": "d"}]],
    }


def test_the_tree_knows_the_line_of_every_node() -> None:
    top, node = read_tree(b"a: 1\n\nb:\n- x\n- y\n", "file.yaml")
    lines = {key.value: value.start_mark.line + 1 for key, value in node.value}
    assert top == {"a": 1, "b": ["x", "y"]} and lines == {"a": 1, "b": 4}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a mapping at the top, found NoneType"),
        ("rules", "found str"),
        ("[a]", "found list"),
        ("a: &x 1\nb: *x", "line 1: anchors and aliases are not read here"),
        ("a: 1\nb: *x", "line 2: anchors and aliases are not read here"),
        ("a:\n  b: 1\n  b: 2", "line 2: 'b' is given twice"),
        ("a: 1\na: 1", "line 1: 'a' is given twice"),
        ("<<: {a: 1}", "line 1: '<<' is not read here"),
        ("a: 1\nb: " + "9" * 20, "line 2: a number of 20 digits is not read here"),
        ("a: " + "[" * 31 + "]" * 31, "line 1: nested deeper than 30 levels"),
        ("a: [1", "file.yaml: line "),
        ("a: !!python/object/apply:os.getcwd []", "line 1: "),
        ("a: 2026-99-99", "month must be in 1..12"),
    ],
)
def test_what_people_do_not_write_is_refused_with_file_and_line(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_mapping(text.encode(), "file.yaml")
    assert str(refused.value).startswith("file.yaml: ")
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["a: " + "[" * 28 + "]" * 28, f"a: {2**63 - 1}", "a: x\nb: {a: y}", f"a: {'x' * 100_000}"]
)
def test_what_is_at_its_very_edge_is_read(text: str) -> None:
    assert "a" in read_mapping(text.encode(), "file.yaml")


@pytest.mark.parametrize("what", [name for name in BROKEN if name not in ("two texts", "an anchor nowhere")])
def test_a_hostile_text_is_refused_or_read_in_a_moment(what: str) -> None:
    with broken_yaml(BROKEN[what]) as text:
        try:
            assert isinstance(read_mapping(text, "file.yaml"), dict)
        except ConfigurationError as problem:
            assert len(str(problem)) < 400, "no text is repeated at length"  # noqa: PT017


def test_nothing_is_built_of_what_grows() -> None:
    with broken_yaml(f"a: {BOMB}") as text, pytest.raises(ConfigurationError, match="anchors"):
        read_mapping(text, "file.yaml")


@settings(max_examples=100, deadline=None)
@given(yaml_texts(("a", "b", "rules")))
def test_any_bytes_are_a_mapping_or_refused_by_name(text: bytes) -> None:
    try:
        assert isinstance(read_mapping(text, "file.yaml"), dict)
    except ConfigurationError as problem:
        assert str(problem).startswith("file.yaml: ")  # noqa: PT017
