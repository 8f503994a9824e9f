import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from fedsov.runtimes.deployment.supervision.last_words import LastWords
from fedsov.runtimes.deployment.supervision.supervisor import Backoff, how_it_ended
from tests.runtimes.deployment.a_supervisor import QUICK, ASupervisor, a_supervisor, ends, is_running, written

SERVES = """
import signal
health.count(answered=2, bytes_in=10)
health.tell(waits_for="", connected=True)
signal.pause()
"""
CHILD_OF_ITS_OWN = """
import subprocess, signal, pathlib
sleeper = subprocess.Popen(["sleep", "100"])
pathlib.Path("{file}").write_text(str(sleeper.pid))
"""


def test_pauses_double_up_to_a_limit_and_begin_anew_after_a_long_life():
    backoff, pause, pauses = Backoff(first=1, most=5, lived=10), 0.0, []
    for lived in (0, 1, 9.9, 2, 10, 0):
        pauses.append(pause := backoff.after(pause, lived))
    assert pauses == [1, 2, 4, 5, 1, 2]


@pytest.mark.parametrize(
    ("code", "words", "said"),
    [
        (0, LastWords(), "ended by itself with code 0"),
        (2, LastWords("KeyError at a/b.py:1", 4), "ended by itself with code 2 (KeyError at a/b.py:1)"),
        (
            1,
            LastWords(withheld=1),
            "ended by itself with code 1 (1 line of its output left out, for they may quote rows)",
        ),
        (-9, LastWords(), "was killed by SIGKILL, by a person or for a lack of memory"),
        (-11, LastWords(), "was killed by SIGSEGV"),
    ],
)
def test_an_end_is_told_in_words(code, words, said):
    assert how_it_ended(code, words) == said


def test_a_killed_process_is_started_again_and_its_counts_go_on(tmp_path):
    with a_supervisor(tmp_path, SERVES, "backoff=Backoff(first=0.3)") as party:
        first = party.started()
        assert party.get("/readyz") == (200, "ready\n")
        os.kill(first, signal.SIGKILL)
        line = party.until("restart")
        assert line["text"].startswith("its process was killed by SIGKILL, by a person or for a lack of memory after ")
        assert line["text"].endswith(" s; it starts again in 0.3 s (1 restart)") and line["level"] == "warning"
        status, text = party.get("/readyz")
        assert status == 503 and text.startswith(
            "DE waits for its process to start again in 0.3 s: it was killed by SIGKILL"
        )
        assert party.get("/healthz")[0] == 200
        assert party.started() != first
        metrics = party.get("/metrics")[1]
        assert 'restarts_total{party="DE",role="region"} 1\n' in metrics
        assert 'messages_answered_total{party="DE",role="region"} 4\n' in metrics
        assert party.stop() == 0


MANY = """
import os
from fedsov.runtimes.deployment.supervision.supervisor import Service, run
more = min(32, (os.cpu_count() or 1) + 4) + 2  # than asyncio's own pool has threads
run([Service(f"R{place}", "region", ["sleep", "100"]) for place in range(more)], None)
"""


def test_of_many_processes_each_is_started_again_that_was_killed():
    process = subprocess.Popen([sys.executable, "-c", MANY], stderr=subprocess.PIPE, text=True)
    party, late = ASupervisor(process), threading.Timer(30, process.kill)  # the log ends then, and with it the wait
    late.start()
    try:
        last = [party.until("start") for _ in range(min(32, (os.cpu_count() or 1) + 4) + 2)][-1]
        os.kill(last["fields"]["process"], signal.SIGKILL)
        assert party.until("restart")["party"] == last["party"]
        assert party.stop() == 0
    finally:
        late.cancel()
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize("is_frozen", [False, True])
def test_nothing_outlives_a_killed_supervisor(tmp_path, is_frozen):
    file = tmp_path / "sleeper"
    with a_supervisor(tmp_path, CHILD_OF_ITS_OWN.replace("{file}", str(file)) + SERVES) as party:
        child, sleeper = party.started(), int(written(file))
        if is_frozen:
            os.kill(child, signal.SIGSTOP)
        party.process.kill()
        party.process.wait()
        assert ends(child) and ends(sleeper)


def test_a_process_that_ignores_everything_ends_with_its_killed_supervisor(tmp_path):
    stubborn = "import signal\nfor n in (15, 2, 1, 29): signal.signal(n, signal.SIG_IGN)\n"
    with a_supervisor(tmp_path, stubborn + SERVES) as party:
        child = party.started()
        party.process.kill()
        assert ends(child)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly(tmp_path, number):
    file = tmp_path / "clean"
    clean = f"""
import pathlib, signal, sys
def end(*_):
    pathlib.Path("{file}").write_text("clean")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
"""
    with a_supervisor(tmp_path, clean + SERVES) as party:
        child = party.started()
        assert party.stop(number) == 0
        assert file.read_text() == "clean" and not is_running(child)
        assert "its process ended in 0." in party.until("stopped")["text"]
        assert not any(line["event"] in ("restart", "killed") for line in party.lines)


IGNORES = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def test_a_process_that_does_not_end_is_killed_with_its_group(tmp_path):
    file = tmp_path / "sleeper"
    with a_supervisor(tmp_path, IGNORES + CHILD_OF_ITS_OWN.replace("{file}", str(file)) + SERVES) as party:
        child, sleeper = party.started(), int(written(file))
        began = time.monotonic()
        assert party.stop() == 0
        assert 0.4 < time.monotonic() - began < 5
        assert not is_running(child) and ends(sleeper)
        assert party.until("killed")["text"] == "its process did not end in 0.5 s, and is killed"


def test_a_second_signal_does_not_wait(tmp_path):
    with a_supervisor(tmp_path, IGNORES + SERVES, "grace=60") as party:
        party.started()
        party.process.send_signal(signal.SIGINT)
        party.until("stop")
        assert party.stop(signal.SIGINT) == 0


def test_a_process_that_dies_at_once_is_tried_ever_more_seldom_and_its_rows_are_not_logged(tmp_path):
    dies = 'health.tell(waits_for="the hub")\nprint("patient=Jane Doe", flush=True)\nraise KeyError("Jane Doe")\n'
    with a_supervisor(tmp_path, dies) as party:
        restarts = [party.until("restart") for _ in range(5)]
        assert [line["fields"]["pause"] for line in restarts] == [0.02, 0.04, 0.08, 0.08, 0.08]
        assert [line["fields"]["restarts"] for line in restarts] == [1, 2, 3, 4, 5]
        assert "ended by itself with code 1 (KeyError at " in restarts[0]["text"]
        began = [line["at"] for line in party.lines if line["event"] == "start"]
        assert len(began) == 5 and all(one < other for one, other in pairwise(began))
        assert party.stop() == 0
        assert "Jane" not in str(party.lines)


def test_a_stop_does_not_wait_for_a_pause(tmp_path):
    with a_supervisor(tmp_path, "raise SystemExit(3)", "backoff=Backoff(first=60)") as party:
        assert "code 3" in party.until("restart")["text"]
        began = time.monotonic()
        assert party.stop() == 0
        assert time.monotonic() - began < 5


def test_what_a_process_leaves_behind_is_killed_when_it_ends(tmp_path):
    file = tmp_path / "sleeper"
    with a_supervisor(tmp_path, CHILD_OF_ITS_OWN.replace("{file}", str(file)), "backoff=Backoff(first=60)") as party:
        party.until("restart")
        assert ends(int(written(file)))


def test_a_program_that_cannot_be_started_is_told_and_tried_again(tmp_path):
    options = f'{QUICK}, environment={{"PATH": ""}}'
    with a_supervisor(tmp_path, SERVES, options) as party:
        party.started()
    import asyncio

    from fedsov.runtimes.deployment.supervision.health import Health
    from fedsov.runtimes.deployment.supervision.log_lines import LogLines
    from fedsov.runtimes.deployment.supervision.supervisor import Service, Stop, supervise

    async def tries():
        health, stop = Health(), Stop()
        service = Service("DE", "region", ["/no/such/program"], backoff=Backoff(first=0.01))
        with open(os.devnull, "w") as nowhere:
            running = asyncio.create_task(supervise(service, LogLines("DE", nowhere), health, stop))
            while health.state.restarts < 2:
                await asyncio.sleep(0.01)
            stop.ask()
            await running
        return health.state.waits_for

    assert "could not be started (No such file or directory)" in asyncio.run(tries())


def test_what_a_party_without_rows_writes_is_logged(tmp_path):
    with a_supervisor(tmp_path, 'print("a word of the hub", flush=True)\n' + SERVES, "holds_rows=False") as party:
        assert party.until("output")["text"] == "a word of the hub"


def test_a_supervisor_costs_no_cpu_between_events(tmp_path):
    with a_supervisor(tmp_path, SERVES) as party:
        party.started()
        stat = Path(f"/proc/{party.process.pid}/stat")
        before = stat.read_text().rpartition(")")[2].split()[11:13]
        time.sleep(0.6)
        assert stat.read_text().rpartition(")")[2].split()[11:13] == before


def test_no_descriptor_is_left_of_former_processes(tmp_path):
    with a_supervisor(tmp_path, "raise SystemExit(1)") as party:
        folder = Path(f"/proc/{party.process.pid}/fd")
        counts = []
        for _ in range(4):
            party.until("restart")
            counts.append(len(list(folder.iterdir())))
        assert max(counts[1:]) <= counts[1] + 1
