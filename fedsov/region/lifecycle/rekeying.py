"""After a new version of a region's key: all that older ones wrapped is wrapped by it, and no row is rewritten.

That is each file's key and the seal in a store's manifest, and the secret that splits rows in region.yaml.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fedsov.keys import KeyService, KeySettings, open_keys, rotation
from fedsov.keys.local import version_of
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.lifecycle.rekeying import rekey
from fedsov.partition.manifest import MANIFEST
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import SPLIT, Change, has_settings, read_settings, split_key, write_settings


def protected_by(folder: Path, name: str, service: KeyService) -> RegionKeys:
    """The region's keys, protected by this service: moved to it, with a new version, where another protects them.

    Raises ConfigurationError, KeyUnavailable, WorkspaceUnusable; the old keyring stays.
    """
    place = KeySettings(name, folder)
    state = rotation.state_of(place)
    return open_keys(place) if state.service == service else rotation.rotate(place, service)


def split_anew(settings: RegionSettings, keys: RegionKeys) -> RegionSettings:
    """The settings with their secret wrapped by the newest version; as they are where it is. Raises KeyUnavailable."""
    if not settings.split or version_of(bytes.fromhex(settings.split)) == version_of(keys.wrap(b"", SPLIT)):
        return settings
    return replace(settings, split=keys.wrap(split_key(settings, keys), SPLIT).hex())


def settings_anew(folder: Path, keys: RegionKeys, ledger: Ledger, *, by: str, why: str) -> None:
    """Writes region.yaml with its secret wrapped by the newest version, where an older one wrapped it.

    Raises as `write_settings`, and SettingsBroken.
    """
    if has_settings(folder, ledger):
        settings = read_settings(folder, ledger)
        new = split_anew(settings, keys)
        if new != settings:
            write_settings(folder, keys, ledger, Change(new, by, why))


def stores_anew(folder: Path, keys: RegionKeys) -> int:
    """Wraps the keys of all files in all stores of a folder anew; how many. Raises StoreDamaged, KeyUnavailable."""
    return rekey(stores_of(folder), keys)


def stores_of(folder: Path) -> list[Path]:
    """The stores in a region's folder, or the quarantine's, sorted."""
    return sorted(manifest.parent for manifest in folder.rglob(MANIFEST))
