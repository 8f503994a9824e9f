"""A region's key service: what wraps its files' keys, names its people by pseudonyms and opens what is sealed for it.

    keys = open_keys(KeySettings("DE", folder))
    wrapped = keys.wrap(secret, "people/records")

`BACKENDS` has a line for each service. A service is a module with the three functions of `protocol.KeyService`; it is
imported when a region that uses it opens its keys. No caller names a service: each takes a `RegionKeys`. What two
services must have in common is tested in one place, for every line of `BACKENDS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import cast

from fedsov.errors import ConfigurationError
from fedsov.keys.protocol import KeyService, KeySettings, PublicKeys, RegionKeys
from fedsov.keys.sealing import seal

__all__ = ["BACKENDS", "KeySettings", "PublicKeys", "RegionKeys", "create_keys", "has_keys", "open_keys", "seal"]

BACKENDS: Mapping[str, str] = {"local": "fedsov.keys.local"}
"""Each key service by name, and its module."""


def open_keys(settings: KeySettings) -> RegionKeys:
    """The keys of a region, which it has already.

    Raises:
        ConfigurationError: a service that does not exist.
        KeyUnavailable: missing, unreadable, damaged, or another region's.
    """
    return _service(settings).open_keys(settings)


def create_keys(settings: KeySettings) -> RegionKeys:
    """New keys for a region. Raises WorkspaceUnusable where it has some, or they cannot be kept."""
    return _service(settings).create_keys(settings)


def has_keys(settings: KeySettings) -> bool:
    """Whether the region has keys at this service, be they whole or not."""
    return _service(settings).has_keys(settings)


def _service(settings: KeySettings) -> KeyService:
    if settings.backend not in BACKENDS:
        close = difflib.get_close_matches(settings.backend, BACKENDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(BACKENDS)}"
        raise ConfigurationError(f"unknown key service {settings.backend!r} for region {settings.region}; {hint}")
    return cast(KeyService, import_module(BACKENDS[settings.backend]))
