"""A run's settings as one region's own: it alone gets rows, from a source that lies in its country."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError, unknown
from fedsov.jurisdiction import Region
from fedsov.partition.other_regions import without_others
from fedsov.partition.sorting import SortedSource

Narrowing = Callable[[SortedSource], SortedSource]


def own_settings(settings: Settings, request: Mapping[str, Any]) -> tuple[Settings, Narrowing]:
    """The settings of an ingestion request, and what is done to its source before it is sorted.

    A request for all regions is left as it is. Of one for a ``region``, that region is the only one, the source lies in
    its country unless `dataset.location` says otherwise, and rows of other jurisdictions are refused, or wait in the
    home's quarantine with ``quarantines_others``.

    Raises ConfigurationError for a region that is not described and is no country.
    """
    name = request.get("region")
    if name is None:
        return settings, lambda source: source
    described = settings.federation.regions or ()
    own = _region(str(name), described, settings)
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
