"""Which services can protect a region's keyring, and how a region says which one does.

A service is a line of `BACKENDS`: a module that is imported when a keyring is opened by it, and the settings it reads.
The module has one function, ``root_key(region, service)``, which gives a `RootKey`. No credential is among the
settings: a service's module reads it from the environment, or from a file that the settings name.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

from fedsov.checks import section_of_texts
from fedsov.errors import ConfigurationError
from fedsov.keys.protocol import RootKey


@dataclass(frozen=True, slots=True)
class Backend:
    """A service's module, "" where the keyring lies in the clear; and the settings that it reads."""

    module: str
    options: tuple[str, ...] = ()


BACKENDS: Mapping[str, Backend] = {
    "local": Backend(""),
    "passphrase": Backend("fedsov.keys.passphrase", ("credential_file",)),
    "openbao": Backend("fedsov.keys.openbao", ("url", "key", "mount", "credential_file", "ca_file")),
    "aws_kms": Backend("fedsov.keys.aws_kms", ("url", "key", "aws_region", "profile")),
}
"""Each key service by name."""


@dataclass(frozen=True, slots=True)
class KeyService:
    """The group ``key_service`` of a region's settings; "" where nothing is said.

    Attributes:
        backend: a key of `BACKENDS`.
        url: the address of OpenBao; of AWS KMS where it is not AWS's own.
        key: the name of the service's key: of transit (``fedsov-REGION``), or an alias (``alias/fedsov-REGION``).
        mount: where OpenBao has transit (``transit``).
        credential_file: a file with the token or the passphrase alone, for its owner's eyes only.
        ca_file: the certificates of those who vouch for OpenBao's server.
        aws_region: AWS's region, such as ``eu-central-1``.
        profile: whose credentials, in AWS's own configuration.
    """

    backend: str = "local"
    url: str = ""
    key: str = ""
    mount: str = ""
    credential_file: str = ""
    ca_file: str = ""
    aws_region: str = ""
    profile: str = ""

    @staticmethod
    def from_settings(plain: Any) -> KeyService:
        """The settings of plain values. Raises ConfigurationError, also for a setting that would be ignored."""
        service = KeyService(**section_of_texts("key_service", plain, KeyService))
        if service.backend not in BACKENDS:
            close = difflib.get_close_matches(service.backend, BACKENDS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(BACKENDS)}"
            raise ConfigurationError(f"unknown key service {service.backend!r} (key_service.backend); {hint}")
        for name in service.to_json():
            if name != "backend" and name not in BACKENDS[service.backend].options:
                readers = [other for other, backend in BACKENDS.items() if name in backend.options]
                raise ConfigurationError(
                    f"key_service.{name} would be ignored by {service.backend}; it is for {', '.join(readers)}: "
                    f"leave it out (key_service.{name}=null)"
                )
        return service

    def to_json(self) -> dict[str, str]:
        """What is said, as plain values."""
        return {part.name: value for part in fields(self) if (value := getattr(self, part.name))}

    def words(self) -> str:
        """What is said, in one line."""
        return " ".join(f"{name}={value}" for name, value in self.to_json().items())


def root_key(region: str, service: KeyService) -> RootKey | None:
    """The service's key for a region; None where the keyring lies in the clear.

    Raises ConfigurationError for a setting that is missing or weakens protection, KeyUnavailable for a credential that
    is missing.
    """
    module = BACKENDS[service.backend].module
    if not module:
        return None
    try:
        root: RootKey = import_module(module).root_key(region, service)
    except ModuleNotFoundError as missing:
        extra = f"pip install 'fedsov[{_EXTRAS[service.backend]}]'"
        raise ConfigurationError(
            f"key_service.backend={service.backend} needs {missing.name}, which is not here; run: {extra}"
        ) from None
    return root


_EXTRAS = {"openbao": "openbao", "aws_kms": "aws"}
