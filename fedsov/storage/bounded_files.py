"""Small files of settings and notes, read with a limit: a file that somebody let grow, or nested, is refused by name.

    content = read_bounded(path)              # at most 16 MiB
    value = parsed_json(content)              # ValueError, whatever is wrong with it

YAML has its own reader, which also refuses aliases (`fedsov.border.law.yaml_text`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

LARGEST = 2**24
"""Bytes of a manifest, a keyring, a register, a list of keys, a checkpoint's notes."""
DEEPEST = 100
"""Levels of a JSON value."""


class TooLarge(ValueError):
    """A file, or a value in it, that is larger or deeper than any that fedsov writes; the message says which limit."""


def read_bounded(path: Path, *, largest: int = LARGEST) -> bytes:
    """The bytes of a file. Raises OSError, TooLarge for one of more than `largest` bytes, of which no more is read."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > largest or len(content := file.read(largest + 1)) > largest:
            raise TooLarge(f"it is larger than {largest:,} bytes, the most that is read here")
    return content


def parsed_json(text: bytes | str, *, of_pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of a JSON text. Raises ValueError for any other, TooLarge for one nested deeper than 100 levels.

    Args:
        of_pairs: makes an object of its names and values, each name as often as it stands there.
    """
    try:
        value = json.loads(text, object_pairs_hook=of_pairs)
    except RecursionError as problem:
        raise TooLarge(f"it is nested deeper than {DEEPEST} levels") from problem
    level, depth = [value], 0
    while level := [part for part in level if isinstance(part, dict | list) and part]:
        depth += 1
        if depth > DEEPEST:
            raise TooLarge(f"it is nested deeper than {DEEPEST} levels")
        level = [inner for part in level for inner in (part.values() if isinstance(part, dict) else part)]
    return value
