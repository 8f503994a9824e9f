"""Flower's messages as bytes, and Flower's two states of a process: set for a block, and put back after it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

import fedsov
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


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What is logged by Flower's logger while its level is INFO."""
    records, handler, before = list[str](), logging.Handler(), LOGGER.level
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    yield records
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(before)


def test_a_block_makes_this_process_a_node_and_puts_back_what_was_before() -> None:
    before, filters = _identity(), list(LOGGER.filters)
    with flower_process(7):
        assert _identity() == (RUN_ID, 7, 1)
    assert (_identity(), LOGGER.filters) == (before, filters)
    with pytest.raises(ValueError, match="x"), flower_process():
        raise ValueError("x")
    assert (_identity(), LOGGER.filters) == (before, filters)


def test_only_what_this_thread_logs_below_an_error_is_dropped_and_only_in_the_block(heard: list[str]) -> None:
    with flower_process():
        LOGGER.info("a round's own line")
        LOGGER.error("an error")
        other = threading.Thread(target=LOGGER.info, args=("another thread's line",))
        other.start()
        other.join()
        assert LOGGER.level == logging.INFO  # its owner's
    LOGGER.info("afterwards")
    assert heard == ["an error", "another thread's line", "afterwards"]


def test_a_training_by_a_strategy_of_flower_says_nothing(heard: list[str]) -> None:
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    fedsov.federate("logistic", [(X, y), (X, y)], rounds=2, algorithm="fedavgm")
    assert LOGGER.level == logging.INFO and not heard


def test_importing_the_hub_leaves_flower_s_logger_as_it_is() -> None:
    program = (
        "import logging, flwr.serverapp; before = logging.getLogger('flwr').level\n"
        "import fedsov.hub.region_queries, fedsov.simulation.federate\n"
        "print(before == logging.getLogger('flwr').level, not logging.getLogger('flwr').filters)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_blocks_of_several_threads_end_together() -> None:
    before, filters = _identity(), list(LOGGER.filters)
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
    assert after == [(RUN_ID, HUB_NODE, 1)] and (_identity(), LOGGER.filters) == (before, filters)


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
