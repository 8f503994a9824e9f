"""Frames over a socket between two processes: a JSON header and an opaque body. Nothing is ever pickled.

`FramedSocket` waits for the other end, whole frames at a time; so do the processes that have one other to speak to. The
hub speaks to many, none of which may hold it up: `fedsov.runtimes.frame_stream` takes what has come and goes on.

Memory is taken for bytes that have come, never for a length that was announced.
"""

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
AT_ONCE = 2**18
"""Bytes that are asked of a socket at once."""


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
        header = packed_header(frame)
        try:
            self.stream.sendall(LENGTHS.pack(len(header), len(frame.body)) + header)
            if frame.body:  # the other end may have read all there is, and be gone
                self.stream.sendall(frame.body)
        except OSError as error:
            raise ConnectionClosed("the other process ended") from error
        self.tell(header, frame.body)

    def receive(self) -> Frame:
        """Waits for one frame. Raises ConnectionClosed at the end of the stream or for what is no frame of ours."""
        header_size, body_size = LENGTHS.unpack(self._exactly(LENGTHS.size))
        if header_size > LARGEST_HEADER or body_size > LARGEST_BODY:
            raise ConnectionClosed(f"a frame of {header_size} + {body_size} bytes is no frame of ours")
        header, body = self._exactly(header_size), self._exactly(body_size)
        self.tell(header, body)
        return Frame(read_header(header), body)

    def tell(self, header: bytes, body: bytes) -> None:
        """Tells whoever listens that a frame has passed."""
        if self.on_bytes:
            self.on_bytes(header + body)

    def close(self) -> None:
        self.stream.close()

    def _exactly(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            try:
                part = self.stream.recv(min(size - len(content), AT_ONCE))
            except OSError as error:
                raise ConnectionClosed("the other process ended") from error
            if not part:
                raise ConnectionClosed("the other process ended")
            content += part
        return bytes(content)


def packed_header(frame: Frame) -> bytes:
    """A frame's header as bytes."""
    return json.dumps(frame.header, separators=(",", ":")).encode()


def read_header(content: bytes) -> Mapping[str, Any]:
    """The inverse of `packed_header`. Raises ConnectionClosed for bytes that no frame of ours begins with."""
    try:
        header = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConnectionClosed("a frame whose header is no JSON is no frame of ours") from error
    if not isinstance(header, dict):
        raise ConnectionClosed("a frame whose header is no object is no frame of ours")
    return header
