"""A job that is to stop is stopped, whenever that is said: before its process is begun, while it runs, or is killed."""

import subprocess
import sys
import threading

import pytest

from fedsov.api.deployment.dispatcher import Dispatcher
from fedsov.runtimes.deployment.supervision.log_lines import LogLines
from tests.runtimes.deployment.hub_side import trial_of

ENDS_WELL = """
import json, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs in the background ignores it
print(json.dumps({"line": "begins"}), flush=True)
try:
    time.sleep(20)
except KeyboardInterrupt:
    print(json.dumps({"stopped": True}), flush=True)
"""
ENDS_BADLY = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
time.sleep(20)
"""
IS_KILLED = """
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""


class OnePlace(Dispatcher):
    """A dispatcher whose jobs' processes run a program, and that tells a list in place of a coordinator."""

    def __init__(self, home, program):
        self.program, self.told, self.begun = program, [], 0
        super().__init__(home, LogLines("hub", sys.stderr), threading.Event())
        self._connection = self

    def _process(self):
        self.begun += 1
        command = [sys.executable, "-c", self.program]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def post_json(self, path, value):
        self.told.append(value)
        if value.get("lines") == ["begins"]:
            self._interrupt("j")

    def end(self):
        self._spare.kill()
        self._spare.communicate()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return trial_of(tmp_path_factory.mktemp("hub"), "DE").hub.home


def run(home, program, *, stopped_before):
    dispatcher = OnePlace(home, program)
    try:
        if stopped_before:
            dispatcher._interrupt("j")
        dispatcher._run({"id": "j", "kind": "train", "config": {}})
    finally:
        dispatcher.end()
    return [value["state"] for value in dispatcher.told if "state" in value], dispatcher.begun


def test_a_job_that_runs_is_interrupted_and_says_that_it_stopped(home):
    assert run(home, ENDS_WELL, stopped_before=False)[0] == ["stopped"]


@pytest.mark.parametrize("program", [ENDS_BADLY, IS_KILLED])
def test_a_job_that_was_to_stop_before_it_had_a_process_is_stopped_and_not_begun_again(home, program):
    states, begun = run(home, program, stopped_before=True)
    assert states == ["stopped"]
    assert begun == 2  # its own, and the one that waits for the next job


def test_a_job_that_is_killed_again_and_again_has_failed(home):
    assert run(home, IS_KILLED, stopped_before=False)[0] == ["failed"]
