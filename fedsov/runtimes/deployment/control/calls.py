"""The calls of ``control.proto`` as both ends need them: the path of each, and how its messages are written.

>>> [call.name for call in CALLS.values()][:3], CALLS["Fetch"].is_streamed
(['Hello', 'Watch', 'Fetch'], True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from fedsov.protocol.control import SERVICE, control_pb2

LARGEST_MESSAGE = 4 << 20
"""Bytes of a message, either way; a file travels in pieces."""
PIECE = 256 << 10
"""Bytes of a piece of a file."""
OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
)
"""Of a channel and of a server."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its name, its path, and whether its answer is a stream of pieces."""

    name: str
    path: str
    request: type[Any]
    answer: type[Any]
    is_streamed: bool

    @property
    def write(self) -> Callable[[Any], bytes]:
        """Writes a message of either end."""
        return lambda message: bytes(message.SerializeToString())


CALLS = {
    method.name: Call(
        method.name,
        f"/{SERVICE}/{method.name}",
        GetMessageClass(method.input_type),
        GetMessageClass(method.output_type),
        method.server_streaming,
    )
    for method in control_pb2.DESCRIPTOR.services_by_name["Control"].methods
}
"""Every call, by name."""
