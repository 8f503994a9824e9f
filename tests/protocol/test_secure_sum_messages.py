"""What is said in a secure sum, through Flower's messages and back; what is of another form is unreadable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from fedsov.privacy.secure_aggregation.protocol import KeyAdvertisement, RevealedShares
from fedsov.protocol.flower_messages import flower_process, identify, new_id, pack, unpack
from fedsov.protocol.message_types import MESSAGE_TYPES
from fedsov.protocol.secure_sum_messages import (
    ADVERTISE,
    MASK,
    SHARE,
    TOLD,
    UNMASK,
    UNREADABLE,
    hexed,
    keys_of,
    keys_said,
    opened_of,
    opened_said,
    record,
    said_in,
    told_in,
    unhexed,
)

BYTES = st.dictionaries(st.text(max_size=5), st.binary(max_size=40))


@pytest.fixture(autouse=True)
def flower() -> Iterator[None]:
    with flower_process():
        yield


def _message(**records: ConfigRecord) -> Message:
    message = Message(RecordDict(dict(records)), 2, SHARE)
    identify(message, new_id())
    return unpack(pack(message))


def test_each_step_is_a_question_that_regions_may_answer() -> None:
    assert {ADVERTISE, SHARE, MASK, UNMASK} <= {name for name, rule in MESSAGE_TYPES.items() if rule.scopes}


@given(BYTES)
def test_bytes_come_back_from_hexadecimal_text(several: dict[str, bytes]) -> None:
    assert unhexed(json.loads(json.dumps(hexed(several)))) == several


@given(st.lists(st.binary(max_size=70), min_size=4, max_size=4, unique=True))
def test_a_region_s_keys_come_back_under_the_name_that_they_came_from(parts: list[bytes]) -> None:
    advert = KeyAdvertisement("DE", *parts)
    said = json.loads(json.dumps(keys_said(advert)))
    assert keys_of("DE", said) == advert
    assert keys_of("FR", said).member == "FR" and "DE" not in said.values()


@given(BYTES, BYTES)
def test_shares_come_back_apart_by_what_they_are_of(seeds: dict[str, bytes], keys: dict[str, bytes]) -> None:
    opened = RevealedShares(seeds, keys)
    assert opened_of(json.loads(json.dumps(opened_said(opened)))) == opened


def test_a_value_is_one_text_of_a_record_and_is_read_from_an_answer_and_from_a_question() -> None:
    value = {"names": ["DE", "FR"], "keys": {"DE": "00"}}
    assert list(record(value)) == ["json"]
    assert said_in(_message(letters=record(value)), "letters") == value
    asked = ConfigRecord({"words": 9, TOLD: json.dumps(value)})
    assert told_in(_message(config=asked)) == value


GARBLED: list[Callable[[], Any]] = [
    lambda: said_in(_message(), "letters"),
    lambda: said_in(_message(letters=ConfigRecord({"text": "{}"})), "letters"),
    lambda: said_in(_message(letters=ConfigRecord({"json": "{"})), "letters"),
    lambda: said_in(_message(letters=record(["a list"])), "letters"),  # type: ignore[arg-type]
    lambda: told_in(_message(config=ConfigRecord({"words": 9}))),
    lambda: told_in(_message(config=ConfigRecord({TOLD: "7"}))),
    lambda: unhexed({"DE": "no hexadecimal"}),
    lambda: unhexed({"DE": 5}),  # type: ignore[dict-item]
    lambda: unhexed("text"),  # type: ignore[arg-type]
    lambda: keys_of("DE", {"channel": "00", "mask": "00", "seed": "00"}),
    lambda: keys_of("DE", ["channel"]),  # type: ignore[arg-type]
    lambda: opened_of({"seeds": {}}),
    lambda: opened_of({"seeds": {}, "keys": ["00"]}),  # type: ignore[dict-item]
]


@pytest.mark.parametrize("reading", GARBLED)
def test_what_is_of_another_form_is_unreadable(reading: Callable[[], Any]) -> None:
    with pytest.raises(UNREADABLE):
        reading()
