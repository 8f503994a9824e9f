"""What a ledger writes and verifies in a second on this machine, printed beside what is asked for.

Every entry is one that a gate writes (some 800 bytes). One by one means a transaction, a signature and a wait for the
disk for each entry. Verifying recomputes every leaf, subtree and root and checks the head's signature. The best of the
repeats counts: whatever else the machine does only adds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import prove
from fedsov.ledger.standalone_verifier import check_proof

ASKED = {
    "appended one by one": 400.0,
    "appended in batches of 100": 10_000.0,
    "verified": 300_000.0,
    "verified, entries of 200 bytes": 300_000.0,
    "verified since a head kept half way": 300_000.0,
    "proved and checked": None,
}
ENTRY: dict[str, Any] = {
    "at": "2026-11-25T20:39:17.123+00:00",
    "run": "20261125T203917-abcdef",
    "round": 3,
    "act": "cross",
    "details": {"tensors": {"hidden.weight": [64, 32], "hidden.bias": [32]}},
    "exporter": {"name": "DE", "entity": "bank-de", "location": "DE"},
    "importer": {"name": "hub", "entity": "coordinator", "location": "US"},
    "destination": "US",
    "kind": "update",
    "name": "parameters",
    "digest": "ab" * 32,
    "bytes": 12_345,
    "count": 1_000,
    "purpose": "training",
    "day": "2026-11-25",
    "origins": ["DE"],
    "categories": ["employment"],
    "restrictions": [],
    "verdict": "permit",
    "rules": ["eu.scc"],
    "citations": ["GDPR 46(2)(c)"],
    "documents": ["scc-1"],
    "reason": "standard contractual clauses are in force",
    "missing": [],
    "remedy": "",
    "obligations": ["assessment of the importer's law"],
    "bundle": "cd" * 32,
    "unsafe": False,
    "salt": "0" * 32,
}


SHORT = {key: ENTRY[key] for key in ("act", "digest", "documents", "origins", "rules", "run", "verdict")}


def rate(act: Callable[[], object], count: int) -> float:
    """Entries a second of an act over `count` entries."""
    started = time.perf_counter()
    act()
    return count / (time.perf_counter() - started)


def measure(folder: Path, entries: int) -> dict[str, float]:
    """One sample of everything, in a new ledger."""
    ledger, single = Ledger(folder / "ledger.sqlite", "DE"), Ledger(folder / "single.sqlite", "DE")
    some, half = min(1_000, entries), entries // 200
    found = {"appended one by one": rate(lambda: [single.append(ENTRY) for _ in range(some)], some)}
    first = rate(lambda: [ledger.append_all([ENTRY] * 100) for _ in range(half)], half * 100)
    kept = ledger.head()
    second = rate(lambda: [ledger.append_all([ENTRY] * 100) for _ in range(half)], half * 100)
    found["appended in batches of 100"] = max(first, second)
    found["verified"] = max(rate(ledger.verify, half * 200) for _ in range(3))
    short = Ledger(folder / "short.sqlite", "DE")
    short.append_all([SHORT] * (half * 200))
    found["verified, entries of 200 bytes"] = max(rate(short.verify, half * 200) for _ in range(3))
    short.close()
    found["verified since a head kept half way"] = max(rate(lambda: ledger.verify(kept), half * 100) for _ in range(3))
    proofs = range(1, some, 7)
    found["proved and checked"] = rate(
        lambda: [check_proof(prove(ledger, seq), ledger.key) for seq in proofs], len(proofs)
    )
    ledger.close()
    single.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument(
        "--folder", type=Path, help="on the disk to be measured; the system's temporary one if not given"
    )
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args()
    samples = []
    for _ in range(said.repeats):
        with tempfile.TemporaryDirectory(dir=said.folder) as folder:
            samples.append(measure(Path(folder), max(400, said.entries)))
    best = {name: max(sample[name] for sample in samples) for name in ASKED}
    if said.json:
        print(json.dumps({name: {"per_second": best[name], "asked": asked} for name, asked in ASKED.items()}, indent=1))
        return
    print(f"{'entries a second':<40}{'measured':>12}{'asked':>12}")
    for name, asked in ASKED.items():
        print(f"{name:<40}{best[name]:>12,.0f}{'' if asked is None else f'{asked:,.0f}':>12}")


if __name__ == "__main__":
    main()
