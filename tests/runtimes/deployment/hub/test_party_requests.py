"""A party's request has a bounded body, an object of JSON and a wait in seconds; anything else is not served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fedsov.runtimes.deployment.hub.access import Caller
from fedsov.runtimes.deployment.hub.party_requests import (
    LONGEST_WAIT,
    NotServed,
    PartyRequest,
    body_of,
    disconnected,
    length_of,
)
from fedsov.runtimes.deployment.paths import WAITS

Event = dict[str, Any]


def piece(body: bytes, *, more: bool) -> Event:
    return {"type": "http.request", "body": body, "more_body": more}


def read(length: int, *events: Event) -> bytes:
    coming = iter(events)

    async def receive() -> Event:
        return next(coming)

    return asyncio.run(body_of(receive, length))


def of_request(read: Callable[[PartyRequest], Any], *, body: bytes = b"", wait: str | None = None) -> Any:
    """What is read of a request of this body, which says that it waits so long."""
    who = Caller("region", "DE", "1", datetime(2100, 1, 1, tzinfo=UTC), "key")

    async def scene() -> Any:
        return read(PartyRequest(who, "fleet/pull", {} if wait is None else {WAITS: wait}, body))

    return asyncio.run(scene())


def seconds(request: PartyRequest) -> float:
    return request.wait


def test_a_body_is_read_in_pieces_up_to_the_length_that_it_says() -> None:
    assert read(6, piece(b"abc", more=True), piece(b"def", more=False)) == b"abcdef"
    assert read(0) == b""
    with pytest.raises(NotServed, match="more than the 5 bytes that it says"):
        read(5, piece(b"abc", more=True), piece(b"def", more=False))
    with pytest.raises(NotServed, match="broke off"):
        read(5, piece(b"abc", more=True), {"type": "http.disconnect"})


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "11"])
def test_a_body_without_a_length_within_the_limit_is_not_served(length: str) -> None:
    assert (length_of({"content-length": "10"}, 10), length_of({}, 10)) == (10, 0)
    with pytest.raises(NotServed, match="of 10 bytes at most") as refused:
        length_of({"content-length": length}, 10)
    assert refused.value.status == 413


def test_a_request_waits_no_longer_than_the_longest_poll() -> None:
    assert [of_request(seconds, wait=wait) for wait in (None, "2.5", "-3", "1000")] == [0, 2.5, 0, LONGEST_WAIT]
    with pytest.raises(NotServed, match="is a number of seconds"):
        of_request(seconds, wait="soon")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_a_body_that_is_no_object_of_json_is_not_served(body: bytes) -> None:
    assert of_request(PartyRequest.json, body=b'{"number": 1}') == {"number": 1}
    with pytest.raises(NotServed, match="a JSON object"):
        of_request(PartyRequest.json, body=body)


def test_a_connection_that_goes_away_ends_what_looks_for_it() -> None:
    events = iter([piece(b"", more=False), {"type": "http.disconnect"}, {"type": "http.request"}])

    async def receive() -> Event:
        return next(events)

    asyncio.run(disconnected(receive))
    assert next(events) == {"type": "http.request"}
