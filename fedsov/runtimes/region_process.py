"""A region's own process: it is told its start, opens the region, and answers frames until the socket closes."""

from __future__ import annotations

import os
from pathlib import Path

from fedsov.label import Label
from fedsov.protocol.flower_messages import HUB_NODE, begin_flower_process, pack, unpack
from fedsov.protocol.job import RegionStart
from fedsov.region.worker import answer, open_region
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.serialization import from_plain

LARGEST_LOG = 2**20


def run(connection: FramedSocket) -> None:
    """The life of a region's process."""
    try:
        told = connection.receive().header
    except ConnectionClosed:
        return
    _log_to(Path(told["folder"]))  # before anything can fail
    start = from_plain(RegionStart, told)
    begin_flower_process(HUB_NODE + 1)  # replies bear the node that was asked, whatever it is
    region = open_region(start)
    try:
        while True:
            frame = connection.receive()
            reply, label = answer(region, unpack(frame.body), Label.from_json(frame.header["label"]))
            connection.send(Frame({"label": label.to_json()}, pack(reply)))
    except ConnectionClosed:
        region.close()


def _log_to(folder: Path) -> None:
    """Sends all that this process prints to the region's own log; nothing reaches the caller's terminal."""
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if os.fstat(log).st_size > LARGEST_LOG:
        os.ftruncate(log, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
