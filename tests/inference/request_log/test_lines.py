"""Any lines are read from a batch as they were packed, whatever is in them; bytes that are no batch are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.inference.request_log.lines import (
    PLAIN,
    Line,
    content_of,
    count_lines,
    fault_of,
    head_of,
    packed,
    parts_of,
    unpacked,
)

WORDS = st.text(max_size=8)
LINES = st.builds(
    Line,
    request_id=st.text(st.characters(max_codepoint=127), max_size=255),
    at=st.floats(0, 1e11),
    jurisdiction=st.sampled_from(["DE", "FR", "US-CA"]),
    categories=st.sampled_from([(), ("personal",), ("health", "personal")]),
    model=WORDS,
    version=st.integers(0, 2**40),
    role=st.sampled_from(["champion", "canary", "shadow"]),
    media_type=WORDS,
    answer_type=WORDS,
    subject=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    body=st.binary(max_size=200),
    answer=st.binary(max_size=200),
    host=WORDS,
)


def batch_of(lines: list[Line]) -> bytes:
    words: dict[tuple[object, ...], int] = {}
    parts = []
    for line in lines:
        content = content_of(line)
        parts += [head_of(line, words.setdefault(line.words, len(words)), PLAIN, 0, len(content)), content]
    return packed({"words": [*words], "homes": []}, parts)


@given(st.lists(LINES, max_size=5))
def test_lines_come_back_as_they_were_packed(lines: list[Line]) -> None:
    batch = batch_of(lines)
    assert [each.opened(each.content) for each in unpacked(batch)[1]] == lines
    assert count_lines(batch) == (len(lines), set())
    assert not any(map(fault_of, lines))


@given(st.lists(LINES, min_size=1, max_size=3), st.data())
def test_a_batch_that_was_cut_is_refused(lines: list[Line], data: st.DataObject) -> None:
    batch = batch_of(lines)
    cut = batch[: data.draw(st.integers(0, len(batch) - 1))]
    try:
        read = [each.opened(each.content) for each in unpacked(cut)[1]]
    except ValueError:
        return
    assert read == lines[: len(read)] and len(read) < len(lines), "cut between two lines, which the count tells"
    assert count_lines(cut)[0] == len(read)


def error_of(read: Callable[[bytes], object], content: bytes) -> Exception | None:
    try:
        read(content)
    except Exception as error:
        return error
    return None


@given(st.binary(max_size=100))
def test_any_bytes_are_a_batch_or_refused_and_nothing_else(content: bytes) -> None:
    readers = (lambda batch: list(unpacked(batch)[1]), count_lines, parts_of)
    errors = [error_of(read, content) for read in readers]
    assert [error for error in errors if not isinstance(error, ValueError | None)] == []


def test_a_line_s_label_is_of_its_person_s_jurisdiction() -> None:
    label = Line("r", 0.0, "FR", ("health", "personal")).label
    assert str(label) == "FR · health+personal"


@pytest.mark.parametrize("content", [b"", b"\x05\x00\x00\x00\x00\x00", b"\xff\xff\xff\xff\xff\xffabc"])
def test_a_content_of_another_form_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="a content"):
        parts_of(content)
