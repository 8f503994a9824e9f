"""A version is rolled out on the page, in a real Chromium, until the endpoint answers with it; and it is taken back.

Real parties: a trial's hub and five regions (`fedsov up --serve`), two trainings, a person with an account.
"""

from __future__ import annotations

import json
import os
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

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.control_plane.pages.served_pages import CHROMIUM, PASSWORD, findings
from tests.world import ROOT

pytestmark = pytest.mark.long
SECONDS = 300.0
QUESTION = re.search(r"question\.json <<'JSON'\n(.*?)\nJSON", (ROOT / "docs/how-to/serve.md").read_text(), re.DOTALL)[1]


@dataclass(frozen=True)
class Trial:
    """Where commands run, and the first of eight ports in a row: the hub's, its control plane's two, the endpoints'."""

    folder: Path
    port: int

    @property
    def page(self) -> str:
        return f"https://127.0.0.1:{self.port + 2}"

    @property
    def endpoint(self) -> str:
        """Of DE, the second region."""
        return f"http://127.0.0.1:{self.port + 4}"

    def run(self, *words: str) -> str:
        command = [sys.executable, "-m", "fedsov", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def version(self) -> int:
        """The version with which DE's endpoint answers a person of DE."""
        token = self.run("token", "--jurisdiction", "DE", "--trial").strip()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        address = f"{self.endpoint}/v1/models/stackoverflow-de/predict"
        with urllib.request.urlopen(urllib.request.Request(address, QUESTION.encode(), headers), timeout=30) as answer:
            return int(json.load(answer)["version"])

    def log(self) -> str:
        return (self.folder / "up.log").read_text()[-4000:]


def until(holds: Callable[[], bool], trial: Trial) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if holds():
                return
        except (OSError, AssertionError):
            pass
        time.sleep(0.3)
    raise AssertionError(trial.log())


def is_answered(address: str) -> bool:
    with urllib.request.urlopen(address, timeout=5) as answer:
        return answer.status == 200


def free_ports() -> int:
    for base in range(24000, 60000, 89):
        try:
            for port in range(base, base + 8):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return base
    raise AssertionError("no eight ports in a row are free")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Two versions of a region's model, of which the first is served; an account; hub and regions run."""
    place = Trial(tmp_path_factory.mktemp("walk"), free_ports())
    place.run("train", "experiment=quick", "--quiet")
    place.run("promote", "stackoverflow-de", "1", "--why", "trial")
    place.run("train", "experiment=quick", "seed=1", "--quiet")
    password = place.folder / "password"
    password.write_text(PASSWORD)
    os.chmod(password, 0o600)
    place.run("account", "add", "anna", "--role", "operator,approver", "--password-file", str(password))
    words = ["up", "--serve", "--port", str(place.port), "--serve-port", str(place.port + 3)]
    with (place.folder / "up.log").open("wb") as log:
        up = subprocess.Popen([sys.executable, "-m", "fedsov", *words], cwd=place.folder, stdout=log, stderr=log)
    try:
        until(lambda: is_answered(f"{place.endpoint}/readyz"), place)
        until(lambda: bool(socket.create_connection(("127.0.0.1", place.port + 2), timeout=5).close() is None), place)
        yield place
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(120) == 0


@pytest.fixture
def page(trial: Trial, tmp_path: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(ignore_https_errors=True, viewport={"width": 1440, "height": 900})
        context.set_default_timeout(SECONDS * 1000)
        expect.set_options(timeout=SECONDS * 1000)
        opened = context.new_page()
        opened.goto(trial.page)
        opened.fill("#name", "anna")
        opened.fill("#password", PASSWORD)
        opened.click("main button")
        opened.wait_for_selector("[data-connection=live]")
        yield opened
        shots = Path(os.environ.get("FEDSOV_SCREENSHOTS", tmp_path))
        opened.screenshot(path=shots / "walk-end.png", full_page=True)
        browser.close()


def act(page: Page, title: str, why: str) -> None:
    """Presses a button of the newest rollout, writes the reason, and waits until the page says that it is done."""
    newest = page.locator("#rollouts article").first
    newest.get_by_text(f"{title}…").click()
    opened = newest.locator("details.act[open]")
    opened.locator("textarea").fill(why)
    opened.get_by_role("button", name=title).click()
    expect(page.get_by_role("status")).to_contain_text(f"{title}, rollout 2: done.")


def test_a_version_is_approved_and_started_on_the_page_until_the_endpoint_answers_with_it_and_taken_back(
    trial: Trial, page: Page
) -> None:
    germany = page.locator("#regions tr", has=page.locator("th", has_text="DE"))
    expect(germany.locator(".state")).to_have_text("serving")
    expect(germany.locator("td").nth(2)).to_contain_text("stackoverflow-de 1")
    assert trial.version() == 1

    trial.run("rollout", "propose", "stackoverflow-de", "2", "--by", "A. Person", "--why", "salaries moved")
    newest = page.locator("#rollouts article").first
    expect(newest).to_contain_text("proposed")
    expect(newest).to_contain_text("undecided")
    act(page, "Approve as the hub", "its evaluation is better")
    expect(newest.locator(".waves")).to_contain_text("unsigned")
    act(page, "Approve for DE", "measured on the region's own rows")
    act(page, "Start", "a trial")
    expect(germany.locator("td").nth(2)).to_contain_text("stackoverflow-de 2")
    expect(germany.locator(".state")).to_have_text("serving")
    assert trial.version() == 2
    assert findings(page) == []

    act(page, "Roll back", "complaints of customers")
    expect(germany.locator("td").nth(2)).to_contain_text("stackoverflow-de 1")
    assert trial.version() == 1
    assert page.evaluate("performance.getEntriesByType('navigation')[0].type") == "navigate"  # never reloaded
    noted = trial.run("ledger", "show", "hub", "--json")
    assert "complaints of customers" in noted
    assert '"anna"' in noted
