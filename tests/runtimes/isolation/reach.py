"""What a process reaches of a machine: run behind walls by the tests of `fedsov.runtimes.isolation`, and without any.

It takes a JSON object of what to try on its command line, and prints which of it could be done.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def main() -> None:
    """Tries everything, and prints the names of what could be done."""
    told = json.loads(sys.argv[1])
    attempts: dict[str, Callable[[], object]] = {
        "read another's file": lambda: Path(told["theirs"]).read_bytes(),
        "read the hub's file": lambda: Path(told["hub"]).read_bytes(),
        "list what the workspace held before": lambda: os.listdir(told["regions"])[1],
        "read another's file past its own working folder": lambda: Path("../FR/rows").read_bytes(),
        "read another's file in the root of a process outside": lambda: Path(
            f"/proc/{told['outside']}/root{told['theirs']}"
        ).read_bytes(),
        "read the environment of a process outside": lambda: Path(f"/proc/{told['outside']}/environ").read_bytes(),
        "signal a process outside": lambda: os.kill(told["outside"], 0),
        "write outside": lambda: Path(told["elsewhere"]).write_text("x"),
        "take down a wall": lambda: _unmount(told["regions"]),
        "reach another port": lambda: socket.create_connection(("127.0.0.1", told["other_port"]), 2).close(),
        "listen": lambda: socket.create_server(("127.0.0.1", 0)).close(),
        "send a datagram": lambda: _datagram(told["datagram_port"]),
        "read its own file": lambda: Path(told["mine"]).read_bytes(),
        "write its own file": lambda: Path(told["mine"]).with_name("new").write_text("x"),
        "write a temporary file": lambda: _temporary(),
        "reach the hub": lambda: socket.create_connection(("127.0.0.1", told["hub_port"]), 2).close(),
        "run a program": lambda: __import__("subprocess").run(["/bin/true"], check=True),
        "read what lies beside hidden folders": lambda: Path(told["beside"]).read_bytes(),
        "read a file that it is shown": lambda: Path(told["shown"]).read_bytes(),
    }
    print(json.dumps([name for name, attempt in attempts.items() if _can(attempt)]))


def _can(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, LookupError):
        return False
    return True


def _unmount(folder: str) -> None:
    from fedsov.runtimes.bench import linux

    linux._called("umount2", os.fsencode(folder), 2)


def _datagram(port: int) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        sender.connect(("127.0.0.1", port))
        sender.send(b"x")
        sender.settimeout(2)
        sender.recv(1)  # what listens answers


def _temporary() -> None:
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(b"x")


if __name__ == "__main__":
    main()
