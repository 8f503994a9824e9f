"""A file is the old one or the new one, whole, for its owner's eyes only, and on the disk when a function returns."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from fedsov.errors import CheckpointDamaged
from fedsov.storage.atomic_files import plain_json, read_sealed, replace_file, sync_folder, write_sealed
from tests.full_disk import full_disk
from tests.killed import lines_of_a_killed


@pytest.mark.parametrize("content", [b"", b"x", b"\0\n\xff", b"long " * 10_000])
def test_what_was_put_is_there_whole_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    replace_file(path, b"old")
    replace_file(path, content)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_it_is_readable_by_its_owner_alone_whatever_was_there_before(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    before = os.umask(umask)
    try:
        replace_file(path, b"new")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    replace_file(path, b"old")
    with full_disk(), pytest.raises(OSError, match="too large"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old" and [file.name for file in tmp_path.iterdir()] == ["state.json"]
    with pytest.raises(OSError, match="No such file"):
        replace_file(tmp_path / "absent" / "state.json", b"new")


def test_the_content_and_then_its_name_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the calls that a disk needs: content, the new name, the folder that holds the name."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(file: int) -> None:
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{file}") else "content")
        fsync(file)

    def watched_replace(source: Path, target: Path) -> None:
        calls.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    replace_file(tmp_path / "state.json", b"new")
    assert calls == ["content", "name", "folder"]
    sync_folder(tmp_path)
    assert calls[3:] == ["folder"]


_WRITER = """
import sys
from pathlib import Path
from fedsov.storage.atomic_files import replace_file
number = 0
while True:
    number += 1
    replace_file(Path(sys.argv[1]), str(number).encode() * 20_000)
    print(number, flush=True)
"""


def test_a_writer_killed_at_any_instant_leaves_a_whole_file_no_older_than_it_said(tmp_path: Path) -> None:
    path, chance = tmp_path / "state.json", random.Random(3)
    for _ in range(4):
        written = max(map(int, lines_of_a_killed(_WRITER, str(path), chance=chance)))
        content = path.read_bytes().decode()
        number = next(number for number in (written, written + 1) if content == str(number) * 20_000)
        assert number >= written


def test_a_sealed_file_is_read_under_its_own_key_and_as_what_it_is_alone(tmp_path: Path) -> None:
    path, body = tmp_path / "journal.json", {"rounds": [["loss", 0.5, 1]], "received": {}}
    write_sealed(path, body, key=b"secret", bound="journal of run r1")
    assert read_sealed(path, key=b"secret", bound="journal of run r1") == body
    for key, bound in ((b"other", "journal of run r1"), (b"", "journal of run r1"), (b"secret", "journal of run r2")):
        with pytest.raises(CheckpointDamaged, match=r"journal\.json was changed, cut, forged or exchanged"):
            read_sealed(path, key=key, bound=bound)


def test_no_byte_of_a_sealed_file_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    write_sealed(path, {"n": 70}, key=b"secret", bound="b")
    whole = path.read_bytes()
    changed = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    spelled = [
        whole + b" ",
        whole.replace(b":", b": "),
        whole[:-1],
        b"",
        plain_json([]),
        plain_json({"body": {"n": 70}}),
    ]
    for content in (*changed, *spelled):
        path.write_bytes(content)
        with pytest.raises(CheckpointDamaged):
            read_sealed(path, key=b"secret", bound="b")
