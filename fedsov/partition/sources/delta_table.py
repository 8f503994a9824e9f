"""A Delta table in a folder: ``dataset=delta dataset.path=people_delta``, or an older state of it.

    dataset=delta dataset.path=people_delta dataset.source_options.version=3

Columns by which the folder is parted are columns like the others. What this reader cannot read, such as rows that are
marked as deleted, is refused. Delta keeps the rows of its older versions: a person who was erased from its newest is in
them still.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from fedsov.errors import InputError
from fedsov.partition.sources.table_files import read, scan

if TYPE_CHECKING:
    from fedsov.partition.dataset import DatasetSpec

__all__ = ["fetch", "find", "read", "scan"]


def find(spec: DatasetSpec) -> tuple[Path, ...]:
    """The table's folder. Raises InputError where there is none."""
    if spec.path is None or not (spec.path / "_delta_log").is_dir():
        raise InputError(f"dataset.path={spec.path} is no Delta table: it has no folder _delta_log")
    return (spec.path,)


def fetch(file: BinaryIO, spec: DatasetSpec) -> None:
    """Writes the rows as an Arrow file. Raises InputError for a version that is not there, or cannot be read."""
    version = spec.source_options.get("version")
    try:
        table = DeltaTable(str(spec.path), version=None if version is None else int(version))
        batches = table.to_pyarrow_dataset().scanner().to_reader()
        with pa.ipc.new_file(file, batches.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
    except TableNotFoundError:
        raise InputError(f"{spec.path} is no Delta table") from None
    except (DeltaError, pa.ArrowException, OSError, ValueError) as fault:
        asked = "" if version is None else f" at dataset.source_options.version={version}"
        raise InputError(
            f"the Delta table {spec.path}{asked} cannot be read ({type(fault).__name__}); "
            "look at its versions, or write it anew without deletion vectors"
        ) from None
