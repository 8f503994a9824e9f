"""A region's Fleet client: it calls outwards to the coordinator, and hands what comes to the region's own process.

It holds the certificate of the connection and nothing else of the region's: no key of its store, no row, no ledger. The
region's process (`fedsov.runtimes.deployment.enveloped_region`) is forked beside it, and again where it ended; the
message that it worked on is handed to it again, and is answered once all the same.

    RegionService(place, hooks).serve(stop)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fedsov.errors import ConfigurationError
from fedsov.runtimes.deployment.flower_clients import first_message
from fedsov.runtimes.deployment.health import Health
from fedsov.runtimes.deployment.hub_connection import Credentials, HubConnection, HubRefused, HubUnreachable
from fedsov.runtimes.fork_server import TO_TRAIN, ForkServer
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress

FLEET = "/fedsov/v1/fleet"
WAIT = 20.0
"""Seconds of a long poll."""
BEAT = 5.0
"""Seconds between two signs of life: half of what the coordinator waits for one."""
SLOWEST = 5.0
"""Seconds between two attempts, at most."""
DEPLOYED = (*TO_TRAIN, "fedsov.runtimes.deployment.enveloped_region")
"""What a region's process needs, imported before any message comes."""
GIVE_UP = 3
"""How often a message is handed to a region's process that ends over it, before it is answered as failed."""


@dataclass(frozen=True, slots=True)
class RegionPlace:
    """Where a region's service finds what it needs.

    Attributes:
        workspace: the folder with the region's own, ``regions/NAME``.
        folder: its certificate and key.
    """

    name: str
    workspace: Path
    folder: DeploymentFolder
    hub: HubAddress


class RegionService:
    """The loop of a region: hello, pull, answer, push.

    Args:
        tell: told of events: a word, a sentence, and fields.
        health: how it fares, for whoever looks after it.
    """

    def __init__(
        self,
        place: RegionPlace,
        tell: Callable[..., None] = lambda event, text, **fields: None,
        health: Health | None = None,
    ) -> None:
        self._place, self._tell = place, tell
        self._health = health or Health()
        self._connection = HubConnection(place.hub, Credentials.of(place.folder))
        self._server: ForkServer | None = None
        self._process: FramedSocket | None = None

    def serve(self, stop: threading.Event) -> None:
        """Answers messages until it is told to stop."""
        with ForkServer.start(DEPLOYED) as self._server:
            beats = threading.Thread(target=self._beat, args=(stop,), daemon=True, name="heartbeat")
            try:
                if self._hello(stop):
                    beats.start()
                    self._loop(stop)
            finally:
                self._close()

    def _loop(self, stop: threading.Event) -> None:
        has, pause = "", _Pause(stop)
        while not stop.is_set():
            try:
                headers = {"fedsov-wait": f"{WAIT:g}", "fedsov-has": has}
                status, parcel = self._connection.post(f"{FLEET}/pull", headers=headers, timeout=WAIT + 15)
                self._is_connected()
                pause.begin()
                if status == 200:
                    has = self._answer(parcel, has, stop)
            except HubUnreachable as error:
                self._lost(str(error))
                pause.wait()
            except HubRefused as error:
                if error.status == 409:
                    self._hello(stop)
                    continue
                self._lost(str(error))
                pause.wait()

    def _answer(self, parcel: bytes, has: str, stop: threading.Event) -> str:
        """Has a message answered, and brings the answer home; the message's id, which is not handed out again."""
        name = first_message(parcel)
        if name == has:
            return has
        started = time.monotonic()
        answer = self._worked(parcel)
        pause = _Pause(stop)
        while not stop.is_set():
            try:
                self._connection.post(f"{FLEET}/push", answer, timeout=120.0)
                break
            except HubUnreachable as error:
                self._lost(str(error))
            except HubRefused as error:
                if error.status != 409:
                    self._tell("answer refused", f"the hub does not take an answer: {error}")
                    break
                self._hello(stop)
            pause.wait()
        self._health.count(answered=1, bytes_in=len(parcel), bytes_out=len(answer))
        self._health.tell(last_round=time.monotonic() - started)
        return name

    def _worked(self, parcel: bytes) -> bytes:
        """The region's process's answer. A process that ends over a message is begun anew, a few times."""
        for attempt in range(GIVE_UP):
            try:
                process = self._region_process()
                process.send(Frame({"failed": attempt == GIVE_UP - 1}, parcel))
                return process.receive().body
            except ConnectionClosed:
                self._tell(
                    "region process ended",
                    "the region's process ended over a message; it is begun again and handed the same message",
                    attempt=attempt + 1,
                )
                self._drop_process()
        raise ConfigurationError(
            f"region {self._place.name}: its process ends at once, three times over; see regions/{self._place.name}/"
            "worker.log"
        )

    def _region_process(self) -> FramedSocket:
        if self._process is None:
            if self._server is None or not self._server.is_running:
                raise ConfigurationError("the region's fork server ended; start the service again")
            self._process = self._server.fork("deployed region")
            self._process.send(Frame({"workspace": str(self._place.workspace), "region": self._place.name}))
        return self._process

    def _drop_process(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def _hello(self, stop: threading.Event) -> bool:
        """Says hello until the coordinator answers; False where the service was stopped before."""
        pause = _Pause(stop)
        while not stop.is_set():
            try:
                told = self._connection.post_json(f"{FLEET}/hello", {})
                where = f"{self._place.hub.host}:{self._place.hub.port}"
                self._tell("connected", f"connected to the hub at {where}", node=told["node"], hub=told["instance"])
                self._is_connected()
                return True
            except (HubUnreachable, HubRefused, ConfigurationError) as error:
                self._lost(str(error))
            pause.wait()
        return False

    def _beat(self, stop: threading.Event) -> None:
        """A sign of life every few seconds, also while the region works on a message for minutes."""
        with HubConnection(self._place.hub, Credentials.of(self._place.folder)) as connection:
            while not stop.wait(BEAT):
                with suppress(HubUnreachable, HubRefused, ConfigurationError):
                    connection.post(f"{FLEET}/beat", timeout=2 * BEAT)

    def _is_connected(self) -> None:
        self._health.tell(connected=True, waits_for="")

    def _lost(self, why: str) -> None:
        state = self._health.state
        if state.connected or state.waits_for != why:
            self._tell("waiting", f"waits: {why}")
        self._health.tell(connected=False, waits_for=why)

    def _close(self) -> None:
        with suppress(HubUnreachable, HubRefused, ConfigurationError):
            if self._health.state.connected:
                HubConnection(self._place.hub, Credentials.of(self._place.folder)).post(f"{FLEET}/bye", timeout=3.0)
        self._connection.close()
        self._drop_process()


@dataclass(slots=True)
class _Pause:
    """Longer and longer between attempts, until one succeeds; cut short by a stop."""

    stop: threading.Event
    seconds: float = field(default=0.1)

    def begin(self) -> None:
        self.seconds = 0.1

    def wait(self) -> None:
        self.stop.wait(self.seconds)
        self.seconds = min(SLOWEST, 2 * self.seconds)
