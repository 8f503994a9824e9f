"""New versions of a region's keys, and the end of old ones.

    rotate(settings)          # a new version wraps from now on, the older ones open still
    retire(settings)          # the older ones are destroyed, here and at each service that protected the file

A rotation makes a version of the key-encryption key, and of the service's key that protects the keyring. Names of
people (the pseudonym key) and the sealing key stay, since others know them. In between, whatever the older version
wrapped is to be wrapped anew (`fedsov.partition.lifecycle.rekeying`): after `retire` nothing else opens, no backup
either, where a service protected the backup's keyring. What protected the file before decides: a move to another
service leaves the former one in the keyring until its key is destroyed. Killed at any instant, either runs again.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from fedsov.errors import ConfigurationError, KeyUnavailable, WorkspaceUnusable
from fedsov.keys.keyring_file import KEY_BYTES, Former, Keyring, read_keyring
from fedsov.keys.local import LocalKeyring
from fedsov.keys.protocol import KeySettings, RootKey
from fedsov.keys.services import KeyService, root_key
from fedsov.storage.atomic_files import replace_file

_COPIES = {"local": "", "passphrase": ", with its passphrase,"}
"""Services that cannot revoke a copy of the file, and what opens the copy."""
_NOT_NOTED = (
    "copies of the former keyring.json may open old backups still: the keyring does not note what protected it before; "
    "destroy those copies too, and the older versions of its key at each service that it was moved from"
)


@dataclass(frozen=True, slots=True)
class KeysState:
    """What others may know of a keyring.

    Attributes:
        versions: of the key-encryption key, the newest last.
        service_version: the version of the service's key that protects the file; "" where none does.
        older: what protected it before, and is not destroyed.
    """

    key_id: str
    service: KeyService
    versions: tuple[int, ...]
    service_version: str
    older: tuple[Former, ...]


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
    version = "" if root is None else _new_version(root, old, moves=moves)
    older = tuple(dict.fromkeys((*old.older, Former(old.service, old.version))))
    wrapping = {**old.wrapping, max(old.wrapping) + 1: secrets.token_bytes(KEY_BYTES)}
    return _write(settings, replace(old, wrapping=wrapping, service=chosen, version=version, older=older), root)


def retire(settings: KeySettings) -> list[str]:
    """Destroys every version but the newest: first the region's own, then those of each service that protected the
    file. Says in lines what was done, and what a person must do where a former service did not do it.

    Whatever is still wrapped by an older one is lost. Raises as `rotate`.
    """
    old = _read(settings)
    newest = max(old.wrapping)
    root = root_key(settings.region, old.service)
    new = replace(old, wrapping={newest: old.wrapping[newest]})
    _write(settings, new, root)
    gone = sorted(set(old.wrapping) - {newest})
    lines = [f"version {number} of the region's key is destroyed" for number in gone]
    if gone and not old.older:
        lines.append(_NOT_NOTED)
    for former in old.older:
        is_ended, line = ended(settings, former, old.service)
        lines.append(line)
        if is_ended:
            new = replace(new, older=tuple(each for each in new.older if each != former))
            _write(settings, new, root)
    return lines


def ended(place: KeySettings, former: Former, service: KeyService) -> tuple[bool, str]:
    """Whether what protected a keyring's file before is dealt with, and what is to be said of it.

    A fault of another service than `service`, which protects the file now, is said and not raised.
    """
    region = place.region
    if former.service.backend in _COPIES:
        copies = f"copies of the former {place.path.name}{_COPIES[former.service.backend]}"
        return True, f"{copies} still open old backups: destroy those copies too"
    access = {name: getattr(service, name) for name in ("credential_file", "ca_file", "profile")}
    moved = replace(former.service, **access) != service
    try:
        root = root_key(region, former.service if moved else service)
        return True, "" if root is None else root.destroy(former.version, moved=moved)
    except (KeyUnavailable, ConfigurationError) as fault:
        if not moved:
            raise
        return False, (
            f"not destroyed: {former.words()}, which opens old backups still ({fault}); give its credentials and run "
            f"fedsov keys retire {region} --yes again, or destroy that key there"
        )


def _new_version(root: RootKey, old: Keyring, *, moves: bool) -> str:
    """The service's version that protects from now on; never one that did before, since `retire` destroys that."""
    if moves:
        root.prepare()
    newest = root.version
    before = {former.version for former in old.older if moves} | {old.version}  # two addresses may lead to one key
    return root.rotate() if newest in before else newest  # a rotation that was cut has made it already


def _read(settings: KeySettings) -> Keyring:
    return read_keyring(settings.path, settings.region, settings.service)


def _write(settings: KeySettings, keyring: Keyring, root: RootKey | None) -> LocalKeyring:
    path = settings.path
    content = keyring.content(root)
    try:
        replace_file(path, content)
    except OSError as error:
        raise WorkspaceUnusable(f"cannot write {path}: {error.strerror}; the old keyring stays") from None
    return LocalKeyring.of(keyring, path)
