"""A passphrase protects a region's keyring: scrypt (RFC 7914) makes a key of it, and AES-256-GCM seals with that.

The cost is OWASP's for scrypt: 32 MiB and a quarter of a second for each guess. The passphrase comes from
``key_service.credential_file`` or ``FEDSOV_PASSPHRASE``. Forgotten, nothing opens the keyring but its backup. It cannot
revoke a copy: whoever has an old keyring's file and its passphrase reads an old backup for ever; a key service can.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from fedsov.errors import KeyUnavailable
from fedsov.keys import sealing
from fedsov.keys.credentials import credential
from fedsov.keys.services import KeyService

VARIABLE = "FEDSOV_PASSPHRASE"
SHORTEST = 12
"""Letters of a passphrase, at least."""
_SALT, _COST, _BLOCK, _PASSES = 16, 2**15, 8, 3
_VERSION = "scrypt"


def root_key(region: str, service: KeyService) -> Passphrase:
    """What the region's passphrase protects with. Raises KeyUnavailable for none, or one that is too short."""
    words = credential(service.credential_file, (VARIABLE,), called=f"passphrase of {region}")
    if len(words) < SHORTEST:
        raise KeyUnavailable(f"the passphrase of {region} has fewer than {SHORTEST} letters; choose a longer one")
    return Passphrase(region, words)


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A `RootKey` without a service: it has one version, and nothing of it can be destroyed."""

    region: str
    _words: str = field(repr=False)

    @property
    def version(self) -> str:
        return _VERSION

    def prepare(self) -> None:
        """Nothing is to be made."""

    def wrap(self, secret: bytes, version: str) -> bytes:
        salt = os.urandom(_SALT)
        return salt + sealing.encrypted(_derived(self._words, salt), secret, self._bound())

    def unwrap(self, wrapped: bytes, version: str) -> bytes:
        try:
            return sealing.decrypted(_derived(self._words, wrapped[:_SALT]), wrapped[_SALT:], self._bound())
        except ValueError:
            raise KeyUnavailable(
                f"the passphrase does not open the keyring of {self.region}: another one, or the file was changed"
            ) from None

    def rotate(self) -> str:
        return _VERSION

    def destroy(self, version: str, *, moved: bool = False) -> str:
        return "a passphrase has no versions to destroy"

    def _bound(self) -> bytes:
        return json.dumps(["passphrase", self.region]).encode()


@lru_cache(maxsize=64)
def _derived(words: str, salt: bytes) -> bytes:
    """The key of a passphrase, which a process derives once for each salt; who has not the passphrase gets none."""
    return Scrypt(salt=salt, length=32, n=_COST, r=_BLOCK, p=_PASSES).derive(words.encode())
