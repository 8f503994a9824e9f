"""The hub's end of a socket to a region: frames that come and go in pieces, while nobody waits for them.

A region is another party's process. It may announce more than it sends, send half a frame, or stop reading. So no call
here waits: `write` gives the socket what it takes, `read` takes what has come. A frame that is begun must end within
some seconds that the hub spends waiting for it, and may be no longer than the question's answer can be; memory is taken
for bytes that have come. What breaks these rules raises FrameRefused, after which the stream is of no more use.

    stream = FrameStream(FramedSocket(socket))
    stream.queue(Frame({"label": {}}, body))
    stream.write()                                      # again whenever the socket takes more
    frame = stream.read(FrameLimit(2**16, 2**20))       # None until all of it has come
"""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass, field

from fedsov.errors import FedsovError
from fedsov.runtimes.framed_socket import (
    AT_ONCE,
    LENGTHS,
    ConnectionClosed,
    Frame,
    FramedSocket,
    packed_header,
    read_header,
)

READS_AT_ONCE = 16
"""Pieces that are taken from one region before the others have their turn."""


class FrameRefused(FedsovError):
    """What came is no frame of ours, too large, or too slow; the message says which, in the hub's own words."""


@dataclass(frozen=True, slots=True)
class FrameLimit:
    """The largest frame that is taken: bytes of its header and of its body; and the seconds that it may take."""

    header: int
    body: int
    seconds: float = 60.0


@dataclass(slots=True)
class FrameStream:
    """One end of a stream of frames.

    Attributes:
        socket: the connected socket; its blocking mode is left as it is.
        waited: seconds that were spent waiting for the rest of the frame under way.
    """

    socket: FramedSocket
    waited: float = 0.0
    _leaving: deque[memoryview] = field(default_factory=deque)
    _arrived: bytearray = field(default_factory=bytearray)

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def is_writing(self) -> bool:
        """True while the socket has not taken all that was queued."""
        return bool(self._leaving)

    @property
    def is_reading(self) -> bool:
        """True while a frame has begun to come and has not ended."""
        return bool(self._arrived)

    def queue(self, frame: Frame) -> None:
        """Puts a frame behind those that have not left."""
        header = packed_header(frame)
        self._leaving.append(memoryview(LENGTHS.pack(len(header), len(frame.body)) + header))
        if frame.body:
            self._leaving.append(memoryview(frame.body))
        self.socket.tell(header, frame.body)

    def write(self) -> None:
        """Gives the socket what it takes now. Raises ConnectionClosed where the other end is gone."""
        while self._leaving:
            try:
                size = self.socket.stream.send(self._leaving[0], socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                raise ConnectionClosed("the other process ended") from error
            self._leaving[0] = self._leaving[0][size:]
            if not self._leaving[0]:
                self._leaving.popleft()

    def read(self, limit: FrameLimit) -> Frame | None:
        """The frame, once all of it has come; None before.

        Raises:
            ConnectionClosed: the other end is gone.
            FrameRefused: the frame is beyond the limit, or its header is none.
        """
        for _ in range(READS_AT_ONCE):
            missing = self._missing(limit)
            if not missing:
                return self._whole()
            try:
                part = self.socket.stream.recv(min(missing, AT_ONCE), socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError as error:
                raise ConnectionClosed("the other process ended") from error
            if not part:
                raise ConnectionClosed("the other process ended")
            self._arrived += part
        if not self._missing(limit):
            return self._whole()
        if self.is_reading and self.waited >= limit.seconds:
            raise FrameRefused(f"it began a frame and did not end it within {limit.seconds:g} seconds")
        return None

    def _missing(self, limit: FrameLimit) -> int:
        """Bytes that the frame under way lacks, as far as can be told. Raises FrameRefused for one beyond the limit."""
        if len(self._arrived) < LENGTHS.size:
            return LENGTHS.size - len(self._arrived)
        header, body = LENGTHS.unpack_from(self._arrived)
        if header > limit.header or body > limit.body:
            raise FrameRefused(
                f"it announced a frame of {header:,} + {body:,} bytes; an answer to this question has at most "
                f"{limit.header:,} + {limit.body:,}"
            )
        return int(LENGTHS.size + header + body - len(self._arrived))

    def _whole(self) -> Frame:
        size, _ = LENGTHS.unpack_from(self._arrived)
        content, self._arrived, self.waited = memoryview(self._arrived), bytearray(), 0.0
        header, body = bytes(content[LENGTHS.size : LENGTHS.size + size]), bytes(content[LENGTHS.size + size :])
        self.socket.tell(header, body)
        try:
            return Frame(read_header(header), body)
        except ConnectionClosed as problem:
            raise FrameRefused(str(problem)) from problem
