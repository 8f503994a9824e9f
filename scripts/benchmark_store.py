"""What a store takes on this machine: one person of a million erased, and the keys of a thousand files wrapped anew.

The rows are of as many people (a number, a level, a text of identifiers), in one region's store under a local keyring.
An erasure finds the person's row, writes its files anew, counts the people that are left and waits for the disk; what a
whole `fedsov erase` does beside (the ledger, lineage, the law) is not among it. Seconds of a processor stand beside
those of the clock: where they are far apart, the machine was busy. The least of the repeats counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from fedsov.keys import create_keys
from fedsov.keys.protocol import KeySettings, RegionKeys
from fedsov.keys.rotation import rotate
from fedsov.label import Label
from fedsov.partition.arrow_columns import from_levels, numbers, text
from fedsov.partition.lifecycle.erasure import remove_rows, rows_of
from fedsov.partition.lifecycle.rekeying import rekey
from fedsov.partition.store import (
    FOLD,
    JURISDICTION,
    LABEL,
    ROW,
    ROWS_OF_FILE,
    SUBJECT,
    TARGET,
    Contents,
    Store,
    StoreWriter,
    stage_store,
)

LABELS = (Label(frozenset({"DE"}), frozenset({"personal"})),)
KINDS = {"age": "numeric", "ward": "categorical", "name": "identifier"}
ASKED = {"one erased": 1.0, "keys wrapped anew": 1.0}
"""Seconds."""


def people(first: int, rows: int) -> pa.Table:
    """Rows of as many people, from the number `first` on."""
    places, rng = np.zeros(rows, np.int64), np.random.default_rng(first)
    columns = {
        "age": numbers(rng.normal(size=rows)),
        "ward": from_levels(["A", "B"], rng.integers(0, 2, rows)),
        "name": text([f"person {first + row}" for row in range(rows)]),
        SUBJECT: text([f"{first + row:032x}"[::-1] for row in range(rows)]),
        JURISDICTION: from_levels(["DE"], places),
        TARGET: numbers(rng.integers(0, 2, rows).astype(np.float64)),
        **{LABEL: numbers(places), FOLD: numbers(places), ROW: numbers(np.arange(first, first + rows))},
    }
    return pa.table(columns)


def written(folder: Path, keys: RegionKeys, rows: int, *, rows_of_file: int = ROWS_OF_FILE) -> Store:
    """A store of so many people's rows."""
    writer = StoreWriter(folder, Contents(folder.name, frozenset({"DE"}), KINDS, LABELS), keys, most=rows_of_file)
    for first in range(0, rows, rows_of_file):
        writer.append(people(first, min(rows_of_file, rows - first)))
    stage_store(writer, {"people": rows, "label": LABELS[0].to_json()}).commit()
    return Store.open(folder, keys)


def seconds(act: Callable[[], object]) -> tuple[float, float]:
    """By the clock, and of a processor."""
    clock, processor = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - clock, time.process_time() - processor


def erase(folder: Path, keys: RegionKeys, number: int) -> None:
    """Erases the person of this number. Raises RuntimeError unless it was one row."""
    store = Store.open(folder, keys)
    gone = rows_of(store, f"{number:032x}"[::-1])
    if gone.sum() != 1:
        raise RuntimeError(f"{gone.sum()} rows of one person")
    remove_rows(store, gone)


def measure(place: Path, rows: int, files: int, repeats: int) -> dict[str, tuple[float, float]]:
    """Seconds of each, the least of the repeats."""
    settings = KeySettings("DE", place)
    keys = create_keys(settings)
    large, many = place / "store" / "large", place / "store" / "many"
    written(large, keys, rows)
    written(many, keys, files // 2, rows_of_file=1)  # two files for each, records and identifiers
    erased = [seconds(partial(erase, large, keys, number)) for number in range(repeats)]
    wrapped = [seconds(lambda: rekey([many], rotate(settings))) for _ in range(repeats)]
    return {"one erased": min(erased), "keys wrapped anew": min(wrapped)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = measure(Path(place), said.rows, said.files, said.repeats)
    if said.json:
        plain = {
            name: {"seconds": clock, "processor": own, "asked": ASKED[name]} for name, (clock, own) in found.items()
        }
        print(json.dumps(plain, indent=1))
        return
    print(f"{f'{said.rows:,} rows, {said.files:,} files':<32}{'seconds':>10}{'processor':>12}{'asked':>8}")
    for name, (clock, own) in found.items():
        print(f"{name:<32}{clock:>10.2f}{own:>12.2f}{ASKED[name]:>8.1f}")


if __name__ == "__main__":
    main()
