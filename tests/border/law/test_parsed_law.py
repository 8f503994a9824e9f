"""The law that was parsed beforehand is the law of its texts, and nothing else is ever taken from the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsov.border.law import parsed_law
from fedsov.border.law.bundle_loader import load_bundle, packaged
from fedsov.border.law.parsed_law import PARSED, parsed, written
from fedsov.border.law.yaml_text import read_mapping
from fedsov.errors import ConfigurationError

YAML = {name: text for name, text in packaged().items() if name.endswith(".yaml")}


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    parsed_law._beforehand.cache_clear()
    yield
    parsed_law._beforehand.cache_clear()


def write(folder: Path, content: bytes) -> Path:
    path = folder / "parsed.json"
    path.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    return path


def test_the_file_holds_the_trees_of_the_shipped_texts() -> None:
    assert PARSED.read_bytes() == written(YAML), "the law has changed: run python scripts/parse_law.py"


@pytest.mark.parametrize("name", sorted(YAML))
def test_a_tree_taken_from_the_file_is_the_one_that_parsing_gives(name: str) -> None:
    taken = parsed(YAML[name], name)
    assert taken is parsed_law._beforehand()[hashlib.sha256(YAML[name]).hexdigest()]
    assert taken.top == read_mapping(YAML[name], name)
    assert taken == parsed_law._parse(YAML[name], name)


def test_a_text_that_was_changed_by_one_letter_is_parsed() -> None:
    text = YAML["regimes.yaml"].replace(b"name: Switzerland", b"name: switzerland")
    names = {regime["name"] for regime in parsed(text, "regimes.yaml").top["regimes"]}
    assert "switzerland" in names and "Switzerland" not in names


def test_a_text_of_anybody_else_is_parsed_and_refused_with_its_line_as_ever() -> None:
    with pytest.raises(ConfigurationError, match=r"own\.yaml: line 2"):
        parsed(b"rules:\n- {a: 1, a: 2}\n", "own.yaml")


@pytest.mark.parametrize("damage", ["absent", "cut", "changed", "no digest", "no JSON"])
def test_without_a_whole_file_the_law_is_parsed_and_is_the_same(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = PARSED.read_bytes()
    path = tmp_path / "parsed.json"
    damaged = {
        "cut": content[:-20],
        "changed": content.replace(b"permit", b"forbid"),
        "no digest": content.partition(b"\n")[2],
    }
    if damage == "no JSON":
        path = write(tmp_path, b"{")
    elif damage != "absent":
        path.write_bytes(damaged[damage])
    whole = {rule.id: rule for rule in load_bundle().rules}
    monkeypatch.setattr(parsed_law, "PARSED", path)
    parsed_law._beforehand.cache_clear()
    assert parsed_law._beforehand() == {}
    tree = parsed(YAML["rules/europe.yaml"], "rules/europe.yaml").top
    assert {rule["id"]: rule["effect"] for rule in tree["rules"]}.items() <= {
        name: rule.effect for name, rule in whole.items()
    }.items()
