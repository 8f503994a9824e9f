"""What `fedsov region set` does where a region's `serving` changes: the border is asked first, and tables are taken.

A table of issuers lies beside the endpoint as the settings took it. A file of keys that the table names by a relative
path is taken with it, and again at each start of the endpoint; one that it names by its whole path, or by a URL, is
read where it is.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from fedsov.errors import ConfigurationError
from fedsov.inference.limits import RequestLimits
from fedsov.inference.tokens.issuers import read_issuers
from fedsov.inference.use.guard import GuardLimits
from fedsov.region.admission import Place
from fedsov.region.serving.hosting import admit_hosts, categories_of_stores, serving_gate
from fedsov.region.serving.settings import ServingSettings, issuers_content
from fedsov.region.settings import RegionSettings
from fedsov.storage.atomic_files import write_file
from fedsov.storage.serving_folder import ServingFolder


def check_serving(before: ServingSettings, after: ServingSettings) -> None:
    """Raises ConfigurationError for a limit that there is not, or a new table of issuers that cannot be read."""
    RequestLimits.from_json(dict(after.limits))
    GuardLimits.from_settings(dict(after.guard))
    if after.issuers is not None and after.issuers_sha256 != before.issuers_sha256:
        for path in _key_files(issuers_content(after.issuers), after.issuers).values():
            issuers_content(path)


def admit_requests(place: Place, before: RegionSettings, after: RegionSettings) -> None:
    """Has the region's gate decide about the jurisdictions that it would serve and did not before.

    Raises Refused, with an entry in its ledger, for one whose requests may not come; ConfigurationError, LedgerBroken.
    """
    further = [code for code in _named(after.serving) if code not in _named(before.serving)]
    if further:
        admit_hosts(serving_gate(place, after), after, further, categories_of_stores(place.folder))


def _named(serving: ServingSettings) -> tuple[str, ...]:
    return (*serving.jurisdictions, *serving.hosts)


def take_issuers(folder: Path, own: RegionSettings) -> None:
    """Puts the table of issuers beside the endpoint, as the region's settings took it, and its files of keys.

    Raises ConfigurationError where its file changed since; WorkspaceUnusable.
    """
    beside, serving = ServingFolder(folder).issuers, own.serving
    if serving.issuers is None:
        beside.unlink(missing_ok=True)
        return
    content = _taken(beside, own)
    for name, path in _key_files(content, serving.issuers).items():
        write_file(beside.parent / name, issuers_content(path))
    write_file(beside, content)


def watched_files(own: RegionSettings) -> list[Path]:
    """The files outside the region's folder that decide whom its endpoint serves: documents, rules, keys of issuers.

    Raises ConfigurationError.
    """
    issuers = own.serving.issuers
    keys = [] if issuers is None else list(_key_files(issuers_content(issuers), issuers).values())
    return [path for path in (own.evidence, own.law.rules, *keys) if path is not None]


def _taken(beside: Path, own: RegionSettings) -> bytes:
    """The table that the settings took: beside the endpoint, or where it came from."""
    serving = own.serving
    sources = [path for path in (beside, serving.issuers) if path is not None and path.exists()]
    for content in map(issuers_content, sources):
        if hashlib.sha256(content).hexdigest() == serving.issuers_sha256:
            return content
    raise ConfigurationError(
        f"{serving.issuers} changed since region {own.region} took it; read it, then "
        f"`fedsov region set {own.region} serving.issuers={serving.issuers}` takes it as it is now"
    )


_ENDPOINTS_OWN = (
    "issuers.yaml",
    "endpoint.json",
    "approved.json",
    "tls.crt",
    "tls.key",
    "models",
    "requests",
    "running",
)
"""What lies in the endpoint's folder, where a file of keys is put beside it."""


def _key_files(content: bytes, path: Path) -> dict[str, Path]:
    """The files of keys that lie beside a table, by the name that it gives them. Raises ConfigurationError."""
    files = {}
    for issuer in read_issuers(content, path).issuers:
        keys = Path(issuer.jwks)
        if issuer.has_url or not keys.is_relative_to(path.parent):
            continue
        name = keys.relative_to(path.parent)
        if len(name.parts) != 1 or name.name in (path.name, *_ENDPOINTS_OWN) or ".." in name.parts:
            raise ConfigurationError(f"{path}: {issuer.issuer}: name {keys} by its whole path, outside this folder")
        files[name.name] = keys
    return files
