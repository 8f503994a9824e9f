"""The how-to "serve" from its first command to its last: trained, approved, asked with curl, hosted, and at home."""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedsov.ledger.ledger import Ledger
from fedsov.storage.workspace import Workspace, ledger_of
from tests.world import ROOT, files_below

PAGE = (ROOT / "docs" / "how-to" / "serve.md").read_text()
REGIONS = ("CA", "DE", "GB", "IN", "US")
CANARY = 7.314159265358979
PERSON = "canary-anna-4711"
pytestmark = pytest.mark.long


def _blocks() -> list[str]:
    """The page's commands, block by block."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for language, text in found if language in ("", "bash")]


@dataclass(frozen=True)
class Walk:
    """A folder in which the page's commands run, with ports that are free in the place of its own."""

    folder: Path
    hub: int
    first: int

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder / ".fedsov")

    def block(self, containing: str) -> str:
        """The block that holds these words, as it is run here."""
        (text,) = [block for block in _blocks() if containing in block]
        text = re.sub(r"127\.0\.0\.1:80(8\d)", lambda port: f"127.0.0.1:{self.first + int(port[1]) - 80}", text)
        return text.replace("fedsov train", "fedsov train federation.rounds=2 --quiet").replace(
            "-s http", "-sw '\\n%{http_code}\\n' http"
        )

    def run(self, commands: str, *, code: int = 0) -> str:
        """What commands of a shell print."""
        done = subprocess.run(
            ["bash", "-euc", f'fedsov() {{ "{sys.executable}" -m fedsov "$@"; }}\n{commands}'],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def asked(self, commands: str) -> tuple[dict[str, Any], int]:
        """The answer of an endpoint that curl asks last, and its status."""
        *_, answer, status = self.run(commands).split("\n")[:-1]
        return json.loads(answer), int(status)

    def lines(self, region: str) -> list[str]:
        """The lines of a region's log of requests."""
        said = json.loads(self.run(f"fedsov requests show {region} --json"))
        return [json.dumps(line) for line in (said["lines"] if isinstance(said, dict) else said)]


def _free_ports() -> tuple[int, int]:
    """A port for the hub, and the first of five in a row."""
    for base in range(21000, 60000, 97):
        try:
            for port in range(base, base + 6):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return base, base + 1
    raise AssertionError("no six ports in a row are free")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The page up to where its endpoints answer."""
    place = Walk(tmp_path_factory.mktemp("serve"), *_free_ports())
    said = place.run(place.block("fedsov train"))
    assert "DE: stackoverflow-de 1 is approved as champion" in said
    with (place.folder / "up.log").open("wb") as log:
        words = ["--port", str(place.hub), "--serve-port", str(place.first)]
        assert place.block("fedsov up --serve").strip() == "fedsov up --serve"
        url = f"http://127.0.0.1:{place.first + 1}/readyz"
        up = subprocess.Popen(
            [sys.executable, "-m", "fedsov", "up", "--serve", *words], cwd=place.folder, stdout=log, stderr=log
        )
    try:
        _until(lambda: place.run(f"curl -so ready -w '%{{http_code}}' {url}") == "200", place)
        yield place
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0


def _until(holds: Callable[[], bool], place: Walk, *, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if holds():
                return
        except (AssertionError, ValueError):
            pass
        time.sleep(0.5)
    raise AssertionError((place.folder / "up.log").read_text()[-3000:])


def test_the_walk_of_the_page(walk: Walk) -> None:
    german, french, korean = (walk.block(f"{code}=$(fedsov token") for code in ("DE", "FR", "KP"))
    _until(lambda: walk.asked(german)[1] == 200, walk)
    answer, _ = walk.asked(german)
    assert (answer["model"], answer["version"], answer["outputs"]) == ("stackoverflow-de", 1, ["probability"])
    assert 0.0 <= answer["predictions"][0] <= 1.0
    _until(lambda: any(answer["request_id"] in line and '"DE"' in line for line in walk.lines("DE")), walk)
    assert all(walk.lines(name) == [] for name in REGIONS if name != "DE"), "the entry is in DE's log and nowhere else"

    said, status = walk.asked(french)
    assert status == 451 and "FR" in said["error"], "no region of the demonstration holds people of France"
    british = german.replace("jurisdiction DE", "jurisdiction GB")
    assert walk.asked(british)[1] == 421 and walk.asked(british)[0]["region"] == "GB"

    walk.run(walk.block("serving.hosts=[FR] --why"))
    _until(lambda: walk.asked(french)[1] == 200, walk, seconds=20.0)
    french_id = walk.asked(french)[0]["request_id"]
    _until(lambda: any(french_id in line and '"FR"' in line for line in walk.lines("DE")), walk)
    assert all(walk.lines(name) == [] for name in REGIONS if name != "DE")
    with closing(Ledger.read(ledger_of(walk.workspace.region("DE")))) as ledger:
        arrivals = [
            entry.body
            for entry in ledger.entries()
            if entry.body["act"] == "arrive" and entry.body["origins"] == ["FR"]
        ]
    assert [(body["kind"], body["purpose"], body["verdict"]) for body in arrivals] == [
        ("records", "inference", "permit")
    ]

    asks, hosts = korean.split("fedsov region set")
    assert walk.asked(asks)[1] == 451
    walk.run(f"fedsov region set{hosts}", code=4)
    assert walk.asked(asks)[1] == 451
    walk.run(walk.block("fedsov requests verify DE"))


def test_a_canary_of_a_request_is_in_no_byte_outside_its_region_s_folder(walk: Walk) -> None:
    question = json.loads(re.search(r"<<'JSON'\n(.*?)\nJSON", PAGE, re.DOTALL)[1])  # type: ignore[index]
    question["rows"][0]["YearsCodedJob"] = CANARY
    token = walk.run(f"fedsov token --jurisdiction DE --trial --subject {PERSON}").strip()
    url = f"http://127.0.0.1:{walk.first + 1}/v1/models/stackoverflow-de/predict"
    head = f"-H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' --data-binary @-"

    def ask() -> tuple[dict[str, Any], int]:
        return walk.asked(f"curl -sw '\\n%{{http_code}}\\n' {url} {head} <<'END'\n{json.dumps(question)}\nEND")

    _until(lambda: ask()[1] == 200, walk)
    answer, _ = ask()
    _until(lambda: any(answer["request_id"] in line for line in walk.lines("DE")), walk)
    shown = walk.run("fedsov requests show DE --bodies --purpose inference --last 1")
    assert str(CANARY) in shown, "the log has it, and the region's keys open it"
    needles = (str(CANARY).encode(), PERSON.encode(), token.encode(), struct.pack("<d", CANARY))
    for path in files_below(walk.folder):
        content = path.read_bytes()
        assert not any(needle in content for needle in needles), f"{path} holds it in the clear"
