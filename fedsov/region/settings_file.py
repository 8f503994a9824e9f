"""``region.yaml``: a region's settings on its own disk, signed by the region, its digest in the region's ledger.

    own = read_settings(folder, ledger)                        # verified: signature, and that it is the newest
    write_settings(folder, keys, ledger, Change(new, by="A. Person", why="new clauses"))

A file that was edited by hand, put back, or is gone though the ledger noted one, is refused. A change is written
aside, noted in the ledger, and then put in its place: whatever is cut in between, the file that the ledger noted last
is found.
The signature is Ed25519 (RFC 8032) with the key that signs the ledger's heads, over a domain line and the plain values.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fedsov.border.law.yaml_text import read_mapping
from fedsov.errors import ConfigurationError, LedgerBroken, SettingsBroken
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.region.settings import RegionSettings
from fedsov.storage.atomic_files import replace_file, sha256_hex, sync_folder, write_file
from fedsov.storage.workspace import is_there, ledger_of

FILE = "region.yaml"
SPLIT = "split of rows"
"""What the wrapped secret of a region's settings is bound to."""
DOMAIN = b"fedsov region settings 1\n"
_BESIDE = ("changed", "signature")
_HEAD = """\
# What protects the region {region}. Signed: an edit by hand is refused.
# See it with `fedsov region show {region}`, change it with `fedsov region set {region} KEY=VALUE`.
"""


@dataclass(frozen=True, slots=True)
class Change:
    """New settings, and who made them so, and why."""

    settings: RegionSettings
    by: str
    why: str


PAST = (FILE, "answers", "privacy.jsonl")
"""What is in a region's folder once its ledger has entries about it."""


def check_ledger(folder: Path, region: str) -> None:
    """Raises LedgerBroken where a region has a past and no ledger: it was lost, and a new one would know nothing."""
    if any((folder / name).exists() for name in PAST) and not is_there(ledger_of(folder)):
        raise LedgerBroken(f"the ledger of {region} is gone, though {folder} holds what it knew of; restore your copy")


def has_settings(folder: Path, ledger: Ledger) -> bool:
    """Whether the region has a file of settings, or its ledger noted one."""
    return (folder / FILE).exists() or noted(ledger) is not None


def read_settings(folder: Path, ledger: Ledger) -> RegionSettings:
    """A region's settings.

    Raises:
        LedgerBroken: there is a file, and the ledger never noted any.
        SettingsBroken: the file is gone, was edited, put back, or is another region's.
        ConfigurationError: a setting that this version cannot read.
    """
    path, digest = folder / FILE, noted(ledger)
    if digest is None and path.exists():
        raise LedgerBroken(f"the ledger of {ledger.owner} never noted {path}: it was put back or made anew; restore it")
    if digest is None:
        raise SettingsBroken(f"the ledger of {ledger.owner} never noted {path}; `fedsov region init {ledger.owner}`")
    _finish_change(path, digest)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsBroken(f"{path} cannot be read ({error.strerror}), and the ledger noted it; restore it") from None
    if sha256_hex(content) != digest:
        raise SettingsBroken(
            f"{path} is not the file that the ledger noted last: it was edited or put back; restore your copy, "
            f"and change it with `fedsov region set {ledger.owner}`"
        )
    plain = _signed_values(path, content, ledger.key)
    settings = RegionSettings.from_settings({key: value for key, value in plain.items() if key not in _BESIDE})
    if settings.region != ledger.owner:
        raise SettingsBroken(f"{path} is the file of region {settings.region}, not of {ledger.owner}")
    return settings


def write_settings(folder: Path, keys: RegionKeys, ledger: Ledger, change: Change) -> RegionSettings:
    """Puts new settings in force, on the disk and in the ledger when this returns; gives them with their split secret.

    A region's first settings get a secret that divides its rows; it stays the same from then on.

    Raises WorkspaceUnusable, LedgerBroken, KeyUnavailable; the old settings stay in force.
    """
    settings, before = change.settings, noted(ledger)
    if not settings.split:
        settings = replace(settings, split=keys.wrap(secrets.token_bytes(32), SPLIT).hex())
    about = {"at": entry_time(), "by": change.by, "why": change.why, "before": before or ""}
    plain = {**settings.to_plain(), "changed": about}
    plain["signature"] = keys.sign(_message(plain)).hex()
    text = yaml.safe_dump(plain, sort_keys=False, width=110)
    content = (_HEAD.format(region=settings.region) + text).encode()
    path = folder / FILE
    if _signed_values(path, content, ledger.key) != {key: part for key, part in plain.items() if key != "signature"}:
        raise ConfigurationError("a setting, or the reason, holds letters that region.yaml cannot keep; leave them out")
    write_file(_aside(path), content)
    old, new = {} if before is None else _values_of(path), flat(settings.to_plain())
    changed = {key: new.get(key) for key in {**old, **new} if old.get(key) != new.get(key) and key != "split"}
    digest = sha256_hex(content)
    note = {"digest": digest, "changed": changed, **about}
    body = {"at": about["at"], "run": "", "act": "note", "owner": settings.region, "note": {"settings": note}}
    ledger.append(body)
    _finish_change(path, digest)
    return settings


def noted(ledger: Ledger) -> str | None:
    """The digest of the settings that the ledger noted last; None where it never noted any."""
    said = [entry.body["note"].get("settings") for entry in ledger.entries() if entry.body.get("act") == "note"]
    digests = [str(note["digest"]) for note in said if note]
    return digests[-1] if digests else None


def last_change(folder: Path) -> dict[str, Any]:
    """When, by whom and why the settings in force were written. The file was read by `read_settings` before."""
    return dict(read_mapping((folder / FILE).read_bytes(), FILE)["changed"])


def split_key(settings: RegionSettings, keys: RegionKeys) -> bytes:
    """The secret of 32 bytes that divides the region's rows. Raises KeyUnavailable."""
    return keys.unwrap(bytes.fromhex(settings.split), SPLIT)


def flat(plain: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings by their dotted keys, as `fedsov region set` names them."""
    found: dict[str, Any] = {}
    for key, value in plain.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, Mapping) and value else {f"{before}{key}": value}
    return found


def _finish_change(path: Path, digest: str) -> None:
    """Puts a change in its place that was noted, and cut before it was."""
    aside = _aside(path)
    try:
        content = aside.read_bytes()
        if sha256_hex(content) == digest and not aside.is_symlink():
            replace_file(path, content)
            aside.unlink()
            sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingsBroken(f"{aside} is in the way ({error.strerror}); remove it") from None


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _values_of(path: Path) -> dict[str, Any]:
    plain = read_mapping(path.read_bytes(), str(path))
    return flat({key: value for key, value in plain.items() if key not in _BESIDE})


def _signed_values(path: Path, content: bytes, key: str) -> dict[str, Any]:
    """The plain values of a file whose signature holds."""
    try:
        plain = read_mapping(content, str(path))
        signature = bytes.fromhex(str(plain.pop("signature")))
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, _message(plain))
    except (ConfigurationError, InvalidSignature, KeyError, ValueError) as error:
        raise SettingsBroken(f"{path} is not signed by its region ({type(error).__name__}); restore a copy") from None
    return plain


def _message(plain: Mapping[str, Any]) -> bytes:
    return DOMAIN + json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str).encode()
