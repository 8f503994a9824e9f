"""A stream that never waits: frames in pieces, in both directions, within their limits."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from fedsov.runtimes.frame_stream import FrameLimit, FrameRefused, FrameStream
from fedsov.runtimes.framed_socket import LENGTHS, ConnectionClosed, Frame, FramedSocket

LIMIT = FrameLimit(1000, 10_000_000, seconds=5.0)


@pytest.fixture
def pair() -> Iterator[tuple[FrameStream, FrameStream]]:
    near, far = socket.socketpair()
    yield FrameStream(FramedSocket(near)), FrameStream(FramedSocket(far))
    near.close()
    far.close()


def test_a_frame_comes_in_pieces_and_nothing_is_waited_for(pair: tuple[FrameStream, FrameStream]) -> None:
    near, far = pair
    content = LENGTHS.pack(8, 3) + b'{"a": 1}' + b"xyz"
    for byte in content[:-1]:
        far.socket.stream.sendall(bytes([byte]))
        assert near.read(LIMIT) is None and near.is_reading
    far.socket.stream.sendall(content[-1:])
    assert near.read(LIMIT) == Frame({"a": 1}, b"xyz") and not near.is_reading
    assert near.read(LIMIT) is None


def test_what_the_socket_does_not_take_waits_and_leaves_in_order(pair: tuple[FrameStream, FrameStream]) -> None:
    near, far = pair
    frames = [Frame({"number": number}, bytes([number]) * 1_000_000) for number in range(3)]
    for frame in frames:
        near.queue(frame)
    near.write()
    assert near.is_writing  # a socket holds less than that
    came: list[Frame] = []
    while len(came) < 3:
        near.write()
        frame_read = far.read(LIMIT)
        came += [] if frame_read is None else [frame_read]
    assert came == frames and not near.is_writing


def test_two_frames_that_came_together_are_two(pair: tuple[FrameStream, FrameStream]) -> None:
    near, far = pair
    for number in (1, 2):
        far.queue(Frame({"number": number}, b"x"))
    far.write()
    assert [near.read(LIMIT), near.read(LIMIT), near.read(LIMIT)] == [
        Frame({"number": 1}, b"x"), Frame({"number": 2}, b"x"), None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "body", "is_refused"), [(10, 20, False), (11, 20, True), (10, 21, True), (0, 0, False)]
)
def test_a_frame_is_refused_by_its_lengths_alone(
    pair: tuple[FrameStream, FrameStream], header: int, body: int, is_refused: bool
) -> None:
    near, far = pair
    far.socket.stream.sendall(LENGTHS.pack(header, body))
    if is_refused or not header:  # no header of no bytes is JSON
        with pytest.raises(FrameRefused):
            near.read(FrameLimit(10, 20))
    else:
        assert near.read(FrameLimit(10, 20)) is None


def test_a_frame_that_took_its_seconds_is_refused_and_one_that_has_not_begun_is_not(
    pair: tuple[FrameStream, FrameStream],
) -> None:
    near, far = pair
    near.waited = 6.0
    assert near.read(LIMIT) is None
    far.socket.stream.sendall(b"\x00")
    with pytest.raises(FrameRefused, match="did not end it within 5 seconds"):
        near.read(LIMIT)


def test_an_end_that_is_gone_is_told_on_both_ways(pair: tuple[FrameStream, FrameStream]) -> None:
    near, far = pair
    far.socket.close()
    with pytest.raises(ConnectionClosed):
        near.read(LIMIT)
    near.queue(Frame({}, b"x" * 1_000_000))
    with pytest.raises(ConnectionClosed):
        near.write()


def test_every_byte_that_passes_is_told_to_whom_listens() -> None:
    heard: list[bytes] = []
    near, far = socket.socketpair()
    stream, other = FrameStream(FramedSocket(near, heard.append)), FramedSocket(far)
    stream.queue(Frame({"a": 1}, b"out"))
    other.send(Frame({"b": 2}, b"in"))
    stream.read(LIMIT)
    assert heard == [b'{"a":1}out', b'{"b":2}in']
    near.close()
    far.close()
