"""A file is read up to a limit, a JSON value down to one; what breaks a limit says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.storage.bounded_files import DEEPEST, TooLarge, parsed_json, read_bounded


def test_a_file_up_to_the_limit_is_read_whole_and_a_longer_one_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    assert read_bounded(path, largest=10) == b"x" * 10
    with pytest.raises(TooLarge, match="larger than 9 bytes"):
        read_bounded(path, largest=9)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "absent")


def test_a_file_that_says_no_size_is_bounded_all_the_same() -> None:
    with pytest.raises(TooLarge, match="larger than 1,000 bytes"):
        read_bounded(Path("/dev/zero"), largest=1000)


def test_a_value_is_read_down_to_the_limit() -> None:
    deepest = "[" * DEEPEST + "1" + "]" * DEEPEST
    value = parsed_json(deepest)
    for _ in range(DEEPEST):
        (value,) = value
    assert value == 1 and parsed_json(b'{"a": [{"b": {}}]}') == {"a": [{"b": {}}]}
    for text in (f"[{deepest}]", '{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1), "[" * 100_000):
        with pytest.raises(TooLarge, match="nested deeper than 100 levels"):
            parsed_json(text)


def test_any_other_text_is_a_value_error() -> None:
    for text in (b"", b"{", b"\xff", "9" * 100_000, '{"a": 1} 2'):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever json says
            parsed_json(text)
