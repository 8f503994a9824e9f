"""Requests of another region's people go home: packed by the region that answered, taken by the people's own.

    sent = send_home(root, "DE")                        # a parcel for each home region, in DE's outbox
    receive(root, "AT", Path("DE-to-AT.parcel"))        # decided by AT's gate, and in AT's log

Each region decides by its own gate and writes it into its own ledger: the host that a parcel leaves, the home region
that it comes, as rows of a source that lies abroad come (`fedsov.runtimes.ways_home`). The host cannot read what it
sends. Where both regions are in one workspace, what is sent is received at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedsov.api.inference.request_logs import log_of, owners_keys, region_place
from fedsov.api.lifecycle.request_log import SENT, has_log, sent_home
from fedsov.artifact import INGESTION, Artifact, Kind, Party
from fedsov.border.decisions import Permit
from fedsov.errors import CertificateRefused, ConfigurationError, JobRefused, WorkspaceUnusable, counted
from fedsov.inference.request_log import homes
from fedsov.inference.request_log.homes import Parcel, ParcelHead
from fedsov.inference.request_log.lines import Line
from fedsov.inference.request_log.reader import read_lines
from fedsov.inference.request_log.settings import LogPlace, LogSettings
from fedsov.inference.request_log.writer import RequestLog
from fedsov.keys import KeySettings, has_keys, open_keys
from fedsov.keys.members import read_members
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.signed_files import put_noted
from fedsov.ledger.signed_head import signature_holds
from fedsov.partition.sources.location import Share, SourceLocation, lacking
from fedsov.partition.told_counts import FEWEST, in_tens
from fedsov.region.admission import Place
from fedsov.region.serving.hosting import serving_gate
from fedsov.region.settings import RegionSettings
from fedsov.region.trust.known_peers import is_signed_sealing_key, signed_sealing_key
from fedsov.runtimes.ways_home import record_way
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace

ARRIVED = "requests_arrived"
"""What a ledger calls the note of a parcel that came."""
OUTBOX, ENDING = "outbox", ".parcel"
LARGEST_PARCEL = 2**31


@dataclass(frozen=True, slots=True)
class SentParcel:
    """A parcel on its way: for whom, how many lines, where it lies, and whether it was received at once."""

    home: str
    lines: int
    path: Path
    received: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"home": self.home, "lines": self.lines, "parcel": str(self.path), "received": self.received}

    def line(self) -> str:
        """In a sentence."""
        where = (
            "received there" if self.received else f"carry {self.path} there, and `fedsov requests receive` takes it"
        )
        return f"{counted(self.lines, 'line')} of people of region {self.home}: sealed for it; {where}"


def send_home(root: Path, name: str) -> list[SentParcel]:
    """Packs the lines of every other region's people that were not sent yet; a parcel for each.

    Raises Refused where the border lets a parcel not leave, or JobRefused not come; ConfigurationError for a home
    region that is not pinned; KeyUnavailable, LedgerBroken, WorkspaceUnusable.
    """
    sent = []
    with _opened(root, name) as (place, own, keys):
        log, secrets = log_of(place, keys)
        before = sent_home(place.ledger)
        for home in sorted({*homes.waiting(log, secrets, before)}):
            parcel = homes.pack(log, secrets, home, sent=before.get(home, {}))
            if parcel is not None:
                sent.append(_sent(Workspace(root), place, own, parcel))
    return [replace(each, received=_delivered(root, each)) for each in sent]


def _sent(workspace: Workspace, place: Place, own: RegionSettings, parcel: Parcel) -> SentParcel:
    """Has a parcel's crossing decided, and puts it into the outbox once the ledger notes it."""
    party = own.parties.peers.get(parcel.home)
    if party is None:
        raise ConfigurationError(
            f"region {own.region} has not pinned where {parcel.home} is (parties.peers.{parcel.home}), so no border "
            "can be asked about what goes there; `fedsov ingest` pins peers, and shows them"
        )
    content = parcel.sealed(_sealing_key(workspace, own, parcel.home), place.ledger.sign, place.ledger.key)
    head = homes.read_head(content)
    count = in_tens(parcel.lines) + FEWEST
    artifact = Artifact(
        Kind.RECORDS, parcel.label, content=content, count=count, name=f"requests of people of {parcel.home}"
    )
    replace(serving_gate(place, own), purpose=INGESTION).cross(artifact, party)
    path = ServingFolder(place.folder).requests / OUTBOX / f"{own.region}-to-{parcel.home}-{head.sha256[:16]}{ENDING}"
    reached = {str(worker): number for worker, number in parcel.reached.items()}
    try:
        make_private_folder(path.parent)
    except OSError as error:
        raise WorkspaceUnusable(f"{path.parent} cannot be made: {error.strerror}; make room") from error
    note = {"to": parcel.home, "lines": count, "parcel": head.sha256, "reached": reached}
    put_noted(path, content, place.ledger, {SENT: note})
    return SentParcel(parcel.home, parcel.lines, path, received=False)


def _delivered(root: Path, sent: SentParcel) -> bool:
    """Whether the home region is in this workspace and took the parcel, which leaves the outbox then."""
    if not has_keys(KeySettings(sent.home, Workspace(root).region(sent.home))):
        return False
    receive(root, sent.home, sent.path)
    sent.path.unlink()
    return True


def receive(root: Path, name: str, parcel: Path) -> int:
    """Takes a parcel of lines of this region's people into its log; how many were not there already.

    Raises:
        CertificateRefused: it is not for this region, or the key that is pinned for its host did not sign it.
        JobRefused: the border does not let it come, which the ledger says too.
        ConfigurationError, KeyUnavailable, RequestLogBroken, LedgerBroken, LogFull.
    """
    try:
        head = homes.read_head(read_bounded(parcel, largest=LARGEST_PARCEL))
    except (OSError, TooLarge) as problem:
        raise ConfigurationError(f"cannot read the parcel {parcel}: {problem}") from None
    with _opened(root, name) as (place, own, keys):
        host = _host_of(own, head)
        arrived = {entry.body["note"][ARRIVED]["parcel"] for entry in place.ledger.notes(ARRIVED)}
        if head.sha256 in arrived:
            raise ConfigurationError(f"region {name} took this parcel of {head.host} already; nothing was done")
        _decide(place, own, head, host)
        taken = _taken(place, own, keys, head)
        place.ledger.note({ARRIVED: {"from": head.host, "lines": in_tens(taken) + FEWEST, "parcel": head.sha256}})
        return taken


def _host_of(own: RegionSettings, head: ParcelHead) -> Party:
    """Who packed a parcel. Raises CertificateRefused, ConfigurationError."""
    if head.home != own.region:
        raise CertificateRefused(f"the parcel is for region {head.home}, and this is {own.region}; bring it there")
    party = own.parties.peers.get(head.host)
    pinned = own.keys.get(head.host, "")
    if party is None or not pinned:
        raise ConfigurationError(
            f"region {own.region} has not pinned where {head.host} is, and its key (parties.peers.{head.host}, "
            f"keys.{head.host}); `fedsov ingest` pins peers, and `fedsov region set` does"
        )
    if head.key != pinned or not signature_holds(head.signed, head.key, head.signature):
        raise CertificateRefused(
            f"the parcel is not signed by the key {pinned[:12]}… that region {own.region} has pinned for {head.host}; "
            "nothing of it was opened"
        )
    return party


def _decide(place: Place, own: RegionSettings, head: ParcelHead, host: Party) -> None:
    """Has the region's gate decide whether the lines may come from where their host is. Raises JobRefused."""
    gate = serving_gate(place, own)
    share = Share.of(gate.owner, head.label, head.lines)
    way = record_way(gate, share, "requests", SourceLocation(host, is_stated=True, holds=True))
    if not isinstance(way.home, Permit):
        raise JobRefused(
            f"requests of people of {', '.join(sorted(head.label.origins))} may not come from {host.name} "
            f"({host.location}): {lacking([way.home])}; enter what is missing into the region's register, then receive "
            "the parcel again"
        )


def _taken(place: Place, own: RegionSettings, keys: RegionKeys, head: ParcelHead) -> int:
    """Writes a parcel's lines into the region's log, those that are not there already; how many."""
    known = set[tuple[str, str, int, str]]()
    if has_log(place.folder):
        log, secrets = log_of(place, keys)
        lines = (read.line for read in read_lines(log, secrets, with_content=False))
        known = {_own_words(line) for line in lines if line.host == head.host}
    own_log = LogPlace(own.region, ServingFolder(place.folder).requests, lambda: keys, place.ledger.note)
    writer = RequestLog.open(own_log, LogSettings())
    taken = 0
    try:
        for line in homes.opened(head, keys):
            if _own_words(line) not in known:
                while writer.state.waiting > _MOST_WAITING:
                    time.sleep(0.01)
                writer.put(line)
                taken += 1
    finally:
        writer.close()
    return taken


def _own_words(line: Line) -> tuple[str, str, int, str]:
    """What tells a line from any other: versions beside the champion answer the same request."""
    return line.request_id, line.model, line.version, line.host


_MOST_WAITING = 1000


def _sealing_key(workspace: Workspace, own: RegionSettings, home: str) -> bytes:
    """The home region's sealing key, signed by the key that is pinned for it. Raises ConfigurationError."""
    place = KeySettings(home, workspace.region(home))
    if has_keys(place):
        sealing, signature = signed_sealing_key(open_keys(place))
    else:
        member = read_members(DeploymentFolder(workspace.root).members).get(home)
        sealing, signature = ("", "") if member is None else (member.sealing_key, member.sealing_signature)
    if not is_signed_sealing_key(home, bytes.fromhex(sealing), own.keys.get(home, ""), signature):
        raise ConfigurationError(
            f"no sealing key of region {home} that the key pinned for it (keys.{home}) signed is known here, so "
            f"nothing can go there sealed; `fedsov region set {own.region} keys.{home}=KEY` pins it"
        )
    return bytes.fromhex(sealing)


@contextmanager
def _opened(root: Path, name: str) -> Iterator[tuple[Place, RegionSettings, RegionKeys]]:
    with region_place(root, name) as (place, own):
        yield place, own, owners_keys(place, own)
