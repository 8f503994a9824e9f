"""Frames over a real pair of sockets: whole or not at all, and no length of a stranger's is believed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from fedsov.runtimes.framed_socket import LARGEST_BODY, LENGTHS, ConnectionClosed, Frame, FramedSocket


@pytest.fixture
def pair() -> Iterator[tuple[FramedSocket, FramedSocket]]:
    near, far = socket.socketpair()
    ends = FramedSocket(near), FramedSocket(far)
    yield ends
    for end in ends:
        end.close()


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"x" * 3_000_000])
def test_a_frame_arrives_as_it_was_sent(pair: tuple[FramedSocket, FramedSocket], body: bytes) -> None:
    near, far = pair
    sender = threading.Thread(target=near.send, args=(Frame({"label": ["é"]}, body),))
    sender.start()
    assert far.receive() == Frame({"label": ["é"]}, body)
    sender.join()


def test_frames_keep_their_order(pair: tuple[FramedSocket, FramedSocket]) -> None:
    near, far = pair
    for number in range(5):
        near.send(Frame({"number": number}))
    assert [far.receive().header["number"] for _ in range(5)] == list(range(5))


def test_an_end_that_is_gone_is_told_on_both_ways(pair: tuple[FramedSocket, FramedSocket]) -> None:
    near, far = pair
    far.close()
    with pytest.raises(ConnectionClosed, match="ended"):
        near.receive()
    with pytest.raises(ConnectionClosed, match="ended"):
        near.send(Frame({}, b"x" * 1_000_000))


def test_a_frame_that_is_cut_short_is_none(pair: tuple[FramedSocket, FramedSocket]) -> None:
    near, far = pair
    near.stream.sendall(LENGTHS.pack(2, 100) + b"{}" + b"x" * 50)
    near.close()
    with pytest.raises(ConnectionClosed):
        far.receive()


def test_an_impossible_length_is_refused_before_memory_is_taken_for_it(
    pair: tuple[FramedSocket, FramedSocket],
) -> None:
    near, far = pair
    near.stream.sendall(LENGTHS.pack(2, LARGEST_BODY + 1) + b"{}")
    with pytest.raises(ConnectionClosed, match="no frame of ours"):
        far.receive()


def test_every_byte_that_passes_is_told_to_whom_listens() -> None:
    heard: list[bytes] = []
    near, far = socket.socketpair()
    listening, other = FramedSocket(near, heard.append), FramedSocket(far)
    listening.send(Frame({"a": 1}, b"out"))
    other.send(Frame({"b": 2}, b"in"))
    listening.receive()
    assert heard == [b'{"a":1}out', b'{"b":2}in']
    near.close()
    far.close()
