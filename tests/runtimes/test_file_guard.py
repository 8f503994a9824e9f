"""The tripwire is set for the length of a block, for each workspace alone, and says whose file it was."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from fedsov.runtimes.file_guard import keep_out


def _keyring(root: Path, region: str = "DE") -> Path:
    path = root / "regions" / region / "keyring.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("secret")
    return path


def test_it_says_whose_file_it_was(tmp_path: Path) -> None:
    path = _keyring(tmp_path)
    with keep_out(tmp_path / "regions"), pytest.raises(PermissionError, match=r"a region's own files \(DE\): keyring"):
        path.read_text()


def test_it_holds_until_the_outermost_block_of_a_workspace_ends(tmp_path: Path) -> None:
    path = _keyring(tmp_path)
    with keep_out(tmp_path / "regions"):
        with keep_out(tmp_path / "regions"):
            pass
        with pytest.raises(PermissionError):
            path.read_text()
    assert path.read_text() == "secret"


def test_another_workspace_stays_open(tmp_path: Path) -> None:
    other = _keyring(tmp_path / "other")
    _keyring(tmp_path / "one")
    with keep_out(tmp_path / "one" / "regions"):
        assert other.read_text() == "secret"


def test_a_region_that_is_made_while_the_block_lasts_is_closed_too(tmp_path: Path) -> None:
    _keyring(tmp_path)
    with keep_out(tmp_path / "regions"):
        assert os.listdir(tmp_path / "regions") == ["DE"]
        (tmp_path / "regions" / "FR").mkdir()
        with pytest.raises(PermissionError, match=r"\(FR\)"):
            (tmp_path / "regions" / "FR" / "keyring.json").write_text("secret")


def test_every_thread_of_the_process_is_kept_out(tmp_path: Path) -> None:
    path, refused = _keyring(tmp_path), []

    def read() -> None:
        try:
            path.read_text()
        except PermissionError:
            refused.append(threading.current_thread().name)

    with keep_out(tmp_path / "regions"):
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(refused) == 4


def test_names_that_lead_nowhere_and_descriptors_are_left_to_the_system(tmp_path: Path) -> None:
    with keep_out(tmp_path / "regions"):
        with pytest.raises(FileNotFoundError):
            (tmp_path / "absent" / "file").read_text()
        with pytest.raises(ValueError, match="null"):
            Path("a\0b").read_text()
        reading, writing = os.pipe()
        with open(writing, "w") as there, open(reading) as here:
            there.write("x")
            there.close()
            assert here.read() == "x"
