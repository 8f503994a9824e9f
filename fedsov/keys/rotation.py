"""New versions of a region's keys, and the end of old ones.

    rotate(settings)          # a new version wraps from now on, the older ones open still
    retire(settings)          # the older ones are destroyed, here and at the service

A rotation makes a version of the key-encryption key, and of the service's key that protects the keyring. Names of
people (the pseudonym key) and the sealing key stay, since others know them. In between, whatever the older version
wrapped is to be wrapped anew (`fedsov.partition.lifecycle.rekeying`): after `retire` nothing else opens, no backup
either, where a service protected the backup's keyring. Killed at any instant, either runs again.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from fedsov.errors import WorkspaceUnusable
from fedsov.keys.keyring_file import KEY_BYTES, Keyring, read_keyring
from fedsov.keys.local import KEYRING, LocalKeyring
from fedsov.keys.protocol import KeySettings, RootKey
from fedsov.keys.services import KeyService, root_key
from fedsov.storage.atomic_files import replace_file


@dataclass(frozen=True, slots=True)
class KeysState:
    """What others may know of a keyring.

    Attributes:
        versions: of the key-encryption key, the newest last.
        service_version: the version of the service's key that protects the file; "" where none does.
        older: those that protected it before, and are not destroyed.
    """

    key_id: str
    service: KeyService
    versions: tuple[int, ...]
    service_version: str
    older: tuple[str, ...]


def state_of(settings: KeySettings) -> KeysState:
    """Raises as `read_keyring`."""
    keyring = _read(settings)
    return KeysState(keyring.key_id, keyring.service, tuple(sorted(keyring.wrapping)), keyring.version, keyring.older)


def rotate(settings: KeySettings, service: KeyService | None = None) -> LocalKeyring:
    """Makes a new version of the region's key, and protects the keyring by a new version of the service's.

    Args:
        service: what protects it from now on; None for what does already.

    Raises KeyUnavailable, ConfigurationError, WorkspaceUnusable; the old keyring stays.
    """
    old = _read(settings)
    moves = service is not None and service != old.service
    chosen = service if service is not None else old.service
    root = root_key(settings.region, chosen)
    version, older = _new_version(root, old, moves=moves)
    wrapping = {**old.wrapping, max(old.wrapping) + 1: secrets.token_bytes(KEY_BYTES)}
    return _write(settings, replace(old, wrapping=wrapping, service=chosen, version=version, older=older), root)


def retire(settings: KeySettings) -> list[str]:
    """Destroys every version but the newest: first the region's own, then the service's. Says what was done, in lines.

    Whatever is still wrapped by an older one is lost. Raises as `rotate`.
    """
    old = _read(settings)
    newest = max(old.wrapping)
    root = root_key(settings.region, old.service)
    new = replace(old, wrapping={newest: old.wrapping[newest]})
    _write(settings, new, root)
    gone = sorted(set(old.wrapping) - {newest})
    lines = [f"version {number} of the region's key is destroyed" for number in gone]
    if root is not None and old.older:
        lines += [root.destroy(version) for version in old.older]
        _write(settings, replace(new, older=()), root)
    if old.service.backend in ("local", "passphrase") and gone:
        copies = "copies of the former keyring.json" + (", with its passphrase," if root is not None else "")
        lines.append(f"{copies} still open old backups: destroy those copies too")
    return lines


def _new_version(root: RootKey | None, old: Keyring, *, moves: bool) -> tuple[str, tuple[str, ...]]:
    """The service's version that protects from now on, and those of before that it still has."""
    if root is None:
        return "", ()
    if moves:
        root.prepare()
        return root.version, ()
    newest = root.version
    version = newest if newest != old.version else root.rotate()  # a rotation that was cut has made it already
    return version, tuple(dict.fromkeys(each for each in (*old.older, old.version) if each != version))


def _read(settings: KeySettings) -> Keyring:
    return read_keyring(settings.folder / KEYRING, settings.region, settings.service)


def _write(settings: KeySettings, keyring: Keyring, root: RootKey | None) -> LocalKeyring:
    path = settings.folder / KEYRING
    content = keyring.content(root)
    try:
        replace_file(path, content)
    except OSError as error:
        raise WorkspaceUnusable(f"cannot write {path}: {error.strerror}; the old keyring stays") from None
    return LocalKeyring.of(keyring, path)
