"""What forks do in the tests of the fork server: they tell of themselves, and obey."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

prepared: list[int] = []


def prepare() -> None:
    """Marks the server, so that its forks can tell that this was done before they were."""
    prepared.append(os.getpid())


def run(connection: Connection, descriptors: Sequence[int]) -> None:
    """Answers what the caller asks for, until the line closes."""
    own = {connection.fileno(), *descriptors}
    while True:
        try:
            asked = connection.recv_bytes().decode()
        except EOFError:
            return
        if asked == "where":
            held = {int(name) for name in os.listdir("/proc/self/fd")}
            held = {number for number in held if os.path.exists(f"/proc/self/fd/{number}")}  # not that of listdir
            fact: object = {"parent": os.getppid(), "prepared": prepared, "others": sorted(held - own - {0, 1, 2})}
        elif asked == "threads of the server":
            fact = len(os.listdir(f"/proc/{os.getppid()}/task"))
        elif asked == "write":
            fact = os.write(descriptors[0], b"written")
        elif asked == "exit":
            os._exit(7)
        elif asked == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            time.sleep(600)
        connection.send_bytes(json.dumps(fact).encode())
