"""A region's endpoint in a folder, with real keys, a ledger, approved models, tokens, and its real processes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.inference.approved import ApprovedList, ApprovedVersion, Signatory, written
from fedsov.inference.request_log.lines import StoredLine, unpacked
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.segments import batches_of, read_header, segments_in
from fedsov.keys import KeySettings, create_keys, open_keys
from fedsov.ledger.ledger import Ledger
from fedsov.model.features import Features
from fedsov.model.targets import TargetRule
from fedsov.runtimes.serving.place import EndpointPlace, publish
from fedsov.storage.workspace import ledger_of
from tests.inference import models
from tests.inference.token_attacks import TokenWorld

MODEL = "stackoverflow"


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Answer(NamedTuple):
    """What an endpoint answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ServingWorld:
    """A region's folder and its endpoint."""

    folder: Path
    place: EndpointPlace
    tokens: TokenWorld
    hub: Ed25519PrivateKey
    versions: list[ApprovedVersion] = field(default_factory=list)
    counter: int = 0

    @staticmethod
    def new(folder: Path, **settings: Any) -> ServingWorld:
        """A region DE without a model, which serves DE and FR; US is served elsewhere."""
        keys = create_keys(KeySettings("DE", folder))
        with closing(Ledger(ledger_of(folder), "DE")) as ledger:
            ledger.note({"what": "a region for tests"})
        hub = Ed25519PrivateKey.generate()
        tokens = TokenWorld.new(path=f"/v1/models/{MODEL}/predict")
        place = EndpointPlace(
            **{
                "region": "DE",
                "folder": folder,
                "region_key": open_keys(KeySettings("DE", folder)).public.verify.hex(),
                "hub_key": hub.public_key().public_bytes_raw().hex(),
                "jurisdictions": ("DE",),
                "hosts": ("FR",),
                "elsewhere": {"US": "US"},
                "port": 0,
                "log": {"durable": "batch"},
                **settings,
            }
        )
        world = ServingWorld(folder, place, tokens, hub)
        assert keys.region == "DE"
        place.serving.root.mkdir(parents=True, exist_ok=True)
        world.write_issuers()
        world.publish()
        return world

    def write_issuers(self) -> None:
        jwks = self.place.serving.root / "jwks.json"
        jwks.write_bytes(self.tokens.jwks())
        self.place.serving.issuers.write_text(self.tokens.issuers(str(jwks)))

    def sign(self, message: bytes) -> bytes:
        return open_keys(KeySettings("DE", self.folder)).sign(message)

    def publish(self, **changes: Any) -> None:
        """Writes the place's file."""
        digest = sha256(self.place.serving.issuers.read_bytes()).hexdigest()
        self.place = replace(self.place, **{"issuers_sha256": digest, **changes})
        publish(self.place, self.sign)

    def approve(
        self, version: int, features: Features = models.NUMBERS, target: TargetRule = models.BINARY, *,
        model: str = MODEL, mode: str = "champion", share: float = 1.0, **more: Any,
    ) -> Path:  # fmt: skip
        """Writes a version's files, and the list with it."""
        folder = models.write(self.place.serving.model(model, version), model, version, features, target, **more)
        files = {name: sha256((folder / name).read_bytes()).hexdigest() for name in ("model.json", "model.onnx")}
        new = ApprovedVersion(
            model,
            version,
            digest="00" * 32,
            mode=mode,
            share=share,
            files=files,
            by="A. Person",
            why="test",
            at="2026-11-30",
        )
        replaced = [(model, version)] + [
            (each.model, each.version)
            for each in self.versions
            if each.model == model and each.mode == mode == "champion"
        ]
        self.versions = [each for each in self.versions if (each.model, each.version) not in replaced]
        self.versions.append(new)
        self.write_list()
        return folder

    def write_list(self, **changes: Any) -> None:
        self.counter += 1
        plain = {"region": "DE", "counter": self.counter, "issued_at": "2026-11-30", "versions": tuple(self.versions)}
        listed = ApprovedList(**{**plain, **changes})
        hub = Signatory(self.place.hub_key, self.hub.sign)
        content = written(listed, hub=hub, region=Signatory(self.place.region_key, self.sign))
        aside = self.place.serving.approved.with_suffix(".new")
        aside.write_bytes(content)
        os.replace(aside, self.place.serving.approved)

    @contextmanager
    def serving(self, *, first: str = "", **environment: str) -> Iterator[Running]:
        """The processes while they run; `first` is what the process does before it begins."""
        command = [sys.executable, "-m", "fedsov.runtimes.serving.endpoint_process"]
        if first:
            program = "from fedsov.runtimes.serving.endpoint_process import main"
            command = [sys.executable, "-c", f"import sys\n{program}\n{first}\nmain(sys.argv[1:])"]
        process = subprocess.Popen(
            [*command, str(self.place.path), self.place.region_key],
            stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}, start_new_session=True,
        )  # fmt: skip
        running = Running(self, process)
        try:
            running.wait_for("listens on")
            yield running
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            running.read_all()

    def lines(self) -> list[StoredLine]:
        """Every line of the log; what is of its person stays sealed."""
        requests, keys = self.place.serving.requests, open_keys(KeySettings("DE", self.folder))
        secrets = LogSecrets.open(requests, keys)
        found: list[StoredLine] = []
        for path in segments_in(requests).values():
            content = path.read_bytes()
            header, head, at = read_header(content)
            for batch in batches_of(content, head, at):
                found += unpacked(batch.opened(secrets.cipher_of(header)))[1]
        return found


class Load:
    """Clients that ask one after the other on kept connections, until they are stopped."""

    def __init__(
        self, running: Running, clients: int = 4, body: bytes = b'{"rows": [{"age": 30, "years": 3}]}'
    ) -> None:
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._running, self._body, self._stop = running, body, threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _ask(self) -> None:
        world, port = self._running.world, self._running.port
        usual = {"authorization": f"Bearer {world.tokens.token('DE')}", "content-type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not self._stop.is_set():
            try:
                connection.request("POST", world.tokens.path, self._body, usual)
                answer = connection.getresponse()
                self.answers.append(Answer(answer.status, {}, answer.read()))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(type(error).__name__)
                connection.close()
        connection.close()

    def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Goes on until something holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{len(self.answers)} answers, {self.failures[:3]}"
            time.sleep(0.01)

    def more(self, count: int = 50) -> None:
        """Goes on until there are so many more answers."""
        before = len(self.answers)
        self.until(lambda: len(self.answers) >= before + count)

    @property
    def versions(self) -> list[int]:
        return [json.loads(answer.body)["version"] for answer in self.answers if answer.status == 200]


class Running:
    """An endpoint's processes, and what they logged."""

    def __init__(self, world: ServingWorld, process: subprocess.Popen[bytes]) -> None:
        self.world, self.process = world, process
        self.log: list[dict[str, Any]] = []
        self.output = b""
        assert process.stderr is not None
        os.set_blocking(process.stderr.fileno(), False)

    @property
    def port(self) -> int:
        return next(int(line["fields"]["port"]) for line in self.log if line["event"] == "listening")

    def read_all(self) -> None:
        assert self.process.stderr is not None
        while text := (self.process.stderr.read() or b""):
            self.output += text
        self.log = []
        for line in self.output.splitlines():
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.log.append({"event": "raw", "text": line.decode(), "fields": {}})

    def wait_for(self, words: str, seconds: float = 20.0, after: int = 0) -> None:
        """Until a line of the log says so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read_all()
            if any(words in line["text"] for line in self.log[after:]):
                return
            assert self.process.poll() is None, self.output.decode()
            time.sleep(0.01)
        raise AssertionError(f"{words!r} did not come: {self.output.decode()}")

    def ready(self, seconds: float = 20.0) -> Running:
        """Until /readyz answers 200."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.get("/readyz").status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        self.read_all()
        raise AssertionError(f"not ready: {self.output.decode()}")

    def get(self, path: str, **more: Any) -> Answer:
        return self.ask("GET", path, **more)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, port: int = 0
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def predict(
        self, plain: Any, *, model: str = MODEL, jurisdiction: str = "DE", token: str | None = None, **headers: str
    ) -> Answer:
        token = self.world.tokens.token(jurisdiction) if token is None else token
        usual = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        body = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", f"/v1/models/{model}/predict", body, {**usual, **names})

    def raw(self, content: bytes, seconds: float = 5.0) -> bytes:
        """Bytes to the port, and everything that comes back until the connection ends or nothing more does."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(content)
            parts = b""
            try:
                while part := connection.recv(65536):
                    parts += part
            except (TimeoutError, ConnectionResetError):
                pass
            return parts

    def workers(self) -> list[int]:
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in children.stdout.split()]
