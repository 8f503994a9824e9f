"""Whether a region takes a job: its own settings beside what the job asks for, before anything is opened or sorted.

    own = admit(folder, ledger, job_dataset, asked, run="r1")      # or JobRefused, with an entry that says why

In one workspace the first ingestion writes a region's settings, from what whoever runs it asked for (`settle`); from
then on only `fedsov region set` changes them. A further data set's rows are people's until the owner says more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fedsov.border.law.in_force import law_in_force
from fedsov.errors import JobRefused
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.protocol.job import Asked
from fedsov.region.settings import OwnDataset, RegionSettings, first_settings
from fedsov.region.settings_file import Change, has_settings, read_settings, write_settings
from fedsov.serialization import to_plain
from fedsov.storage.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Place:
    """A region's folder and its opened ledger."""

    folder: Path
    ledger: Ledger


def admit(place: Place, dataset: str, asked: Asked, *, run: str) -> RegionSettings:
    """The region's settings, where they allow what the job asks for.

    Raises:
        JobRefused: they do not; says each thing, and the ledger has an entry that says the same.
        SettingsBroken, ConfigurationError: they cannot be read.
    """
    own = read_settings(place.folder, place.ledger)
    _check(place, own, dataset, asked, run=run)
    return own


def settle(
    place: Place, keys: RegionKeys, dataset: str, asked: Asked, *, run: str, retention_days: int | None = None
) -> tuple[RegionSettings, bool]:
    """As `admit`, after an ingestion; writes settings where there are none, or none about this data set.

    Gives also whether it wrote. Raises as `admit`, and WorkspaceUnusable, LedgerBroken, KeyUnavailable.
    """
    by = f"the first ingestion of {dataset}"
    if not has_settings(place.folder, place.ledger):
        law = law_in_force(Workspace.around(place.folder).law).digest
        first = first_settings(place.ledger.owner, dataset, asked, retention_days=retention_days, law=law)
        _check(place, first, dataset, asked, run=run)
        return write_settings(place.folder, keys, place.ledger, Change(first, by, "as the run that wrote it")), True
    own = read_settings(place.folder, place.ledger)
    if dataset in own.datasets:
        _check(place, own, dataset, asked, run=run)
        return own, False
    _check(place, own, dataset, asked, run=run)
    more = replace(own, datasets={**own.datasets, dataset: OwnDataset()})
    return write_settings(place.folder, keys, place.ledger, Change(more, by, "a further data set")), True


def _check(place: Place, own: RegionSettings, dataset: str, asked: Asked, *, run: str) -> None:
    refusals = own.refusals(dataset, asked)
    if not refusals:
        return
    said = {"asked": to_plain(asked), "why": list(refusals)}
    body = {"at": entry_time(), "run": run, "act": "note", "owner": own.region, "note": {"refused_job": said}}
    place.ledger.append(body)
    raise JobRefused("; ".join(refusals))
