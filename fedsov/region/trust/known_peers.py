"""Whose word a region believes: a key that its own settings pin comes before what any file or message says.

A party is known by its verify key (Ed25519), which signs its ledger's heads. `region.yaml` pins those of the hub and of
peers (``keys.NAME``), and where they are and whose (``parties``); the first ingestion in one workspace writes both of
the parties at hand. `verify_keys.json` (`fedsov.ledger.known_keys`) is signed by nobody: where it contradicts a pinned
key the job is refused, and it makes nobody known. A peer's sealing key (X25519) comes with a job, and is believed where
the pinned peer signed it. Rows are sealed for pinned peers alone, and sums are made among them alone. So a new party,
and a new key, take the owner's act, whoever announces them.

    said = known_peers.faults(own, known_peers.directory(folder), start)
    key = known_peers.sealing_key(own, start, "FR")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from fedsov.artifact import Party
from fedsov.errors import JobRefused, KeyUnavailable
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger import known_keys
from fedsov.ledger.signed_head import signature_holds
from fedsov.protocol.job import RegionStart
from fedsov.region.settings import RegionSettings
from fedsov.region.trust.parties import Parties, words

FORMAT = b"fedsov sealing key 1\n"
"""What the signature of a sealing key begins with, so that none of it is one of a head."""


def signed_sealing_key(keys: RegionKeys) -> tuple[str, str]:
    """A region's sealing key and its signature of it, in hexadecimal. Raises KeyUnavailable where it has no ledger."""
    sealing = keys.public.sealing
    return sealing.hex(), keys.sign(_text(keys.region, sealing)).hex()


def is_signed_sealing_key(region: str, sealing: bytes, verify: str, signature: str) -> bool:
    """Whether a region's verify key (hexadecimal) signed its sealing key, as `signed_sealing_key` does."""
    return signature_holds(_text(region, sealing), verify, signature)


def directory(folder: Path) -> dict[str, bytes]:
    """The keys that the unsigned file in a region's folder tells; none without a file. Raises KeyUnavailable."""
    return known_keys.read_keys(folder) if (folder / known_keys.FILE).exists() else {}


def members(own: RegionSettings, key: str) -> dict[str, bytes]:
    """The verify keys of those with whom a region takes part in a secure sum: its own `key`, and the pinned peers'.

    A peer is who is named in ``parties.peers``: the key of a hub that had another name stays in ``keys``.
    """
    hub = None if own.parties.hub is None else own.parties.hub.name
    peers = {name: own.keys[name] for name in own.parties.peers if name in own.keys and name != hub}
    return {name: bytes.fromhex(each) for name, each in {**peers, own.region: key}.items()}


def faults(own: RegionSettings, told: Mapping[str, bytes], start: RegionStart) -> list[str]:
    """A sentence for each of this job's parties, or their keys, that is not the pinned one, or not signed by it."""
    stated = Parties.of(start)
    said = [*own.parties.unsaid(own.region, stated), *own.parties.contradictions(own.region, stated)]
    said += [
        f"region {own.region} is told of a peer {name} under two names; a job names each party once"
        for name, party in start.peers.items()
        if party.name != name
    ]
    names = (start.hub.name, *start.peers)
    said += contradictions(own, {name: told[name].hex() for name in names if name in told})
    for peer in start.peer_keys:
        if peer not in own.keys:
            continue  # of a peer that nobody pinned: nothing is sealed for it, which sealing says
        try:
            _signed(own, start, peer, _stated_key(own, start, peer))
        except (JobRefused, KeyUnavailable) as problem:
            said.append(str(problem))
    return said


def contradictions(own: RegionSettings, told: Mapping[str, str]) -> list[str]:
    """A sentence for each verify key (hexadecimal) that is another one than was pinned for its party."""
    return [
        f"region {own.region} has pinned the key {own.keys[name][:12]}… for {name}, and was told {key[:12]}…; if "
        f"{name}'s owner says that it has a new key, `fedsov region set {own.region} keys.{name}={key}` pins that one"
        for name, key in sorted(told.items())
        if own.keys.get(name, key) != key
    ]


def unpinned(own: RegionSettings, told: Mapping[str, str], stated: Parties) -> list[str]:
    """A sentence for each party of a job that is not pinned whole, with the command that pins what is missing.

    Args:
        told: the verify keys (hexadecimal) of the parties at hand.
    """
    return [
        f"region {own.region} has {what} of {name}: {_left_out(own, name)}; `fedsov region set {own.region} {pins}` "
        "pins it"
        for name in sorted({*told, *stated.peers})
        for what, pins in _missing(own, told.get(name), name, stated.peers.get(name))
    ]


def _missing(own: RegionSettings, key: str | None, name: str, party: Party | None) -> Iterator[tuple[str, str]]:
    """What of a party is not pinned, and the words that pin it; nothing of one that is pinned whole."""
    place = words(f"peers.{name}", party) if party is not None and name not in own.parties.peers else []
    if key is not None and name not in own.keys:
        yield f"pinned no key{' and no place' if place else ''}", " ".join([*place, f"keys.{name}={key}"])
    elif place:
        yield "pinned no place", " ".join(place)


def _left_out(own: RegionSettings, name: str) -> str:
    if own.parties.hub is not None and name == own.parties.hub.name:
        return "it takes the first ledger that it is shown for that party's"
    return "it seals no rows for it, and takes part in no secure sum with it"


def check_pinned(own: RegionSettings, start: RegionStart, peer: str) -> None:
    """Raises JobRefused where a peer is not pinned, its key and its place: nothing is sealed for it."""
    if peer in own.keys and own.parties.peers.get(peer) == start.peers[peer]:
        return
    pins = " ".join([*words(f"peers.{peer}", start.peers[peer]), f"keys.{peer}=KEY"])
    raise JobRefused(
        f"region {own.region} seals nothing for {peer}, which it has not pinned; `fedsov region set {own.region} "
        f"{pins}` would pin it, where its owner says that this is its key"
    )


def sealing_key(own: RegionSettings, start: RegionStart, peer: str) -> bytes:
    """The X25519 key that rows for a peer are sealed with.

    Raises KeyUnavailable for no key; JobRefused where the peer is not pinned, or its pinned key did not sign this one.
    """
    key = _stated_key(own, start, peer)
    check_pinned(own, start, peer)
    return _signed(own, start, peer, key)


def _stated_key(own: RegionSettings, start: RegionStart, peer: str) -> bytes:
    """The sealing key that a job states. Raises KeyUnavailable where it states none that is one."""
    try:
        return bytes.fromhex(start.peer_keys[peer])
    except (KeyError, ValueError):
        raise KeyUnavailable(f"nobody told region {own.region} a sealing key of {peer}") from None


def _signed(own: RegionSettings, start: RegionStart, peer: str, key: bytes) -> bytes:
    """A sealing key that the pinned peer signed. Raises JobRefused where it did not."""
    pinned = own.keys[peer]
    if not is_signed_sealing_key(peer, key, pinned, start.peer_signatures.get(peer, "")):
        raise JobRefused(
            f"region {own.region} seals nothing for {peer}: its sealing key {key.hex()[:12]}… is not signed by the key "
            f"{pinned[:12]}… that is pinned for it; if {peer}'s owner says that it has a new key, "
            f"`fedsov region set {own.region} keys.{peer}=KEY` pins that one"
        )
    return key


def _text(region: str, sealing: bytes) -> bytes:
    return FORMAT + region.encode() + b"\n" + sealing
