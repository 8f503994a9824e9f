"""`gateway`: what is rendered, checked, served and followed, as its commands say it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.world import call
from tests.inference.gateway.world import COMMANDS, SmallRegion, free_port, running, send, wait_until
from tests.inference.token_attacks import TokenWorld


class TableWorld:
    """A folder with a table of two regions that answer, and its issuer."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tokens, self.port = folder, TokenWorld.new(), free_port()
        self.regions = {name: SmallRegion(name).start() for name in ("DE", "US")}
        (folder / "jwks.json").write_bytes(self.tokens.jwks())
        (folder / "issuers.yaml").write_text(self.tokens.issuers())
        self.table = folder / "gateway.yaml"
        self.write()

    def write(self, hosts: str = "FR, CN") -> None:
        ports = {name: region.port for name, region in self.regions.items()}
        self.table.write_text(
            f"""
listen: 127.0.0.1:{self.port}
issuers: issuers.yaml
entity: Example AG
limits: {{seconds: 2}}
regions:
  DE: {{url: "http://127.0.0.1:{ports["DE"]}", jurisdictions: [DE], hosts: [{hosts}], location: DE, entity: Example AG}}
  US: {{url: "http://127.0.0.1:{ports["US"]}", jurisdictions: [US], location: US}}
"""
        )

    def ask(self, code: str, **token: str) -> int | None:
        return send(self.port, self.tokens.request(self.tokens.token(code, **token))).status


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> TableWorld:
    return TableWorld(tmp_path_factory.mktemp("table"))


@contextmanager
def command(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A command of fedsov's that goes on, until the block ends."""
    line = [sys.executable, "-m", "fedsov", *map(str, words)]
    program = subprocess.Popen(
        line,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # who runs in the background ignores it
    )
    try:
        yield program
    finally:
        program.send_signal(signal.SIGINT)
        try:
            program.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            program.kill()
            program.communicate()


@pytest.mark.parametrize("kind", ["haproxy", "envoy", "nginx"])
def test_render_writes_files_that_the_gateway_takes_and_says_whom_the_border_keeps_out(
    kind: str, table: TableWorld, tmp_path: Path
) -> None:
    words = ("gateway", "render", kind, "--table", table.table, "--out", tmp_path / "out", "--workspace", tmp_path)
    answer = call(*words, "--json").json
    assert answer["valid"] is True and answer["gateway"] == kind
    assert {path.name for path in (tmp_path / "out").iterdir()} >= set(answer["files"])
    assert any("CN by DE" in line and "cn_standard_contract" in line for line in answer["notes"])
    ended = call(*words)
    assert ended.code == 0 and "valid" in ended.out and "not routed: CN by DE" in ended.err
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "out").glob("*.pem"))


def test_check_shows_whose_requests_go_where(table: TableWorld, tmp_path: Path) -> None:
    answer = call("gateway", "check", "--table", table.table, "--workspace", tmp_path, "--json").json
    routes = {tuple(route["regions"]): set(route["codes"]) for route in answer["routes"]}
    assert {"DE", "DE-BY", "FR"} <= routes[("DE",)] and {"US", "US-OH"} <= routes[("US",)]
    assert not any("CN" in codes for codes in routes.values())
    assert {kind: each["valid"] for kind, each in answer["gateways"].items()} == {
        "haproxy": True, "envoy": True, "nginx": True,
    }  # fmt: skip
    ended = call("gateway", "check", "--table", table.table, "--workspace", tmp_path)
    assert "DE, FR with 16 parts: DE" in ended.out and "haproxy: valid" in ended.out


def test_what_cannot_be_is_one_line_with_the_way_out(table: TableWorld, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out", "--workspace", tmp_path)
    assert "up --serve" in call("gateway", "render", "haproxy", *out).line
    assert "there are haproxy, envoy and nginx" in call("gateway", "render", "traefik", *out).line
    assert "names no nginx" in call("gateway", "render", "nginx", "--table", table.table, "--pid", "x", *out).line
    assert (
        "HOST:PORT" in call("gateway", "serve", "--table", table.table, "--listen", "x", "--workspace", tmp_path).line
    )
    nowhere = call("gateway", "check", "--table", tmp_path / "nowhere.yaml", "--workspace", tmp_path).line
    assert "cannot be read" in nowhere


def test_serve_answers_by_claim_takes_a_changed_table_and_ends_when_asked(table: TableWorld, tmp_path: Path) -> None:
    with command("gateway", "serve", "--table", table.table, "--workspace", tmp_path) as program:
        wait_until(lambda: program.poll() is not None or _asked(table, "DE") == 200, 30, what="the gateway")
        assert [table.ask(code) for code in ("DE", "US", "FR", "CN")] == [200, 200, 200, 451]
        table.write(hosts="AT")
        wait_until(lambda: (table.ask("FR"), table.ask("AT")) == (451, 200), 5, what="the new table")
        table.table.write_text("listen: nonsense")
        wait_until(lambda: table.ask("AT") == 200, 2, what="the old table, which goes on")
    table.write()
    assert program.returncode == 0


def _asked(table: TableWorld, code: str) -> int | None:
    try:
        return table.ask(code)
    except OSError:
        return None


def test_follow_hands_a_rotated_key_to_a_running_haproxy(table: TableWorld, tmp_path: Path) -> None:
    out, pid = tmp_path / "out", tmp_path / "pid"
    words = ("gateway", "render", "haproxy", "--table", table.table, "--out", out, "--workspace", tmp_path)
    assert call(*words).code == 0
    with running(COMMANDS["haproxy"](out), table.port, tmp_path / "log") as haproxy:
        pid.write_text(str(haproxy.pid))
        wait_until(lambda: table.ask("DE") == 200, what="haproxy")
        with command(*words, "--follow", "--pid", pid) as following:
            key = json.loads(table.tokens.jwks())["keys"][0] | {"kid": "k7"}
            wait_until(lambda: following.poll() is not None or _is_following(following), 30, what="--follow")
            (table.folder / "jwks.json").write_text(json.dumps({"keys": [key]}))
            wait_until(lambda: table.ask("DE", kid="k7") == 200, 20, what="the new key")
            wait_until(lambda: table.ask("DE") == 401, 5, what="the end of the old key")
        assert following.returncode in (0, 130)
    (table.folder / "jwks.json").write_bytes(table.tokens.jwks())


def _is_following(program: subprocess.Popen[str]) -> bool:
    """Whether it has said so."""
    assert program.stderr is not None
    return "follows" in program.stderr.readline()


def test_a_table_that_the_program_refuses_leaves_the_files_as_they_were(table: TableWorld, tmp_path: Path) -> None:
    words = ("gateway", "render", "nginx", "--table", table.table, "--out", tmp_path / "out", "--workspace", tmp_path)
    assert call(*words).code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    table.table.write_text(table.table.read_text() + f"certificate: {tmp_path}/no.crt\nkey: {tmp_path}/no.key\n")
    try:
        assert "its files are as they were" in call(*words).line
        assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    finally:
        table.write()
