"""A run's settings as one region's own: it alone gets rows, from a source that lies in its country.

Where `federation.regions` names no region, the region is the one that its own ``region.yaml`` pinned, as `fedsov deploy
join` does, else the country of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError, unknown
from fedsov.jurisdiction import Region
from fedsov.ledger.ledger import Ledger
from fedsov.partition.other_regions import without_others
from fedsov.partition.sorting import SortedSource
from fedsov.region.settings_file import has_settings, read_settings
from fedsov.storage.workspace import Workspace, is_there, ledger_of

Narrowing = Callable[[SortedSource], SortedSource]


def own_settings(settings: Settings, request: Mapping[str, Any]) -> tuple[Settings, Narrowing]:
    """The settings of an ingestion request, and what is done to its source before it is sorted.

    A request for all regions is left as it is. Of one for a ``region``, that region is the only one, the source lies in
    its country unless `dataset.location` says otherwise, and rows of other jurisdictions are refused, or wait in the
    home's quarantine with ``quarantines_others``.

    Raises ConfigurationError for a region that is not described and is no country; LedgerBroken, SettingsBroken.
    """
    name = request.get("region")
    if name is None:
        return settings, lambda source: source
    described = settings.federation.regions or ()
    own = _region(str(name), described, settings)
    if not described:
        own = _as_pinned(own, Workspace(settings.workspace).region(own.name))
    dataset = replace(settings.dataset, location=settings.dataset.location or own.location)
    narrowed = replace(settings, federation=replace(settings.federation, regions=(own,)), dataset=dataset)
    if request.get("quarantines_others"):
        return narrowed, lambda source: source
    others = [region for region in described if region.name != own.name]
    exact = settings.dataset.examples is not None
    return narrowed, partial(without_others, own=own, others=others, exact=exact)


def _region(name: str, described: tuple[Region, ...], settings: Settings) -> Region:
    found = next((region for region in described if region.name == name), None)
    if found is not None:
        return found
    code = settings.atlas.code(name)
    if code is None:
        raise ConfigurationError(
            f"{unknown('region', name, [region.name for region in described])}; describe it by federation.catalogue "
            "and name it in federation.regions"
        )
    return replace(Region.of_code(code), name=name)


def _as_pinned(region: Region, folder: Path) -> Region:
    """The region where and whose its own settings say that it is; as it was where they say nothing."""
    path = ledger_of(folder)
    if not is_there(path):
        return region
    with closing(Ledger.read(path)) as ledger:
        if not has_settings(folder, ledger):
            return region
        party = read_settings(folder, ledger).parties.region
    if party is None:
        return region
    return replace(region, location=party.location, entity=party.entity, owners=party.owners, role=party.role)
