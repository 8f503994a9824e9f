"""One worker of an endpoint: it answers at sockets that it was given, until it is asked to end or its parent is gone.

    run(WorkerStart(place_file, region_key, sockets, counts, number, report))        # in a fork

A change of the region's files is taken without a pause: what is new is loaded in a thread beside what answers, then
swapped; requests under way end with what they began with. Where the new cannot be loaded, the old goes on, and it is
said in /readyz, in the log and in metrics, and tried again. Whom the new file serves no more is served no more at once,
whatever else fails; a file that was written before the one in use is not taken. SIGTERM lets requests under way end,
then their log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from fedsov.errors import CertificateRefused, FedsovError, LogFull
from fedsov.inference.endpoint import Endpoint
from fedsov.inference.request_log import LogSettings, RequestLog, place_in
from fedsov.inference.request_log.settings import HomeRegion
from fedsov.inference.state import EndpointState
from fedsov.inference.use.usage import Usage
from fedsov.processes import give_back_memory, reuse_memory
from fedsov.runtimes.serving.asgi_server import AsgiServer, server_tls
from fedsov.runtimes.serving.http_protocol import endpoint_protocol
from fedsov.runtimes.serving.issuer_keys import IssuerKeys
from fedsov.runtimes.serving.loading import load_state, names_of
from fedsov.runtimes.serving.place import EndpointPlace, needs_restart, read_place
from fedsov.runtimes.serving.shared_counts import SharedCounts
from fedsov.runtimes.serving.use_counts import UseCounts
from fedsov.runtimes.serving.zone_pages import ZONE, WorkerPages
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.folder_watch import EVERY, FolderWatch

LOOK = 0.2
"""Seconds between two looks at the region's files; a new list or a new place wakes the worker at once."""
AGAIN = 5.0
"""Seconds before what could not be taken is tried again."""
BEAT = 1.0
"""Seconds between two words to the parent."""
GIVE_BACK = 5.0
"""Seconds after which memory that nothing uses goes back to the system."""
SECONDS_TO_DRAIN = 15.0
MOST_FAULTS, MOST_OF_A_FAULT = 20, 500
"""Faults that a line to the parent has, and letters of each."""
SWITCH = 0.0005
"""Seconds that the log's thread, or a load, keeps answers waiting: Python's own 5 ms show in the slowest answers."""
_LOG = logging.getLogger("fedsov.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStart:
    """What a worker is given.

    Attributes:
        path, region_key: of the place's file (`fedsov.runtimes.serving.place`).
        listener: the socket of the public port; `zone` of the zone's own, None without one.
        counts: what workers share; `number` is this one's place there.
        report: a descriptor that takes a line a second; `parent` one that ends with the parent.
    """

    path: Path
    region_key: str
    listener: socket.socket
    zone: socket.socket | None
    counts: SharedCounts
    number: int
    report: int
    parent: int


def run(start: WorkerStart) -> None:
    """Answers until SIGTERM, or until the parent is gone. Raises FedsovError where it cannot begin."""
    reuse_memory()  # batches of the log are some MB each, and zeroing their pages anew costs more than encrypting them
    sys.setswitchinterval(SWITCH)
    np.seterr(over="ignore")  # a number beyond every other is clipped, and no warning is written of it
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Worker(start).live())


class _Worker:
    """A worker's parts."""

    def __init__(self, start: WorkerStart) -> None:
        before = _seen(start.path)
        self._start, self._place = start, read_place(start.path, start.region_key)
        self._begun_with = {**self._files(), start.path: before}  # what changes from here on is taken
        self._usage = Usage(start.counts.read(start.number))
        self._use = UseCounts(self._place, self._usage)
        self._woken, self._is_ending, self._reload_faults = asyncio.Event(), False, set[str]()

    async def live(self) -> None:
        """From its beginning to its end."""
        loop = asyncio.get_running_loop()
        for asks_to_end in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(asks_to_end, self._end)
        loop.add_reader(self._start.parent, self._parent_ended)
        watch = FolderWatch(self._place.serving.root)
        if watch.descriptor >= 0:
            loop.add_reader(watch.descriptor, lambda: self._look(watch.names()))
        state = load_state(self._place, None)
        self._say_faults(state, ())
        self._keys = IssuerKeys(self._place)
        await self._keys.first_look()
        self._log = self._opened_log(self._place)
        counts, number = self._start.counts, self._start.number
        agent = RegionControlFolder(self._place.folder).agent
        self._pages = WorkerPages(
            self._usage, counts, number, lambda: self._log.state, lambda: self._keys.fault, agent=agent
        )
        self._endpoint = Endpoint(state, keys=self._keys, log=self._log, usage=self._usage, zone=self._pages)
        self._endpoint.cells = self._use.cells
        self._watch(state)
        servers = await self._servers()
        _LOG.info("worker %d answers with %s", number + 1, names_of(state.models))
        try:
            await self._until_stopped()
        finally:
            await asyncio.gather(*(server.close(SECONDS_TO_DRAIN) for server in servers))
            self._pages.share()
            await self._use.put_down()
            await asyncio.to_thread(_close, self._log)

    async def _servers(self) -> list[AsgiServer]:
        protocol = endpoint_protocol(self._place.limits, self._endpoint.at_once, self._usage.refused)
        serving = self._place.serving
        self._tls = server_tls(serving.certificate, serving.key) if self._place.is_tls else None
        public = AsgiServer(self._endpoint, protocol, {})
        await public.listen(self._start.listener, self._tls)
        if self._start.zone is None:
            return [public]
        zone = AsgiServer(self._endpoint, protocol, {ZONE: True})
        await zone.listen(self._start.zone, None)
        return [public, zone]

    async def _until_stopped(self) -> None:
        beat, again, looking, given_back = 0.0, 0.0, None, 0.0
        seen, left = self._begun_with, set[Path]()
        while not self._is_ending:
            now = time.monotonic()
            if now - beat >= BEAT:
                beat = now
                self._report()
                await self._use.look()
                if now - given_back >= GIVE_BACK:
                    given_back = now
                    await asyncio.to_thread(give_back_memory)
                if looking is None or looking.done():
                    looking = asyncio.create_task(self._keys.look())
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._woken.wait()
            self._woken.clear()
            files = self._files()
            if files != seen or (left and time.monotonic() >= again):
                changed = left | {path for path in files if files[path] != seen.get(path)}
                seen, again = files, time.monotonic() + AGAIN
                left = await self._take(changed)

    async def _take(self, changed: Set[Path]) -> set[Path]:
        """Loads what changed beside what answers, and swaps; gives the files that could not be taken."""
        serving, left = self._place.serving, set[Path]()
        with self._noting(left, {self._start.path}):
            if self._start.path in changed:
                self._take_place(self._newer_place())
        with self._noting(left, {serving.approved, serving.issuers}):
            if changed - {serving.certificate, serving.key}:
                old = self._endpoint.state
                state = await asyncio.to_thread(load_state, self._place, old)
                if self._start.path in left:  # what the newer file takes away stays away
                    state = replace(state, serves=state.serves & old.serves, valid_until=old.valid_until)
                self._say_faults(state, old.faults)
                self._watch(state)
                self._endpoint.state = state
                left |= {serving.approved} if state.faults else set()
                self._keys.take(self._place)
                await self._keys.first_look()
                if changed - {serving.approved} or names_of(state.models) != names_of(old.models):
                    _LOG.info("worker %d answers with %s", self._start.number + 1, names_of(state.models))
        with self._noting(left, {serving.certificate, serving.key}):
            if self._tls is not None and changed & {serving.certificate, serving.key}:
                self._tls.load_cert_chain(serving.certificate, serving.key)
                _LOG.info("worker %d has the new certificate", self._start.number + 1)
        if not left:
            self._reload_faults.clear()
        self._report()
        return left

    @contextmanager
    def _noting(self, left: set[Path], files: Set[Path]) -> Iterator[None]:
        """What of these files cannot be taken is said once, and left; the rest is taken all the same."""
        try:
            yield
        except (FedsovError, OSError, ssl.SSLError) as error:
            left |= files
            self._usage.noted("reload failed")
            if str(error) not in self._reload_faults:
                _LOG.error("what changed could not be taken, and what was there goes on: %s", error)
                self._reload_faults.add(str(error))

    def _newer_place(self) -> EndpointPlace:
        """The region's file. Raises CertificateRefused for one written before the one in use, ConfigurationError."""
        place = read_place(self._start.path, self._start.region_key)
        if place.published_at < self._place.published_at:
            raise CertificateRefused(
                f"{self._start.path} was written before the one that is in use: an older one was put back; "
                f"`fedsov region set {place.region}` or a restart writes it anew"
            )
        return place

    def _take_place(self, place: EndpointPlace) -> None:
        if fixed := needs_restart(self._place, place):
            _LOG.warning("%s changed, which is taken at a restart of the endpoint", ", ".join(fixed))
        state, served = self._endpoint.state, frozenset((*place.jurisdictions, *place.hosts))
        # first of all, and whatever else fails: whom it serves no more
        self._endpoint.state = replace(state, serves=state.serves & served, valid_until=place.valid_until)
        if place.log != self._place.log or place.sealing_keys != self._place.sealing_keys:
            self._log, old = self._opened_log(place), self._log
            self._endpoint.log = self._log
            self._closing = asyncio.create_task(asyncio.to_thread(_close, old))
        self._use.take(place)
        self._endpoint.cells = self._use.cells
        self._place = place

    def _watch(self, state: EndpointState) -> None:
        references = {
            (served.model, served.version): served.reference for served in state.served if served.reference is not None
        }
        self._usage.watch(references, time.time())

    def _files(self) -> dict[Path, Any]:
        """What is seen of each file: a file that is replaced is another one."""
        serving = self._place.serving
        paths = [self._start.path, serving.approved, serving.issuers]
        if self._place.is_tls:
            paths += [serving.certificate, serving.key]
        return {path: _seen(path) for path in paths}

    def _report(self) -> None:
        """A line to the parent; where it does not read, the line is left out."""
        if not self._pages.share():
            self._usage.noted("counts have no room")
        state = self._endpoint.state
        line = {
            "worker": self._start.number,
            "waits_for": self._pages.waits_for(state),
            "counter": state.listed,
            "runs": [(each.model, each.version, each.role, each.parameters) for each in state.served],
            "faults": [fault[:MOST_OF_A_FAULT] for fault in state.faults[:MOST_FAULTS]],
        }
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._start.report, json.dumps(line).encode() + b"\n")

    def _say_faults(self, state: EndpointState, before: Sequence[str]) -> None:
        for fault in state.faults:
            if fault not in before:
                self._usage.noted("not as approved")
                _LOG.error("%s", fault)

    def _parent_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._start.parent)
        _LOG.error("the endpoint's process is gone; this worker ends")
        self._end()

    def _end(self) -> None:
        self._is_ending = True
        self._woken.set()

    def _look(self, names: Set[str]) -> None:
        """Wakes for what is replaced whole by itself; a certificate and its key are two files, which take a moment."""
        if names & {self._start.path.name, self._place.serving.approved.name, EVERY}:
            self._woken.set()

    @staticmethod
    def _opened_log(place: EndpointPlace) -> RequestLog:
        """A log of requests of this worker's own. Raises what `RequestLog.open` raises."""
        homes = {}
        for jurisdiction, words in place.sealing_keys.items():
            name, _, key = words.partition(":")
            homes[jurisdiction] = HomeRegion(name, bytes.fromhex(key))
        schedule = asyncio.get_running_loop().call_soon_threadsafe
        log_place = place_in(place.folder, place.region, homes=homes)
        return RequestLog.open(log_place, LogSettings(**place.log), schedule=schedule)


def _close(log: RequestLog) -> None:
    try:
        log.close()
    except LogFull as error:
        _LOG.error("%s", error)


def _seen(path: Path) -> Any:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns
