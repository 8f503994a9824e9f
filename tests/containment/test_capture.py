"""Frames are read as what they are, and streams are put together whatever came twice or out of order."""

from __future__ import annotations

import os
import socket
import struct

import pytest

from tests.containment.capture import Capture, packet_of, streams_of, tls_content


def frame(content: bytes, number: int = 1, flags: int = 0x18, protocol: int = socket.IPPROTO_TCP) -> bytes:
    """A frame of Ethernet from 10.0.0.1:50 to 10.0.0.2:60."""
    ports = struct.pack("!HH", 50, 60)
    if protocol == socket.IPPROTO_TCP:
        head = ports + struct.pack("!IIBBHHH", number, 0, 5 << 4, flags, 0, 0, 0)
    else:
        head = ports + struct.pack("!HH", 8 + len(content), 0)
    length = 20 + len(head) + len(content)
    network = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, 64, protocol, 0)
    addresses = socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2")
    padding = bytes(max(0, 46 - length))
    return bytes(12) + struct.pack("!H", 0x0800) + network + addresses + head + content + padding


def test_a_frame_says_who_sent_it_to_whom_and_the_padding_is_none_of_it() -> None:
    packet = packet_of(frame(b"ab"))
    assert (packet.source, packet.target, packet.protocol) == ("10.0.0.1", "10.0.0.2", "tcp")
    assert (packet.source_port, packet.target_port, packet.content) == (50, 60, b"ab")
    assert packet_of(frame(b"ab", protocol=socket.IPPROTO_UDP)).protocol == "udp"


def test_only_the_first_frame_of_a_connection_asks_for_one() -> None:
    assert packet_of(frame(b"", flags=0x02)).opens
    assert not packet_of(frame(b"", flags=0x12)).opens and not packet_of(frame(b"x")).opens


def test_a_frame_that_is_neither_ip_nor_arp_is_named_by_its_type() -> None:
    assert packet_of(bytes(12) + b"\x88\xcc" + b"hello").protocol == "ethernet 0x88cc"


def test_a_stream_is_in_its_order_and_has_each_byte_once() -> None:
    start = 2**32 - 3
    numbered = [(b"abcdef", 0), (b"def", 3), (b"ghi", 6), (b"ghijk", 6), (b"lm", 11)]
    frames = [frame(content, (start + offset) % 2**32) for content, offset in numbered]
    frames[1], frames[4] = frames[4], frames[1]
    (stream,) = streams_of(frames).values()
    assert stream == b"abcdefghijklm"


def test_encrypted_records_are_counted_by_what_they_hold() -> None:
    records = b"\x16\x03\x01" + struct.pack("!H", 4) + b"head" + b"\x17\x03\x03" + struct.pack("!H", 27) + bytes(27)
    assert tls_content(records) == 10


def test_what_passes_an_interface_is_captured_where_that_is_permitted() -> None:
    if os.geteuid() != 0:
        with pytest.raises(PermissionError), Capture.of({"here": "lo"}):
            pass
        return
    with Capture.of({"here": "lo"}) as capture, socket.socket(type=socket.SOCK_DGRAM) as stream:
        stream.sendto(b"a canary on the loopback interface", ("127.0.0.1", 9))
    contents = [packet_of(each).content for each in capture.frames["here"]]
    assert b"a canary on the loopback interface" in contents and capture.dropped == {"here": 0}
