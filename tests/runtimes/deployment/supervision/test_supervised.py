import os
import signal
import subprocess
import sys
import time

from fedsov.runtimes.deployment.supervision.health import HealthState
from fedsov.runtimes.deployment.supervision.supervised import DESCRIPTORS, under_supervisor
from tests.runtimes.deployment.a_supervisor import a_supervisor

COUNTS = """
import signal, pathlib
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
health.tell(waits_for="")
signal.sigwait([signal.SIGUSR1])
for _ in range(3000):
    health.count(answered=1)
pathlib.Path("{file}").write_text("done")
signal.pause()
"""


def test_a_process_that_was_started_by_hand_has_a_health_of_its_own(monkeypatch):
    monkeypatch.delenv(DESCRIPTORS, raising=False)
    health = under_supervisor()
    health.count(answered=1)
    assert health.state == HealthState(answered=1)


def test_a_process_whose_supervisor_is_gone_ends_before_it_begins():
    leash, ours = os.pipe()
    report, report_end = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from fedsov.runtimes.deployment.supervision import supervised; supervised.under_supervisor(); print(1)",
        ],
        env={**os.environ, DESCRIPTORS: f"{leash},{report_end}"},
        pass_fds=(leash, report_end),
        capture_output=True,
        check=False,
    )
    for descriptor in (leash, report, report_end):
        os.close(descriptor)
    assert done.returncode == 1 and done.stdout == b"" and b"its supervisor is gone" in done.stderr


def test_a_process_goes_on_while_its_supervisor_is_frozen_and_no_count_is_lost(tmp_path):
    file = tmp_path / "done"
    with a_supervisor(tmp_path, COUNTS.replace("{file}", str(file))) as party:
        child = party.started()
        party.process.send_signal(signal.SIGSTOP)
        os.kill(child, signal.SIGUSR1)
        deadline = time.monotonic() + 10
        while not file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        party.process.send_signal(signal.SIGCONT)
        while 'answered_total{party="DE",role="region"} 3000\n' not in party.get("/metrics")[1]:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_children_get_neither_pipe(tmp_path):
    lists = """
import os, subprocess, sys, pathlib
code = "import os; print(len(os.listdir('/proc/self/fd')), 'FEDSOV_SUPERVISOR' in os.environ)"
listing = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, close_fds=False)
pathlib.Path("{file}").write_text(listing.stdout)
"""
    file = tmp_path / "listed"
    with a_supervisor(tmp_path, lists.replace("{file}", str(file)), "backoff=Backoff(first=60)") as party:
        party.until("restart")
    assert file.read_text() == "4 False\n"  # 0, 1, 2 and that of the listing
