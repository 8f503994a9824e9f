"""The fast writer writes what RFC 8785's reference writes, and the reader takes objects only."""

from __future__ import annotations

from contextlib import suppress

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from fedsov.ledger.canonical_json import canonical, parsed

texts = st.text(st.characters(codec="utf-8"))
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-(2.0**53), 2.0**53)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=15,
)


@given(st.dictionaries(texts, values))
def test_a_value_is_written_as_the_reference_writes_it_and_comes_back(value: dict) -> None:
    text = canonical(value)
    assert text == rfc8785.dumps(value)
    assert parsed(text) == value


@pytest.mark.parametrize("value", [object(), float("nan"), float("inf"), b"bytes", 2**53, {1: 2}, "\ud800"])
def test_what_json_cannot_hold_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        canonical({"value": value})


def test_endless_nesting_is_a_value_error() -> None:
    endless: list = []
    endless.append(endless)
    with pytest.raises(ValueError):  # noqa: PT011
        canonical({"value": endless})
    with pytest.raises(ValueError, match="deeply"):
        parsed("[" * 200_000)


@given(st.binary() | st.text())
def test_any_bytes_are_an_object_or_a_value_error(text: bytes | str) -> None:
    with suppress(ValueError):
        assert isinstance(parsed(text), dict)
