"""The proof that nothing leaks: parties in networks of their own, attempts, and the search of all that passed.

    report = prove(Path("/tmp/proof"))
    report.faults                      # [] where nothing was found and everything that was tried was refused

Two halves over the same processes. In the first a training with a failing client, then every attempt; whatever passed a
link, came to an application, or lies with the hub is searched for canaries. In the second a leak is planted: a rare
float as a metric, a packet from a region to elsewhere, a connection from the hub to a region. The same search must find
all three, or it proves nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fedsov.storage.party_file import HubAddress
from tests.containment import network
from tests.containment.canaries import Canary, Find, Search, canaries_of, needles
from tests.containment.capture import Capture, Packet, packet_of, streams_of, tls_content
from tests.containment.network import HUB, HUB_NAME, Place
from tests.containment.parties import JOBS, Homes, Parties, running

REGIONS = ("DE", "FR", "IE", "NL")
HONEST, HOSTILE, FAILING = "DE", "FR", "IE"
APPS = {HOSTILE: ("tests.containment.hostile_app",), FAILING: ("tests.containment.failing_app",)}
PORT = 9092
HANDSHAKE = 8192
"""Bytes of a connection's handshake that are encrypted: certificates, at most."""
ELSEWHERE = "203.0.113.9"
"""An address that is nobody's (RFC 5737)."""


@dataclass(slots=True)
class Report:
    """What was tried and what was found.

    Attributes:
        networks: ``namespaces``, or why parties shared the loopback interface.
        strays: packets from a region to anybody but the hub.
        opened: connections and datagrams from the hub to a region.
        unaccounted: by region, bytes that TLS carried and the record lacks; handshakes' are allowed.
        control: what the planted leaks were found as.
        faults: a sentence for whatever is not as promised.
    """

    networks: str
    seconds: float = 0.0
    links: int = 0
    packets: int = 0
    bytes_captured: int = 0
    bytes_clear: int = 0
    bytes_at_hub: int = 0
    canaries: int = 0
    needles: int = 0
    encodings: list[str] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    finds: list[dict[str, str]] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    unaccounted: dict[str, int] = field(default_factory=dict)
    control: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """Attempts that were refused, each with its entry in the region's ledger."""
        return sum(attempt["is_stopped"] and not attempt["in_vain"] for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class _Passed:
    """What passed in one half: frames by link, and by file what was recorded of the clear text."""

    frames: Mapping[str, Sequence[bytes]]
    records: Mapping[str, bytes]
    dropped: int


def prove(root: Path, *, rounds: int = 2, rows: int = 120, isolate: bool = True) -> Report:
    """Runs all of it under a folder that does not exist yet.

    Args:
        rounds, rows: of the training, and of each region.
        isolate: False for the loopback interface in any case.
    """
    started, why = time.monotonic(), network.why_not() if isolate else "it was asked for"
    report = Report("namespaces" if not why else f"the loopback interface: {why}")
    with _places(why) as places:
        homes = Homes.made(
            root, REGIONS, HubAddress(places[HUB_NAME].address, PORT if not why else _free_port()), rows=rows
        )
        canaries = [canary for name in REGIONS for canary in canaries_of(name)]
        search = Search(needles(canaries))
        report.canaries, report.needles, report.encodings = len(canaries), len(search.needles), search.encodings
        with running(homes, places, APPS) as parties:
            with _recorded(parties, places, report) as first:
                _train(parties, report, rounds)
                _attempt(parties, report)
            with _recorded(parties, places, report) as second:
                _plant(parties, places)
        _judge(report, search, homes, places, first[0])
        _judge_control(report, search, places, second[0], canaries)
    report.seconds = time.monotonic() - started
    return report


@contextmanager
def _places(why: str) -> Iterator[dict[str, Place]]:
    if why:
        yield network.loopback(REGIONS)
    else:
        with network.namespaces(REGIONS) as places:
            yield places


def _free_port() -> int:
    import socket

    with socket.socket() as stream:
        stream.bind(("127.0.0.1", 0))
        return int(stream.getsockname()[1])


@contextmanager
def _recorded(parties: Parties, places: Mapping[str, Place], report: Report) -> Iterator[list[_Passed]]:
    """What passes within the block; the list has it when the block has ended."""
    found = list[_Passed]()
    before = {path.name: path.stat().st_size for path in parties.records.iterdir()}
    with ExitStack() as capturing:
        capture, hub = Capture(), places[HUB_NAME]
        links = {name: places[name].link for name in REGIONS} | {HUB_NAME: "lo"} if hub.namespace else {HUB_NAME: "lo"}
        try:
            capture = capturing.enter_context(Capture.of(links, hub.namespace))
        except PermissionError:
            report.networks += "; no link was captured, which needs root"
        yield found
        time.sleep(0.5)
    records = {path.name: path.read_bytes()[before.get(path.name, 0) :] for path in parties.records.iterdir()}
    frames = dict(capture.frames)
    if not hub.namespace:
        frames = {HUB_NAME: [frame for frame in frames.get(HUB_NAME, ()) if _is_ours(frame, parties)]}
    found.append(_Passed(frames, records, sum(capture.dropped.values())))


def _is_ours(frame: bytes, parties: Parties) -> bool:
    from fedsov.storage.deployment_folder import DeploymentFolder
    from fedsov.storage.party_file import read_party

    packet, port = packet_of(frame), read_party(DeploymentFolder(parties.homes.hub).party).hub.port
    return port in (packet.source_port, packet.target_port)


def _train(parties: Parties, report: Report, rounds: int) -> None:
    """A training in which one region's client fails in every round."""
    words = [
        *parties.homes.words(f"federation.rounds={rounds}"),
        f"workspace={parties.homes.hub}",
        "runtime=deployment",
    ]
    done = parties.hub_command("fedsov", "train", *words, seconds=600)
    (parties.logs / "train.log").write_text(done.stdout + done.stderr)
    if done.returncode or "global model, round" not in done.stderr:
        report.faults.append(f"the training ended with code {done.returncode}: {done.stderr[-400:]}")
    if "ValueError" not in done.stderr + done.stdout:
        report.faults.append(f"no failure of region {FAILING} was told by the training, though its client fails")


def _attempt(parties: Parties, report: Report) -> None:
    """Everything that a hostile submitter, hub and application try."""
    out = parties.homes.root / "attempts.json"
    done = _hostile(parties, out)
    if done.returncode:
        report.faults.append(f"the attempts broke off: {done.stderr[-400:]}")
        return
    report.attempts = json.loads(out.read_text())
    for attempt in report.attempts:
        if not attempt["is_stopped"]:
            report.faults.append(
                f"{attempt['by']}, {attempt['what']}: answered {attempt['answer'][:120]!r}, ledger {attempt['entries']}"
            )


def _hostile(parties: Parties, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = [str(parties.homes.root), str(out), "--honest", HONEST, "--hostile", HOSTILE, *more]
    return parties.hub_command("tests.containment.hostile_hub", *words, seconds=300)


def _plant(parties: Parties, places: Mapping[str, Place]) -> None:
    """The leaks that are to be found."""
    _hostile(parties, parties.homes.root / "none.json", "--planted")
    datagram = f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'hello', ({ELSEWHERE!r}, 53))"
    call = f"import socket; s = socket.socket(); s.settimeout(0.3); s.connect_ex(({places[FAILING].address!r}, 80))"
    if places[HUB_NAME].namespace:
        for name, code in ((FAILING, datagram), (HUB_NAME, call)):
            subprocess.run(places[name].command([sys.executable, "-c", code]), check=True, capture_output=True)


def _judge(report: Report, search: Search, homes: Homes, places: Mapping[str, Place], passed: _Passed) -> None:
    report.links = len(passed.frames)
    report.packets = sum(map(len, passed.frames.values()))
    report.bytes_captured = sum(len(frame) for frames in passed.frames.values() for frame in frames)
    report.bytes_clear = sum(map(len, passed.records.values()))
    at_hub = _at_hub(homes)
    report.bytes_at_hub = sum(map(len, at_hub.values()))
    finds = [*_searched(search, passed), *_in_files(search, at_hub)]
    report.finds = [asdict(find) for find in finds]
    report.strays, report.opened = _strays(passed, places), _opened(passed, places)
    report.unaccounted = _unaccounted(passed) if places[HUB_NAME].namespace else {}
    report.faults += [
        f"{find.what} of {find.region} in {find.place} as {find.encoding} {find.packed}" for find in finds
    ]
    report.faults += [f"a packet to elsewhere: {stray}" for stray in report.strays]
    report.faults += [f"the hub opened a connection: {each}" for each in report.opened]
    report.faults += [
        f"the record of {name}'s clear text lacks {size:,} bytes of what its link carried"
        for name, size in report.unaccounted.items()
        if size != 0
    ]
    if passed.dropped:
        report.faults.append(f"the kernel dropped {passed.dropped} packets of the capture; run it on a quieter machine")


def _judge_control(
    report: Report, search: Search, places: Mapping[str, Place], passed: _Passed, canaries: Sequence[Canary]
) -> None:
    """Raises no error: a control that is not found is a fault of the proof."""
    found = sorted(
        {f"{find.place}: {find.what} of {find.region} as {find.encoding}" for find in _searched(search, passed)}
    )
    report.control = found
    for who in (f"{HOSTILE}.sent", f"{HOSTILE}.{places[HOSTILE].address}", f"{HUB_NAME}.{places[HUB_NAME].address}"):
        if not any(line.startswith(who) and "rare float" in line for line in found):
            report.faults.append(f"the control failed: the planted rare float was not found in what {who} carried")
    if places[HUB_NAME].namespace:
        strays, opened = _strays(passed, places), _opened(passed, places)
        report.control += [f"packet {line}" for line in (*strays, *opened)]
        if not any(ELSEWHERE in line for line in strays):
            report.faults.append("the control failed: a packet from a region to elsewhere was not seen")
        if not any(places[FAILING].address in line for line in opened):
            report.faults.append("the control failed: a connection from the hub to a region was not seen")


def _searched(search: Search, passed: _Passed) -> Iterator[Find]:
    for name, content in passed.records.items():
        yield from search.clear(name, content)
    for link, frames in passed.frames.items():
        for stream in streams_of(list(frames)).values():
            yield from search.ciphertext(f"link {link}", stream)
        others = (packet for packet in map(packet_of, frames) if packet.protocol != "tcp")
        yield from search.ciphertext(f"link {link}", b"\n".join(packet.content for packet in others))


def _at_hub(homes: Homes) -> dict[str, bytes]:
    """Every file of the hub's home, and what it and the training said."""
    files = [*homes.hub.rglob("*"), *(homes.root / "logs" / f"{name}.log" for name in (HUB_NAME, JOBS, "train"))]
    return {str(path.relative_to(homes.root)): path.read_bytes() for path in files if path.is_file()}


def _in_files(search: Search, files: Mapping[str, bytes]) -> Iterator[Find]:
    for name, content in files.items():
        yield from search.clear(name, content)


def _strays(passed: _Passed, places: Mapping[str, Place]) -> list[str]:
    """Packets of a region to anybody but the hub; asking for the hub's own hardware address is none."""
    found = set[str]()
    for name in places.keys() & passed.frames.keys() - {HUB_NAME}:
        for packet in map(packet_of, passed.frames[name]):
            is_known = packet.protocol in ("tcp", "udp", "icmp", "arp")
            if (packet.source == places[name].address and packet.target != HUB) or not is_known:
                found.add(_line(name, packet))
    return sorted(found)


def _opened(passed: _Passed, places: Mapping[str, Place]) -> list[str]:
    """What the hub sent to a region without being asked."""
    found = set[str]()
    for name in places.keys() & passed.frames.keys() - {HUB_NAME}:
        for packet in map(packet_of, passed.frames[name]):
            if packet.source == HUB and (packet.opens or packet.protocol not in ("tcp", "arp", "icmp")):
                found.add(_line(name, packet))
    return sorted(found)


def _line(link: str, packet: Packet) -> str:
    ports = f":{packet.target_port}" if packet.target_port else ""
    return f"{link}: {packet.protocol} {packet.source} -> {packet.target}{ports}"


def _unaccounted(passed: _Passed) -> dict[str, int]:
    """By region, bytes that its link carried and the coordinator's record lacks, beyond its connections' handshakes."""
    found = {}
    for name in REGIONS:
        carried = sum(tls_content(stream) for stream in streams_of(list(passed.frames.get(name, ()))).values())
        own = {
            key: content for key, content in passed.records.items() if key.startswith(f"{name}.") and key.count(".") > 2
        }
        allowed = HANDSHAKE * max(1, len(own) // 2)
        missing = carried - sum(map(len, own.values()))
        found[name] = 0 if 0 <= missing <= allowed else missing
    return found
