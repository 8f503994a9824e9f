"""How a party fares, and a small HTTP listener of its own zone that tells it.

    GET /healthz    200 while the party runs
    GET /readyz     200, or 503 and the sentence that says what it waits for
    GET /metrics    the same in numbers, as Prometheus reads them

A party's process changes its `Health` by plain calls, from any thread; what it waits for is one sentence, and an empty
one means ready, so that the two cannot disagree.

    health = under_supervisor()                         # fedsov.runtimes.deployment.supervision.supervised
    health.tell(waits_for="the hub at hub.example:9443 to answer")
    health.tell(waits_for="", connected=True)           # ready
    health.count(answered=1, bytes_in=4000, bytes_out=4100)

A process that was ready and then says nothing for `SILENT` seconds counts as not ready (it may be frozen): call `beat`
at least every half of that, from the loop that does the work.

The listener is on 127.0.0.1 unless its setting says otherwise, takes no body and no other method, and waits for events:
it costs no CPU while nobody asks. It tells counts and sentences of fedsov, never a value of a row.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from fedsov.checks import whole
from fedsov.errors import ConfigurationError, FedsovError
from fedsov.runtimes.deployment.supervision.log_lines import cut

SILENT = 60.0
"""Seconds without a word after which a process that was ready counts as frozen."""
LARGEST_REQUEST = 8192
"""Bytes of a request's head."""
SECONDS_TO_ASK = 5.0
MOST_ASKING = 32
"""Connections at once; a further one is closed."""
_DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthState:
    """How a party fares.

    Attributes:
        waits_for: what it waits for, as the end of "DE waits for ..."; empty where it is ready.
        connected: whether the other side answers.
        answered: messages that were answered. `refusals` are those that its gate or its limits refused.
        bytes_in: bytes of messages that came; `bytes_out` of those that left.
        last_round: seconds of the last round, None before one.
        certificate_ends: when the party's certificate ends, in seconds since 1970.
        restarts: how often its process was started again.
    """

    waits_for: str = "its process to start"
    connected: bool = False
    answered: int = 0
    refusals: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    last_round: float | None = None
    certificate_ends: float | None = None
    restarts: int = 0

    def to_json(self) -> str:
        """The state as a line."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_json(line: str | bytes) -> HealthState:
        """The inverse of `to_json`. Raises FedsovError for anything else."""
        try:
            return _state(json.loads(line))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise FedsovError("a line that is no state of a process") from error


def _state(fields: Mapping[str, Any]) -> HealthState:
    numbers = ("last_round", "certificate_ends")
    read: dict[str, Any] = {name: int(fields[name]) for name in (*_COUNTS, "restarts")}
    read |= {name: None if fields[name] is None else float(fields[name]) for name in numbers}
    return HealthState(waits_for=str(fields["waits_for"]), connected=bool(fields["connected"]), **read)


_COUNTS = ("answered", "refusals", "bytes_in", "bytes_out")


def _totals(state: HealthState, more: HealthState) -> dict[str, Any]:
    return {name: getattr(state, name) + getattr(more, name) for name in _COUNTS}


def continued(earlier: HealthState, reported: HealthState) -> HealthState:
    """What a process reports, with what those before it had counted: a total goes on where a process is restarted."""
    last_round = earlier.last_round if reported.last_round is None else reported.last_round
    ends = earlier.certificate_ends if reported.certificate_ends is None else reported.certificate_ends
    totals = _totals(earlier, reported)
    return replace(reported, **totals, last_round=last_round, certificate_ends=ends, restarts=earlier.restarts)


class Health:
    """The state of a party, which threads change and a listener reads."""

    def __init__(
        self,
        on_change: Callable[[HealthState], None] = lambda _: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            on_change: called with every new state, one at a time.
            clock: seconds; only their differences count.
        """
        self._on_change, self._clock = on_change, clock
        self._lock = threading.Lock()
        self._state = HealthState()
        self._changed = clock()

    @property
    def state(self) -> HealthState:
        """The state now."""
        with self._lock:
            return self._state

    def tell(
        self,
        *,
        waits_for: str | None = None,
        connected: bool | None = None,
        last_round: float | None = None,
        certificate_ends: float | None = None,
    ) -> None:
        """Changes what is given; `HealthState` says what each means."""
        given: dict[str, Any] = {
            "waits_for": waits_for if waits_for is None else cut(waits_for),
            "connected": connected,
            "last_round": last_round,
            "certificate_ends": certificate_ends,
        }
        self.change(lambda state: replace(state, **{name: value for name, value in given.items() if value is not None}))

    def count(self, *, answered: int = 0, refusals: int = 0, bytes_in: int = 0, bytes_out: int = 0) -> None:
        """Adds to what was counted."""
        more = HealthState(answered=answered, refusals=refusals, bytes_in=bytes_in, bytes_out=bytes_out)
        self.change(lambda state: replace(state, **_totals(state, more)))

    def beat(self) -> None:
        """Says that the process still runs, where nothing else is new."""
        self.change(lambda state: state)

    def change(self, new: Callable[[HealthState], HealthState]) -> None:
        """Puts a new state in the place of the old one."""
        with self._lock:
            self._state, self._changed = new(self._state), self._clock()
            self._on_change(self._state)

    def waits_for(self) -> str:
        """What the party waits for; empty where it is ready."""
        with self._lock:
            state, silent = self._state, self._clock() - self._changed
        if not state.waits_for and silent > SILENT:
            return f"a word of its process, which has said nothing for {silent:.0f} s and may be frozen"
        return state.waits_for


@dataclass(frozen=True, slots=True)
class HealthListener:
    """Where the listener is: a host of the party's own zone and a port, 0 for any free one.

    Raises ConfigurationError for a port that there is not.
    """

    host: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        whole("health.port", self.port, at_least=0, at_most=65535)


@asynccontextmanager
async def serve_health(health: Health, listener: HealthListener, *, party: str, role: str) -> AsyncIterator[int]:
    """Serves while the block runs; gives the port. Raises ConfigurationError where it cannot listen there."""
    asking: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(asking) < MOST_ASKING:
            asking[writer] = asyncio.current_task()
            await _answer(reader, writer, lambda path: page(path, health, party=party, role=role))
            asking.pop(writer)
        writer.close()

    try:
        server = await asyncio.start_server(answer, listener.host, listener.port, limit=LARGEST_REQUEST)
    except OSError as error:
        raise ConfigurationError(
            f"{party} cannot tell its health on {listener.host}:{listener.port} ({error.strerror}); "
            "name a free port of this machine by --health-port N, or 0 for none"
        ) from error
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in tuple(asking):
            writer.close()
        await asyncio.gather(*filter(None, asking.values()))


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, read: Callable[[str], tuple[int, str]]
) -> None:
    """One request and its answer; whoever asks too slowly, too much or in another language gets none."""
    try:
        async with asyncio.timeout(SECONDS_TO_ASK):
            head = await reader.readuntil(b"\r\n\r\n")
            method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
            path = rest.partition(" ")[0].partition("?")[0]
            status, text = read(path) if method in ("GET", "HEAD") else (405, "GET\n")
            body = text.encode()
            writer.write(
                f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + (b"" if method == "HEAD" else body)
            )
            await writer.drain()
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return


_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def page(path: str, health: Health, *, party: str, role: str) -> tuple[int, str]:
    """The status and the text of a path."""
    waits_for = health.waits_for()
    if path == "/healthz":
        return 200, "ok\n"
    if path == "/readyz":
        return (503, f"{party} waits for {waits_for}\n") if waits_for else (200, "ready\n")
    if path == "/metrics":
        return 200, metrics(health.state, party=party, role=role, is_ready=not waits_for, now=time.time())
    return 404, "/healthz, /readyz, /metrics\n"


def metrics(state: HealthState, *, party: str, role: str, is_ready: bool, now: float) -> str:
    """The state as Prometheus reads it (text format 0.0.4); what is not known yet is left out.

    Args:
        now: seconds since 1970.
    """
    ends = state.certificate_ends
    rows: list[tuple[str, str, str, float | None]] = [
        ("ready", "gauge", "1 where the party is ready.", is_ready),
        ("connected", "gauge", "1 where the other side answers.", state.connected),
        ("restarts_total", "counter", "How often its process was started again.", state.restarts),
        ("messages_answered_total", "counter", "Messages that were answered.", state.answered),
        ("refusals_total", "counter", "Messages that the gate or a limit refused.", state.refusals),
        ("received_bytes_total", "counter", "Bytes of messages that came.", state.bytes_in),
        ("sent_bytes_total", "counter", "Bytes of messages that left.", state.bytes_out),
        ("last_round_seconds", "gauge", "Seconds of the last round.", state.last_round),
        (
            "certificate_days",
            "gauge",
            "Days until the party's certificate ends.",
            None if ends is None else (ends - now) / _DAY,
        ),
    ]
    labels = f'party="{_escaped(party)}",role="{_escaped(role)}"'
    lines = [
        f"# HELP fedsov_{name} {what}\n# TYPE fedsov_{name} {kind}\nfedsov_{name}{{{labels}}} {float(value):.10g}\n"
        for name, kind, what, value in rows
        if value is not None
    ]
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
