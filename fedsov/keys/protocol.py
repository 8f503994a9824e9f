"""What a region asks of its keys, and what these ask of a key service: two protocols."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fedsov.errors import KeyUnavailable
from fedsov.keys.principals import OWNER

if TYPE_CHECKING:
    from fedsov.keys.services import KeyService


KEYRING = "keyring.json"
"""The name of the owner's keyring in the region's folder."""


class KeyRetired(KeyUnavailable):
    """A version of a region's key that its keyring has no more: what it wrapped opens nowhere."""


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
    """Where a region's keys are.

    Attributes:
        region: whose keys they are.
        folder: the region's own folder, which has the keyring's file.
        service: what must protect it; None for whatever the keyring says.
        principal: whose keyring of the region's; see `fedsov.keys.principals`.
    """

    region: str
    folder: Path
    service: KeyService | None = None
    principal: str = OWNER

    @property
    def path(self) -> Path:
        """The keyring's file."""
        return self.folder / (KEYRING if self.principal == OWNER else f"keyring-{self.principal}.json")


class RegionKeys(Protocol):
    """The keys of one region. No method returns a private key."""

    @property
    def region(self) -> str: ...

    @property
    def key_id(self) -> str: ...

    @property
    def principal(self) -> str: ...

    @property
    def public(self) -> PublicKeys: ...

    def wrap(self, secret: bytes, context: str) -> bytes:
        """A short secret, encrypted for this region, key and context."""
        ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The inverse of `wrap`. Raises KeyUnavailable for another region's, another context's, a changed one, and for
        a part that is not this principal's."""
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


class RootKey(Protocol):
    """A key of a service that protects one region's keyring, bound to that region; it never leaves the service."""

    @property
    def version(self) -> str:
        """The newest version of the key, as the service calls it. Raises KeyUnavailable."""
        ...

    def prepare(self) -> None:
        """Makes the key where there is none.

        Raises KeyUnavailable where it may not, or a key is there that could be read out or that ignores the region.
        """
        ...

    def wrap(self, secret: bytes, version: str) -> bytes:
        """A secret of 32 bytes, encrypted by that version for this region. Raises KeyUnavailable."""
        ...

    def unwrap(self, wrapped: bytes, version: str) -> bytes:
        """The inverse of `wrap` by that version. Raises KeyUnavailable: another region's, a changed or destroyed one, a
        credential that does not do."""
        ...

    def rotate(self) -> str:
        """Makes a new version, and gives its name. Raises KeyUnavailable."""
        ...

    def destroy(self, version: str, *, moved: bool = False) -> str:
        """Destroys an older version: what it wrapped opens nowhere. Says what was done. Raises KeyUnavailable.

        Args:
            moved: another key protects the keyring now, so this one's newest version may go too.
        """
        ...
