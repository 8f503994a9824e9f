"""Whoever waits for a file of a folder is woken as soon as it is replaced, and never waits for ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fedsov.storage import folder_watch
from fedsov.storage.atomic_files import replace_file
from fedsov.storage.folder_watch import EVERY, FolderWatch


@pytest.fixture
def watch(tmp_path: Path):
    watching = FolderWatch(tmp_path)
    yield watching
    watching.close()


def test_a_file_that_is_replaced_wakes_at_once(tmp_path: Path, watch: FolderWatch) -> None:
    replace_file(tmp_path / "approved.json", b"new")
    began = time.monotonic()
    assert "approved.json" in watch.wait(60.0) and time.monotonic() - began < 30.0
    assert watch.names() == frozenset()


def test_what_happens_in_folders_below_wakes_nobody(tmp_path: Path, watch: FolderWatch) -> None:
    (tmp_path / "below").mkdir()
    replace_file(tmp_path / "below" / "often.json", b"new")
    assert watch.wait(0.0) == frozenset()


def test_without_a_folder_or_inotify_it_waits_for_the_time_that_was_asked(tmp_path: Path, monkeypatch) -> None:
    absent = FolderWatch(tmp_path / "absent")
    monkeypatch.setattr(folder_watch.ctypes, "CDLL", lambda *_, **__: object())
    elsewhere = FolderWatch(tmp_path)
    for watching in (absent, elsewhere):
        began = time.monotonic()
        assert watching.descriptor == -1 and watching.wait(0.05) == watching.names() == frozenset()
        assert time.monotonic() - began >= 0.05
        watching.close()


def test_changes_that_the_system_did_not_keep_are_said_as_any_name() -> None:
    lost = folder_watch._EVENT.pack(-1, folder_watch._OVERFLOW, 0, 0)
    kept = folder_watch._EVENT.pack(1, folder_watch._MOVED_TO, 0, 16) + b"approved.json".ljust(16, b"\0")
    assert folder_watch._names(kept + lost) == {"approved.json", EVERY}
