"""What `fedsov region set` does where a region's `serving` changes: the border is asked first, and tables are taken."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fedsov.errors import ConfigurationError
from fedsov.region.admission import Place
from fedsov.region.serving.hosting import admit_hosts, categories_of_stores, serving_gate
from fedsov.region.serving.settings import ServingSettings, issuers_content
from fedsov.region.settings import RegionSettings
from fedsov.storage.atomic_files import write_file
from fedsov.storage.serving_folder import ServingFolder


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
    """Puts the table of issuers beside the endpoint, as the region's settings took it.

    Raises ConfigurationError where its file changed since; WorkspaceUnusable.
    """
    path, serving = ServingFolder(folder).issuers, own.serving
    if serving.issuers is None:
        path.unlink(missing_ok=True)
        return
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == serving.issuers_sha256:
        return
    content = issuers_content(serving.issuers)
    if hashlib.sha256(content).hexdigest() != serving.issuers_sha256:
        raise ConfigurationError(
            f"{serving.issuers} changed since region {own.region} took it; read it, then "
            f"`fedsov region set {own.region} serving.issuers={serving.issuers}` takes it as it is now"
        )
    write_file(path, content)
