"""A change of the table is live within a second, and no request fails meanwhile; keys that rotate likewise."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fedsov.runtimes.serving.gateway_files import put_files, render, tell
from tests.inference.gateway.world import (
    COMMANDS,
    GatewayWorld,
    SmallRegion,
    builtin_command,
    free_port,
    running,
    send,
    table_of,
    wait_until,
    write_ports,
)

KINDS = ("haproxy", "envoy", "nginx", "builtin")
BETWEEN = 0.5
"""Seconds between two changes: HAProxy loses a signal that comes while it still takes up the one before."""
LIVE = 1.0
"""Seconds within which a change is live."""


class RunningGateway:
    """A gateway of some kind, and how its table is changed."""

    def __init__(self, kind: str, world: GatewayWorld, folder: Path) -> None:
        self.kind, self.world, self.folder, self.port = kind, world, folder, free_port()
        self.ports = {name: region.port for name, region in world.regions.items()}

    def change(self, **ports: int) -> None:
        """Other ports of regions; the gateway is told as its owner would tell it."""
        self.ports = {name: port for name, port in (self.ports | ports).items() if port}
        if self.kind == "builtin":
            write_ports(self.world.folder, self.ports)
            return
        table = table_of(self.world.folder, self.ports, self.port)
        put_files(self.kind, self.folder, render(self.kind, table, self.world.keys(table), self.folder))
        if hasattr(self, "pid"):
            tell(self.kind, self.pid)

    @contextmanager
    def running(self) -> Iterator[RunningGateway]:
        self.change()
        builtin = self.kind == "builtin"
        command = builtin_command(self.world.folder, self.port) if builtin else COMMANDS[self.kind](self.folder)
        with running(command, self.port, self.world.folder / f"changes-{self.kind}.log") as program:
            self.pid = self.folder / "pid"
            self.folder.mkdir(exist_ok=True)
            self.pid.write_text(str(program.pid))
            wait_until(lambda: {self.ask(code) for code in ("DE", "US", "IN")} == {200}, what=self.kind)
            yield self

    def ask(self, code: str, **token) -> int | None:
        return send(self.port, self.world.tokens.request(self.world.tokens.token(code, **token))).status


class Load:
    """Clients that ask without a pause, each over a connection that it keeps."""

    def __init__(self, port: int, tokens: list[str], path: str, clients: int = 4) -> None:
        self.port, self.tokens, self.path = port, tokens, path
        self.answers: Counter[str] = Counter()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, number: int) -> None:
        headers = {"Authorization": f"Bearer {self.tokens[number % len(self.tokens)]}"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        is_new = True
        while not self.stop.is_set():
            try:
                connection.request("POST", self.path, body=b"{}", headers=headers)
                answer = connection.getresponse()
                text = answer.read()
                place = json.loads(text)["region"] if answer.status == 200 else text.decode()[:80]
                self.answers[f"{answer.status} {place}"] += 1
                is_new = False
            except (OSError, http.client.HTTPException) as problem:
                # a server may close an idle connection at any time (RFC 9112 section 9.3.1): a client asks once more
                if is_new:
                    self.answers[f"failed: {problem!r}"] += 1
                connection.close()
                is_new = True
            time.sleep(0.002)
        connection.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> GatewayWorld:
    return GatewayWorld.new(tmp_path_factory.mktemp("changes"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_the_table_is_live_within_a_second_and_fails_no_request(
    kind: str, world: GatewayWorld, tmp_path: Path
) -> None:
    """DE moves to other machines, then IN leaves the table, then comes back."""
    moved = SmallRegion("DE2").start()
    tokens = [world.tokens.token(code) for code in ("DE", "FR")]
    with (
        RunningGateway(kind, world, tmp_path / kind).running() as gateway,
        Load(gateway.port, tokens, world.tokens.path) as load,
    ):
        wait_until(lambda: load.answers["200 DE"] > 20, what="answers of DE")
        changed = time.monotonic()
        gateway.change(DE=moved.port)
        wait_until(lambda: load.answers["200 DE2"] > 0, what="an answer of DE's new place")
        assert time.monotonic() - changed < LIVE
        time.sleep(BETWEEN)
        gateway.change(IN=0)
        wait_until(lambda: gateway.ask("IN") == 451, LIVE + 1, what="451 for IN")
        time.sleep(BETWEEN)
        gateway.change(IN=world.regions["IN"].port)
        wait_until(lambda: gateway.ask("IN") == 200, LIVE + 1, what="IN again")
        before = load.answers["200 DE2"]
        wait_until(lambda: load.answers["200 DE2"] > before + 20, what="answers at the end")
    assert {word for word in load.answers if not word.startswith("200 ")} == set(), load.answers
    assert set(load.answers) == {"200 DE", "200 DE2"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_rotated_in_is_believed_and_the_old_one_no_more(
    kind: str, world: GatewayWorld, tmp_path: Path
) -> None:
    published = json.loads(world.tokens.jwks())
    path = world.folder / "jwks.json"
    with RunningGateway(kind, world, tmp_path / kind).running() as gateway:
        try:
            path.write_text(json.dumps({"keys": [published["keys"][0] | {"kid": "newer"}]}))
            gateway.change()
            wait_until(lambda: gateway.ask("DE", kid="newer") == 200, 4, what="the new key")
            wait_until(lambda: gateway.ask("DE") == 401, 4, what="the end of the old key")
            assert send(gateway.port, world.tokens.request(world.tokens.es256("DE"))).status == 401
        finally:
            path.write_bytes(world.tokens.jwks())
