"""A region's Fleet client: it calls outwards to the coordinator, and hands what comes to the region's own process.

It holds the certificate of the connection and nothing else of the region's: no key of its store, no row, no ledger. The
region's process (`fedsov.runtimes.deployment.region.enveloped_region`) is forked beside it, and again where it ended;
the message that it worked on is handed to it again, and is answered once all the same.

    RegionService(place, hooks).serve(stop)
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fedsov.errors import CertificateRefused, ConfigurationError, KeyUnavailable
from fedsov.keys.revocation import read
from fedsov.runtimes.deployment.flower_clients import first_message
from fedsov.runtimes.deployment.hub_connection import Credentials, HubConnection, HubRefused, HubUnreachable, Pause
from fedsov.runtimes.deployment.parcels import ParcelDamaged
from fedsov.runtimes.deployment.paths import FLEET, HAS, WAITS
from fedsov.runtimes.deployment.supervision.health import Health
from fedsov.runtimes.deployment.supervision.log_lines import cut
from fedsov.runtimes.deployment.supervision.repeats import ThrottledEvents
from fedsov.runtimes.fork_server import TO_READ, ForkServer
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.storage.atomic_files import write_file
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress

WAIT = 20.0
"""Seconds of a long poll."""
BEAT = 5.0
"""Seconds between two signs of life: half of what the coordinator waits for one."""
DEPLOYED = (*TO_READ, "fedsov.runtimes.deployment.region.enveloped_region")
"""What a region's process needs, imported before any message comes."""
BUSY = 503
"""The status of a hub that takes an answer later."""
GIVE_UP = 3
"""How often a message is handed to a region's process that ends over it, before it is answered as failed."""


@dataclass(frozen=True, slots=True)
class RegionPlace:
    """Where a region's service finds what it needs.

    Attributes:
        workspace: the folder with the region's own, ``regions/NAME``.
        folder: its certificate and key.
        hub_key: the key (Ed25519, hexadecimal) of the hub's ledger, as the region's settings pin it; "" for none.
    """

    name: str
    workspace: Path
    folder: DeploymentFolder
    hub: HubAddress
    hub_key: str = ""

    @property
    def credentials(self) -> Credentials:
        """By which it and the hub know each other."""
        return Credentials.of(self.folder, self.hub_key)


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
        self._place, self._tell = place, ThrottledEvents(tell)
        self._health = health or Health()
        self._connection = HubConnection(place.hub, place.credentials)
        self._server: ForkServer | None = None
        self._process: FramedSocket | None = None
        self._revoked_until = -1

    def serve(self, stop: threading.Event) -> None:
        """Answers messages until it is told to stop."""
        with ForkServer.start(DEPLOYED) as self._server:
            beats = threading.Thread(target=self._beat, args=(stop,), daemon=True, name="heartbeat")
            try:
                self._region_process()
                if not self._place.hub_key:
                    why = "this region pins no key of its hub, so that no list of revoked certificates is believed here"
                    self._tell("no revocations", f"{why}; `fedsov deploy accept` pins it")
                if self._hello(stop):
                    beats.start()
                    self._loop(stop)
            finally:
                self._close()

    def interrupt(self) -> None:
        """Has a service that is told to stop see it now, and not when its poll ends."""
        self._connection.interrupt()

    def _loop(self, stop: threading.Event) -> None:
        has, pause = "", Pause(stop)
        while not stop.is_set():
            try:
                headers = {WAITS: f"{WAIT:g}", HAS: has}
                status, parcel = self._connection.post(f"{FLEET}/pull", headers=headers, timeout=WAIT + 15)
                self._is_connected()
                pause.begin()
                if status == 200:
                    has = self._answer(parcel, has, stop)
            except (HubUnreachable, ParcelDamaged) as error:
                if stop.is_set():
                    return
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
        if not answer:
            self._tell("message unreadable", "the hub sent what is no message; it is not answered", message=name)
            return name
        pause = Pause(stop)
        while not stop.is_set():
            try:
                self._connection.post(f"{FLEET}/push", answer, timeout=120.0)
                break
            except HubUnreachable as error:
                self._lost(str(error))
            except HubRefused as error:
                if error.status == BUSY:
                    self._lost(f"the hub has no room for an answer now: {error}")
                elif error.status == 409:
                    self._hello(stop)
                else:
                    self._tell("answer refused", f"the hub does not take an answer: {error}")
                    break
            pause.wait()
        self._health.count(answered=1, bytes_in=len(parcel), bytes_out=len(answer))
        self._health.tell(last_round=time.monotonic() - started)
        return name

    def _worked(self, parcel: bytes) -> bytes:
        """The region's process's answer.

        A process that ends over a message is begun anew and handed it once more; the one after that says that nobody
        could answer it.
        """
        for attempt in range(GIVE_UP + 1):
            try:
                process = self._region_process()
                process.send(Frame({"given_up": attempt == GIVE_UP}, parcel))
                return process.receive().body
            except ConnectionClosed:
                self._tell(
                    "region process ended",
                    "the region's process ended over a message; it is begun again and handed the same message",
                    attempt=attempt + 1,
                )
                self._drop_process()
        raise ConfigurationError(
            f"region {self._place.name}: its process ends at once, again and again; see regions/{self._place.name}/"
            "worker.log"
        )

    def _region_process(self) -> FramedSocket:
        if self._process is None:
            if self._server is None or not self._server.is_running:
                raise ConfigurationError("the region's fork server ended; start the service again")
            self._process = self._server.fork("deployed region")
            place = self._place
            told = {"workspace": str(place.workspace), "region": place.name, "home": str(place.folder.home)}
            self._process.send(Frame(told))
        return self._process

    def _drop_process(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def _hello(self, stop: threading.Event) -> bool:
        """Says hello until the coordinator answers; False where the service was stopped before."""
        pause = Pause(stop)
        while not stop.is_set():
            try:
                told = self._connection.post_json(f"{FLEET}/hello", {})
                at = f"connected to the hub at {self._place.hub}"
                self._tell("connected", at, node=told["node"], hub=told["instance"])
                self._is_connected()
                return True
            except (HubUnreachable, HubRefused, ConfigurationError) as error:
                self._lost(str(error))
            pause.wait()
        return False

    def _beat(self, stop: threading.Event) -> None:
        """A sign of life every few seconds, also while the region works on a message for minutes."""
        with HubConnection(self._place.hub, self._place.credentials) as connection:
            while not stop.wait(BEAT):
                self._tell.flush()
                try:
                    with suppress(HubUnreachable, HubRefused, ConfigurationError, KeyUnavailable):
                        _, told = connection.post(f"{FLEET}/beat", timeout=2 * BEAT)
                        self._keep_revoked(connection, int(json.loads(told or b"{}").get("revoked", 0)))
                except Exception as problem:  # boundary: a full disk or a hub's nonsense ends no sign of life
                    why = f"the hub's list of revoked certificates was not taken: {type(problem).__name__}"
                    self._tell("revocations not taken", f"{why}; look for a full disk, and at the hub")

    def _keep_revoked(self, connection: HubConnection, newest: int) -> None:
        """Takes the hub's list of revoked certificates where it is newer than the one kept here."""
        place = self._place.folder.revoked
        if not self._place.hub_key or (newest <= self._revoked_until and place.exists()):
            return
        _, text = connection.post(f"{FLEET}/revoked", timeout=2 * BEAT)
        try:
            listed = read(text, self._place.hub_key)
            if place.exists():
                listed.check_follows(read(place.read_bytes(), self._place.hub_key))
        except CertificateRefused as error:
            self._tell("revocations refused", f"the hub's list of revoked certificates is not believed: {error}")
            return
        write_file(place, text)
        self._revoked_until = listed.counter

    def _is_connected(self) -> None:
        self._health.tell(connected=True, waits_for="")

    def _lost(self, why: str) -> None:
        state, waits_for = self._health.state, cut(f"the hub ({why})")
        if state.connected or state.waits_for != waits_for:
            self._tell("waiting", f"waits: {why}")
        self._health.tell(connected=False, waits_for=waits_for)

    def _close(self) -> None:
        with suppress(HubUnreachable, HubRefused, ConfigurationError):
            if self._health.state.connected:
                HubConnection(self._place.hub, self._place.credentials).post(f"{FLEET}/bye", timeout=3.0)
        self._connection.close()
        self._drop_process()
