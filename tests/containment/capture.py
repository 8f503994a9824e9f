"""Every frame that passes an interface, as the kernel hands it out (AF_PACKET), and what it says of itself.

    with Capture.of({"DE": "link-de"}, namespace="fsov-hub") as capture:
        ...
    capture.frames["DE"]

Each interface has a socket and a thread of its own; frames that the kernel dropped are counted (`dropped`), for a
capture with gaps proves nothing.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003
SOL_PACKET, PACKET_STATISTICS = 263, 6
BUFFER = 64 << 20
SYN, ACK = 0x02, 0x10


@dataclass(frozen=True, slots=True)
class Packet:
    """A frame: from whom, to whom, as what.

    Attributes:
        protocol: ``tcp``, ``udp``, ``icmp``, ``arp``, or the number of another.
        opens: whether it asks for a connection of TCP.
        content: what it carries behind its heads.
    """

    source: str
    target: str
    protocol: str
    source_port: int = 0
    target_port: int = 0
    opens: bool = False
    content: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class Capture:
    """What was captured, by the name of each link."""

    frames: dict[str, list[bytes]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @staticmethod
    @contextmanager
    def of(interfaces: Mapping[str, str], namespace: str = "") -> Iterator[Capture]:
        """Captures on interfaces, by the name of their links, for the length of the block. Raises OSError."""
        capture = Capture()
        opened = _opened(interfaces, namespace)
        for name, stream in opened.items():
            capture.frames[name] = []
            capture._threads.append(threading.Thread(target=capture._read, args=(name, stream), daemon=True))
            capture._threads[-1].start()
        try:
            yield capture
        finally:
            capture._stop.set()
            for thread in capture._threads:
                thread.join()

    @property
    def bytes(self) -> int:
        """Of all frames."""
        return sum(len(frame) for frames in self.frames.values() for frame in frames)

    @property
    def packets(self) -> int:
        """How many frames there are."""
        return sum(map(len, self.frames.values()))

    def _read(self, name: str, stream: socket.socket) -> None:
        poll, frames = select.poll(), self.frames[name]
        poll.register(stream, select.POLLIN)
        with stream:
            while True:
                if poll.poll(100):
                    frames.append(stream.recv(1 << 18))
                elif self._stop.is_set():
                    break
            _, self.dropped[name] = struct.unpack("II", stream.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))


def _opened(interfaces: Mapping[str, str], namespace: str) -> dict[str, socket.socket]:
    """Sockets in another namespace: a thread that enters it opens them, and ends."""
    found, problem = dict[str, socket.socket](), list[OSError]()

    def enter() -> None:
        try:
            if namespace:
                _enter(namespace)
            for name, interface in interfaces.items():
                stream = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
                stream.setsockopt(socket.SOL_SOCKET, 33, BUFFER)  # SO_RCVBUFFORCE
                stream.bind((interface, 0))
                found[name] = stream
        except OSError as error:
            problem.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if problem:
        raise problem[0]
    return found


def _enter(namespace: str) -> None:
    """This thread's network is the namespace's from now on."""
    library, descriptor = ctypes.CDLL(None, use_errno=True), os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if library.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"the network namespace {namespace} cannot be entered")
    finally:
        os.close(descriptor)


def packet_of(frame: bytes) -> Packet:
    """What a frame of Ethernet says of itself."""
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == 0x0806:
        return Packet(socket.inet_ntoa(frame[28:32]), socket.inet_ntoa(frame[38:42]), "arp")
    if kind == 0x86DD:
        source, target = (socket.inet_ntop(socket.AF_INET6, frame[at : at + 16]) for at in (22, 38))
        return Packet(source, target, f"ipv6 {frame[20]}", content=frame[54:])
    if kind != 0x0800:
        return Packet(frame[6:12].hex(":"), frame[:6].hex(":"), f"ethernet {kind:#06x}", content=frame[14:])
    head = 14 + 4 * (frame[14] & 0x0F)
    (length,) = struct.unpack_from("!H", frame, 16)
    end = 14 + length if length else len(frame)
    source, target, protocol = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34]), frame[23]
    if protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        name = "icmp" if protocol == socket.IPPROTO_ICMP else f"ip {protocol}"
        return Packet(source, target, name, content=frame[head:end])
    ports = struct.unpack_from("!HH", frame, head)
    if protocol == socket.IPPROTO_UDP:
        return Packet(source, target, "udp", *ports, content=frame[head + 8 : end])
    flags, body = frame[head + 13], head + 4 * (frame[head + 12] >> 4)
    opens = bool(flags & SYN) and not flags & ACK
    return Packet(source, target, "tcp", *ports, opens=opens, content=frame[body:end])


def streams_of(frames: list[bytes]) -> dict[tuple[str, int, str, int], bytes]:
    """The bytes of each direction of each connection of TCP, in their order, each once."""
    pieces: dict[tuple[str, int, str, int], dict[int, bytes]] = {}
    for frame in frames:
        packet = packet_of(frame)
        if packet.protocol == "tcp" and packet.content:
            key = (packet.source, packet.source_port, packet.target, packet.target_port)
            head = 14 + 4 * (frame[14] & 0x0F)
            (number,) = struct.unpack_from("!I", frame, head + 4)
            several = pieces.setdefault(key, {})
            if len(packet.content) > len(several.get(number, b"")):
                several[number] = packet.content
    return {key: _joined(several) for key, several in pieces.items()}


APPLICATION, TAG = 23, 17
"""The type of a record of TLS 1.3 that is encrypted, and the bytes that encryption adds to it."""


def tls_content(stream: bytes) -> int:
    """How many bytes the encrypted records of a stream hold: what applications said, and the end of the handshake."""
    at, size = 0, 0
    while at + 5 <= len(stream):
        kind, _, length = struct.unpack_from("!BHH", stream, at)
        size += length - TAG if kind == APPLICATION else 0
        at += 5 + length
    return size


def _joined(pieces: Mapping[int, bytes]) -> bytes:
    """Pieces behind each other by their sequence numbers, which start anew after 2^32; what came twice counts once."""
    first = next(iter(pieces))
    joined, at = bytearray(), 0
    for offset, piece in sorted(
        ((number - first + (1 << 31)) % (1 << 32) - (1 << 31), piece) for number, piece in pieces.items()
    ):
        start = max(0, at - offset) if joined else 0
        if start < len(piece):
            joined += piece[start:]
            at = offset + len(piece)
    return bytes(joined)
