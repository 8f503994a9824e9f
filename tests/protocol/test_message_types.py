"""One table has every message; an unknown version is answered with an error that names both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.artifact import Kind
from fedsov.protocol import message_types
from fedsov.protocol.flower_messages import flower_process, with_version
from fedsov.protocol.message_types import (
    MESSAGE_TYPES,
    VERSION,
    Answerer,
    version_fault,
)
from fedsov.region.secure_sum_member import STEPS
from fedsov.region.worker import OWN_ANSWERS


@pytest.fixture(autouse=True)
def a_flower_process() -> Iterator[None]:
    """A message belongs to a process of Flower's."""
    with flower_process():
        yield


def _message(version: object = VERSION) -> Message:
    message = Message(RecordDict(), 2, "query.ready")
    if version is not None:
        message.content["config"] = ConfigRecord({"protocol-version": version})  # type: ignore[dict-item]
    return message


def test_each_answerer_answers_just_the_messages_that_the_table_gives_it() -> None:
    by_answerer = {who: {name for name, rule in MESSAGE_TYPES.items() if rule.answerer is who} for who in Answerer}
    assert by_answerer[Answerer.WORKER] == set(OWN_ANSWERS)
    assert by_answerer[Answerer.SECURE_SUM] == set(STEPS)
    assert by_answerer[Answerer.APP] == {
        "train",
        *(f"query.{name}" for name in ("profile", "statistics", "synthesise", "finish")),
    }


def test_every_constant_of_a_message_has_its_row() -> None:
    constants = {
        value
        for name, value in vars(message_types).items()
        if name.isupper() and isinstance(value, str) and (value == "train" or value.startswith(("query.", "train.")))
    }
    assert constants == set(MESSAGE_TYPES)


def test_what_is_computed_from_no_row_leaves_as_a_report_about_nobody() -> None:
    rules = [rule for reply in MESSAGE_TYPES.values() for rule in reply.records.values()]
    assert all(rule.kind is Kind.REPORT for rule in rules if not rule.parts)
    assert all(rule.form is not None for rule in rules if not rule.parts)


def test_a_message_of_this_version_is_answered() -> None:
    message = _message(None)
    with_version(message, VERSION)
    assert version_fault(message, "DE") is None


@pytest.mark.parametrize(
    ("version", "spoken"),
    [(VERSION + 1, f"version {VERSION + 1}"), (0, "version 0"), (None, "no version"), ("1", "no version")],
)
def test_another_version_is_refused_in_words_that_name_both(version: object, spoken: str) -> None:
    fault = version_fault(_message(version), "DE")
    assert fault is not None and f"the hub speaks {spoken}" in fault and f"region DE speaks version {VERSION}" in fault


def test_a_version_is_written_beside_what_the_message_says_already() -> None:
    message = Message(RecordDict({"config": ConfigRecord({"scope": "all"})}), 2, "query.profile")
    with_version(message, 7)
    assert dict(message.content.config_records["config"]) == {"scope": "all", "protocol-version": 7}
