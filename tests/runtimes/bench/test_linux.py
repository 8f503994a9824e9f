"""What this kernel gives is given up for good; what it has not, or what another processor has, is an OSError."""

from __future__ import annotations

import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from fedsov.runtimes.bench import linux
from tests.world import ROOT


def _alone(code: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The code in a process of its own, which it changes for good."""
    asks = f"import os, socket, threading\nfrom pathlib import Path\nfrom fedsov.runtimes.bench import linux\n{code}"
    return subprocess.run(
        [sys.executable, "-c", asks, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, timeout=60
    )


def test_a_function_that_the_system_has_not_is_an_os_error() -> None:
    with pytest.raises(OSError, match="this system has no never_heard_of"):
        linux._called("never_heard_of")
    with pytest.raises(OSError, match="Invalid argument"):
        linux.set_process(10**6, 0)


def test_system_calls_of_another_processor_are_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="known of x86_64, not of riscv64"):
        linux.filter_system_calls()


def test_each_denied_call_is_named_once_and_the_program_s_jumps_stay_in_it() -> None:
    numbers = [number for several in linux.DENIED.values() for number in several]
    assert len(numbers) == len(set(numbers))
    program = [struct.unpack("=HBBI", step) for step in linux._filter()]
    assert program[-1] == (0x06, 0, 0, linux.ALLOW) and len(program) < 4096
    for place, (code, yes, no, _) in enumerate(program):
        assert code in (0x20, 0x06, 0x15, 0x35, 0x45) and place + 1 + max(yes, no) < len(program) + (code == 0x06)
    tested = {value for code, _, _, value in program if code == 0x15}
    assert tested >= set(numbers) | {linux.CLONE, linux.CLONE3, linux.PRLIMIT, linux.TGKILL}


@pytest.mark.skipif(
    platform.machine() != "x86_64",
    reason="the numbers of system calls are known of x86-64 alone; it runs on any x86-64 machine with Linux",
)
def test_threads_begin_and_processes_do_not_where_system_calls_are_filtered(tmp_path: Path) -> None:
    done = _alone(
        "linux.set_process(linux.NO_NEW_PRIVILEGES, 1)\nlinux.filter_system_calls()\n"
        "t = threading.Thread(target=lambda: print('thread'))\nt.start()\nt.join()\n"
        "acts = os.fork, socket.socket, lambda: os.kill(os.getpid(), 0), lambda: os.execv('/bin/true', ['true'])\n"
        "for each in acts:\n"
        "    try:\n        each()\n        print('done')\n    except OSError as error:\n        print(error.errno)\n",
        tmp_path,
    )
    assert done.stdout.split() == ["thread", "1", "1", "1", "1"], done.stderr


def test_landlock_lets_what_is_listed_be_listed_and_what_is_writable_be_written(tmp_path: Path) -> None:
    for name in ("read", "write", "listed", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    done = _alone(
        "import sys\nplace = Path(sys.argv[1])\nlinux.set_process(linux.NO_NEW_PRIVILEGES, 1)\n"
        "try:\n    linux.landlock([place / 'read', place / 'absent'], [place / 'write'], [place / 'listed'])\n"
        "except OSError as error:\n    sys.exit(f'lacking: {error}')\n"
        "def tried(act):\n    try:\n        act()\n        return 1\n    except OSError:\n        return 0\n"
        "for name in ('read', 'write', 'listed', 'closed'):\n    each = place / name\n"
        "    print(name, tried(lambda: os.listdir(each)), tried((each / 'file').read_text), "
        "tried(lambda: (each / 'new').write_text('x')))\n",
        tmp_path,
    )
    if "lacking: " in done.stderr:  # an old kernel, which the region's log names
        assert not done.stdout
        return
    assert done.stdout.splitlines() == ["read 1 1 0", "write 1 1 1", "listed 1 0 0", "closed 0 0 0"], done.stderr
