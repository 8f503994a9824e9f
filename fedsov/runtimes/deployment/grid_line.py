"""A run's line to the coordinator: its run of Flower's, messages down, answers up.

A coordinator that began anew knows the run no more: `RunLost` is raised, and the next `begin` makes another. While the
coordinator is away, each request is made again for a while; every one of them may come twice.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from flwr.app import Message

from fedsov.errors import FedsovError
from fedsov.runtimes import OnBytes
from fedsov.runtimes.deployment.flower_clients import Parcelled, named_once, parcel_of, parcelled
from fedsov.runtimes.deployment.hub_connection import OUTAGE, HubConnection, HubRefused, HubUnreachable, again
from fedsov.runtimes.deployment.paths import GRID, REGIONS, RUNS, TOKEN, WAITS

T = TypeVar("T")
BEAT = 10.0
POLL = 1.5
"""Seconds of a long poll for answers: that a region was lost raises no event."""


class RunLost(FedsovError):
    """The coordinator began anew, and knows no run of before."""


@dataclass(frozen=True, slots=True)
class RegionSeen:
    """A region as the coordinator sees it: Flower's node, 0 for none yet, and whether it is connected."""

    node: int
    connected: bool


class GridLine:
    """One run's line.

    Args:
        outage: seconds for which a coordinator that is away is asked again.
        say: told in a sentence that it is away, and that it is back.
    """

    def __init__(
        self,
        connection: HubConnection,
        on_bytes: OnBytes | None = None,
        *,
        outage: float = OUTAGE,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._connection, self._on_bytes, self._outage, self._say = connection, on_bytes, outage, say
        self._token, self._number = "", 0
        self.run = 0
        self.revoked: dict[str, str] = {}
        self._ended = threading.Event()

    def begin(self) -> None:
        """Begins a run of Flower's."""
        told = self._again(lambda: self._connection.post_json(RUNS, {"application": "fedsov"}))
        self.run, self._token = int(told["run"]), str(told["token"])
        if not self._number:
            threading.Thread(target=self._beat, daemon=True, name="run heartbeat").start()
        self._number = max(1, self._number)

    def regions(self) -> dict[str, RegionSeen]:
        """The approved regions by name."""
        told = self._again(lambda: self._connection.get(REGIONS))
        self.revoked = {str(name): str(why) for name, why in told["revoked"].items()}
        return {name: RegionSeen(int(each["node"]), bool(each["connected"])) for name, each in told["regions"].items()}

    def send(self, messages: Sequence[Message]) -> list[str]:
        """Sends messages in one parcel; the id of each, "" for one that Flower does not take. Raises RunLost."""
        with named_once():
            parcel = parcel_of(messages)
        self._tell(parcel)
        _, answer = self._again(lambda: self._connection.post(f"{GRID}/send", parcel, headers=self._headers()))
        return [str(name) for name in json.loads(answer)]

    def receive(self, ids: Iterable[str], seconds: float) -> list[Parcelled]:
        """Answers that have come to these messages; waits up to so many seconds for the first. Raises RunLost."""
        self._number += 1
        body = json.dumps({"ids": list(ids), "number": str(self._number)}).encode()
        headers = {**self._headers(), WAITS: f"{min(seconds, POLL):g}"}
        status, parcel = self._again(
            lambda: self._connection.post(f"{GRID}/receive", body, headers=headers, timeout=POLL + 60)
        )
        if status != 200:
            return []
        self._tell(parcel)
        return parcelled(parcel)

    def end(self, status: str = "completed") -> None:
        """Ends the run at the coordinator, where it can be told."""
        self._ended.set()
        if self._token:
            with suppress(HubUnreachable, HubRefused):
                self._connection.post_json(f"{RUNS}/end", {"status": status}, headers=self._headers())
            self._token = ""

    def _headers(self) -> dict[str, str]:
        return {TOKEN: self._token}

    def _tell(self, parcel: bytes) -> None:
        if self._on_bytes is not None:
            self._on_bytes(parcel)

    def _again(self, ask: Callable[[], T]) -> T:
        """As `again`. Raises RunLost, HubRefused, HubUnreachable."""
        try:
            return again(ask, outage=self._outage, say=self._say)
        except HubRefused as error:
            if error.status == 410:
                raise RunLost(str(error)) from None
            raise

    def _beat(self) -> None:
        with self._connection.another() as connection:
            while not self._ended.wait(BEAT):
                with suppress(HubUnreachable, HubRefused):
                    connection.post(f"{RUNS}/beat", headers=self._headers())
