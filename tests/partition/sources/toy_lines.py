"""A kind of source that is not in the package: one JSON object a line, the objects under one key of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from fedsov.errors import InputError
from fedsov.partition.dataset import DatasetSpec


def find(spec: DatasetSpec) -> tuple[Path, ...]:
    """The file at `dataset.path`."""
    if spec.path is None or not spec.path.is_file():
        raise InputError(f"dataset.path={spec.path} does not exist; give a file of JSON lines")
    return (spec.path,)


def read(file: BinaryIO, path: Path, spec: DatasetSpec) -> pa.Table:
    """All rows; each is under the key that `dataset.source_options.key` names."""
    return pa.Table.from_pylist([json.loads(line)[str(spec.source_options["key"])] for line in file])
