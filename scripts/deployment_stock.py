"""Stock Flower over loopback TLS: flower-superlink, four flower-supernodes, `flwr run`, a process a message.

What `benchmark_deployment` is measured beside. Nodes are not authenticated, which spares Flower two signatures a
request; telemetry and update checks are off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from fedsov.storage.deployment_folder import DeploymentFolder

APP = Path(__file__).parent / "stock_flower"
LONGEST = 240.0


def rounds(folder: Path, hub: DeploymentFolder, port: int, *, count: int) -> tuple[float, list[float]]:
    """Seconds from `flwr run` to the end of the first round, and of each round after it.

    Args:
        hub: whose certificate the SuperLink shows.
        port: the first of six that are free.
    """
    out = folder / "rounds.json"
    with _superlink(folder, hub, port):
        for number in range(4):
            own = ("--host", "127.0.0.1", "--port", str(port + 1 + number))
            there = ("--root-certificates", str(hub.authority), "--superlink", f"127.0.0.1:{port}")
            _start(folder, f"node{number}", "flower-supernode", *there, *own)
        started = time.time()
        config = f'rounds={count} out="{out}"'
        words = ["flwr", "run", str(APP), "stock", "--run-config", config]
        done = subprocess.run([_tool(words[0]), *words[1:]], env=_environment(folder), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"flwr run ended with {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}")
        while not out.exists():
            if time.time() - started > LONGEST:
                raise RuntimeError(f"no round of stock Flower in {LONGEST:.0f} s; logs in {folder}")
            time.sleep(0.2)
        time.sleep(0.2)
    ends = [float(end) for end in json.loads(out.read_text())]
    seconds = [after - before for before, after in pairwise(ends[1:])]
    return ends[2] - started, seconds[1:]


_running: list[subprocess.Popen[bytes]] = []


@contextmanager
def _superlink(folder: Path, hub: DeploymentFolder, port: int) -> Iterator[None]:
    folder.mkdir()
    (folder / "config.toml").write_text(
        f'[superlink]\ndefault = "stock"\n\n[superlink.stock]\naddress = "127.0.0.1:{port}"\n'
        f'root-certificates = "{hub.authority}"\n'
    )
    try:
        _start(folder, "superlink", "flower-superlink", "--ssl-ca-certfile", str(hub.authority), "--ssl-certfile",
               str(hub.certificate), "--ssl-keyfile", str(hub.key), "--host", "127.0.0.1", "--port", str(port),
               "--disable-runtime-dependency-installation")  # fmt: skip
        time.sleep(6.0)
        yield
    finally:
        for process in reversed(_running):
            process.terminate()
        for process in _running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        _running.clear()


def _start(folder: Path, name: str, *words: str) -> None:
    with open(folder / f"{name}.log", "wb") as log:
        command = [_tool(words[0]), *words[1:]]
        _running.append(subprocess.Popen(command, stdout=log, stderr=log, env=_environment(folder)))


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _environment(folder: Path) -> dict[str, str]:
    off = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "FLWR_HOME": str(folder)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **off, "PATH": path, "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1"}
