"""Flower's log is quiet where it is asked to be, and otherwise its owner's."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import numpy as np
import pytest

import fedsov
from fedsov.algorithms.flower_log import quiet_flower


@pytest.fixture
def heard():
    """What is logged by Flower's logger while its level is INFO."""
    logger, records = logging.getLogger("flwr"), list[str]()
    handler, before = logging.Handler(), logger.level
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_only_what_this_thread_says_below_an_error_is_dropped_and_only_in_the_block(heard):
    logger = logging.getLogger("flwr")
    with quiet_flower():
        logger.info("a round's own line")
        logger.error("an error")
        other = threading.Thread(target=logger.info, args=("another thread's line",))
        other.start()
        other.join()
    logger.info("afterwards")
    assert heard == ["an error", "another thread's line", "afterwards"]


def test_a_training_by_a_strategy_of_flower_says_nothing_and_leaves_the_logger_s_level(heard):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    fedsov.federate("logistic", [(X, y), (X, y)], rounds=2, algorithm="fedavgm")
    assert logging.getLogger("flwr").level == logging.INFO
    assert not heard


def test_importing_the_hub_leaves_flower_s_logger_as_it_is():
    program = (
        "import logging, flwr.serverapp; before = logging.getLogger('flwr').level\n"
        "import fedsov.hub.region_queries, fedsov.simulation.federate\n"
        "print(before == logging.getLogger('flwr').level, not logging.getLogger('flwr').filters)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
