"""An answer is read by the table: what it may hold is made anew, what it may not is told without a word of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from fedsov.protocol.flower_messages import (
    FAILED,
    OTHER_VERSION,
    REFUSED,
    error_reply,
    flower_process,
    identify,
    new_id,
)
from fedsov.protocol.read_answers import DEEPEST, AnswerUnreadable, parse_json, printable, read_answer, why_unreadable

PROFILE: dict[str, Any] = {
    "rows": 5, "public": 0, "shareable": 5, "classes": 2,
    "label": {"origins": ["DE"], "categories": [], "restrictions": []},
}  # fmt: skip


@pytest.fixture(autouse=True)
def flower() -> Iterator[None]:
    with flower_process():
        yield


def _question(kind: str, **config: str) -> Message:
    message = Message(RecordDict({"config": ConfigRecord(dict(config))}), 2, kind)
    identify(message, new_id())
    return message


def _read(kind: str, content: RecordDict, **config: str) -> RecordDict:
    asked = _question(kind, **config)
    return read_answer(asked, Message(content, reply_to=asked)).content


def _profile(**change: Any) -> RecordDict:
    return RecordDict({"profile": ConfigRecord({"json": json.dumps({**PROFILE, **change})})})


def test_an_answer_in_its_form_is_the_same_answer() -> None:
    found = _read("query.profile", _profile())
    assert json.loads(str(found.config_records["profile"]["json"])) == PROFILE
    arrays = ArrayRecord({"w": Array(np.arange(6, dtype=np.float32).reshape(2, 3)), "b": Array(np.array(0.5))})
    metrics = MetricRecord({"num-examples": 5, "loss": 0.5, "score": float("nan")})
    update = _read("train", RecordDict({"arrays": arrays, "metrics": metrics}))
    np.testing.assert_array_equal(update.array_records["arrays"]["w"].numpy(), arrays["w"].numpy())
    assert update.metric_records["metrics"]["num-examples"] == 5


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (RecordDict(), "it lacks the record 'profile'"),
        (_profile(more=1), "exactly"),
        (RecordDict({"profile": MetricRecord({"rows": 5})}), "is a MetricRecord, not a ConfigRecord"),
        (RecordDict({"Jane Canary": ConfigRecord({})}), "a record that no answer to query.profile holds"),
        (RecordDict({"profile": ConfigRecord({"json": "Jane Canary"})}), "it holds another text"),
    ],
)
def test_an_answer_in_another_form_is_none_and_none_of_its_text_is_told(content: RecordDict, why: str) -> None:
    with pytest.raises(Exception, match=why) as caught:
        _read("query.profile", content)
    assert "Jane" not in why_unreadable(caught.value)


def test_a_reading_that_ends_in_another_exception_is_told_by_its_type() -> None:
    assert why_unreadable(KeyError("Jane Canary")) == "AnswerUnreadable (KeyError)"
    assert why_unreadable(RecursionError()) == "AnswerUnreadable (RecursionError)"


@pytest.mark.parametrize(
    ("code", "read"), [(REFUSED, REFUSED), (OTHER_VERSION, OTHER_VERSION), (7, FAILED), (-1, FAILED)]
)
def test_an_error_has_one_of_our_codes_and_one_line_of_text(code: int, read: int) -> None:
    asked = _question("train")
    found = read_answer(asked, error_reply(asked, code, "a\x1b[2J\nb" + "c" * 5000))
    assert found.error.code == read
    assert str(found.error.reason).startswith("a?[2J?bccc") and len(str(found.error.reason)) < 1100


@pytest.mark.parametrize("text", ["é ü 漢", "x" * 1000])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_json_is_as_deep_as_answers_are_and_no_deeper() -> None:
    deep = "[" * DEEPEST + "]" * DEEPEST
    assert parse_json(deep) == json.loads(deep)
    assert parse_json('"[[[[[[[[[[[[[[[[[[[[[[ \\" [[ \\\\"') == '[[[[[[[[[[[[[[[[[[[[[[ " [[ \\'
    with pytest.raises(AnswerUnreadable, match="16 levels deep"):
        parse_json(f"[{deep}]")
    with pytest.raises(AnswerUnreadable, match="no text"):
        parse_json(5)


def test_sealed_rows_are_bytes_for_whom_they_were_asked_for() -> None:
    asked = {"recipients": '["FR"]'}
    sealed = RecordDict({"parcels": ConfigRecord({"FR": b"sealed"})})
    assert _read("query.synthesise", sealed, **asked).config_records["parcels"]["FR"] == b"sealed"
    for odd in (ConfigRecord({"FR": 2**40}), ConfigRecord({"ES": b"sealed"})):
        with pytest.raises(AnswerUnreadable, match="sealed rows"):
            _read("query.synthesise", RecordDict({"parcels": odd}), **asked)
