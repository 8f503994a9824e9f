"""Many regions at once, as far as the hub's control plane sees them: each with its certificate, poll and reports.

    python -m tests.api.control.crowd 1000

They are made up: a certificate of the trial's authority, a member's entry, a key in the repository, and a client that
does what an agent does. The figures are of the hub's process; all of them share this machine with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.api.control.control_hub import control_hub
from fedsov.api.deployment.authority import AuthorityFolder, given_passphrase, open_authority
from fedsov.api.deployment.hub_home import hub_home
from fedsov.api.deployment.own_certificates import member_of
from fedsov.control_plane.database.notices import announce
from fedsov.keys.certificates import new_key, request
from fedsov.protocol.control import CONFIGURATION
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.control.calls import CALLS, OPTIONS
from fedsov.runtimes.deployment.region_agent.agent import BEAT, WAIT
from tests.api.control.processes import HUB, ControlProcesses, until

ENROLLED = 50
"""Regions that get a role in the repository: each takes longer than the one before."""
AT_ONCE = 50
"""Connections that are made at a time."""
CHANNEL = (*OPTIONS, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


@dataclass
class FakeRegion:
    """A region that waits and reports."""

    name: str
    certificate: bytes
    key: bytes
    channel: Any = None
    seen: dict[str, int] = field(default_factory=dict)
    answered: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)

    async def connect(self, port: int, authority: bytes) -> None:
        """Its connection and its hello."""
        own = grpc.ssl_channel_credentials(authority, self.key, self.certificate)
        self.channel = grpc.aio.secure_channel(f"localhost:{port}", own, CHANNEL)
        await self.ask("Hello", control.HelloRequest(protocol=1))
        answer = await self.ask("Watch", control.WatchRequest())
        self.seen = dict(answer.newest)

    async def ask(self, name: str, message: Any) -> Any:
        """A call's answer."""
        call = CALLS[name]
        asked = self.channel.unary_unary(call.path, call.write, call.answer.FromString)
        return await asked(message, timeout=WAIT + 60)

    async def wait(self) -> None:
        """Long polls, one after the other."""
        while True:
            asked = control.WatchRequest(seen=self.seen, wait_ms=int(WAIT * 1000))
            try:
                newest = dict((await self.ask("Watch", asked)).newest)
            except grpc.aio.AioRpcError as refused:
                self.refusals[f"{refused.code().name}: {refused.details()}"] += 1
                await asyncio.sleep(1)
                continue
            if newest:
                self.seen.update(newest)
                self.answered = time.perf_counter()

    async def report(self, start: float) -> None:
        """A report every two seconds."""
        await asyncio.sleep(start)
        running = control.RunningVersion(model="m", version=1, mode="champion", digest="ab" * 32)
        report = control.RunningReport(counter=1, versions=[running], endpoint="serving", software="0.1.0")
        while True:
            began = time.perf_counter()
            try:
                await self.ask("Report", report)
            except grpc.aio.AioRpcError as refused:
                self.refusals[f"{refused.code().name}: {refused.details()}"] += 1
            await asyncio.sleep(max(0.0, BEAT - (time.perf_counter() - began)))


def made_up(parties: ControlProcesses, count: int) -> list[FakeRegion]:
    """So many regions: certified, members, and known to the repository."""
    now, place = datetime.now(UTC), AuthorityFolder(parties.trial.hub.root / "ca")
    authority = open_authority(place, given_passphrase(place.passphrase))
    regions = []
    for number in range(count):
        name, key = f"R{number}", new_key()
        regions.append(FakeRegion(name, authority.sign(request(key, "region", name), days=30, now=now), key))
    keys = {each.name: Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex() for each in regions}
    with hub_home(parties.home) as home:
        added = {each.name: member_of(each.certificate, verify_key=keys[each.name]) for each in regions}
        home.put_members({**home.members(), **added})
    return regions


def enrolled(home: Path, regions: Sequence[FakeRegion]) -> dict[str, float]:
    """Gives these a role in the repository; bytes of what each region fetches where another joined, a region."""
    with control_hub(home) as hub:
        with hub.database.changing() as connection:
            for each in regions:
                key = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
                hub.repository.enroll(connection, each.name, key)
        stamp = json.loads(_content(hub.repository.fetch("timestamp.json", region="R0")))
        number = stamp["signed"]["meta"]["snapshot.json"]["version"]
        snapshot = _content(hub.repository.fetch(f"{number}.snapshot.json", region="R0"))
        number = json.loads(snapshot)["signed"]["meta"]["targets.json"]["version"]
        targets = _content(hub.repository.fetch(f"{number}.targets.json", region="R0"))
        return {"bytes of targets.json a region": len(targets) / len(regions)}


def _content(fetched: bytes | Path | None) -> bytes:
    assert fetched is not None
    return fetched if isinstance(fetched, bytes) else fetched.read_bytes()


def busy(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Megabytes of memory that a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


async def figures(parties: ControlProcesses, regions: list[FakeRegion], seconds: float) -> dict[str, Any]:
    """What a hub's process takes for these regions."""
    authority, hub = parties.trial.hub.authority.read_bytes(), parties.running[HUB].pid
    began, before = time.perf_counter(), busy(hub)
    room = asyncio.Semaphore(AT_ONCE)

    async def connect(region: FakeRegion) -> None:
        async with room:
            await region.connect(parties.control, authority)

    async with counted_bytes(parties.control) as (port, passed):
        await asyncio.gather(regions[0].connect(port, authority), *map(connect, regions[1:]))
        told: dict[str, Any] = {
            "connect seconds": time.perf_counter() - began,
            "connect CPU seconds": busy(hub) - before,
        }
        tasks = [asyncio.create_task(each.wait()) for each in regions]
        tasks += [asyncio.create_task(each.report(BEAT * i / len(regions))) for i, each in enumerate(regions)]
        await asyncio.sleep(BEAT)
        began, before, bytes_before = time.perf_counter(), busy(hub), passed[0]
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        told["CPU % of a core"] = 100 * (busy(hub) - before) / took
        told["bytes a second and region"] = (passed[0] - bytes_before) / took
        told["MB"] = resident(hub)
        told["news to all, ms"] = await _news(parties, regions)
        told["refused"] = dict(sum((each.refusals for each in regions), Counter[str]()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(each.channel.close() for each in regions), return_exceptions=True)
    return told


@asynccontextmanager
async def counted_bytes(port: int) -> AsyncIterator[tuple[int, list[int]]]:
    """A port that leads to another one, and how many bytes passed, both ways together."""
    passed = [0]

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(1 << 16):
            passed[0] += len(content)
            writer.write(content)
            await writer.drain()
        writer.close()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        further, back = await asyncio.open_connection("127.0.0.1", port)
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(carry(reader, back), carry(further, writer))

    server = await asyncio.start_server(lead, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], passed
    server.close()


async def _news(parties: ControlProcesses, regions: list[FakeRegion]) -> float:
    """Milliseconds from a commit until every region was answered."""

    def say() -> float:
        with closing(parties.database()) as database:
            with database.changing() as connection:
                announce(connection, CONFIGURATION)
            return time.perf_counter()

    said = await asyncio.to_thread(say)
    while any(each.answered < said for each in regions):
        await asyncio.sleep(0.005)
    return 1000 * (max(each.answered for each in regions) - said)


def crowd(home: Path, count: int, seconds: float = 20.0) -> dict[str, Any]:
    """The figures of so many regions at a hub in this home."""
    with ControlProcesses(home, ["DE"]) as parties:
        regions = made_up(parties, count)
        told: dict[str, Any] = enrolled(home, regions[:ENROLLED])
        parties.begin_hub()
        parties.begin_region("DE")
        parties.until_seen("DE")
        told |= asyncio.run(figures(parties, regions, seconds))
        until(lambda: parties.state("R0"), parties.last_words)
        return told


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name, value in crowd(Path(folder), int(sys.argv[1])).items():
            print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
