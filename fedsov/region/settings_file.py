"""``region.yaml``: a region's settings on its own disk, signed by the region, its digest in the region's ledger.

    own = read_settings(folder, ledger)                        # verified: signature, and that it is the newest
    write_settings(folder, keys, ledger, Change(new, by="A. Person", why="new clauses"))

A file that was edited by hand, put back, or is gone though the ledger noted one, is refused. A change that is cut is
whole or was none (`fedsov.ledger.signed_files`). The signature is Ed25519 (RFC 8032) with the key that signs the
ledger's heads, over a domain line and the plain values.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from fedsov.border.law.yaml_text import read_mapping
from fedsov.errors import ConfigurationError, LedgerBroken, SettingsBroken
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.ledger.signed_files import noted_content, put_noted
from fedsov.ledger.signed_head import signature_holds
from fedsov.region.settings import RegionSettings
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import LARGEST, TooLarge
from fedsov.storage.workspace import is_there, ledger_of

FILE, NOTE = "region.yaml", "settings"
"""Its name, and what a ledger calls the note of one."""
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
    plain = _in_force(folder, ledger)
    settings = RegionSettings.from_settings({key: value for key, value in plain.items() if key not in _BESIDE})
    if settings.region != ledger.owner:
        raise SettingsBroken(f"{folder / FILE} is the file of region {settings.region}, not of {ledger.owner}")
    return settings


def _in_force(folder: Path, ledger: Ledger) -> dict[str, Any]:
    """The plain values of the file that the ledger noted last. Raises as `read_settings`."""
    path, digest = folder / FILE, noted(ledger)
    if digest is None and path.exists():
        raise LedgerBroken(f"the ledger of {ledger.owner} never noted {path}: it was put back or made anew; restore it")
    if digest is None:
        raise SettingsBroken(f"the ledger of {ledger.owner} never noted {path}; `fedsov region init {ledger.owner}`")
    try:
        content = noted_content(path, digest, largest=LARGEST)
    except (OSError, TooLarge) as error:
        raise SettingsBroken(f"{path} cannot be read ({error}), and the ledger noted it; restore it") from None
    if sha256_hex(content) != digest:
        raise SettingsBroken(
            f"{path} is not the file that the ledger noted last: it was edited or put back; restore your copy, "
            f"and change it with `fedsov region set {ledger.owner}`"
        )
    return _signed_values(path, content, ledger.key)


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
    old, new = {} if before is None else flat(_in_force(folder, ledger)), flat(settings.to_plain())
    changed = {key: new.get(key) for key in {**old, **new} if old.get(key) != new.get(key) and not _is_beside(key)}
    put_noted(path, content, ledger, {NOTE: {"digest": sha256_hex(content), "changed": changed, **about}})
    return settings


def _is_beside(key: str) -> bool:
    return key == "split" or key.partition(".")[0] in _BESIDE


def noted(ledger: Ledger) -> str | None:
    """The digest of the settings that the ledger noted last; None where it never noted any."""
    digests = [str(entry.body["note"][NOTE]["digest"]) for entry in ledger.notes(NOTE)]
    return digests[-1] if digests else None


def last_change(folder: Path, ledger: Ledger) -> dict[str, Any]:
    """When, by whom and why the settings in force were written. Raises as `read_settings`."""
    return dict(_in_force(folder, ledger)["changed"])


def split_key(settings: RegionSettings, keys: RegionKeys) -> bytes:
    """The secret of 32 bytes that divides the region's rows. Raises KeyUnavailable."""
    return keys.unwrap(bytes.fromhex(settings.split), SPLIT)


def flat(plain: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings by their dotted keys, as `fedsov region set` names them: each of a data set's is one value."""
    found: dict[str, Any] = {}
    for key, value in plain.items():
        name = f"{before}{key}"
        if name == "datasets" and value:
            found |= {f"{name}.{dataset}.{part}": value[dataset][part] for dataset in value for part in value[dataset]}
        else:
            found |= flat(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return found


def _signed_values(path: Path, content: bytes, key: str) -> dict[str, Any]:
    """The plain values of a file whose signature holds."""
    try:
        plain = read_mapping(content, str(path))
        signature = str(plain.pop("signature"))
    except (ConfigurationError, KeyError) as error:
        raise SettingsBroken(f"{path} is not signed by its region ({type(error).__name__}); restore a copy") from None
    if not signature_holds(_message(plain), key, signature):
        raise SettingsBroken(f"{path} is not signed by its region; restore a copy")
    return plain


def _message(plain: Mapping[str, Any]) -> bytes:
    return DOMAIN + json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str).encode()
