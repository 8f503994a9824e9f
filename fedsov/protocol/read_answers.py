"""A region's answer as the hub reads it: what the table of messages allows, made anew, and nothing beside it.

A region is another party; its bytes may be anything. So whatever cannot be read raises here, before any part of the
hub looks at it, and costs that region this one answer (`fedsov.hub.inbox`). The reason that is told names record, array
or rule, and repeats no text of the region's.

    reply = read_answer(question, reply)        # raises, or holds the records of its row in their forms

What an answer claims is another matter: a count of rows may be in form and false.
"""

from __future__ import annotations

import io
import json
import math
import re
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from fedsov.errors import FedsovError
from fedsov.protocol import SEALED_ROWS, payloads
from fedsov.protocol.flower_messages import (
    FAILED,
    LOST,
    OTHER_VERSION,
    REFUSED,
    config_of,
    error_reply,
    identify,
    new_id,
    reason_of,
)
from fedsov.protocol.message_types import MESSAGE_TYPES, PayloadRule, Record

DEEPEST = 16
"""How deep the lists and objects of an answer's JSON may lie in each other."""
LONGEST_REASON = 1000
_BRACKETS = re.compile(r"[\[\]{}]")
NUMERIC = "biufc"
"""numpy's kinds of numbers; an array of any other is none of an update's."""


class AnswerUnreadable(FedsovError):
    """An answer that is not of the form that its question asks for; the message holds none of its text."""


def read_answer(question: Message, reply: Message) -> Message:
    """The reply made anew: to this question, from the node that was asked, of the records that the table allows.

    Raises AnswerUnreadable, or whatever else a reading of odd bytes raises.
    """
    if reply.has_error():
        code, reason = reply.error.code, printable(reason_of(reply))
        return error_reply(question, code if code in (REFUSED, FAILED, OTHER_VERSION, LOST) else FAILED, reason)
    rules, content = MESSAGE_TYPES[question.metadata.message_type].records, RecordDict()
    for name, record in reply.content.items():
        if name not in rules:
            raise AnswerUnreadable(f"it holds a record that no answer to {question.metadata.message_type} holds")
        if not isinstance(record, rules[name].type):
            expected = rules[name].type.__name__
            raise AnswerUnreadable(f"its record {name!r} is a {type(record).__name__}, not a {expected}")
        content[name] = _read_record(name, record, rules[name], question)
    needed = [name for name, rule in rules.items() if not rule.optional]
    if len(needed) == 1 and not content:
        raise AnswerUnreadable(f"it lacks the record {needed[0]!r}")
    read = Message(content, reply_to=question)
    identify(read, new_id())
    return read


def why_unreadable(problem: Exception) -> str:
    """The reason to tell for an answer whose reading ended in an exception: no text of a region's is in it."""
    why = str(problem) if isinstance(problem, FedsovError) else type(problem).__name__
    return f"AnswerUnreadable ({printable(why)})"


def printable(text: str) -> str:
    """Text of another party's in one short line without control characters."""
    line = "".join(character if character.isprintable() else "?" for character in text[: LONGEST_REASON + 1])
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}…"


def parse_json(text: Any, *, deepest: int = DEEPEST) -> Any:
    """A JSON text of another party's as a value. Raises AnswerUnreadable for another text, and for one too deep."""
    if not isinstance(text, str):
        raise AnswerUnreadable("where it should hold JSON it holds no text")
    depth, between_strings = 0, text.replace("\\\\", "").replace('\\"', "").split('"')[::2]
    for bracket in _BRACKETS.finditer("".join(between_strings)):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > deepest:
            raise AnswerUnreadable(f"its JSON is more than {deepest} levels deep")
    try:
        return json.loads(text)
    except ValueError as problem:
        raise AnswerUnreadable("where it should hold JSON it holds another text") from problem


def _read_record(name: str, record: Record, rule: PayloadRule, question: Message) -> Record:
    if isinstance(record, ArrayRecord):
        return ArrayRecord({key: _checked_array(array) for key, array in record.items()})
    if isinstance(record, MetricRecord):
        return MetricRecord({**payloads.claims(dict(record))})
    if name == SEALED_ROWS:
        return _sealed_rows(record, question)
    if set(record) != {"json"} or rule.form is None:
        raise AnswerUnreadable(f"its record {name!r} holds more than its one text")
    return ConfigRecord({"json": json.dumps(rule.form(parse_json(record["json"])))})


def _sealed_rows(record: ConfigRecord, question: Message) -> ConfigRecord:
    recipients = set(json.loads(str(config_of(question)["recipients"])))
    if not set(record) <= recipients or not all(isinstance(rows, bytes) for rows in record.values()):
        raise AnswerUnreadable("its sealed rows are no bytes, or for a region that asked for none")
    return ConfigRecord(dict(record))


def _checked_array(array: Array) -> Array:
    """The array. Raises AnswerUnreadable where its bytes are not just the numbers that it announces.

    numpy would take memory for a shape before it looks whether so many bytes follow.
    """
    stream = io.BytesIO(array.data)
    try:
        version = np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    except (ValueError, EOFError, SyntaxError, MemoryError, RecursionError, TypeError) as problem:
        raise AnswerUnreadable("an array of it is none of numpy's") from problem
    size, is_numeric = math.prod(shape) * dtype.itemsize, version == (1, 0) and dtype.kind in NUMERIC
    if not is_numeric or min(shape, default=0) < 0 or size != len(array.data) - stream.tell():
        raise AnswerUnreadable("an array of it holds other bytes than it announces, or no numbers")
    if (tuple(array.shape), array.dtype, array.stype) != (shape, str(dtype), "numpy.ndarray"):
        raise AnswerUnreadable("an array of it is announced with another shape, type or form than it has")
    return array
