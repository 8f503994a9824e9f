"""A region's keys, shown, rotated and retired: what `fedsov keys` and notebooks call.

A rotation goes on where a killed one stopped: until `retire`, older versions open what they wrapped. What is wrapped by
a region's key is each file's key and the seal in a store's manifest, the secret that splits rows in region.yaml, and
the secrets of the endpoint's log of requests, which goes on meanwhile.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.api.lifecycle.request_log import log_anew, wrapped_keys
from fedsov.api.region_settings import UNSAID, names_of, opened, user
from fedsov.errors import ConfigurationError, counted
from fedsov.keys import KeySettings, grants, has_keys, open_keys, rotation
from fedsov.keys.local import version_of
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.ingest import QUARANTINE, key_settings
from fedsov.partition.manifest import read_manifest
from fedsov.region.lifecycle.rekeying import settings_anew, stores_anew, stores_of
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace

NOTE = "keys"
"""What a ledger calls the note of a rotation."""


@dataclass(frozen=True, slots=True)
class KeysShown:
    """A region's keys, as far as others may know them.

    Attributes:
        wrapped: how many files' keys each version has wrapped; a version that opens none can be retired.
    """

    region: str
    state: rotation.KeysState
    wrapped: Mapping[int, int]

    def to_json(self) -> dict[str, Any]:
        """Plain values with stable keys."""
        state = self.state
        return {
            "region": self.region,
            "key_id": state.key_id,
            "service": state.service.to_json(),
            "service_version": state.service_version,
            "service_older": [former.to_json() for former in state.older],
            "versions": {str(number): self.wrapped.get(number, 0) for number in state.versions},
        }

    def lines(self) -> list[str]:
        """The same in sentences."""
        state = self.state
        by = f", by version {state.service_version}" if state.service_version else ""
        older = f"; not destroyed yet: {', '.join(former.words() for former in state.older)}" if state.older else ""
        lines = [f"{self.region}: key {state.key_id}, protected by {state.service.words()}{by}{older}"]
        newest = state.versions[-1]
        for number in state.versions:
            files = counted(self.wrapped.get(number, 0), "file")
            role = "wraps" if number == newest else f"opens until `fedsov keys retire {self.region}`"
            lines.append(f"  version {number}: {role}; the keys of {files}")
        return lines


def status(root: Path, name: str) -> KeysShown:
    """A region's keys, or the quarantine's. Raises ConfigurationError, KeyUnavailable, StoreDamaged."""
    place = _place(root, name)
    wrapped = Counter(
        version_of(base64.b64decode(text))
        for store in stores_of(place.folder)
        for text in read_manifest(store).wrapped.values()
    )
    logged = Counter(version_of(secret) for secret in wrapped_keys(place.folder, name))
    return KeysShown(name, rotation.state_of(place), wrapped + logged)


def rotate(root: Path, name: str, *, by: str = "", why: str = "") -> KeysShown:
    """Makes a new version of a region's key, and wraps by it whatever the older ones had wrapped; no row is rewritten.

    Raises ConfigurationError, KeyUnavailable, StoreDamaged, WorkspaceUnusable, LedgerBroken.
    """
    with ExitStack() as stack:
        place = _place(root, name)
        region = _entered(stack, root, name)
        keys = rotation.rotate(place)
        by, why = by or user(), why or UNSAID
        for principal in grants.granted(place):  # before any file's key is wrapped by a version that they lack
            grants.renew(place, principal)
        _all_anew(place.folder, keys, region, by=by, why=why)
        shown = status(root, name)
        _note(region, {"rotated": shown.to_json(), "by": by, "why": why})
    return shown


def retire(root: Path, name: str, *, by: str = "", why: str = "") -> list[str]:
    """Destroys the older versions: what only they open is lost, backups too. Says what was done, in lines.

    What they still wrap here is wrapped anew before. Raises as `rotate`; and StoreDamaged for a store that holds its
    own keys, nothing being destroyed then.
    """
    with ExitStack() as stack:
        place = _place(root, name)
        region = _entered(stack, root, name)
        before = rotation.state_of(place)
        if len(before.versions) == 1 and not before.older:
            raise ConfigurationError(f"{name} has one version of its key; run: fedsov keys rotate {name}")
        by, why = by or user(), why or UNSAID
        _all_anew(place.folder, open_keys(place), region, by=by, why=why)
        former = [each.to_json() for each in before.older]
        versions = {"versions": list(before.versions[:-1]), "service_versions": former}
        _note(region, {"retired": versions, "by": by, "why": why})
        lines = rotation.retire(place)
        lines += [line for principal in grants.granted(place) for line in grants.retire(place, principal)]
        if left := rotation.state_of(place).older:
            _note(region, {"not destroyed": [each.to_json() for each in left], "by": by, "why": why})
        return lines


def _all_anew(folder: Path, keys: RegionKeys, region: tuple[Path, Ledger] | None, *, by: str, why: str) -> None:
    if region is not None:
        settings_anew(region[0], keys, region[1], by=by, why=why)
    stores_anew(folder, keys)
    log_anew(folder, keys)


def _place(root: Path, name: str) -> KeySettings:
    """Where the keys of a region are, or of the quarantine. Raises ConfigurationError where there are none."""
    if name != QUARANTINE:
        names_of(root, name, every=False)
    place = key_settings(root, name)
    if not has_keys(place):
        raise ConfigurationError(f"{name} has no keys yet; `fedsov region init {name}` or `fedsov ingest` makes them")
    return place


def _entered(stack: ExitStack, root: Path, name: str) -> tuple[Path, Ledger] | None:
    """Holds the workspace; a region's folder and ledger, None for the quarantine, which has no ledger."""
    if name == QUARANTINE:
        stack.enter_context(hold_workspace(Workspace(root)))
        return None
    return stack.enter_context(opened(root, name, writes=True))


def _note(region: tuple[Path, Ledger] | None, said: Mapping[str, Any]) -> None:
    if region is not None:
        region[1].note({NOTE: dict(said)})
