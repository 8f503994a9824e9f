"""Flower's own tools work against the coordinator's stock port: `flower-supernode`, `flwr supernode`, `flwr run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fedsov.api import region_settings
from fedsov.api.deployment.trial import set_up_trial
from fedsov.storage.party_file import HubAddress
from tests.runtimes.deployment import stock_app
from tests.runtimes.deployment.world import COORDINATOR_MODULE, descendants, free_port, until

BIN = Path(sys.executable).parent
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
}


class Stock:
    """A coordinator with a stock port, and Flower's tools towards it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.port = folder, folder / "w", free_port()
        region_settings.init(self.home, "DE")
        self.trial = set_up_trial(self.home, ["DE"], HubAddress("127.0.0.1", free_port()))
        self.processes: list[subprocess.Popen[bytes]] = []
        (folder / "flwr").mkdir()
        authority = self.trial.hub.authority
        (folder / "flwr" / "config.toml").write_text(
            f'[superlink]\ndefault = "stock"\n\n[superlink.stock]\naddress = "127.0.0.1:{self.port}"\n'
            f'root-certificates = "{authority}"\n'
        )

    def environment(self, home: str) -> dict[str, str]:
        path = os.pathsep.join([str(BIN), os.environ["PATH"]])
        return {**os.environ, **QUIET, "PATH": path, "FLWR_HOME": str(self.folder / home), "PYTHONPATH": ""}

    def spawn(self, name: str, program: list[str], environment: dict[str, str]) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes.append(
                subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
            )

    def flwr(self, *words: str) -> str:
        """What a command of `flwr` prints."""
        done = subprocess.run(
            [str(BIN / "flwr"), *words],
            env=self.environment("flwr"),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def node(self, name: str) -> None:
        """A SuperNode of Flower's with a key of its own, registered."""
        key = ec.generate_private_key(ec.SECP256R1())
        private, public = self.folder / f"{name}.key", self.folder / f"{name}.pub"
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
        self.flwr("supernode", "register", str(public), "stock")
        words = ["--root-certificates", str(self.trial.hub.authority), "--superlink", f"127.0.0.1:{self.port}"]
        words += ["--auth-supernode-private-key", str(private), "--host", "127.0.0.1", "--port", str(free_port())]
        self.spawn(name, [str(BIN / "flower-supernode"), *words], self.environment(name))

    def end(self) -> None:
        for process in self.processes:
            begun = list(descendants(process.pid))
            process.kill()
            process.wait()
            for pid in begun:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    stock = Stock(tmp_path)
    try:
        program = [sys.executable, "-m", COORDINATOR_MODULE, str(stock.home), "--stock-port", str(stock.port)]
        path = os.environ.get("PYTHONPATH", "")
        stock.spawn("coordinator", program, {**stock.environment("coordinator"), "PYTHONPATH": path})
        yield stock
    finally:
        stock.end()


@pytest.mark.long
def test_stock_supernodes_and_flwr_run_work_against_the_coordinator(stock: Stock) -> None:
    log = stock.folder / "coordinator.log"
    until(lambda: _listens(stock.port), f"the stock port: {log.read_text()}")
    for name in ("one", "two"):
        stock.node(name)
    until(lambda: stock.flwr("supernode", "list", "stock", "--format", "json").count('"online"') == 2, "online", 90)
    app, out = stock.folder / "app", stock.folder / "out.json"
    (app / "stock").mkdir(parents=True)
    (app / "pyproject.toml").write_text(stock_app.PYPROJECT)
    for name, text in (("__init__", ""), ("client_app", stock_app.CLIENT), ("server_app", stock_app.SERVER)):
        (app / "stock" / f"{name}.py").write_text(text)
    stock.flwr("run", str(app), "stock", "--run-config", f'out="{out}"')
    until(lambda: out.exists() and out.read_text(), f"the run ends: {log.read_text()[-3000:]}", 240)
    assert json.loads(out.read_text()) == [2.0, 2.0, 2.0, 2.0]


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
