"""One run at a time holds a workspace: real processes that hold it, end, and leave it."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsov.errors import WorkspaceUnusable
from fedsov.storage import locks
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace
from tests.world import ROOT

HOLDER = """
import sys
from pathlib import Path
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace
with hold_workspace(Workspace(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""
LEFT_BEHIND = "import sys; print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


@pytest.fixture
def holder(workspace: Workspace) -> Iterator[subprocess.Popen[bytes]]:
    """Another process whose run holds the workspace."""
    process = _started(HOLDER, str(workspace.root))
    yield process
    process.kill()
    process.communicate()


def _started(program: str, *words: str, lock: int | None = None) -> subprocess.Popen[bytes]:
    passed = () if lock is None else (lock,)
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=passed,
    )
    assert process.stdout is not None and process.stdout.readline()
    return process


def _text(workspace: Workspace) -> str:
    return (workspace.hub / "lock").read_text()


def test_a_held_workspace_has_its_folders_and_says_which_process_holds_it(workspace: Workspace) -> None:
    with hold_workspace(workspace) as held:
        assert workspace.hub.is_dir() and workspace.regions.is_dir()
        assert held.root == workspace.root and held.lock is not None and workspace.lock is None
        assert _text(workspace).split() == [str(os.getpid())]
        assert stat.S_IMODE((workspace.hub / "lock").stat().st_mode) == 0o600
    assert _text(workspace).strip() == ""
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(held.lock)


def test_a_workspace_is_held_again_after_a_run_that_ended_or_failed(workspace: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), hold_workspace(workspace):
        raise ZeroDivisionError
    for _ in range(2):
        with hold_workspace(workspace):
            pass


def test_a_workspace_in_use_is_refused_at_once_with_the_process_that_holds_it(
    workspace: Workspace, holder: subprocess.Popen[bytes]
) -> None:
    begun = time.monotonic()
    refused = rf"{workspace.root} is in use by the run with process id {holder.pid}; wait for it, or .*workspace=DIR"
    with pytest.raises(WorkspaceUnusable, match=refused), hold_workspace(workspace):
        pytest.fail("two runs hold one workspace")
    assert time.monotonic() - begun < locks.LONGEST_WAIT / 3
    assert holder.poll() is None and _text(workspace).split() == [str(holder.pid)]


def test_a_killed_run_leaves_the_workspace_to_the_next(workspace: Workspace, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    assert _text(workspace).split() == [str(holder.pid)]
    with hold_workspace(workspace):
        assert _text(workspace).split() == [str(os.getpid())]


def test_the_next_run_waits_for_the_processes_of_one_that_is_over(workspace: Workspace) -> None:
    with hold_workspace(workspace) as held:
        left_behind = _started(LEFT_BEHIND, lock=held.lock)
    ends = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill {left_behind.pid}"])
    with hold_workspace(workspace):
        assert left_behind.wait(5) != 0
    ends.wait()
    left_behind.communicate()


def test_processes_of_a_run_that_is_over_are_not_waited_for_without_end(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LONGEST_WAIT", 0.1)
    with hold_workspace(workspace) as held:
        left_behind = _started(LEFT_BEHIND, lock=held.lock)
    with pytest.raises(WorkspaceUnusable, match="in use by processes of a run that is over"), hold_workspace(workspace):
        pytest.fail("a workspace that others hold")
    left_behind.communicate(b"")
    with hold_workspace(workspace):
        pass


@pytest.mark.parametrize("words", ["not a number", "999999999", "own"])
def test_a_holder_that_is_no_other_living_process_is_waited_for(workspace: Workspace, words: str) -> None:
    workspace.hub.mkdir(parents=True)
    with (workspace.hub / "lock").open("w") as file:
        file.write(str(os.getpid()) if words == "own" else words)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        release = threading.Timer(0.1, fcntl.flock, (file, fcntl.LOCK_UN))
        release.start()
        with hold_workspace(workspace):
            assert _text(workspace).split() == [str(os.getpid())]
        release.join()


def test_a_workspace_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "hub" / "lock").mkdir(parents=True)
    for name, why in (("file", "Not a directory|File exists"), ("taken", "Is a directory")):
        refused = rf"{tmp_path / name} cannot be written \(({why})\); free or unlock it, or name another"
        with pytest.raises(WorkspaceUnusable, match=refused), hold_workspace(Workspace(tmp_path / name)):
            pytest.fail("a workspace that cannot be written")
