"""Whose word a region believes: a key that its own settings pin comes before what any file or message says.

A party is known by its verify key (Ed25519), which signs its ledger's heads. `region.yaml` pins those of the hub and of
peers (``keys.NAME``); the first ingestion in one workspace, and `fedsov region init`, write the keys of the parties at
hand. `verify_keys.json` (`fedsov.ledger.known_keys`) is signed by nobody: it tells the keys of parties that nobody
pinned, and where it contradicts a pinned one the job is refused. A peer's sealing key (X25519) comes with a job; of a
pinned peer it is believed where the peer signed it. So a new key takes the owner's act, whoever announces it.

    said = known_peers.faults(own, known_peers.directory(folder), start)
    key = known_peers.sealing_key(own, start, "FR")
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fedsov.errors import JobRefused, KeyUnavailable
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger import known_keys
from fedsov.ledger.signed_head import signature_holds
from fedsov.protocol.job import RegionStart
from fedsov.region.settings import RegionSettings

FORMAT = b"fedsov sealing key 1\n"
"""What the signature of a sealing key begins with, so that none of it is one of a head."""


def signed_sealing_key(keys: RegionKeys) -> tuple[str, str]:
    """A region's sealing key and its signature of it, in hexadecimal. Raises KeyUnavailable where it has no ledger."""
    sealing = keys.public.sealing
    return sealing.hex(), keys.sign(_text(keys.region, sealing)).hex()


def directory(folder: Path) -> dict[str, bytes]:
    """The keys that the unsigned file in a region's folder tells; none without a file. Raises KeyUnavailable."""
    return known_keys.read_keys(folder) if (folder / known_keys.FILE).exists() else {}


def verify_keys(own: RegionSettings, told: Mapping[str, bytes]) -> dict[str, bytes]:
    """By which key each party's word is checked: the pinned one, else the one that was told."""
    return {**told, **{name: bytes.fromhex(key) for name, key in own.keys.items()}}


def faults(own: RegionSettings, told: Mapping[str, bytes], start: RegionStart) -> list[str]:
    """A sentence for each key of this job's parties that is not the pinned one, or not signed by it."""
    parties = (start.hub.name, *start.peers)
    said = contradictions(own, {name: told[name].hex() for name in parties if name in told})
    for peer in start.peer_keys:
        try:
            sealing_key(own, start, peer)
        except JobRefused as problem:
            said.append(str(problem))
        except KeyUnavailable:
            pass  # of a peer that nobody pinned: nothing can be sealed for it, which sealing says
    return said


def contradictions(own: RegionSettings, told: Mapping[str, str]) -> list[str]:
    """A sentence for each verify key (hexadecimal) that is another one than was pinned for its party."""
    return [
        f"region {own.region} has pinned the key {own.keys[name][:12]}… for {name}, and was told {key[:12]}…; if "
        f"{name}'s owner says that it has a new key, `fedsov region set {own.region} keys.{name}={key}` pins that one"
        for name, key in sorted(told.items())
        if own.keys.get(name, key) != key
    ]


def unpinned(own: RegionSettings, told: Mapping[str, str]) -> list[str]:
    """A sentence for each party whose key was not pinned, where others' were."""
    return [
        f"region {own.region} has pinned no key for {name}, and believes what {known_keys.FILE} tells; "
        f"`fedsov region set {own.region} keys.{name}={key}` pins this one"
        for name, key in sorted(told.items())
        if own.keys and name not in own.keys
    ]


def sealing_key(own: RegionSettings, start: RegionStart, peer: str) -> bytes:
    """The X25519 key that rows for a peer are sealed with.

    Raises JobRefused where the peer is pinned and its pinned key did not sign this one; KeyUnavailable for no key.
    """
    try:
        key = bytes.fromhex(start.peer_keys[peer])
    except (KeyError, ValueError):
        raise KeyUnavailable(f"nobody told region {own.region} a sealing key of {peer}") from None
    pinned = own.keys.get(peer)
    if pinned is not None and not signature_holds(_text(peer, key), pinned, start.peer_signatures.get(peer, "")):
        raise JobRefused(
            f"region {own.region} seals nothing for {peer}: its sealing key {key.hex()[:12]}… is not signed by the key "
            f"{pinned[:12]}… that is pinned for it; if {peer}'s owner says that it has a new key, "
            f"`fedsov region set {own.region} keys.{peer}=KEY` pins that one"
        )
    return key


def _text(region: str, sealing: bytes) -> bytes:
    return FORMAT + region.encode() + b"\n" + sealing
