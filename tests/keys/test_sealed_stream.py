"""A stream that is encrypted in pieces opens whole, and only whole."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.keys.sealed_stream import PIECE, SealedReader, SealedWriter

KEY = bytes(range(32))
_TAG = 16


def _sealed(*parts: bytes, bound: bytes = b"head") -> bytes:
    file = io.BytesIO()
    with SealedWriter(file, KEY, bound) as out:
        for part in parts:
            out.write(part)
    return file.getvalue()


def _opened(sealed: bytes, *, key: bytes = KEY, bound: bytes = b"head") -> bytes:
    reader, found = SealedReader(io.BytesIO(sealed), key, bound), b""
    while piece := reader.read(99_991):
        found += piece
    return found


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_any_length_opens_as_it_was_written(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    sealed = _sealed(content[: size // 2], content[size // 2 : size])
    assert _opened(sealed) == content[:size]
    assert content[:64] not in sealed if size >= 64 else True


def test_nothing_is_given_out_of_a_stream_that_was_cut_moved_lengthened_or_bound_to_another() -> None:
    whole, piece = _sealed(b"a" * (3 * PIECE)), PIECE + _TAG
    first, second, third = whole[:piece], whole[piece : 2 * piece], whole[2 * piece :]
    for wrong in (b"", whole[:-1], first, first + second, second + first + third, first + third, whole + b"x"):
        with pytest.raises(ValueError, match="does not decrypt"):
            _opened(wrong)
    for more in ({"key": bytes(32)}, {"bound": b"other"}):
        with pytest.raises(ValueError, match="does not decrypt"):
            _opened(whole, **more)


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=200), place=st.integers(min_value=0), change=st.integers(1, 255))
def test_a_changed_byte_never_opens(content: bytes, place: int, change: int) -> None:
    sealed = bytearray(_sealed(content))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(ValueError, match="does not decrypt"):
        _opened(bytes(sealed))


def test_a_stream_whose_writing_failed_has_no_end() -> None:
    file = io.BytesIO()
    out = SealedWriter(file, KEY, b"head")
    out.write(b"a" * (2 * PIECE))
    out.__exit__(OSError, OSError("a full disk"), None)
    with pytest.raises(ValueError, match="does not decrypt"):
        _opened(file.getvalue())
