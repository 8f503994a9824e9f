"""Settings of regions in tests: the closed ones, and a secret that divides their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.artifact import Party
from fedsov.region.settings import RegionSettings
from fedsov.region.trust.known_peers import FORMAT
from fedsov.region.trust.parties import Parties

SECRET = bytes(range(32))
CLOSED = RegionSettings("DE")
EXAMPLES = "made up by a test of fedsov"
"""What calls the rows of tests examples."""
SIGNER = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
"""What signs for every peer in these tests; `VERIFY` is its public half, as `keys.NAME` pins it."""
VERIFY = SIGNER.public_key().public_bytes_raw().hex()


def pinning(own: RegionSettings, *peers: Party) -> RegionSettings:
    """The settings with these peers pinned, for all of which `SIGNER` signs."""
    known = {peer.name: peer for peer in peers}
    return replace(own, keys=dict.fromkeys(known, VERIFY), parties=Parties(peers=known))


def signed(keys: Mapping[str, str]) -> dict[str, str]:
    """The peers' signatures of their sealing keys (hexadecimal), as a job hands them out."""
    return {name: SIGNER.sign(FORMAT + name.encode() + b"\n" + bytes.fromhex(key)).hex() for name, key in keys.items()}
