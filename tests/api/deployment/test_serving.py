"""A trial as its user has it: `fedsov up` in one terminal, `fedsov train runtime=deployment` in another."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fedsov.api.deployment.serving import Display, serve_hub, serve_region
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger
from fedsov.runtimes.deployment.supervision.parties import HubOptions
from fedsov.storage.workspace import Workspace, ledger_of
from tests.runtimes.deployment.world import ENVIRONMENT, descendants, free_port, ingested, until, words
from tests.world import ROOT


def fedsov(*line: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
    """A command as a user types it."""
    return subprocess.run(
        [sys.executable, "-m", "fedsov", *line],
        capture_output=True, text=True, timeout=seconds, cwd=ROOT, env={**os.environ, **ENVIRONMENT},
    )  # fmt: skip


class Trial:
    """`fedsov up` over a workspace, in a process."""

    def __init__(self, workspace: Path) -> None:
        self.workspace, self.port, self.health = workspace, free_port(), free_port()
        self.log = workspace.parent / "up.log"
        ports = ("--port", str(self.port), "--health-port", str(self.health))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fedsov", "up", *words(workspace), *ports],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env={**os.environ, **ENVIRONMENT},
            )  # fmt: skip

    def regions(self) -> dict[str, bool]:
        """Each region, and whether it is connected; {} while the hub does not answer."""
        told = fedsov("status", "--json", f"workspace={self.workspace}")
        if told.returncode:
            return {}
        return {name: each["connected"] for name, each in json.loads(told.stdout)["regions"].items()}

    def until_connected(self) -> None:
        until(lambda: all((seen := self.regions()).values()) and seen, f"connected; see {self.log.read_text()[-2000:]}")

    def read(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    running = Trial(ingested(tmp_path_factory.mktemp("up")))
    try:
        running.until_connected()
        yield running
    finally:
        running.end()


def test_a_run_at_the_hub_gives_what_a_run_in_process_gives(trial: Trial) -> None:
    def run(*more: str) -> dict[str, object]:
        done = fedsov("train", *words(trial.workspace), *more, "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    here, there = run(), run("runtime=deployment")
    assert {name: each["score"] for name, each in here["regions"].items()} == {
        name: each["score"] for name, each in there["regions"].items()
    }
    weights = [model(trial.workspace, str(each["run"])) for each in (here, there)]
    assert weights[0].keys() == weights[1].keys()
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert set(there["models"]) == {"hub", "AT", "DE", "FR", "GB"}


def test_each_party_is_behind_walls_and_the_start_says_which(trial: Trial) -> None:
    said = trial.log.read_text()
    lines = [line for line in said.splitlines() if line.startswith("fedsov: note: AT, DE, FR, GB: ")]
    assert len(lines) == 1, said
    if "namespaces: no other party's folder can be seen" not in lines[0]:
        assert "max_user_namespaces" in said, "what is not there is said with the way to get it"
        return
    assert lines[0].endswith("it reaches the hub's port and nothing else")
    region = process_of(trial, "region_main", "DE")
    assert os.listdir(f"/proc/{region}/root{trial.workspace}/regions") == ["DE"]
    assert os.listdir(f"/proc/{region}/root{trial.workspace}/hub") == []
    assert os.listdir(f"/proc/{region}/root{trial.workspace}/deployment") == ["regions"]
    links = Path(f"/proc/{region}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in links] == ["lo"]
    hub = process_of(trial, "coordinator_process")
    assert os.listdir(f"/proc/{hub}/root{trial.workspace}/regions") == []
    assert "ca" not in os.listdir(f"/proc/{hub}/root{trial.workspace}/deployment") or not os.listdir(
        f"/proc/{hub}/root{trial.workspace}/deployment/ca"
    )
    for name in ("AT", "DE"):
        logged = (trial.workspace / "regions" / name / "worker.log").read_text()
        assert "this system does not give it" not in logged, "model code has its own walls behind these"


def test_the_start_says_where_the_page_for_people_is_and_how_to_get_an_account(trial: Trial) -> None:
    (line,) = (line for line in trial.log.read_text().splitlines() if "page for people: " in line)
    address = line.partition("page for people: ")[2].partition(";")[0]
    assert f"fedsov account add NAME --role operator,approver --workspace {trial.workspace}" in line
    trusted = ssl.create_default_context(cafile=trial.workspace / "deployment" / "ca.crt")
    with urllib.request.urlopen(f"{address}/login", timeout=30, context=trusted) as page:
        assert "Sign in" in page.read().decode()


def model(workspace: Path, run: str) -> dict[str, np.ndarray]:
    """The parameters of the global model that a run registered."""
    (path,) = (workspace / "hub" / "models" / run).glob("*/model.safetensors")
    return load_file(path)


def test_a_job_is_followed_after_its_end_and_listed(trial: Trial) -> None:
    done = fedsov("train", *words(trial.workspace), "runtime=deployment", "federation.rounds=1")
    assert done.returncode == 0, done.stderr
    logs = json.loads(fedsov("logs", "--json", f"workspace={trial.workspace}").stdout)
    assert logs["state"] == "done"
    assert any("round 1/1" in line for line in logs["lines"])
    status = fedsov("status", f"workspace={trial.workspace}").stdout
    assert "region AT: connected" in status
    assert "(train, by operator): done" in status


def operator_of(trial: Trial, name: str) -> Path:
    """The home of a further operator, by the commands of the how-to."""
    home, hub, ca = trial.workspace.parent / name, trial.workspace, trial.workspace / "deployment" / "ca"
    shown = json.loads(fedsov("deploy", "show", "--json", "--workspace", str(hub)).stdout)
    own = ("--workspace", str(home))
    address = ("--hub", f"127.0.0.1:{trial.port}", "--fingerprint", shown["authority"])
    asked = json.loads(fedsov("deploy", "request", name, *address, *own, "--json").stdout)
    place = ("--ca", str(ca), "--passphrase-file", str(ca / "passphrase"), "--workspace", str(hub))
    outcome = fedsov("deploy", "approve", asked["request"], *place, "--why", "a test", "--yes", "--json")
    assert outcome.returncode == 0, outcome.stderr
    assert fedsov("deploy", "accept", json.loads(outcome.stdout)["package"], *own).returncode == 0
    return home


def test_a_further_operator_submits_from_a_home_of_their_own_and_is_taken_back_alone(trial: Trial) -> None:
    anna, ben = operator_of(trial, "anna"), operator_of(trial, "ben")
    at_hub = ("runtime=deployment", f"runtime.hub=127.0.0.1:{trial.port}", "federation.rounds=1", "--json")
    done = fedsov("train", *words(anna), *at_hub)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["run"]
    assert f"(train, by anna): done, run {run}" in fedsov("status", f"workspace={anna}").stdout
    first, *lines = fedsov("logs", "latest", f"workspace={anna}").stdout.splitlines()
    assert re.fullmatch(r"job (\S+) \(train\), submitted by anna at \S+", first), first
    assert any("round 1/1" in line for line in lines)
    job = first.split()[1]
    with closing(Ledger.read(ledger_of(Workspace(trial.workspace).hub))) as ledger:
        noted = [(entry.body["run"], entry.body["note"]["submitted"]) for entry in ledger.notes("submitted")]
    assert noted[-1] == (run, {"job": job, "by": "anna"})
    other = fedsov("logs", job, f"workspace={ben}")
    assert other.returncode != 0 and f"job {job} is anna's" in other.stderr, other.stderr
    why = ("--workspace", str(trial.workspace), "--why", "left")
    assert fedsov("deploy", "revoke", "anna", *why).returncode == 0
    gone = fedsov("train", *words(anna), *at_hub)
    assert gone.returncode != 0 and "of anna was revoked" in gone.stderr, gone.stderr
    assert "by anna): done\n" in fedsov("status", f"workspace={ben}").stdout  # and no run's name


def test_a_job_that_fails_fails_here_with_its_own_words_and_code(trial: Trial) -> None:
    def limited(rounds: int) -> None:
        limit = (f"limits.rounds={rounds}", f"workspace={trial.workspace}")
        assert fedsov("region", "set", "--all", *limit, "--yes", "--why", "a test").returncode == 0

    limited(2)
    here = fedsov("train", *words(trial.workspace))
    there = fedsov("train", *words(trial.workspace), "runtime=deployment")
    limited(1000)
    regions = re.compile(r"\b(AT|DE|FR|GB)\b")  # any of them may be the first to refuse
    said = [regions.sub("REGION", each.stderr.splitlines()[-1]) for each in (here, there)]
    assert there.returncode == here.returncode != 0, (here.stderr, there.stderr)
    assert said[0] == said[1] and said[0].startswith("fedsov: ")


def test_a_job_is_stopped_and_says_how_it_goes_on(trial: Trial) -> None:
    line = [sys.executable, "-m", "fedsov", "train", *words(trial.workspace), "runtime=deployment"]
    following = subprocess.Popen(
        [*line, "federation.rounds=90"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT
    )
    lines = list[str]()
    for each in following.stderr or ():
        lines.append(each)
        if "round 2/90" in each:
            assert fedsov("stop", "latest", f"workspace={trial.workspace}").returncode == 0
    assert following.wait(60) != 0
    assert lines, "nothing was said"
    assert any("stopped; to go on: fedsov train --resume 20" in each for each in lines), "".join(lines)[-3000:]
    assert not any("cannot be reached" in each for each in lines), "the run's own connection is whole"
    assert "was stopped at the hub" in lines[-1]


def process_of(trial: Trial, *words: str) -> int:
    """The number of a process of a trial whose command line has these words: the oldest, which has the job."""
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in descendants(trial.process.pid)}
    pids = [pid for pid, line in lines.items() if all(any(word in part for part in line) for word in words)]
    assert pids, f"no process of {words} among {list(lines.values())}"
    return min(pids)


@pytest.mark.parametrize(
    "who",
    [
        "the run's process",
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in ("the dispatcher", "the coordinator", "the submitter")
        ),
    ],
)
def test_a_job_outlives_whatever_is_killed(trial: Trial, who: str) -> None:
    """The run goes on from its last round, to the model of a run that nobody disturbed."""
    modules = {"the run's process": "run_job", "the dispatcher": "dispatcher", "the coordinator": "coordinator_pro"}
    line = [
        sys.executable,
        "-m",
        "fedsov",
        "train",
        *words(trial.workspace),
        "runtime=deployment",
        "federation.rounds=30",
    ]
    following = subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT)
    lines = list[str]()
    for each in following.stderr or ():
        lines.append(each)
        if "global model, round 3/30" in each and sum("global model, round 3/30" in line for line in lines) == 1:
            os.kill(process_of(trial, modules[who]) if who in modules else following.pid, signal.SIGKILL)
    assert following.wait(60) == (0 if who in modules else -signal.SIGKILL), "".join(lines)[-3000:]
    logs = json.loads(fedsov("logs", "latest", "--json", f"workspace={trial.workspace}").stdout)
    assert logs["state"] == "done"
    assert sum("global model, round 30/30" in each for each in logs["lines"]) == 1
    if who == "the run's process":
        assert any("killed by SIGKILL" in each and "it goes on with run" in each for each in logs["lines"])
    undisturbed = fedsov("train", *words(trial.workspace), "federation.rounds=30", "--json")
    weights = [
        model(trial.workspace, str(json.loads(undisturbed.stdout)["run"])),
        model(trial.workspace, logs["result"]["run"]),
    ]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    trial.until_connected()


def test_its_health_is_told(trial: Trial) -> None:
    assert trial.read("/healthz") == "ok\n"
    assert trial.read("/readyz") == "ready\n"
    assert 'fedsov_ready{party="hub",role="hub"} 1' in trial.read("/metrics")


def test_nothing_is_left_when_it_ends(tmp_path: Path, ingested_here: Path) -> None:
    running = Trial(ingested_here)
    try:
        running.until_connected()
        pids = list(descendants(running.process.pid))
        assert len(pids) > 8
    finally:
        code = running.end()
    assert code == 0, running.log.read_text()[-2000:]
    until(lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()], "all of them ended")


@pytest.fixture
def ingested_here(tmp_path: Path) -> Path:
    return ingested(tmp_path)


def test_a_home_that_is_none_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="fedsov deploy init"):
        serve_hub(tmp_path, HubOptions(), Display())
    with pytest.raises(ConfigurationError, match="fedsov deploy join"):
        serve_region(tmp_path, "DE", Display())
    told = fedsov("status", f"workspace={tmp_path}")
    assert told.returncode == 2
    assert "fedsov up" in told.stderr
