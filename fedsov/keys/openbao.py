"""OpenBao's (or Vault's) transit protects a region's keyring, through hvac; the key never leaves the server.

    fedsov region set DE key_service.backend=openbao key_service.url=https://bao.de.example:8200 \\
        key_service.credential_file=/etc/fedsov/de.token

Every region has a key of its own, and better a server of its own. The key is of type ``aes256-gcm96`` and *derived*:
the server makes another key of it for each context, and the context is the region's name. A key without that would
ignore the name, so it is refused, and so is one that may be exported or backed up in the clear. The token comes from
``key_service.credential_file``, ``BAO_TOKEN`` or ``VAULT_TOKEN``. To open a keyring it needs ``update`` on
``transit/decrypt/KEY`` alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultError

from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.keys.credentials import credential
from fedsov.keys.services import KeyService

SECONDS = 10
"""How long one answer may take."""
VARIABLES = ("BAO_TOKEN", "VAULT_TOKEN")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def root_key(region: str, service: KeyService) -> OpenBaoKey:
    """The transit key of a region. Raises ConfigurationError for no address, or one in the clear to another machine."""
    address = urlsplit(service.url)
    if address.scheme not in ("https", "http") or not address.hostname:
        raise ConfigurationError(
            f"key_service.url={service.url or 'null'} is no address of OpenBao; give one such as https://bao.example:8200"
        )
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        raise ConfigurationError(f"key_service.url={service.url} is spoken to in the clear; use https")
    if address.username or address.password:
        raise ConfigurationError("key_service.url holds a credential; put it into key_service.credential_file")
    token = credential(service.credential_file, VARIABLES, called=f"token of {region} for OpenBao")
    client = hvac.Client(url=service.url, token=token, timeout=SECONDS, verify=service.ca_file or True)
    return OpenBaoKey(region, service.url, service.key or f"fedsov-{region}", service.mount or "transit", client)


@dataclass(frozen=True, slots=True)
class OpenBaoKey:
    """A `RootKey`: one key of a server's transit engine."""

    region: str
    url: str
    name: str
    mount: str
    _client: Any = field(repr=False)

    @property
    def version(self) -> str:
        return str(self._description()["latest_version"])

    def prepare(self) -> None:
        """Makes the key where there is none; refuses one that protects too little."""
        transit = self._client.secrets.transit
        try:
            described = self._description()
        except _Missing:
            with self._asking("make the key"):
                transit.create_key(self.name, key_type="aes256-gcm96", derived=True, mount_point=self.mount)
            described = self._description()
        faults = {
            "is of another type than aes256-gcm96": described["type"] != "aes256-gcm96",
            "is not derived, so any region's name would open it": not described["derived"],
            "may be exported": described["exportable"],
            "may be backed up in the clear": described["allow_plaintext_backup"],
        }
        if weakness := ", and ".join(fault for fault, is_so in faults.items() if is_so):
            way = f"bao write {self.mount}/keys/NAME type=aes256-gcm96 derived=true"
            raise KeyUnavailable(f"{self._where()} {weakness}; make another ({way}) and name it by key_service.key")

    def wrap(self, secret: bytes, version: str) -> bytes:
        """Encrypted by the service, for this region."""
        with self._asking("encrypt"):
            answer = self._client.secrets.transit.encrypt_data(
                self.name,
                plaintext=_text(secret),
                context=_text(self.region.encode()),
                key_version=int(version),
                mount_point=self.mount,
            )
        return str(answer["data"]["ciphertext"]).encode()

    def unwrap(self, wrapped: bytes, version: str) -> bytes:
        """Decrypted by the service, for this region alone."""
        with self._asking("decrypt"):
            answer = self._client.secrets.transit.decrypt_data(
                self.name,
                ciphertext=wrapped.decode(errors="replace"),
                context=_text(self.region.encode()),
                mount_point=self.mount,
            )
        try:
            return base64.b64decode(answer["data"]["plaintext"], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise KeyUnavailable(f"{self._where()} answered with something else than a key") from None

    def rotate(self) -> str:
        """A new version of the key, by its name."""
        with self._asking("rotate"):
            self._client.secrets.transit.rotate_key(self.name, mount_point=self.mount)
        return self.version

    def destroy(self, version: str, *, moved: bool = False) -> str:
        """Trims the key, which destroys this version and all before it; where it is the newest, a new one is made."""
        try:
            described = self._description()
        except _Missing:
            return f"{self._where()} is not there any more: version {version} opens nothing"
        least, transit = int(version) + 1, self._client.secrets.transit
        if least > int(described["latest_version"]):
            if not moved:
                raise KeyUnavailable(
                    f"{self._where()} has no newer version than {version}; run: fedsov keys rotate first"
                )
            self.rotate()
        if int(described["min_available_version"]) < least:
            with self._asking("destroy older versions"):
                opens = max(least, int(described["min_decryption_version"]))
                wraps = max(opens, int(described["min_encryption_version"]))
                transit.update_key_configuration(self.name, mount_point=self.mount, min_encryption_version=wraps)
                transit.update_key_configuration(self.name, mount_point=self.mount, min_decryption_version=opens)
                transit.trim_key(self.name, min_version=least, mount_point=self.mount)
        return f"{self._where()}: version {version} is destroyed"

    def _description(self) -> dict[str, Any]:
        with self._asking("read what it is"):
            return dict(self._client.secrets.transit.read_key(self.name, mount_point=self.mount)["data"])

    def _where(self) -> str:
        return f"key {self.mount}/{self.name} of OpenBao at {self.url}"

    @contextmanager
    def _asking(self, act: str) -> Iterator[None]:
        """Every fault of the server as KeyUnavailable, in one line."""
        try:
            yield
        except Forbidden:
            raise KeyUnavailable(
                f"{self._where()}: the token of {self.region} may not {act}, or is no longer valid; give it a new one "
                f"(key_service.credential_file, {VARIABLES[0]})"
            ) from None
        except InvalidPath:
            raise _Missing(
                f"{self._where()} is not there; run: bao write {self.mount}/keys/{self.name} derived=true"
            ) from None
        except InvalidRequest as refusal:
            reason = "; ".join(refusal.errors or ()) or "an invalid request"
            raise KeyUnavailable(
                f"{self._where()} does not {act} for {self.region} ({reason.splitlines()[0]}): "
                "another region's, a changed one, or a version that was destroyed"
            ) from None
        except (VaultError, requests.RequestException) as fault:
            raise KeyUnavailable(
                f"OpenBao at {self.url} does not answer ({type(fault).__name__}); see that it runs and is unsealed"
            ) from None


class _Missing(KeyUnavailable):
    """There is no key of this name."""


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
