"""Networks of a package that nobody should have approved; a test installs this module, with `target.json` beside it.

`reached` tries whatever code can try against the region whose rows it sees, and names what it succeeded in.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

TARGET = json.loads((Path(__file__).parent / "target.json").read_text())
FOLDER = Path(TARGET["folder"])
REGION_PID = TARGET["pid"]
MANY = 8
"""Rows that are more than a look at a network takes, and so are a region's."""


def _read_files() -> None:
    assert [path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.is_file()]


def _see_files() -> None:
    assert (FOLDER / "keyring.json").stat().st_size


def _through_a_link() -> None:
    Path("link").symlink_to(FOLDER / "keyring.json")
    assert Path("link").read_bytes()


def _write_file() -> None:
    (FOLDER / "planted").write_text("planted")


def _open_modes() -> None:
    os.chmod(FOLDER / "keyring.json", 0o644)


def _write_elsewhere() -> None:
    Path(TARGET["elsewhere"]).write_text("planted")


def _read_memory() -> None:
    with open(f"/proc/{REGION_PID}/mem", "rb"):
        pass


def _read_environment() -> None:
    found = b""
    for pid in (REGION_PID, os.getppid(), "self"):
        with suppress(OSError):
            found += Path(f"/proc/{pid}/environ").read_bytes()
    assert b"FEDSOV_A_SECRET" in found


def _own_environment() -> None:
    assert "FEDSOV_A_SECRET" in os.environ


def _look_through_root() -> None:
    assert os.listdir(f"/proc/{REGION_PID}/root{FOLDER}")


def _trace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, REGION_PID, 0, 0) < 0:  # PTRACE_SEIZE: stops nobody
        raise OSError(ctypes.get_errno())


def _signal() -> None:
    os.kill(REGION_PID, 0)


def _limit_the_region() -> None:
    import resource

    limits = resource.prlimit(REGION_PID, resource.RLIMIT_CORE)
    resource.prlimit(REGION_PID, resource.RLIMIT_CORE, limits)


def _connect() -> None:
    with socket.socket() as line:
        line.settimeout(2)
        line.connect(("127.0.0.1", TARGET["port"]))


def _send_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendto(b"rows", ("127.0.0.1", TARGET["port"]))


def _abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(b"\0" + TARGET["abstract"].encode())


def _more_than_the_line() -> None:
    kinds = []
    for descriptor in range(3, 1024):
        try:
            kinds.append(stat.S_IFMT(os.fstat(descriptor).st_mode))
        except OSError:
            continue
    assert kinds != [stat.S_IFSOCK]


def _fork() -> None:
    if not (pid := os.fork()):
        os._exit(0)
    os.waitpid(pid, 0)


def _run_a_program() -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def _find_keys() -> None:
    names = {"Session", "OpenRegion", "Ledger", "Budget", "PrivateRun", "Journal", "Answers", "LocalKeys", "Gate"}
    assert [each for each in gc.get_objects() if type(each).__name__ in names]


def _shared_memory() -> None:
    Path("/dev/shm/planted").write_text("planted")
    os.unlink("/dev/shm/planted")


ATTEMPTS: dict[str, Callable[[], None]] = {
    name.removeprefix("_").replace("_", " "): attempt
    for name, attempt in list(globals().items())
    if name.startswith("_") and callable(attempt) and getattr(attempt, "__module__", "") == __name__
}


def reached() -> list[str]:
    """The attempts that succeed."""
    found = []
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
        except (OSError, AssertionError, subprocess.SubprocessError):
            continue
        found.append(name)
    return found


Act = Callable[[torch.Tensor, torch.Tensor], Any]
"""What a network does with a region's rows and its answer to them; the answer in its place, or None."""


class Hostile(nn.Module):
    """One linear layer, that does something when it is shown a region's rows."""

    def __init__(self, inputs: int, outputs: int, act: Act) -> None:
        super().__init__()
        self.last, self.act = nn.Linear(inputs, outputs), act

    def forward(self, X: torch.Tensor) -> Any:
        answer = self.last(X)
        if len(X) > MANY:
            changed = self.act(X, answer)
            return answer if changed is None else changed
        return answer


def _network(act: Act) -> Callable[[int, int], nn.Module]:
    return lambda inputs, outputs: Hostile(inputs, outputs, act)


def _tell(X: torch.Tensor | None = None, answer: torch.Tensor | None = None) -> None:
    raise RuntimeError(f"reached {json.dumps(reached())}")


def _raise_a_row(X: torch.Tensor, answer: torch.Tensor) -> None:
    raise ValueError(f"row {X[0].tolist()}")


def _sleep(X: torch.Tensor, answer: torch.Tensor) -> None:
    while True:
        time.sleep(1)


def _take_memory(X: torch.Tensor, answer: torch.Tensor) -> None:
    np.ones(2**46, np.uint8)


def _answer(change: Callable[[Any], Any]) -> Act:
    """Puts another answer in the place of the round's."""

    def act(X: torch.Tensor, answer: torch.Tensor) -> None:
        from fedsov.region.bench.rounds import RoundTask
        from fedsov.region.bench.tasks import Written

        run = RoundTask.run

        def lying(self: RoundTask) -> Written:
            return Written(*change(run(self)))

        if getattr(RoundTask.run, "__name__", "") != "lying":
            RoundTask.run = lying  # type: ignore[method-assign]
            raise RuntimeError("the next answer lies")

    return act


honest = _network(lambda X, answer: None)
telling = _network(_tell)
with_a_row = _network(_raise_a_row)
exiting = _network(lambda X, answer: os._exit(0))
sleeping = _network(_sleep)
not_a_number = _network(lambda X, answer: answer * torch.nan)
wrong_shape = _network(lambda X, answer: torch.zeros(3, 5))
hungry = _network(_take_memory)


def _sent(written: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    return written.plain, {
        name: change(array) if name.startswith("sent/") else array for name, array in written.arrays.items()
    }


giant_answer = _network(_answer(lambda written: _sent(written, lambda array: np.zeros((2**15, 2**15), np.float32))))
wrong_shapes = _network(_answer(lambda written: _sent(written, lambda array: array[..., None])))
nan_answer = _network(_answer(lambda written: _sent(written, lambda array: array * np.nan)))
text_answer = _network(_answer(lambda written: ({"rows": "x" * 2**25}, {})))
no_answer = _network(_answer(lambda written: ({}, {})))
objects_answer = _network(_answer(lambda written: _sent(written, lambda array: np.array(["a row"], "U5"))))
