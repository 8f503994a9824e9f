"""The regions' verify keys, laid into each region's folder before the first round, so that no hub has a say in them.

The hub's folder has a copy, by which it drops and names a region that no other would believe; no region relies on that.

A region believes what another signed only by the key that it has for it here. A key that is pinned stays: a region
that comes back with another key is not believed by those that knew it. Where regions are apart, their operators
exchange these keys themselves; in one workspace the ingestion process does, which sees every region's folder once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from fedsov.errors import KeyUnavailable, LedgerBroken
from fedsov.ledger.ledger import Ledger
from fedsov.storage.atomic_files import replace_file
from fedsov.storage.bounded_files import parsed_json, read_bounded
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

FILE = "verify_keys.json"
KEY_BYTES = 32


def pin_keys(workspace: Workspace, regions: Iterable[str], *, at_hub: bool = True) -> None:
    """Adds to each region's directory, and the hub's, the verify keys that it has not yet, of all these regions.

    Args:
        at_hub: whether the hub's folder is in this workspace.

    Raises LedgerBroken where a region's signing key is gone or another; the key is that of its ledger. Raises
    KeyUnavailable for a directory that was damaged.
    """
    keys = {name: _verify_key(workspace.region(name), name) for name in regions}
    if at_hub:
        make_private_folder(workspace.hub)
    for folder in (*map(workspace.region, keys), *([workspace.hub] if at_hub else [])):
        path = folder / FILE
        known = _read(path) if path.is_file() else {}
        if set(keys) - set(known):
            _write(path, {**keys, **known})


def add_key(folder: Path, name: str, key: str) -> None:
    """Adds one party's verify key (hexadecimal) to the directory in a folder.

    Raises KeyUnavailable where that party is known there by another one, or as `read_keys`.
    """
    make_private_folder(folder)
    path = folder / FILE
    known = _read(path) if path.is_file() else {}
    if known.get(name, key) != key:
        raise KeyUnavailable(
            f"{path} knows {name} by the key {known[name][:12]}…, and it came with {key[:12]}…: another ledger than "
            "before; let it restore its own, or join by another name"
        )
    if name not in known:
        _write(path, {**known, name: key})


def keys_at_hand(workspace: Workspace) -> dict[str, str]:
    """The verify key (hexadecimal) of every party whose ledger is in a workspace and can be read, by the owner's name.

    The hub is among them by its own name.
    """
    found = {}
    for path in workspace.ledgers().values():
        with suppress(LedgerBroken), closing(Ledger.read(path)) as ledger:
            found[ledger.owner] = ledger.key
    return found


def read_keys(folder: Path) -> dict[str, bytes]:
    """A region's directory: name to Ed25519 key. Raises KeyUnavailable where it has none that can be read."""
    return {name: bytes.fromhex(key) for name, key in _read(folder / FILE).items()}


def believed_keys(folder: Path, heads: Mapping[str, Mapping[str, Any]]) -> dict[str, bytes]:
    """The hub's directory, compared with the heads that its ledger noted last, which tell each region's key too.

    Raises KeyUnavailable where the two differ, or as `read_keys`.
    """
    keys = read_keys(folder)
    for name, key in keys.items():
        if heads.get(name, {}).get("key", "") not in ("", key.hex()):
            raise KeyUnavailable(
                f"{folder / FILE} tells another key for {name} than the hub's ledger noted with its head: it was "
                "edited; restore it from your copy"
            )
    return keys


def _verify_key(folder: Path, region: str) -> str:
    path = ledger_of(folder)
    with closing(Ledger.read(path) if is_there(path) else Ledger(path, region)) as ledger:
        return ledger.key


def _read(path: Path) -> dict[str, str]:
    """Region to key, in hex. Raises KeyUnavailable for a file that holds anything else."""
    try:
        keys: dict[str, str] = parsed_json(read_bounded(path))
        if not isinstance(keys, dict):
            raise ValueError("it is no JSON object")
        if any(len(bytes.fromhex(key)) != KEY_BYTES for key in keys.values()):
            raise ValueError(f"a key is not {KEY_BYTES} bytes long")
        return keys
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        raise KeyUnavailable(
            f"{path}: the other regions' verify keys cannot be read ({problem}); restore it from your copy"
        ) from problem


def _write(path: Path, keys: dict[str, str]) -> None:
    replace_file(path, json.dumps(keys, indent=1, sort_keys=True).encode())
