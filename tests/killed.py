"""A writer of its own process that is killed at an instant of chance, and the lines it had said by then."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time


def lines_of_a_killed(code: str, *words: str, chance: random.Random) -> list[str]:
    """The whole lines of a Python program that is killed up to .05 s after its first one."""
    writer = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    lines = [writer.stdout.readline()]
    time.sleep(chance.uniform(0, 0.05))
    writer.send_signal(signal.SIGKILL)
    lines += writer.stdout.readlines()
    writer.wait()
    writer.stdout.close()
    return [line for line in lines if line.endswith("\n")]
