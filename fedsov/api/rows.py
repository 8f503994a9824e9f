"""A region's rows for an engineer who works in that region: `fedsov.rows`.

Whoever calls this is that region at work: it needs the region's keyring, and what is learned belongs in the region.
Nothing crosses a border here, and nothing that is computed may leave but through the region's gate.
"""

from __future__ import annotations

from pathlib import Path

from fedsov.api.region_settings import names_of, opened, user
from fedsov.artifact import BASE_MODEL
from fedsov.errors import ConfigurationError, unknown
from fedsov.keys.principals import OWNER, PRINCIPALS, TRAINER
from fedsov.partition.labelled_table import LabelledTable
from fedsov.partition.lifecycle.quarantine import dataset_of
from fedsov.region.admission import Place, admit_rows
from fedsov.region.lifecycle.erasure import stores_in
from fedsov.region.lifecycle.retention import in_use
from fedsov.region.settings_file import read_settings
from fedsov.region.trust.access import Opening, keys_for, open_store


def rows(
    region: str, dataset: str, *, workspace: str | Path, purpose: str = "", principal: str = TRAINER, by: str = ""
) -> LabelledTable:
    """The rows of a data set that a region stores and may use today, each with its label.

    Args:
        purpose: what for; one of the principal's purposes (`fedsov.keys.principals.PRINCIPALS`). For "base_model" the
            rows of people who consented to one, and public rows.
        principal: whose keyring opens the store, where it was granted one (`fedsov keys grant`); else the owner's does.
        by: who asks, for the ledger; the machine's name of the user where nothing is said.

    Raises:
        ConfigurationError: no such region or data set.
        JobRefused: no purpose, or one that is refused; the ledger has an entry.
        KeyUnavailable, StoreDamaged, SettingsBroken, LedgerBroken, WorkspaceUnusable: as a run.
    """
    root = Path(workspace)
    names_of(root, region, every=False)
    with opened(root, region, writes=True) as (folder, ledger):
        own, place = read_settings(folder, ledger), Place(folder, ledger)
        stored = [path.name for path in stores_in(folder) if dataset_of(path.name) == path.name]
        if dataset not in stored:
            raise ConfigurationError(unknown("data set", dataset, stored))
        if principal not in (OWNER, *PRINCIPALS):
            raise ConfigurationError(unknown("principal", principal, [OWNER, *PRINCIPALS]))
        keys = keys_for(place, own, principal)
        store = open_store(place, keys, Opening(dataset, purpose, by or user()))
        admit_rows(place, own, store.manifest, run="")
        records = in_use(store, own, on=ledger.today())
        if purpose == BASE_MODEL:
            records = records.select(records.consented | records.public)
        return LabelledTable.of_records(records)
