"""Flower's log during a round: kept quiet for the thread that asks, and left as it is for everybody else.

Flower's strategies tell every round to the logger ``flwr``; fedsov tells rounds itself. The logger's level is its
owner's, so a filter stands before it instead, which drops what this thread says below an error.

>>> before = logging.getLogger("flwr").level
>>> with quiet_flower():
...     logging.getLogger("flwr").info("configure_train: sampled 2 nodes")
>>> logging.getLogger("flwr").level == before
True
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_flower() -> Iterator[None]:
    """Drops what this thread logs by Flower's logger in the block, errors aside."""
    logger, thread = logging.getLogger("flwr"), threading.get_ident()

    def is_heard(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR or record.thread != thread

    logger.addFilter(is_heard)
    try:
        yield
    finally:
        logger.removeFilter(is_heard)
