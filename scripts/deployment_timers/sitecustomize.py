"""Times gates and ledgers in every process that starts with this folder on its path, and counts what connections carry.

    FOLDER/PID: lines of ``what owner end seconds bytes``; FOLDER is the environment's FEDSOV_TIMES

A measurement's alone (`deployment_shares.py`): each call costs a line that is written.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from typing import Any

_depth = [0]


def _write(what: str, owner: str, seconds: float, size: int = 0) -> None:
    with open(f"{os.environ['FEDSOV_TIMES']}/{os.getpid()}", "a") as file:
        file.write(f"{what} {owner} {time.time():.6f} {seconds:.9f} {size}\n")


def _timed(kind: type, name: str, owner: Callable[[Any], str]) -> None:
    """Has the outermost of these calls timed: a gate's includes its ledger's."""
    plain = getattr(kind, name)

    @functools.wraps(plain)
    def timed(self: Any, *given: Any, **named: Any) -> Any:
        _depth[0] += 1
        started = time.perf_counter()
        try:
            return plain(self, *given, **named)
        finally:
            _depth[0] -= 1
            if not _depth[0]:
                _write("gate", owner(self), time.perf_counter() - started)

    setattr(kind, name, timed)


def _counted() -> None:
    from fedsov.runtimes.deployment.hub_connection import HubConnection

    ask = HubConnection._ask

    def counted(self: Any, method: str, path: str, body: bytes, headers: Any, timeout: float) -> tuple[int, bytes]:
        status, answer = ask(self, method, path, body, headers, timeout)
        _write("tls", str(os.getpid()), 0.0, len(body) + len(answer))
        return status, answer

    HubConnection._ask = counted  # type: ignore[method-assign]


def _begin() -> None:
    from fedsov.border.gate import Gate
    from fedsov.ledger.ledger import Ledger

    for name in ("cross", "cross_all", "refuse", "note"):
        _timed(Gate, name, lambda gate: str(gate.owner.name))
    _timed(Ledger, "append", lambda ledger: str(ledger.owner))
    _counted()


if "FEDSOV_TIMES" in os.environ and any("fedsov" in word for word in sys.orig_argv):
    _begin()
