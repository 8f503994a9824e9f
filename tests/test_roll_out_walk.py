"""The how-to "roll out" from its first command to its last: trained twice, approved by both, started, taken back."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.world import ROOT

PAGES = {name: (ROOT / "docs" / "how-to" / f"{name}.md").read_text() for name in ("roll-out", "serve")}
SECONDS = 120.0
"""How long anything is waited for."""
pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Walk:
    """A folder in which the page's commands run, with ports that are free in the place of its own."""

    folder: Path
    hub: int
    first: int

    def block(self, containing: str) -> str:
        """The page's block that holds these words, as it is run here."""
        blocks = re.findall(r"^```\w*\n(.*?)^```$", PAGES["roll-out"], re.DOTALL | re.MULTILINE)
        (text,) = [block for block in blocks if containing in block]
        return text.replace("fedsov train", "fedsov train federation.rounds=2 --quiet")

    def run(self, commands: str) -> str:
        """What commands of a shell print."""
        done = subprocess.run(
            ["bash", "-euc", f'fedsov() {{ "{sys.executable}" -m fedsov "$@"; }}\n{commands}'],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def version(self) -> int:
        """The version by which the endpoint of DE answers."""
        question = re.search(r"<<'JSON'\n(.*?)\nJSON", PAGES["serve"], re.DOTALL)
        assert question is not None
        token = self.run("fedsov token --jurisdiction DE --trial").strip()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.first + 1}/v1/models/stackoverflow-de/predict",
            data=question[1].encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return int(json.load(answer)["version"])

    def status(self) -> dict[str, Any]:
        """The rollout of the page."""
        return dict(json.loads(self.run("fedsov rollout status 2 --json"))["rollouts"][0])


def _free_ports() -> tuple[int, int]:
    """The hub's port and the two after it, and the first of five for endpoints."""
    for base in range(31000, 60000, 89):
        try:
            for port in range(base, base + 8):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return base, base + 3
    raise AssertionError("no eight ports in a row are free")


def _until(holds: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if holds():
                return
        except (AssertionError, OSError, ValueError):
            pass
        time.sleep(0.5)
    raise AssertionError(log.read_text()[-3000:])


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The page up to where its endpoints answer."""
    place = Walk(tmp_path_factory.mktemp("rollout"), *_free_ports())
    place.run(place.block("fedsov train"))
    assert place.block("fedsov up --serve").strip() == "fedsov up --serve"
    words = ["up", "--serve", "--port", str(place.hub), "--serve-port", str(place.first)]
    log = place.folder / "up.log"
    with log.open("wb") as lines:
        up = subprocess.Popen([sys.executable, "-m", "fedsov", *words], cwd=place.folder, stdout=lines, stderr=lines)
    try:
        _until(lambda: place.version() == 1, log)
        yield place
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0


def test_the_walk_of_the_page(walk: Walk) -> None:
    log = walk.folder / "up.log"
    said = walk.run(walk.block("rollout propose"))
    assert "rollout 2: stackoverflow-de 2 as champion, proposed" in said and "attack verdict undecided" in said
    assert "DE (canary): signed" in said
    assert walk.version() == 1, "signed is not started"
    walk.run(walk.block("rollout start"))
    _until(lambda: walk.version() == 2, log)
    assert walk.status()["regions"]["DE"]["state"] == "published"
    walk.run(walk.block("rollout rollback"))
    _until(lambda: walk.version() == 1, log)
    ended = walk.status()
    assert (ended["state"], ended["why"]) == ("rolled back", "complaints")
    assert [event["act"] for event in ended["events"]][-4:] == [
        *("started", "published forward", "rolled back", "published back")
    ]
    assert "entries verify in 6 ledgers" in walk.run("fedsov ledger verify")
