"""The built-in gateway as a process: its socket, the health of regions, and its table, taken anew when it changes.

    run(load, say=print)                # until SIGTERM or SIGINT; `load` reads the table

| what changes | what happens |
|---|---|
| a file of the table, of issuers or of keys | it is read in a thread and swapped between two requests; where it cannot be, the old goes on, and it is said |
| a day | the table is read again: a permission may have lapsed |
| where it listens, its certificate, its limits | it is said: that is taken at a restart |
| a region answers no longer | after two looks, or the first request that cannot reach it, it is down; one good look brings it back |
"""  # noqa: E501

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import uvloop

from fedsov.errors import ConfigurationError, FedsovError
from fedsov.inference.gateway.forwarding import Gateway, GatewayState
from fedsov.inference.gateway.table import GatewayTable
from fedsov.inference.limits import RequestLimits
from fedsov.inference.tokens.token_check import TokenCheck
from fedsov.runtimes.serving.asgi_server import AsgiServer, bound_socket, server_tls
from fedsov.runtimes.serving.http_protocol import endpoint_protocol
from fedsov.runtimes.serving.jwks import KeySources
from fedsov.runtimes.serving.region_client import RegionClient

LOOK, HEALTH_EVERY, KEYS_EVERY = 0.2, 0.5, 2.0
"""Seconds between two looks at the table's files, at a region, and at what keys are due."""
FAILURES = 2
"""Looks in a row that a region must fail to be down."""
SECONDS_TO_DRAIN = 15.0
MOST_CONNECTIONS = 4000
_LOG = logging.getLogger("fedsov.serving")


@dataclass(frozen=True, slots=True)
class LoadedTable:
    """A table, the files it was read from, and what people must know of it, in sentences."""

    table: GatewayTable
    files: tuple[Path, ...] = ()
    lines: tuple[str, ...] = ()


Load = Callable[[], LoadedTable]


def run(load: Load, *, say: Callable[[str], None]) -> None:
    """Answers until it is asked to end.

    Raises ConfigurationError where the table cannot be read, no issuer has keys, or the port is taken.
    """
    loaded = load()
    with closing(_listener(loaded.table)) as listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Process(load, loaded, say).live(listener))


class _Process:
    """The parts of a running gateway."""

    def __init__(self, load: Load, loaded: LoadedTable, say: Callable[[str], None]) -> None:
        self._load, self._loaded, self._say = load, loaded, say
        self._stop = asyncio.Event()

    async def live(self, listener: socket.socket) -> None:
        """From its beginning to its end."""
        loop = asyncio.get_running_loop()
        for asks_to_end in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(asks_to_end, self._stop.set)
        table = self._loaded.table
        self._sources = KeySources(table.issuers)
        keys = await asyncio.to_thread(self._sources.look)
        if not keys:
            raise ConfigurationError("; ".join(self._sources.faults))
        async with RegionClient(table.limits.seconds) as self._client:
            state = GatewayState(table, TokenCheck(table.issuers, keys))
            self._gateway = Gateway(state, self._client.forward, self._renew)
            self._failures = dict.fromkeys(table.regions, 0)
            await self._look_at_regions()
            server = AsgiServer(self._gateway, endpoint_protocol(_limits(table), _by_the_application, _unnoted), {})
            await server.listen(listener, _tls(table))
            self._say_all(f"the gateway listens at {listener.getsockname()[0]}:{listener.getsockname()[1]}")
            await self._until_stopped()
            await server.close(SECONDS_TO_DRAIN)

    def _say_all(self, *further: str) -> None:
        for line in (*further, *self._loaded.lines):
            self._say(line)

    async def _until_stopped(self) -> None:
        tasks = [
            asyncio.create_task(self._every(seconds, act))
            for seconds, act in (
                (LOOK, self._take_table),
                (HEALTH_EVERY, self._look_at_regions),
                (KEYS_EVERY, self._look_at_keys),
            )
        ]
        self._seen = self._seen_files()
        stopped = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, *tasks):
            task.cancel()
        for task in done - {stopped}:
            task.result()

    async def _every(self, seconds: float, act: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await act()

    def _seen_files(self) -> Mapping[Any, Any]:
        """What is seen of each file, and the day."""
        return {"day": date.today(), **{path: _seen(path) for path in self._loaded.files}}

    async def _take_table(self) -> None:
        """Reads what changed beside what goes on, and swaps."""
        seen = self._seen_files()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            loaded = await asyncio.to_thread(self._load)
        except FedsovError as error:
            _LOG.error("the table could not be taken, and the one before goes on: %s", error)
            self._say(f"the table could not be taken, and the one before goes on: {error}")
            return
        before, self._loaded = self._loaded, loaded  # what changes meanwhile is seen at the next look
        self._client.forget_certificates()
        if loaded.table == before.table:
            return
        await self._swap(before.table, loaded.table)

    async def _swap(self, before: GatewayTable, table: GatewayTable) -> None:
        for name in ("listen", "certificate", "key", "limits"):
            if getattr(table, name) != getattr(before, name):
                self._say(f"{name} changed, which is taken at a restart of the gateway")
        table = replace(table, limits=before.limits)
        check = self._gateway.state.check
        if table.issuers != before.issuers:
            sources = KeySources(table.issuers)
            check = TokenCheck(table.issuers, await asyncio.to_thread(sources.look))
            self._sources = sources
        known = self._failures
        self._failures = {name: known.get(name, 0) for name in table.regions}
        moved = [name for name, region in table.regions.items() if region != before.regions.get(name)]
        ready = await asyncio.gather(*(self._client.is_ready(table.regions[name], table.health) for name in moved))
        health = {**self._gateway.health, **dict(zip(moved, ready, strict=True))}
        self._gateway.health = {name: health.get(name, False) for name in table.regions}
        self._gateway.state = GatewayState(table, check)
        self._say_all("the gateway has its new table")

    async def _look_at_regions(self) -> None:
        table = self._gateway.state.table
        names = list(table.regions)
        ready = await asyncio.gather(*(self._client.is_ready(table.regions[name], table.health) for name in names))
        for name, is_ready in zip(names, ready, strict=True):
            was = self._gateway.health.get(name, False)
            self._failures[name] = 0 if is_ready else self._failures.get(name, 0) + 1
            now = is_ready or (was and self._failures[name] < FAILURES)
            if now != was:
                _LOG.warning("region %s is %s", name, "up" if now else "down")
                self._gateway.health = {**self._gateway.health, name: now}

    async def _look_at_keys(self) -> None:
        keys = await asyncio.to_thread(self._sources.look)
        self._gateway.state.check.replace_keys(keys)

    async def _renew(self, issuer: str) -> None:
        sources, check = self._sources, self._gateway.state.check
        check.replace_keys(await asyncio.to_thread(sources.renew, issuer))


def _by_the_application(*_: object) -> None:
    """No request is answered before the application has it."""


def _unnoted(status: int) -> None:
    """What the server refuses by itself is not counted here."""


def _listener(table: GatewayTable) -> socket.socket:
    """The gateway's socket. Raises ConfigurationError where the address cannot be had."""
    try:
        return bound_socket(table.listen.bare_host, table.listen.port, listens=False)
    except OSError as problem:
        raise ConfigurationError(
            f"the gateway cannot listen at {table.listen}: {problem.strerror}; --listen HOST:PORT takes another address"
        ) from None


def _tls(table: GatewayTable) -> ssl.SSLContext | None:
    """TLS 1.2 and later with the gateway's certificate; None without one. Raises ConfigurationError."""
    if table.certificate is None or table.key is None:
        return None
    try:
        return server_tls(table.certificate, table.key)
    except (OSError, ssl.SSLError) as problem:
        raise ConfigurationError(f"{table.certificate} and {table.key} are no certificate and key: {problem}") from None


def _limits(table: GatewayTable) -> RequestLimits:
    limits = table.limits
    return RequestLimits(
        body=limits.body, head=limits.head, head_seconds=float(limits.head_seconds), connections=MOST_CONNECTIONS
    )


def _seen(path: Path) -> Any:
    with suppress(OSError):
        about = path.stat()
        return about.st_ino, about.st_size, about.st_mtime_ns
    return None
