"""What an ingestion takes on this machine: seconds, rows a second and the peak of its memory, beside what is asked for.

Mixed rows (a number, a jurisdiction, small whole numbers, doubles, floats with gaps, a category, a time, a truth value,
a free text, a person) go to 20 regions: classified, routed, named, tagged, encrypted. Without a subject every row is a
person of its own; with one there is a person to a hundred rows, or 100,000 of 10 million. Beside them pyarrow writes
the same rows encrypted and parted by jurisdiction, and neither judges columns nor names anybody. The last line has ten
times the rows, for its memory. Each runs in a process of its own, with two threads at most; a sample each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from fedsov.border.law.bundle_loader import load_atlas
from fedsov.model.targets import TargetRule
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.ingest import ingest

COUNTRIES = [
    *("DE", "FR", "IT", "ES", "PL", "NL", "BE", "AT", "SE", "DK"),
    *("FI", "IE", "PT", "CZ", "RO", "US", "CA", "GB", "IN", "BR"),
]
BATCH = 250_000
ASKED: Mapping[str, tuple[float, float] | None] = {
    "without a subject": (6.0, 500.0),
    "with a subject": (15.0, 500.0),
    "CSV, packed by gzip": None,
    "pyarrow, encrypted and parted": None,
    "without a subject, ten times the rows": None,
}
"""Seconds for 10 million rows on two quiet cores, and MB."""


def mixed(rows: int, first: int, rng: np.random.Generator, people: int) -> pa.Table:
    """Some rows, from the number `first` on."""
    gaps = rng.normal(size=rows)
    gaps[rng.random(rows) < 0.1] = np.nan
    notes = pc.binary_join_element_wise(
        "visit", pa.array(rng.integers(0, 2**40, rows)).cast(pa.string()), "as noted", " "
    )
    return pa.table(
        {
            "number": np.arange(first, first + rows) * 7,
            "country": pa.array(COUNTRIES).take(pa.array(rng.integers(0, 20, rows))),
            "age": rng.integers(0, 90, rows).astype(np.int16),
            "dose": rng.normal(size=rows),
            "reading": pa.array(gaps.astype(np.float32), from_pandas=True),
            "job": pa.array(["nurse", "clerk", "driver", "cook"]).take(pa.array(rng.integers(0, 4, rows))),
            "seen": pa.array(rng.integers(1_600_000_000, 1_700_000_000, rows), pa.timestamp("s")),
            "member": rng.random(rows) < 0.5,
            "note": notes,
            "person": rng.integers(0, people, rows),
            "outcome": rng.integers(0, 2, rows).astype(np.int8),
        }
    )


def write(folder: Path, rows: int) -> None:
    """``rows.parquet`` and ``rows.csv.gz``, batch by batch."""
    rng, like = np.random.default_rng(0), mixed(1, 0, np.random.default_rng(0), 1).schema
    with (
        pq.ParquetWriter(folder / "rows.parquet", like) as parquet,
        pa.CompressedOutputStream(folder / "rows.csv.gz", "gzip") as packed,
        pyarrow.csv.CSVWriter(packed, like) as text,
    ):
        for first in range(0, rows, BATCH):
            table = mixed(min(BATCH, rows - first), first, rng, max(10, rows // 100))
            parquet.write_table(table)
            text.write_table(table)


def ingested(path: Path, workspace: Path, subject: str | None) -> None:
    """The rows of a file in the stores of 20 regions."""
    spec = DatasetSpec("rows", TargetRule("outcome"), "country", path=path, subject=subject)
    report = ingest(
        spec, atlas=load_atlas(), regions="auto", workspace=workspace, release=None, today=lambda: date(2026, 1, 2)
    )
    if len(report.stored) != len(COUNTRIES) or report.quarantined:
        raise SystemExit(f"benchmark: {len(report.stored)} regions, {report.quarantined}")


class _Keys(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        return key_bytes.hex()

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        return bytes.fromhex(wrapped_key)


def parted(path: Path, workspace: Path) -> None:
    """The rows of a Parquet file, encrypted and parted by pyarrow; its keys are wrapped by nothing."""
    settings = pe.EncryptionConfiguration(footer_key="key", uniform_encryption=True)
    config = ds.ParquetEncryptionConfig(pe.CryptoFactory(lambda _: _Keys()), pe.KmsConnectionConfig(), settings)
    form = ds.ParquetFileFormat()
    ds.write_dataset(
        ds.dataset(path).scanner(batch_size=1 << 17),
        workspace,
        format=form,
        file_options=form.make_write_options(compression="zstd", encryption_config=config),
        partitioning=ds.partitioning(pa.schema([("country", pa.string())])),
    )


ACTS: Mapping[str, Callable[[Path, Path], None]] = {
    "without a subject": lambda folder, out: ingested(folder / "rows.parquet", out, None),
    "with a subject": lambda folder, out: ingested(folder / "rows.parquet", out, "person"),
    "CSV, packed by gzip": lambda folder, out: ingested(folder / "rows.csv.gz", out, None),
    "pyarrow, encrypted and parted": lambda folder, out: parted(folder / "rows.parquet", out),
}


def alone(act: str, folder: Path) -> dict[str, float]:
    """One act in this process: seconds, seconds of its processors, and MB at its peak."""
    pa.set_cpu_count(min(2, pa.cpu_count()))
    with tempfile.TemporaryDirectory(dir=folder) as out:
        started, busy = time.perf_counter(), time.process_time()
        ACTS[act](folder, Path(out))
        found = {"seconds": time.perf_counter() - started, "processor": time.process_time() - busy}
    return found | {"MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_a_process(*words: str) -> Any:
    """What this script prints under these words, in a process of its own."""
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return json.loads(done.stdout or b"null")


def measure(folder: Path, rows: int, acts: list[str]) -> dict[str, dict[str, float]]:
    """Each act over a file of so many rows."""
    in_a_process("--write", str(folder), "--rows", str(rows))
    return {act: {"rows": float(rows), **in_a_process("--act", act, "--folder", str(folder))} for act in acts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--without-more", action="store_true", help="leave out the line of ten times the rows")
    parser.add_argument("--folder", type=Path, help="where files are written; the system's temporary one if not given")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--act", choices=ACTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write is not None:
        write(given.write, given.rows)
        return
    if given.act is not None:
        print(json.dumps(alone(given.act, given.folder)))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = measure(Path(folder), given.rows, list(ACTS))
        if not given.without_more:
            (more,) = measure(Path(folder), 10 * given.rows, ["without a subject"]).values()
            found["without a subject, ten times the rows"] = more
    if given.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{'':<40}{'rows/s':>12}{'s':>9}{'CPU s':>9}{'MB':>7}   asked (10 million rows, two quiet cores)")
    for act, each in found.items():
        asked = ASKED[act]
        wanted = "" if asked is None else f"   {asked[0]:.0f} s, {asked[1]:.0f} MB"
        print(
            f"{act:<40}{each['rows'] / each['seconds']:>12,.0f}{each['seconds']:>9.1f}{each['processor']:>9.1f}"
            f"{each['MB']:>7,.0f}{wanted}"
        )


if __name__ == "__main__":
    main()
