"""The law's YAML as trees: parsed beforehand where the very text was, else now.

Parsing the shipped law takes longer than all else that a process does before its first decision. So law/parsed.json
holds what `fedsov.border.law.yaml_text` makes of each shipped file, under the SHA-256 of its text: a text that was
changed has another and is parsed. `scripts/parse_law.py` writes the file anew, and a test compares it with the texts.
Its first line is the SHA-256 of the rest; where that does not fit, or the file is not there, every text is parsed.
The bundle's digest names the texts: who can write into the package can write its code as well.

>>> parsed(b"rules: []", "own.yaml").top
{'rules': []}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from fedsov import border
from fedsov.border.law.yaml_text import read_tree

PARSED = Path(border.__path__[0]) / "law" / "parsed.json"
_DAY = "$day"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A YAML file: the mapping at its top, and of each list in it the lines on which its entries begin."""

    top: Mapping[str, Any]
    lines: Mapping[str, list[int]]


def parsed(text: bytes, name: str) -> Parsed:
    """The tree of a file of the law or of a tenant's rules. Raises ConfigurationError with file and line."""
    return _beforehand().get(hashlib.sha256(text).hexdigest()) or _parse(text, name)


def _parse(text: bytes, name: str) -> Parsed:
    top, node = read_tree(text, name)
    listed = ((key.value, entries) for key, entries in node.value if isinstance(entries, yaml.SequenceNode))
    return Parsed(top, {key: [entry.start_mark.line + 1 for entry in entries.value] for key, entries in listed})


@lru_cache(maxsize=1)
def _beforehand() -> Mapping[str, Parsed]:
    """SHA-256 of a text to its tree; nothing where the file is absent or not as it was written."""
    try:
        digest, _, content = PARSED.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return {}
        trees = json.loads(content, object_hook=_day)
    except (OSError, ValueError):
        return {}
    return {text: Parsed(top, lines) for text, (top, lines) in trees.items()}


def _day(read: dict[str, Any]) -> Any:
    return date.fromisoformat(read[_DAY]) if _DAY in read else read


def written(texts: Mapping[str, bytes]) -> bytes:
    """What parsed.json holds for these files (name to text)."""
    trees = {}
    for name, text in texts.items():
        tree = _parse(text, name)
        trees[hashlib.sha256(text).hexdigest()] = [tree.top, tree.lines]
    content = json.dumps(trees, default=lambda day: {_DAY: day.isoformat()}, separators=(",", ":"), ensure_ascii=False)
    lines = content.replace('},{"id"', '},\n{"id"').encode() + b"\n"
    return hashlib.sha256(lines).hexdigest().encode() + b"\n" + lines
