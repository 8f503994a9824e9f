"""What a store's folder says in the clear, and how it shows that nobody changed it.

`manifest.json` names the files and their SHA-256, the kinds of the columns and where the rows came from; it
holds no value of a record. Its seal is its own digest wrapped by the region's key, so a manifest can be
altered neither with its files nor without. It cannot tell an older whole folder from the newest one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fedsov.errors import KeyUnavailable, StoreDamaged
from fedsov.keys.protocol import KeyRetired, RegionKeys
from fedsov.storage.bounded_files import TooLarge, parsed_json, read_bounded

MANIFEST = "manifest.json"
_LATER = ("description", "wrapped", "appended", "place")
"""What older stores do not say; where it is not said, the digest does not depend on it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A store in the clear.

    Attributes:
        kinds: column to "numeric", "categorical" or "identifier".
        files: "records" and, where there are identifiers, "identifiers", to file name.
        sha256: file name to the SHA-256 of its bytes.
        notes: of the quarantine: what the ingestion reported; of a region: the country where the source lay, how many
            people its bound rows are about, and the label of all its rows, by which its gate decides what may be told
            of them.
        wrapped: file name to its key, wrapped by the region's, base64; empty in older stores.
        description: the digest of what the rows were sorted by (`fedsov.partition.description`); "" in older stores.
        appended: the digest of the batches that were appended, in their order; "" where none was.
        place: where the files are, as `fedsov.partition.backends.place.StorePlace` says it; {} for this folder.
        seal: base64 of the wrapped digest of all the rest.
    """

    dataset: str
    region: str
    key_id: str
    rows: int
    kinds: Mapping[str, str]
    source_sha256: str
    spec_digest: str
    ingested: str
    files: Mapping[str, str]
    sha256: Mapping[str, str]
    notes: Mapping[str, Any] = field(default_factory=dict)
    seal: str = ""
    description: str = ""
    wrapped: Mapping[str, str] = field(default_factory=dict)
    appended: str = ""
    place: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of ``manifest.json``."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    def digest(self) -> bytes:
        """SHA-256 of everything but the seal."""
        later = {name for name in _LATER if not getattr(self, name)}
        body = {name: value for name, value in asdict(self).items() if name not in {"seal", *later}}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()

    def rows_digest(self) -> str:
        """SHA-256 of what the rows are: their source, how they were sorted, how many. Equal where written anew."""
        rows = [self.dataset, self.region, self.rows, dict(self.kinds), self.source_sha256, self.spec_digest]
        rows += [self.appended] if self.appended else []
        return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a store, its seal not yet checked.

    Raises:
        StoreDamaged: missing, unreadable or not a manifest.
    """
    path = folder / MANIFEST
    try:
        return _checked(Manifest(**parsed_json(read_bounded(path))))
    except FileNotFoundError:
        raise StoreDamaged(f"{path} is missing; run: fedsov ingest") from None
    except OSError as error:
        raise StoreDamaged(f"cannot read {path}: {error.strerror}") from None
    except TooLarge as problem:
        raise StoreDamaged(f"{path} is no manifest: {problem}; {mend(path)}") from None
    except (TypeError, ValueError):
        raise StoreDamaged(changed(path)) from None


def _checked(manifest: Manifest) -> Manifest:
    """The manifest. Raises ValueError where a value is of another type than the field is, or names a file elsewhere."""
    words = (manifest.dataset, manifest.region, manifest.key_id, manifest.source_sha256, manifest.spec_digest)
    texts = (*words, manifest.ingested, manifest.seal, manifest.description, manifest.appended)
    tables = (manifest.kinds, manifest.files, manifest.sha256, manifest.wrapped, manifest.place)
    plain = all(isinstance(word, str) for word in texts) and type(manifest.rows) is int and manifest.rows >= 0
    pairs = all(isinstance(table, dict) and all(isinstance(word, str) for word in table.values()) for table in tables)
    if not plain or not pairs or not isinstance(manifest.notes, dict):
        raise ValueError("a value of another type")
    if any(name != Path(name).name for name in (*manifest.files.values(), *manifest.sha256, *manifest.wrapped)):
        raise ValueError("a file that is not in the store's folder")
    return manifest


def sealing(keys: RegionKeys, manifest: Manifest) -> str:
    """The seal of a manifest, made with its region's key."""
    return base64.b64encode(keys.wrap(manifest.digest(), f"manifest/{manifest.dataset}")).decode()


def check_seal(folder: Path, manifest: Manifest, keys: RegionKeys) -> None:
    """Raises KeyUnavailable where `keys` are not the store's, StoreDamaged where the manifest was changed."""
    if (manifest.region, manifest.key_id) != (keys.region, keys.key_id):
        raise KeyUnavailable(
            f"{folder} is a store of {manifest.region} under key {manifest.key_id}; "
            f"the keyring at hand is {keys.region}'s, key {keys.key_id}"
        )
    try:
        sealed = keys.unwrap(base64.b64decode(manifest.seal, validate=True), f"manifest/{manifest.dataset}")
    except KeyRetired as error:
        raise KeyRetired(f"{folder}: {error}; a copy from before `fedsov keys retire` opens nowhere") from None
    except (KeyUnavailable, ValueError, TypeError, binascii.Error):
        raise StoreDamaged(changed(folder / MANIFEST)) from None
    if sealed != manifest.digest():
        raise StoreDamaged(changed(folder / MANIFEST))


def mend(path: Path) -> str:
    """The way out of a damaged store: it can be made again from its source."""
    return f"delete {path.parent} and run: fedsov ingest"


def changed(path: Path, address: str = "") -> str:
    """What is said of a file whose digest or seal does not fit; `address` is where it is, if not in its folder."""
    return f"{address or path} was changed or cut since it was written; {mend(path)}"
