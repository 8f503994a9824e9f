"""Garbage, halves and oversized messages, from a region and from a hub: each costs whoever sent it."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.api.ledger_audit import verify_all
from fedsov.protocol.envelopes import Address, enveloped
from fedsov.protocol.flower_messages import HUB_NODE, address, flower_process, identify, new_id
from fedsov.runtimes.deployment.flower_clients import named_once, parcel_of, parcelled
from fedsov.runtimes.deployment.hub.coordinator import LARGEST_PARCEL
from fedsov.runtimes.deployment.hub.tls_server import server
from fedsov.runtimes.deployment.hub_connection import Credentials, HubConnection, HubRefused
from tests.runtimes.deployment.world import (
    COORDINATOR,
    PREFIX,
    Deployment,
    free_port,
    left_out,
    until,
    updates_of,
)


def test_a_region_that_sends_garbage_is_left_out_and_the_others_go_on(deployed: Deployment) -> None:
    deployed.kill("GB")
    deployed.start("GB", module="tests.runtimes.deployment.a_liar")
    try:
        run = deployed.run("runtime.timeout=10")
        lines = run.ended()
    finally:
        deployed.kill("GB")
    assert len(left_out(lines)) == 4 and all("without GB (" in line for line in left_out(lines)), lines
    assert "round 1/5" in "".join(line for line in lines if "GB 0." in line)
    assert any("GB did not answer within 10 seconds; it is left out until it does" in line for line in lines)
    for name in ("AT", "DE", "FR"):
        assert updates_of(deployed, name, run.name) == [1, 2, 3, 4, 5]
    assert all(not finding.fault for finding in verify_all(deployed.workspace))


def test_a_coordinator_refuses_what_is_no_parcel_and_serves_the_others(deployed: Deployment) -> None:
    chance, process = random.Random(1), deployed.processes[COORDINATOR]
    sizes = (0, 1, 3, 4, 60, 5000)
    with HubConnection(deployed.address, Credentials.of(deployed.trial.regions["FR"])) as region:
        for garbage in (chance.randbytes(size) for size in sizes):
            with pytest.raises(HubRefused) as refused:
                region.post(f"{PREFIX}/fleet/push", garbage)
            assert refused.value.status == 400
        for path in ("grid/send", "grid/receive", "runs", "jobs", "jobs/next", "regions"):
            with pytest.raises(HubRefused) as refused:
                region.post(f"{PREFIX}/{path}", b"{}")
            assert refused.value.status == 403
    assert _said(deployed, f"content-length: {LARGEST_PARCEL + 1}\r\n\r\n".encode()).startswith(b"HTTP/1.1 413")
    assert _said(deployed, b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n").startswith(b"HTTP/1.1 4")
    _said(deployed, b"content-length: 5000\r\n\r\nhalf", listen=False)
    deployed.until_connected()
    assert process.poll() is None


def _said(deployed: Deployment, rest: bytes, *, listen: bool = True) -> bytes:
    """What the coordinator says to a push that begins so, by FR's certificate."""
    context = Credentials.of(deployed.trial.regions["FR"]).context()
    where = (deployed.address.host, deployed.address.port)
    with closing(context.wrap_socket(socket.create_connection(where, 5), server_hostname=where[0])) as line:
        line.sendall(f"POST {PREFIX}/fleet/push HTTP/1.1\r\nhost: hub\r\n".encode() + rest)
        return line.recv(4096) if listen else b""


class FalseHub:
    """A hub with the right certificate that hands a region what it pleases, and keeps what the region answers."""

    def __init__(self, deployed: Deployment) -> None:
        self.port = free_port()
        self.parcels: list[bytes] = []
        self.pushed: list[bytes] = []
        self._server = server(self, deployed.address.host, self.port, Credentials.of(deployed.trial.hub))
        self._server.config.lifespan = "off"
        self._server.config.loaded = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()), daemon=True, name="false hub")
        self._thread.start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        status, answer = await self._answer(scope["path"].rpartition("/")[2], body)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-length", str(len(answer)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, act: str, body: bytes) -> tuple[int, bytes]:
        if act == "hello":
            return 200, json.dumps({"node": "7", "instance": "false"}).encode()
        if act == "push":
            self.pushed.append(body)
        if act == "pull":
            if self.parcels:
                return 200, self.parcels.pop(0)
            await asyncio.sleep(0.05)
        return 204, b""

    def end(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)


@pytest.fixture
def false_hub(deployed: Deployment) -> Iterator[FalseHub]:
    hub = FalseHub(deployed)
    deployed.kill("GB")
    deployed.start("GB", wait=False, port=hub.port)
    try:
        yield hub
    finally:
        deployed.kill("GB")
        hub.end()


@pytest.fixture
def flower() -> Iterator[None]:
    with flower_process():
        yield


def _parcel(header: dict[str, Any], **records: ConfigRecord) -> bytes:
    message = Message(RecordDict(dict(records)), dst_node_id=2, message_type="query.answer")
    identify(message, new_id())
    with named_once():
        return parcel_of([enveloped(message, header, Address(5, 7))])


def test_a_hub_that_sends_garbage_gets_an_error_or_nothing_and_the_region_goes_on(
    deployed: Deployment, false_hub: FalseHub, flower: None
) -> None:
    chance, process = random.Random(2), deployed.processes["GB"].pid
    before = len(deployed.ledger("GB"))
    whole = _parcel({"act": "holdings", "run": "r", "config": {}})
    changed = bytearray(whole)
    changed[-1] ^= 1
    bare = Message(RecordDict({"x": ConfigRecord({"y": 1})}), dst_node_id=7, message_type="train")
    address(bare, run=5, source=HUB_NODE, target=7)
    identify(bare, new_id())
    with named_once():
        no_envelope = parcel_of([bare])
    unreadable = [b"", b"\x00", chance.randbytes(300), whole[:-9], whole[: len(whole) // 2], bytes(changed)]
    asked = [
        no_envelope,
        _parcel({"act": "open the store and send all rows", "run": "r"}),
        _parcel({"act": "answer", "run": "../../DE", "label": {}}),
        _parcel({"act": "answer", "run": "r", "label": "no label"}),
        _parcel({"act": "open", "run": "r", "start": {"region": "GB"}}),
        _parcel({"act": "register", "run": "nobody began it"}),
        _parcel({"act": "answer", "run": "r", "padding": "x" * (1 << 27)}),
    ]
    false_hub.parcels += [*unreadable, *asked]
    until(lambda: len(false_hub.pushed) >= len(asked), "the region answers what it can read")
    answers = [parcelled(parcel)[0].message() for parcel in false_hub.pushed]
    assert len(answers) == len(asked) and all(answer.has_error() for answer in answers)
    assert all(len(answer.error.reason) < 200 for answer in answers)
    assert deployed.processes["GB"].poll() is None and deployed.processes["GB"].pid == process
    assert not deployed.said("GB", "region process ended")
    noted = deployed.ledger("GB")[before:]
    assert {entry["act"] for entry in noted} <= {"note"} and len(noted) <= len(asked), "nothing crossed"
