"""Bytes between two processes: frames over a socket, and Flower messages inside them.

A frame is a JSON header and a body. Nothing is ever pickled: a Flower message travels in Flower's own serial form
(its objects deflated one by one), so what arrives shares nothing with what was sent and can hold no code.
"""

from __future__ import annotations

import json
import socket
import struct
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fedsov.errors import FedsovError

if TYPE_CHECKING:
    from flwr.app import Message

LENGTHS = struct.Struct("!IQ")
LARGEST_HEADER = 64 * 2**20
LARGEST_BODY = 2**34


class LineClosed(FedsovError):
    """The process at the other end is gone."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One thing said on a line: a small JSON header and an opaque body."""

    header: Mapping[str, Any]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Line:
    """A connected stream socket that carries frames.

    Attributes:
        stream: the socket; both ends are on this machine.
        tap: called with every frame's bytes, in both directions; tests listen here to everything that is said.
    """

    stream: socket.socket
    tap: Callable[[bytes], None] | None = None

    def fileno(self) -> int:
        return self.stream.fileno()

    def send(self, frame: Frame) -> None:
        """Sends one frame. Raises LineClosed where the other end is gone."""
        header = json.dumps(frame.header, separators=(",", ":")).encode()
        try:
            self.stream.sendall(LENGTHS.pack(len(header), len(frame.body)) + header)
            self.stream.sendall(frame.body)
        except OSError as error:
            raise LineClosed("the other process ended") from error
        if self.tap:
            self.tap(header + frame.body)

    def receive(self) -> Frame:
        """Waits for one frame. Raises LineClosed at the end of the stream or for an impossible length."""
        header_size, body_size = LENGTHS.unpack(self._exactly(LENGTHS.size))
        if header_size > LARGEST_HEADER or body_size > LARGEST_BODY:
            raise LineClosed(f"a frame of {header_size} + {body_size} bytes is no frame of ours")
        header, body = self._exactly(header_size), self._exactly(body_size)
        if self.tap:
            self.tap(header + body)
        return Frame(json.loads(header), body)

    def close(self) -> None:
        self.stream.close()

    def _exactly(self, size: int) -> bytes:
        content = bytearray(size)
        view, at = memoryview(content), 0
        while at < size:
            try:
                got = self.stream.recv_into(view[at:])
            except OSError as error:
                raise LineClosed("the other process ended") from error
            if got == 0:
                raise LineClosed("the other process ended")
            at += got
        return bytes(content)


def pack(message: Message) -> bytes:
    """A Flower message as bytes: its nested objects, each deflated, behind a table of their ids and lengths."""
    from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, no_object_id_recompute

    with no_object_id_recompute():  # an id is a hash over the whole subtree: worked out once, not at every level anew
        objects = {key: item.deflate() for key, item in get_all_nested_objects(message).items()}
        root = message.object_id
    table = json.dumps(
        {
            "root": root,
            "message": message.metadata.message_id or new_id(),
            "objects": {key: len(content) for key, content in objects.items()},
        }
    ).encode()
    return b"".join((struct.pack("!I", len(table)), table, *objects.values()))


def unpack(content: bytes) -> Message:
    """The inverse of `pack`: a message that shares no object with the sender's."""
    from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

    (size,) = struct.unpack_from("!I", content)
    table = json.loads(content[4 : 4 + size])
    objects, at = {}, 4 + size
    for key, length in table["objects"].items():
        objects[key] = content[at : at + length]
        at += length
    message = cast("Message", inflate_object_from_contents(table["root"], objects))
    identify(message, table["message"])
    return message


def identify(message: Message, identifier: str) -> None:
    """Gives a message its id; Flower leaves this to the transport and offers no public way."""
    message.metadata.__dict__["_message_id"] = identifier


def new_id() -> str:
    return uuid.uuid4().hex


def round_of(message: Message) -> int | None:
    """The round a message belongs to, where its configuration names one."""
    config = message.content.config_records.get("config") if message.has_content() else None
    return int(str(config["server-round"])) if config and "server-round" in config else None


STANDING_BY = "standing-by-round"
"""In a message that belongs to no round: the round by whose day it is decided (`fedsov.federation.clock`)."""


def day_round_of(message: Message) -> int:
    """The round by whose day a message is decided: its own, or the one it stands by; 1 where it names none."""
    config = dict(message.content.config_records.get("config") or {}) if message.has_content() else {}
    named = str(config.get("server-round", config.get(STANDING_BY, 1)))
    return int(named) if named.isdecimal() and len(named) < 10 else 1


def reason_of(reply: Message) -> str:
    """Why an answer is an error: the name of an exception's type."""
    return str(reply.error.reason or "no reason given")
