"""A file of predictions, CSV or Parquet, that says what binds it: in the file where it can, else in a file beside it.

Parquet holds the label in its metadata (key ``fedsov``); a CSV cannot, so ``FILE.label.json`` lies beside it, with the
digest of the file that it speaks of. Rows are in the order in which they were asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".csv", ".parquet")
METADATA = b"fedsov"
SIDECAR = ".label.json"


def check_name(path: Path) -> None:
    """Raises ConfigurationError for a name whose ending says no format."""
    if path.suffix.lower() not in FORMATS:
        raise ConfigurationError(f"--out {path}: predictions are written as FILE.csv or FILE.parquet")


def sidecar_of(path: Path) -> Path | None:
    """The file beside a file of predictions that says what binds it; None where the file says so itself."""
    return None if path.suffix.lower() == ".parquet" else path.with_name(path.name + SIDECAR)


class PredictionFile:
    """Predictions on their way into a file, batch by batch.

    Args:
        file: open for writing.
        suffix: one of `FORMATS`.
        outputs: the names of the model's outputs, in order.
    """

    def __init__(self, file: BinaryIO, suffix: str, outputs: Sequence[str]) -> None:
        self._file, self._suffix, self._outputs = file, suffix.lower(), tuple(outputs)
        self._writer: Any = None

    def add(self, kept: pa.Table, answers: np.ndarray) -> None:
        """The next rows: columns that go along, and (N, outputs) answers. Raises ConfigurationError for two columns of
        one name."""
        import pyarrow as pa

        if twice := set(kept.column_names) & set(self._outputs):
            raise ConfigurationError(f"--keep {min(twice)}: an output of the model has that name; leave it out")
        table = kept
        for place, name in enumerate(self._outputs):
            values = np.ascontiguousarray(answers[:, place])
            table = table.append_column(
                name, pa.Array.from_buffers(pa.float32(), len(values), [None, pa.py_buffer(values)])
            )
        if self._writer is None:
            self._writer = self._opened(table.schema)
        self._writer.write_table(table)

    def _opened(self, schema: pa.Schema) -> Any:
        if self._suffix == ".parquet":
            import pyarrow.parquet as pq

            # without Arrow's own copy of the schema, what is added at the end is the schema's metadata
            return pq.ParquetWriter(self._file, schema, compression="zstd", store_schema=False)
        from pyarrow.csv import CSVWriter

        return CSVWriter(self._file, schema)

    def close(self, about: Mapping[str, Any]) -> None:
        """The end of the file; `about` is what the file says of itself, where its format can."""
        if self._writer is not None and self._suffix == ".parquet":
            self._writer.add_key_value_metadata({METADATA: json.dumps(about).encode()})
        if self._writer is not None:
            self._writer.close()
