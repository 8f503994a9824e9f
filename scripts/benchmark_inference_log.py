"""What the log of requests costs on this machine: a line put and written, a log verified, one person erased.

Lines are as an endpoint has them: 30 columns as JSON, one prediction. *Put* is what a request waits for; *write* is the
processor's time of the log's own thread for a line, which shares the interpreter with the endpoint. Both come of
batches of 20 ms with pauses between, as of 20,000 requests a second. An erasure is of one person among so many, while
the log is open. Figures are medians over repeats; the load is that of the last minute.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from fedsov.inference.request_log import Line, LogPlace, LogSettings, RequestLog
from fedsov.inference.request_log.head_notes import NotedHeads
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.subject_keys import SubjectKeys
from fedsov.inference.request_log.verification import verify
from fedsov.keys import KeySettings, create_keys
from fedsov.keys.protocol import RegionKeys

BATCH = 400
ASKED = {"verified_a_second": 100_000, "write_us": 5.0, "put_us": 2.0, "erase_ms": 50.0}


def lines(number: int, people: int) -> list[Line]:
    """So many requests, of so many people in turn; 0 names nobody."""
    row = {f"column_{place}": place * 1.5 for place in range(30)}
    body, answer = json.dumps({"rows": [row]}).encode(), b'{"predictions":[0.25],"model":"m","version":1}'
    same = ("DE", ("personal",), "stackoverflow-de", 1, "champion", "application/json", "application/json")
    return [
        Line(f"{n:016x}", time.time(), *same, f"p{n % people}" if people else "", body, answer) for n in range(number)
    ]


def written(place: LogPlace, given: list[Line]) -> tuple[float, float]:
    """Microseconds of a put, and of the log's own thread for a line."""
    log = RequestLog.open(place, LogSettings())
    put, process = 0.0, time.process_time()
    started = time.thread_time()
    for at in range(0, len(given), BATCH):
        begun = time.thread_time()
        for line in given[at : at + BATCH]:
            log.put(line)
        put += time.thread_time() - begun
        time.sleep(0.02)
    log.close()
    own = time.process_time() - process - (time.thread_time() - started)
    return put / len(given) * 1e6, own / len(given) * 1e6


def sample(keys: RegionKeys, number: int, people: int) -> dict[str, float]:
    """One repeat of everything, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        notes: list[Mapping[str, Any]] = []
        place = LogPlace("DE", Path(folder), lambda: keys, notes.append)
        put, write = written(place, lines(number, 0))
        _, named = written(place, lines(number, people))
        secrets = LogSecrets.open(place.folder, keys)
        noted = NotedHeads.of(note["request_log"] for note in notes)
        begun = time.perf_counter()
        verified = verify(place.folder, noted, secrets)
        took = time.perf_counter() - begun
        if verified.faults or verified.lines != 2 * number:
            raise SystemExit(f"the log does not verify: {verified.in_words()}")
        return {
            "put_us": put,
            "write_us": write,
            "write_with_person_us": named,
            "verified_a_second": verified.lines / took,
            "erase_ms": erased(place, secrets, people),
        }


def erased(place: LogPlace, secrets: LogSecrets, people: int) -> float:
    """Milliseconds of one person's erasure, the median of several, while a log is open."""
    log = RequestLog.open(place, LogSettings())
    with closing(SubjectKeys.open(place.folder, secrets)) as keys:
        took = []
        for number in range(0, people, max(1, people // 9)):
            begun = time.perf_counter()
            keys.erase(f"p{number}")
            took.append(time.perf_counter() - begun)
    log.close()
    return statistics.median(took) * 1e3


def main() -> int:
    """Prints the figures beside those asked for; 1 where one is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keys = create_keys(KeySettings("DE", Path(folder)))
        samples = [sample(keys, given.lines, given.people) for _ in range(given.repeats)]
    figures = {name: statistics.median(each[name] for each in samples) for name in samples[0]}
    missed = [name for name, most in ASKED.items() if (figures[name] < most) == (name == "verified_a_second")]
    if given.json:
        print(json.dumps({**figures, "asked": ASKED, "missed": missed, "load": os.getloadavg()[0]}))
    else:
        for name, figure in figures.items():
            print(f"{name:24} {figure:>14,.1f}   asked {ASKED.get(name, '-')}")
        print(f"load {os.getloadavg()[0]:.1f}, {given.lines:,} lines, {given.people:,} people, {given.repeats} repeats")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
