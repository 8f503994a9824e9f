"""Requests that try to reach a wrong region by what HTTP allows: headers, paths, lengths, bodies.

Most carry a true token of DE, and may reach DE and nobody else; what is smuggled behind such a request must be judged
by its own token, or never arrive. `Attack` and `TokenWorld` are those of `tests.inference.token_attacks`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

from tests.inference.token_attacks import TOKEN, TOKEN_ATTACKS, Attack, TokenWorld

DONE, BAD, CUT = 200, 400, None
PATH = frozenset({400, 404, 405, *TOKEN})
"""How a path that is not plain is refused."""
UNREADABLE = frozenset({400, 413, 415, 422})
"""How an endpoint refuses a body that no model can read."""
_LARGE = 9 << 20
"""Bytes of a body beyond every limit."""
SLOW = 12.0
"""Seconds until whoever waits for what never comes must have ended the connection."""

Raw = Callable[[TokenWorld], bytes]


def _home(name: str, raw: Raw, *statuses: int | None, **fields: Any) -> Attack:
    """With a true token of DE."""
    return Attack(name, raw, frozenset(statuses or (DONE,)), "DE", **fields)


def _nowhere(name: str, raw: Raw, *statuses: int | None) -> Attack:
    return Attack(name, raw, frozenset(statuses) or TOKEN)


def _with(*lines: str) -> Raw:
    """A true request of DE with further header lines."""
    return lambda world: world.request(world.token("DE"), *lines)


def _at(path: str) -> Raw:
    return lambda world: world.request(world.token("DE"), path=path)


def _authorized(world: TokenWorld, *values: str) -> bytes:
    return world.request(None, *(f"Authorization: {value}" for value in values))


def _routers(world: TokenWorld) -> bytes:
    """Headers that other servers take a path, a method or an upstream from."""
    lines = [f"{name}: /v1/models/us/predict" for name in ("X-Original-URL", "X-Rewrite-URL", "X-Envoy-Original-Path")]
    more = [
        "X-Forwarded-Host: us.example",
        "X-HTTP-Method-Override: DELETE",
        "X-Accel-Redirect: @to_US",
        "X-Region: US",
    ]
    return world.request(world.token("DE"), *lines, *more)


_H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
_WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)

HEADER_ATTACKS: tuple[Attack, ...] = (
    _home("a spoofed jurisdiction", _with("X-Jurisdiction: US")),
    _home("a spoofed jurisdiction twice", _with("X-Jurisdiction: US", "x-jurisdiction: IN")),
    _home("a spoofed jurisdiction with an underscore", _with("X_Jurisdiction: US"), DONE, BAD),
    _home("a blank before the colon", _with("X-Jurisdiction : US"), BAD, CUT),
    _home("a folded header", _with("X-Other: a\r\n X-Jurisdiction: US"), DONE, BAD, CUT),
    _nowhere("a spoofed jurisdiction and no token", lambda world: world.request(None, "X-Jurisdiction: US")),
    _nowhere(
        "a forged token beside a spoofed jurisdiction",
        lambda world: world.request(world.token("US", kid="k2"), "X-Jurisdiction: US"),
    ),
    _home("the gateway's header named as hop by hop", _with("Connection: x-jurisdiction"), DONE, BAD),
    _home("the token named as hop by hop", _with("Connection: authorization"), DONE, BAD, 401),
    _home("headers by which others route", _routers),
    _home("another region's host", lambda world: _on_host(world, "us.example"), DONE, BAD, 421),
    _home("two hosts", _with("Host: us.example"), DONE, BAD),
    _nowhere(
        "two Authorization headers",
        lambda world: _authorized(world, f"Bearer {world.token('DE')}", f"Bearer {world.token('US')}"),
    ),
    _nowhere(
        "a true token twice",
        lambda world: _authorized(world, *[f"Bearer {world.token('DE')}"] * 2),
    ),
    _nowhere(
        "basic before bearer",
        lambda world: _authorized(world, "Basic dXM6dXM=", f"Bearer {world.token('US')}"),
    ),
    _nowhere("a token as a password", lambda world: _authorized(world, f"Basic {world.token('US')}")),
    _nowhere("a token without a scheme", lambda world: _authorized(world, world.token("US"))),
    _nowhere("an empty Authorization", lambda world: _authorized(world, "")),
    _nowhere(
        "a token in the address",
        lambda world: world.request(None, path=f"{world.path}?access_token={world.token('US')}"),
    ),
    _nowhere("a token in a cookie", lambda world: world.request(None, f"Cookie: authorization={world.token('US')}")),
    _home("a head of 200 kB", _with("X-Filler: " + "x" * 200_000), BAD, 413, 431, 494, CUT),
    _home("2,000 headers", _with(*(f"X-{number}: x" for number in range(2000))), BAD, 413, 431, DONE, CUT),
    _home("an upgrade to HTTP/2", _with(*_H2C), DONE, BAD, 403, 426),
    _home("an upgrade to a socket", _with(*_WEBSOCKET), DONE, BAD, 403, 404, 426),
)


def _on_host(world: TokenWorld, host: str) -> bytes:
    return world.request(world.token("DE")).replace(b"Host: 127.0.0.1", f"Host: {host}".encode(), 1)


def _path(name: str, path: str) -> Attack:
    return Attack(f"a path with {name}", _at(path), PATH, "DE")


PATH_ATTACKS: tuple[Attack, ...] = (
    _path("an empty part", "//v1/models/stackoverflow/predict"),
    _path("an empty part in the middle", "/v1//models/stackoverflow/predict"),
    _path("dots", "/v1/models/../../metrics"),
    _path("escaped dots", "/v1/models/%2e%2e/%2e%2e/metrics"),
    _path("dots escaped twice", "/v1/models/%252e%252e/metrics"),
    _path("an escaped slash", "/v1/models%2fstackoverflow/predict"),
    _path("a backslash", "/v1\\models\\stackoverflow\\predict"),
    _path("an escaped zero byte", "/v1/models/stackoverflow%00/predict"),
    _path("a parameter", "/v1/models/stackoverflow;region=us/predict"),
    _path("an escaped line end", "/v1/models/x%0d%0aX-Jurisdiction:%20US/predict"),
    _path("a look-alike", "/v1/models/st\u0430ckoverflow/predict"),
    _path("the region's metrics", "/metrics"),
    _path("a region's name", "/US/v1/models/stackoverflow/predict"),
    Attack("the whole address", _at("http://us.example/v1/models/stackoverflow/predict"), PATH | {DONE}, "DE"),
    Attack("an address without a path", _at("us.example:443"), PATH | {CUT}, "DE"),
    Attack("CONNECT", lambda world: world.request(world.token("DE"), path="us.example:443", method="CONNECT"),
           PATH | {CUT, 403}, "DE"),
    Attack("TRACE", lambda world: world.request(world.token("DE"), method="TRACE"), PATH | {CUT, 403, 501}, "DE"),
    Attack("DELETE", lambda world: world.request(world.token("DE"), method="DELETE"), PATH | {403}, "DE"),
    Attack("HTTP/0.9", lambda world: f"GET {world.path}\r\n\r\n".encode(), PATH | {CUT, 426, 505}),
    Attack("HTTP/1.0", lambda world: world.request(world.token("DE")).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
           frozenset({DONE, BAD, 426, 505, CUT}), "DE"),
)  # fmt: skip
"""The path changes no region; what is not plain is refused, so that no server behind reads it otherwise."""


def _lines(world: TokenWorld, token: str | None, *lines: str, end: str = "\r\n") -> bytes:
    """A head without Content-Length."""
    authorization = [] if token is None else [f"Authorization: Bearer {token}"]
    head = [f"POST {world.path} HTTP/1.1", f"Host: {world.host}", *authorization, *lines]
    return (end.join(head) + end + end).encode()


def _smuggled(world: TokenWorld) -> bytes:
    """A request with a forged token and a spoofed header, hidden in the body of another."""
    return world.request(world.token("US", kid="k2"), "X-Jurisdiction: US", path="/v1/models/smuggled/predict")


def _length_and_chunks(world: TokenWorld) -> bytes:
    hidden = b"0\r\n\r\n" + _smuggled(world)
    head = _lines(world, world.token("DE"), f"Content-Length: {len(hidden)}", "Transfer-Encoding: chunked")
    return head + hidden


def _chunks_and_length(world: TokenWorld) -> bytes:
    hidden = _smuggled(world)
    head = _lines(world, world.token("DE"), "Transfer-Encoding: chunked", "Content-Length: 4")
    return head + f"{len(hidden):x}\r\n".encode() + hidden + b"\r\n0\r\n\r\n"


def _odd_coding(coding: str) -> Raw:
    def raw(world: TokenWorld) -> bytes:
        hidden = b"0\r\n\r\n" + _smuggled(world)
        lines = (f"Content-Length: {len(hidden)}", coding)
        return _lines(world, world.token("DE"), *lines) + hidden

    return raw


def _lengths(*lengths: str) -> Raw:
    def raw(world: TokenWorld) -> bytes:
        lines = [f"Content-Length: {length}" for length in lengths]
        return _lines(world, world.token("DE"), *lines) + b"A" * 5 + _smuggled(world)

    return raw


def _chunks(body: bytes) -> Raw:
    return lambda world: _lines(world, world.token("DE"), "Transfer-Encoding: chunked") + body + _smuggled(world)


def _in_a_trailer(world: TokenWorld) -> bytes:
    """Headers after the body, which some servers join with those before it."""
    trailer = f"X-Jurisdiction: US\r\nAuthorization: Bearer {world.token('US')}\r\n\r\n"
    head = _lines(world, world.token("DE"), "Transfer-Encoding: chunked", "Trailer: X-Jurisdiction, Authorization")
    return head + f"{len(world.body):x}\r\n".encode() + world.body + b"\r\n0\r\n" + trailer.encode()


def _one_after_the_other(world: TokenWorld) -> bytes:
    """A true request, and in the same packet a forged one that could ride on it."""
    return world.request(world.token("DE")) + _smuggled(world)


def _bare_ends(world: TokenWorld) -> bytes:
    head = _lines(world, world.token("DE"), f"Content-Length: {len(world.body)}", end="\n")
    return head + world.body + _smuggled(world)


SMUGGLING = (DONE, BAD, 401, 411, 501, CUT)

SMUGGLING_ATTACKS: tuple[Attack, ...] = (
    _home("a length and chunks", _length_and_chunks, *SMUGGLING),
    _home("chunks and a length", _chunks_and_length, *SMUGGLING),
    _home("chunks by another name", _odd_coding("Transfer-Encoding: xchunked"), *SMUGGLING),
    _home("chunks after a tab", _odd_coding("Transfer-Encoding:\tchunked"), *SMUGGLING),
    _home("chunks with a comma", _odd_coding("Transfer-Encoding: chunked, identity"), *SMUGGLING),
    _home("chunks twice", _odd_coding("Transfer-Encoding: chunked\r\nTransfer-Encoding: x"), *SMUGGLING),
    _home("chunks in a folded header", _odd_coding("Transfer-Encoding:\r\n chunked"), *SMUGGLING),
    _home("chunks behind a colon with a blank", _odd_coding("Transfer-Encoding : chunked"), *SMUGGLING),
    _home("chunks with a strange letter", _odd_coding("Transfer-Encoding: \x0bchunked"), *SMUGGLING),
    _home("two lengths", _lengths("5", "6"), *SMUGGLING),
    _home("two lengths in one header", _lengths("5, 6"), *SMUGGLING),
    _home("a length with a sign", _lengths("+5"), *SMUGGLING),
    _home("a length below zero", _lengths("-5"), *SMUGGLING),
    _home("a length in hexadecimal", _lengths("0x5"), *SMUGGLING),
    _home("a length beyond 64 bits", _lengths("18446744073709551621"), *SMUGGLING, 413),
    _home("a chunk's size in 0x", _chunks(b"0x5\r\nAAAAA\r\n0\r\n\r\n"), *SMUGGLING),
    _home("a chunk's size beyond 64 bits", _chunks(b"10000000000000005\r\nAAAAA\r\n0\r\n\r\n"), *SMUGGLING, 413),
    _home("a chunk's extension with a line end", _chunks(b"5;a=\nb\r\nAAAAA\r\n0\r\n\r\n"), *SMUGGLING),
    _home("a chunk that ends in a bare line feed", _chunks(b"5\nAAAAA\n0\n\n"), *SMUGGLING),
    _home("headers after the body", _in_a_trailer, *SMUGGLING),
    _home("bare line feeds", _bare_ends, *SMUGGLING),
    _home("a forged request behind a true one", _one_after_the_other, *SMUGGLING),
)


def _body(name: str, make: Callable[[TokenWorld], bytes], *lines: str) -> Attack:
    """A body that only the region reads: the gateway sends it home; the endpoint refuses it."""

    def raw(world: TokenWorld) -> bytes:
        return world.request(world.token("DE"), *lines, body=make(world))

    return Attack(name, raw, frozenset({DONE, *UNREADABLE}), "DE", UNREADABLE)


def _split(columns: list[str], data: list[Any]) -> bytes:
    return json.dumps({"dataframe_split": {"columns": columns, "data": data}}).encode()


def _with_nan(world: TokenWorld) -> bytes:
    return _split([*world.columns], [[float("nan"), *world.row[1:]]])


def _ragged(world: TokenWorld) -> bytes:
    return _split([*world.columns], [[*world.row], [*world.row, 1], [*world.row[:-1]]])


def _column_too_many(world: TokenWorld) -> bytes:
    return _split([*world.columns, "another"], [[*world.row, 1]])


def _look_alike(world: TokenWorld) -> bytes:
    """The first column in letters that look the same."""
    alike = str.maketrans("aeocpxyAEOCPXY", "аеосрхуАЕОСРХУ")
    return _split([world.columns[0].translate(alike), *world.columns[1:]], [[*world.row]])


def _bomb(_: TokenWorld) -> bytes:
    """64 MiB of blanks in 64 kB."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(64)) + packer.flush()


BODY_ATTACKS: tuple[Attack, ...] = (
    _body("JSON of 100,000 levels", lambda world: b'{"dataframe_split":' + b"[" * 100_000),
    _body("objects of 100,000 levels", lambda world: b'{"a":' * 100_000),
    _body("rows of several lengths", _ragged),
    _body("a number that is none", _with_nan),
    _body("a column too many", _column_too_many),
    _body("a column that looks like ours", _look_alike),
    _body("a bomb of gzip", _bomb, "Content-Encoding: gzip"),
    _body("gzip that is cut", lambda world: gzip.compress(world.body)[:-9], "Content-Encoding: gzip"),
    _body("half a JSON text", lambda world: world.body[: len(world.body) // 2]),
    _body("no body", lambda world: b""),
)


def _announced(world: TokenWorld) -> bytes:
    return _lines(world, world.token("DE"), "Content-Type: application/json", f"Content-Length: {_LARGE}") + b"{"


def _oversized(world: TokenWorld) -> bytes:
    return world.request(world.token("DE"), body=b" " * _LARGE)


def _oversized_chunks(world: TokenWorld) -> bytes:
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    head = _lines(world, world.token("DE"), "Content-Type: application/json", "Transfer-Encoding: chunked")
    return head + chunk * (_LARGE // 65536) + b"0\r\n\r\n"


def _unfinished(world: TokenWorld) -> bytes:
    """A body that never ends: the connection must."""
    return _lines(world, world.token("DE"), "Content-Type: application/json", "Content-Length: 1000") + b'{"data'


def _unfinished_head(world: TokenWorld) -> bytes:
    return _lines(world, world.token("DE"))[:-4]


SIZE_ATTACKS: tuple[Attack, ...] = (
    _home("a length beyond the limit", _announced, 413, 408, CUT),
    _home("a body beyond the limit", _oversized, 413, BAD, CUT),
    _home("chunks beyond the limit", _oversized_chunks, 413, BAD, CUT, DONE, endpoint=frozenset({413, BAD, CUT})),
    _home("a body that never comes", _unfinished, 408, BAD, 504, 502, CUT, seconds=SLOW),
    _home("a head that never ends", _unfinished_head, 408, BAD, CUT, seconds=SLOW),
)
"""A gateway may send chunks on as they come; the endpoint counts them."""

HTTP_ATTACKS = HEADER_ATTACKS + PATH_ATTACKS + SMUGGLING_ATTACKS + BODY_ATTACKS + SIZE_ATTACKS
ATTACKS = TOKEN_ATTACKS + HTTP_ATTACKS
"""All of them."""
