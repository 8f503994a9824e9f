"""In a region's process of a test: it kills or stops itself at an exact instant, where an order says so.

Python imports this module first, since its folder is on PYTHONPATH. An order is a file `NAME.order` in the folder that
FEDSOV_ORDERS names: right before the `at`-th time that the file of a path that ends so is renamed to or removed in
region NAME, the process does the act. FEDSOV_CLOCK shifts this process's wall clock by so many seconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys

FOLDER = os.environ.get("FEDSOV_ORDERS", "")
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_times: dict[str, int] = {}


def _obey(event: str, given: tuple[object, ...]) -> None:
    if event not in ("os.rename", "os.remove") or not FOLDER:
        return
    path = os.fspath(given[1 if event == "os.rename" else 0])  # type: ignore[arg-type]
    name = path.partition("/regions/")[2].partition("/")[0]
    if not name or not os.path.exists(f"{FOLDER}/{name}.order"):
        return
    with open(f"{FOLDER}/{name}.order") as file:
        text = file.read()
    order = json.loads(text)
    if event != order["event"] or order["ends"] not in path.rpartition("/")[2]:
        return
    _times[text] = _times.get(text, 0) + 1
    if _times[text] == order["at"]:
        os.rename(f"{FOLDER}/{name}.order", f"{FOLDER}/{name}.obeyed")
        os.kill(os.getpid(), SIGNALS[order["act"]])


if FOLDER:
    sys.addaudithook(_obey)
if shift := float(os.environ.get("FEDSOV_CLOCK", "0")):
    import shifted_clock

    shifted_clock.shift(shift)
