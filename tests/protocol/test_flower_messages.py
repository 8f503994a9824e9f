"""Flower's messages as bytes, and Flower's two states of a process: set for a block, and put back after it."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from fedsov.protocol.flower_messages import (
    DECISION_ROUND,
    FAILED,
    HUB_NODE,
    RUN_ID,
    config_of,
    day_round_of,
    error_reply,
    flower_process,
    identify,
    new_id,
    new_run,
    node_records,
    pack,
    parameters_of,
    question_digest,
    reason_of,
    record_of,
    round_of,
    unpack,
)

LOGGER = logging.getLogger("flwr")


def _identity() -> tuple[int | None, int | None, int | None]:
    return TaskIdentity._run_id, TaskIdentity._node_id, TaskIdentity._task_id


def _message(**config: str | int) -> Message:
    arrays = record_of({"w": np.arange(3, dtype=np.float32), "b": np.ones(1, np.float32)})
    message = Message(RecordDict({"config": ConfigRecord(dict(config)), "arrays": arrays}), 2, "train")
    identify(message, new_id())
    return message


def test_a_block_makes_this_process_a_quiet_node_and_puts_back_what_was_before() -> None:
    before, level = _identity(), LOGGER.level
    with flower_process(7):
        assert _identity() == (RUN_ID, 7, 1) and LOGGER.level == logging.ERROR
    assert (_identity(), LOGGER.level) == (before, level)
    with pytest.raises(ValueError, match="x"), flower_process():
        raise ValueError("x")
    assert (_identity(), LOGGER.level) == (before, level)


def test_blocks_of_several_threads_end_together() -> None:
    before, level = _identity(), LOGGER.level
    entered, leave, after = threading.Event(), threading.Event(), []

    def other() -> None:
        with flower_process():
            entered.set()
            leave.wait(10)
            after.append(_identity())

    thread = threading.Thread(target=other)
    with flower_process():
        thread.start()
        entered.wait(10)
    assert _identity() == (RUN_ID, HUB_NODE, 1)  # the other thread's run goes on
    leave.set()
    thread.join()
    assert after == [(RUN_ID, HUB_NODE, 1)] and (_identity(), LOGGER.level) == (before, level)


def test_a_message_arrives_as_it_was_sent_and_shares_nothing_with_it() -> None:
    with flower_process():
        message = _message(scope="shareable")
    received = unpack(pack(message))
    assert received.metadata.message_id == message.metadata.message_id
    assert config_of(received) == {"scope": "shareable"} and list(parameters_of(received)) == ["w", "b"]
    for name, array in parameters_of(message).items():
        np.testing.assert_array_equal(parameters_of(received)[name], array)
        assert parameters_of(received)[name].dtype == array.dtype
    parameters_of(received)["w"][0] = 9
    assert parameters_of(message)["w"][0] == 0


def test_an_error_reply_names_the_question_the_node_and_the_reason() -> None:
    with flower_process():
        message = _message()
        reply = unpack(pack(error_reply(message, FAILED, "StoreDamaged")))
    assert reply.has_error() and (reply.error.code, reason_of(reply)) == (FAILED, "StoreDamaged")
    assert reply.metadata.reply_to_message_id == message.metadata.message_id and reply.metadata.src_node_id == 2


@pytest.mark.parametrize(
    ("config", "round_number", "day"),
    [({}, None, 1), ({"server-round": 4}, 4, 4), ({DECISION_ROUND: 3}, None, 3), ({DECISION_ROUND: "soon"}, None, 1)],
)
def test_a_message_belongs_to_its_round_and_is_decided_on_a_day(
    config: dict[str, str | int], round_number: int | None, day: int
) -> None:
    with flower_process():
        message = _message(**config)
    assert round_of(message) == round_number and day_round_of(message) == day


def test_the_same_question_has_the_same_digest_and_another_one_another() -> None:
    with flower_process():
        first, again, other = _message(a=1), _message(a=1), _message(a=2)
    assert question_digest(first) == question_digest(again) != question_digest(other)


def test_a_grid_s_run_and_its_nodes_are_flower_s_own_records() -> None:
    assert new_run().run_id == RUN_ID
    assert [record.node_id for record in node_records((2, 3))] == [2, 3]
