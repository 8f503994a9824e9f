"""Proves that nothing leaks from a region's deployment, and prints what was tried (`scripts/prove-containment`)."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tests.containment.proof import Report, prove

LIMIT = """What this cannot show: an application that the region's owner approved may write what it likes into numbers
of the right form, such as the weights of an update; no form tells them from honest ones. Approval is by digest (what
was not approved, or was swapped since, is refused above), and privacy=record bounds what weights can tell of a row."""


def _print(report: Report) -> None:
    print(f"parties in {report.networks}; {report.seconds:.0f} s")
    print(f"captured: {report.packets:,} packets, {report.bytes_captured:,} bytes on {report.links} links")
    clear, at_hub = f"{report.bytes_clear:,} bytes", f"{report.bytes_at_hub:,} bytes"
    print(f"clear text at the applications: {clear}; files and logs of the hub: {at_hub}")
    print(
        f"canaries: {report.canaries}, in {len(report.encodings)} encodings ({report.needles:,} needles), also in zlib,"
    )
    print("  gzip and zip streams, base64 and hexadecimal, three deep; in the ciphertext those of 8 bytes and more")
    stopped = Counter(attempt["by"] for attempt in report.attempts)
    print(f"attempts: {len(report.attempts)} ({', '.join(f'{who} {count}' for who, count in stopped.items())})")
    print(f"  refused, and in the region's ledger: {report.refused}")
    for attempt in report.attempts:
        if attempt["in_vain"]:
            print(f"  in vain: {attempt['what']}: {attempt['in_vain']}")
        else:
            print(f"  {'refused' if attempt['is_stopped'] else 'NOT REFUSED'}: {attempt['by']}, {attempt['what']}")
    print(f"packets to elsewhere: {len(report.strays)}; connections from the hub to a region: {len(report.opened)}")
    print(f"control: the planted leaks were found in {len(report.control)} places")
    print(LIMIT)
    print("FAULTS:" if report.faults else "nothing was found", *report.faults, sep="\n  ")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/prove-containment", description=__doc__)
    parser.add_argument("--long", action="store_true", help="20 rounds over 2,000 rows a region")
    parser.add_argument("--loopback", action="store_true", help="no network namespaces, in any case")
    parser.add_argument("--keep", type=Path, help="a new folder in which all that was recorded stays")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    size = {"rounds": 20, "rows": 2000} if given.long else {}
    with tempfile.TemporaryDirectory() as folder:
        report = prove(given.keep or Path(folder) / "proof", isolate=not given.loopback, **size)
    if given.json:
        print(json.dumps({**asdict(report), "refused": report.refused}, indent=1))
    else:
        _print(report)
    sys.exit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
