"""What a region tells a hub of the rows that it holds, before a run: its part of what an ingestion reports.

In one workspace the ingestion reports all regions at once (`fedsov.runtimes.ingestion_process`). Between machines each
region has ingested its own rows, and tells the same of itself alone: its party and keys, digests of its rows and
settings, the kinds of its columns, and as many rows as its gate lets pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from fedsov.artifact import Party
from fedsov.config.settings import settings_of
from fedsov.errors import InputError, JobRefused
from fedsov.jurisdiction import Region
from fedsov.ledger.ledger import Ledger
from fedsov.partition.ingest import reported
from fedsov.region.settings_file import has_settings, read_settings
from fedsov.region.trust.parties import Parties
from fedsov.runtimes.deployment.region.own_files import with_own_files
from fedsov.runtimes.ingestion_gates import party_of
from fedsov.runtimes.ingestion_process import opened_gates, plain_report
from fedsov.runtimes.ingestion_request import report_from_json
from fedsov.storage.workspace import Workspace, ledger_of


def holdings(config: Mapping[str, Any], workspace: Workspace, name: str, *, run: str) -> dict[str, Any]:
    """A region's part of the report on a data set (`fedsov.runtimes.ingestion_request.report_from_json`).

    Args:
        config: the job's composed configuration; its workspace is this region's own.

    Raises InputError where nothing of the data set is stored here; JobRefused where the region takes no such job.
    """
    settings = settings_of({**config, "workspace": str(workspace.root)})
    report = reported(workspace.root, settings.dataset.name, only=name)
    own = [region for region in report.regions if region.name == name]
    if not own:
        raise InputError(f"region {name} holds no rows of {settings.dataset.name}; run: fedsov region ingest {name}")
    _check_pinned(workspace, name, settings.federation.hub, own[0])
    gates = opened_gates(settings, workspace, run, only=name)
    gates = replace(gates, asked=with_own_files(workspace.region(name), gates.asked))
    gates.settle_all(own)
    stored = {name: report.stored[name]}
    mine = replace(report, regions=tuple(own), stored=stored, rows_in=stored[name], quarantined={}, up_to_date=True)
    return plain_report(mine, gates, (), gates.told_rows)


def _check_pinned(workspace: Workspace, name: str, hub: Party, region: Region) -> None:
    """Raises JobRefused where the owner did not say where the hub and the region are: a hub's word pins neither.

    In one workspace the first ingestion pins them, for whoever runs it is the owner.
    """
    folder = workspace.region(name)
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        pinned = read_settings(folder, ledger).parties if has_settings(folder, ledger) else Parties()
    if unsaid := pinned.unsaid(name, Parties(hub, party_of(region))):
        raise JobRefused("; ".join(unsaid))


def check_own(part: Mapping[str, Any], name: str) -> None:
    """Raises InputError where a region's part tells of another region than itself: it would speak for that one."""
    told = report_from_json(merged([part]))
    names = [*(region["name"] for region in part["regions"]), *told.stores, *told.settings, *told.settled]
    if set(told.regions) != {name} or set(names) != {name} or len(part["regions"]) > 1:
        raise InputError(f"region {name} tells of {', '.join(sorted(map(str, set(names) - {name}))) or 'nobody'}")


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The report of several regions' parts.

    A column's kind is the one that most regions tell it; one that some do not use says so.
    """
    kinds: dict[str, list[str]] = {}
    for part in parts:
        for column, kind in part["kinds"].items():
            kinds.setdefault(column, []).append(kind)
    return {
        "rows_in": sum(part["rows_in"] for part in parts),
        "stored": sum(part["stored"] for part in parts),
        "quarantined": {},
        "kinds": {column: max(set(several), key=several.count) for column, several in kinds.items()},
        "unused": {column: why for part in reversed(parts) for column, why in part["unused"].items()},
        "up_to_date": True,
        "regions": [region for part in parts for region in part["regions"]],
        "stores": {name: digest for part in parts for name, digest in part["stores"].items()},
        "settings": {name: digest for part in parts for name, digest in part["settings"].items()},
        "settled": sorted(name for part in parts for name in part["settled"]),
        "loose": sorted({key for part in parts for key in part["loose"]}),
        "remarks": list(dict.fromkeys(remark for part in parts for remark in part["remarks"])),
        "said": list(dict.fromkeys(said for part in parts for said in part["said"])),
        "rounded": any(part["rounded"] for part in parts),
        "location": next((part["location"] for part in parts if part["location"]), ""),
    }
