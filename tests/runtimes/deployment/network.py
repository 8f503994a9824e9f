"""A region's way to the hub that a test cuts: in a network namespace where root permits it, else over a relay.

Cut, frames or bytes are dropped without a word, as by a line that is down: no connection is closed, none is refused.
`USED` counts which of the two a session's tests had, and `conftest.py` says so at its end.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Protocol

USED: Counter[str] = Counter()
NETWORKS = int(IPv4Address("198.18.0.0"))
"""Addresses for tests of networks, which nobody has (RFC 2544)."""


class Way(Protocol):
    """One region's way."""

    kind: str
    host: str
    prefix: Sequence[str]

    def port(self, hub: int) -> int: ...

    def cut(self) -> None: ...

    def mend(self) -> None: ...

    def end(self) -> None: ...


def ip(*arguments: str) -> None:
    """The command of that name. Raises CalledProcessError."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Namespace:
    """A network namespace whose one link leads over a bridge to this machine; cut, the bridge loses the link's port."""

    kind = "network namespaces"

    def __init__(self) -> None:
        number = os.getpid() % 60_000
        first = NETWORKS + number % 32_768 * 4  # a network of four addresses for each process of tests
        self.host, theirs = str(IPv4Address(first + 1)), f"{IPv4Address(first + 2)}/30"
        self._bridge, self._port, self.name = f"fsb{number}", f"fsp{number}", f"fedsov-test-{number}"
        self.prefix = ("ip", "netns", "exec", self.name)
        try:
            ip("netns", "add", self.name)
            ip("link", "add", self._bridge, "type", "bridge")
            ip("addr", "add", f"{self.host}/30", "dev", self._bridge)
            ip("link", "set", self._bridge, "up")
            ip("link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            ip("link", "set", self._port, "master", self._bridge, "up")
            for link in ("lo", "eth0"):
                ip("-n", self.name, "link", "set", link, "up")
            ip("-n", self.name, "addr", "add", theirs, "dev", "eth0")
        except (subprocess.CalledProcessError, FileNotFoundError):
            self.end()
            raise

    def port(self, hub: int) -> int:
        return hub

    def cut(self) -> None:
        ip("link", "set", self._port, "nomaster")

    def mend(self) -> None:
        ip("link", "set", self._port, "master", self._bridge)

    def end(self) -> None:
        for words in (("link", "del", self._bridge), ("netns", "del", self.name)):
            with suppress(subprocess.CalledProcessError, FileNotFoundError):
                ip(*words)


class Relay:
    """A relay of TCP on this machine; cut, it passes nothing on, and opens nothing."""

    kind = "relays, since this system permits no network namespace"
    host = "127.0.0.1"
    prefix = ()

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self._hub = 0
        self._listener = socket.create_server((self.host, 0))
        threading.Thread(target=self._serve, daemon=True, name="relay").start()

    def port(self, hub: int) -> int:
        self._hub = hub
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def end(self) -> None:
        self._open.set()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._pass, args=(near,), daemon=True, name="relay").start()

    def _pass(self, near: socket.socket) -> None:
        self._open.wait()
        try:
            far = socket.create_connection((self.host, self._hub))
        except OSError:
            near.close()
            return
        back = threading.Thread(target=self._copy, args=(far, near), daemon=True, name="relay")
        back.start()
        self._copy(near, far)
        back.join()
        near.close()
        far.close()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(1 << 16):
                self._open.wait()
                target.sendall(content)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def a_way() -> Way:
    """A way that can be cut."""
    if os.geteuid() == 0 and shutil.which("ip"):
        with suppress(subprocess.CalledProcessError):
            return Namespace()
    return Relay()
