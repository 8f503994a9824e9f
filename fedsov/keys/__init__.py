"""A region's keys: what wraps its files' keys, names its people by pseudonyms and opens what is sealed for it.

    keys = open_keys(KeySettings("DE", folder))
    wrapped = keys.wrap(secret, "people/records")

The keys lie in one file, the region's keyring (`fedsov.keys.local`). A service protects it: a passphrase, OpenBao or
AWS KMS, each a line of `BACKENDS`; or none does, and the file's mode alone keeps it. The keyring says which. No caller
names a service: each takes a `RegionKeys`. What all services must have in common is tested in one place, for every line
of `BACKENDS`. `fedsov.keys.rotation` makes new versions, and destroys old ones.
"""

from __future__ import annotations

from dataclasses import replace

from fedsov.keys.protocol import KeySettings, PublicKeys, RegionKeys
from fedsov.keys.sealing import seal
from fedsov.keys.services import BACKENDS, KeyService

__all__ = [
    "BACKENDS",
    "KeyService",
    "KeySettings",
    "PublicKeys",
    "RegionKeys",
    "create_keys",
    "has_keys",
    "open_keys",
    "open_keys_as",
    "seal",
]


def open_keys(settings: KeySettings) -> RegionKeys:
    """The keys of a region, which it has already.

    Raises:
        ConfigurationError: a service whose settings cannot be.
        KeyUnavailable: missing, unreadable, damaged, another region's, or protected by another service than the
            settings say; or the service does not open it.
    """
    from fedsov.keys.local import LocalKeyring

    return LocalKeyring.open(settings.path, settings.region, settings.service, settings.principal)


def open_keys_as(owner: KeySettings, principal: str) -> RegionKeys:
    """A principal's keys where it was granted some (`fedsov.keys.grants`), else the owner's. Raises as `open_keys`."""
    its = replace(owner, service=None, principal=principal)
    return open_keys(its if has_keys(its) else owner)


def create_keys(settings: KeySettings) -> RegionKeys:
    """New keys for a region. Raises WorkspaceUnusable where it has some, or they cannot be kept, and as `open_keys`."""
    from fedsov.keys.local import LocalKeyring

    return LocalKeyring.create(settings.path, settings.region, settings.service or KeyService())


def has_keys(settings: KeySettings) -> bool:
    """Whether the region has a keyring, be it whole or not."""
    return settings.path.exists()
