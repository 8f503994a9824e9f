"""A region's own process: it is told its start, opens the region, and answers messages until the line closes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fedsov.label import PUBLIC
from fedsov.protocol.flower_messages import (
    FAILED,
    error_reply,
    pack,
    unpack,
)
from fedsov.protocol.job import RegionStart
from fedsov.region.journal import hold_alone
from fedsov.region.outbound import RedactedErrors
from fedsov.region.worker import _answer, _open
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.serialization import from_plain

if TYPE_CHECKING:
    pass


LARGEST_LOG = 2**20


def run(line: FramedSocket) -> None:
    """The life of a region's process: open, answer until the line closes."""
    try:
        brief = from_plain(RegionStart, line.receive().header)
    except ConnectionClosed:
        return
    _keep_to_itself(brief.folder)
    held = RedactedErrors()
    with held:
        if not brief.beside:
            hold_alone(brief.folder, brief.run)
        home = _open(brief)
    if held.name:
        _until_closed(line, held.name)
        return
    try:
        while True:
            line.send(_answer(home, line.receive()))
    except ConnectionClosed:
        home.door.gate.ledger.close()


def _until_closed(line: FramedSocket, failure: str) -> None:
    """Answers every message of a region that could not be opened with the name of what went wrong."""
    while True:
        try:
            message = unpack(line.receive().body)
            line.send(Frame({"label": PUBLIC.to_json()}, pack(error_reply(message, FAILED, failure))))
        except ConnectionClosed:
            return


def _keep_to_itself(folder: Path) -> None:
    """Sends all that this process prints to the region's own log; nothing reaches the caller's terminal."""
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if os.fstat(log).st_size > LARGEST_LOG:
        os.ftruncate(log, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
