"""What a region asks of a key service, and what a key service is: two protocols and the values they use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What others may know of a region's keys.

    Attributes:
        sealing: X25519, 32 bytes: anyone can `fedsov.keys.sealing.seal` content for the region with it.
        verify: Ed25519, 32 bytes: checks the region's signatures. None for a region that has no ledger yet, since
            nothing was signed.
    """

    sealing: bytes
    verify: bytes | None


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Which service holds a region's keys.

    Attributes:
        region: whose keys they are.
        folder: the region's own folder; a local keyring is a file in it.
        backend: a key of `fedsov.keys.BACKENDS`.
        options: what that service needs to know beside, such as its address.
    """

    region: str
    folder: Path
    backend: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)


class RegionKeys(Protocol):
    """A key service that acts for one region. No method returns a private key."""

    @property
    def region(self) -> str: ...

    @property
    def key_id(self) -> str: ...

    @property
    def public(self) -> PublicKeys: ...

    def wrap(self, secret: bytes, context: str) -> bytes:
        """A short secret, encrypted for this region, key and context."""
        ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The inverse of `wrap`. Raises KeyUnavailable for another region's, another context's, a changed one."""
        ...

    def pseudonyms(self, subjects: Iterable[str]) -> list[str]:
        """For each subject 32 hexadecimal digits that stand for it within this region alone."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature. Raises KeyUnavailable where the region has no signing key."""
        ...

    def open_sealed(self, sealed: bytes, context: str) -> bytes:
        """What was sealed for this region. Raises KeyUnavailable for another's, another context's, a changed one."""
        ...


class KeyService(Protocol):
    """What a module of `fedsov.keys.BACKENDS` offers."""

    def open_keys(self, settings: KeySettings) -> RegionKeys:
        """The region's keys. Raises KeyUnavailable where they are missing, unreadable, damaged or another region's."""
        ...

    def create_keys(self, settings: KeySettings) -> RegionKeys:
        """New keys. Raises WorkspaceUnusable where there are some: they are never replaced."""
        ...

    def has_keys(self, settings: KeySettings) -> bool:
        """Whether there are keys, be they whole or not."""
        ...
