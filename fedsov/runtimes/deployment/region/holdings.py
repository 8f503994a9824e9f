"""What a region tells a hub of the rows that it holds, before a run: its part of what an ingestion reports.

In one workspace the ingestion reports all regions at once (`fedsov.runtimes.ingestion_process`). Between machines each
region has ingested its own rows, and tells the same of itself alone: its party and keys, digests of its rows and
settings, the kinds of its columns, and as many rows as its gate lets pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fedsov.config.settings import settings_of
from fedsov.errors import InputError
from fedsov.partition.ingest import reported
from fedsov.runtimes.deployment.region.own_files import with_own_files
from fedsov.runtimes.ingestion_process import opened_gates, plain_report
from fedsov.storage.workspace import Workspace


def holdings(config: Mapping[str, Any], workspace: Workspace, name: str, *, run: str) -> dict[str, Any]:
    """A region's part of the report on a data set (`fedsov.runtimes.ingestion_request.report_from_json`).

    Args:
        config: the job's composed configuration; its workspace is this region's own.

    Raises InputError where nothing of the data set is stored here; JobRefused where the region takes no such job.
    """
    settings = settings_of({**config, "workspace": str(workspace.root)})
    report = reported(workspace.root, settings.dataset.name)
    own = [region for region in report.regions if region.name == name]
    if not own:
        raise InputError(f"region {name} holds no rows of {settings.dataset.name}; run: fedsov region ingest {name}")
    gates = opened_gates(settings, workspace, run, only=name)
    gates = replace(gates, asked=with_own_files(workspace.region(name), gates.asked))
    gates.settle_all(own)
    stored = {name: report.stored[name]}
    mine = replace(report, regions=tuple(own), stored=stored, rows_in=stored[name], quarantined={}, up_to_date=True)
    return plain_report(mine, gates, (), gates.told_rows)


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
