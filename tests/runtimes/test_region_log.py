"""What a region's process prints is bounded, whatever and how often it is sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fedsov.runtimes.region_log import BEFORE, LARGEST, NAME, OF_MESSAGE
from tests.world import ROOT

PROGRAM = """
import sys, traceback
from pathlib import Path
from fedsov.runtimes.region_log import RegionLog
log = RegionLog(Path(sys.argv[1]))
def failing(text):
    with log.of_message():
        try:
            raise ValueError(text)
        except ValueError:
            traceback.print_exc()
"""


def printed(folder: Path, program: str) -> str:
    """What the log holds after a program that has `log` and `failing`."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + program, str(folder)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, timeout=60
    )
    assert done.returncode == 0
    return (folder / NAME).read_text()


def test_what_comes_again_and_again_is_counted_and_what_is_new_is_written(tmp_path: Path) -> None:
    text = printed(tmp_path, "for _ in range(1000): failing('no envelope')\nfailing('something else')\nprint('after')")
    assert text.count("ValueError: no envelope") == 1
    assert "(the same once more, 512 times by now)" in text
    assert text.count("the same once more") == 10, "at every doubling"
    assert text.count("ValueError: something else") == 1
    assert text.endswith("after\n"), "what no message printed is there as well"


def test_what_differs_each_time_fills_two_files_and_no_more(tmp_path: Path) -> None:
    printed(tmp_path, "for n in range(4000): failing(f'{n} ' + 'x' * 1000)")
    sizes = [(tmp_path / name).stat().st_size for name in (NAME, BEFORE)]
    assert max(sizes) <= LARGEST + OF_MESSAGE + 100
    assert {path.name for path in tmp_path.iterdir()} == {NAME, BEFORE}
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def test_of_one_message_so_much_is_kept_and_the_rest_is_said_to_be_left_out(tmp_path: Path) -> None:
    text = printed(tmp_path, "failing('y' * 10_000_000)")
    assert len(text) <= OF_MESSAGE + 100
    assert text.endswith("(and more, which is left out)\n")


def test_what_a_message_printed_before_its_process_was_killed_is_there(tmp_path: Path) -> None:
    program = "import os\nwith log.of_message():\n    print('was here', flush=True); os._exit(0)"
    assert printed(tmp_path, program) == "was here\n"
