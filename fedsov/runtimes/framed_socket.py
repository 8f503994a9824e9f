"""Frames over a socket between two processes: a JSON header and an opaque body. Nothing is ever pickled."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fedsov.errors import FedsovError

LENGTHS = struct.Struct("!IQ")
LARGEST_HEADER = 64 * 2**20
LARGEST_BODY = 2**34


class ConnectionClosed(FedsovError):
    """The process at the other end is gone."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is sent at once: a small JSON header and an opaque body."""

    header: Mapping[str, Any]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class FramedSocket:
    """A connected stream socket that carries frames.

    Attributes:
        stream: the socket; both ends are on this machine.
        on_bytes: called with every frame's bytes, in both directions; tests listen here to everything that passes.
    """

    stream: socket.socket
    on_bytes: Callable[[bytes], None] | None = None

    def fileno(self) -> int:
        return self.stream.fileno()

    def send(self, frame: Frame) -> None:
        """Sends one frame. Raises ConnectionClosed where the other end is gone."""
        header = json.dumps(frame.header, separators=(",", ":")).encode()
        try:
            self.stream.sendall(LENGTHS.pack(len(header), len(frame.body)) + header)
            if frame.body:  # the other end may have read all there is, and be gone
                self.stream.sendall(frame.body)
        except OSError as error:
            raise ConnectionClosed("the other process ended") from error
        if self.on_bytes:
            self.on_bytes(header + frame.body)

    def receive(self) -> Frame:
        """Waits for one frame. Raises ConnectionClosed at the end of the stream or for an impossible length."""
        header_size, body_size = LENGTHS.unpack(self._exactly(LENGTHS.size))
        if header_size > LARGEST_HEADER or body_size > LARGEST_BODY:
            raise ConnectionClosed(f"a frame of {header_size} + {body_size} bytes is no frame of ours")
        header, body = self._exactly(header_size), self._exactly(body_size)
        if self.on_bytes:
            self.on_bytes(header + body)
        return Frame(json.loads(header), body)

    def close(self) -> None:
        self.stream.close()

    def _exactly(self, size: int) -> bytes:
        content = bytearray(size)
        view, at = memoryview(content), 0
        while at < size:
            try:
                size_read = self.stream.recv_into(view[at:])
            except OSError as error:
                raise ConnectionClosed("the other process ended") from error
            if size_read == 0:
                raise ConnectionClosed("the other process ended")
            at += size_read
        return bytes(content)
