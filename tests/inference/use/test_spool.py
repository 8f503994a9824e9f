"""Windows on the disk: one secret for all workers, lines of each, and nothing left once a window is removed."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedsov.inference.use.cells import CellKey, UseFrame
from fedsov.inference.use.spool import UseSpool, Window

WINDOW = Window(7200, 3600)


def frame(person: int) -> UseFrame:
    return UseFrame(7200, {CellKey("m", 1, "champion", "answered", "DE", 0, 3): {person: 2}}, {("m", 1): ("personal",)})


def test_all_workers_of_a_window_have_one_secret_and_the_next_window_another(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        several = {*pool.map(lambda _: UseSpool(tmp_path / "use").secret(WINDOW), range(32))}
    assert len(several) == 1 and len(*several) == 32
    assert UseSpool(tmp_path / "use").secret(Window(10_800, 3600)) not in several


def test_what_workers_write_is_read_as_it_was(tmp_path):
    workers = [UseSpool(tmp_path) for _ in range(2)]
    for number, spool in enumerate(workers):
        spool.secret(WINDOW)
        assert spool.append(frame(number + 1), WINDOW) and spool.append(frame(number + 3), WINDOW)
    assert workers[0].windows() == [WINDOW]
    persons = sorted(
        person for each in workers[0].frames(WINDOW) for people in each.cells.values() for person in people
    )
    assert persons == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "end", [b'{"begins":72', b"\x00\xff", b'{"begins":7200,"cells":[[1]],"categories":[],"uncounted":0}']
)
def test_a_line_that_was_cut_off_is_left_out_and_the_others_are_read(tmp_path, end):
    spool = UseSpool(tmp_path)
    spool.secret(WINDOW)
    spool.append(frame(1), WINDOW)
    (path,) = tmp_path.glob("*/*.jsonl")
    path.write_bytes(path.read_bytes() + end)
    assert [each.cells for each in spool.frames(WINDOW)] == [frame(1).cells]


def test_a_worker_that_is_late_does_not_bring_a_window_back(tmp_path):
    spool = UseSpool(tmp_path)
    spool.secret(WINDOW)
    spool.remove(WINDOW)
    assert not spool.append(frame(1), WINDOW)
    assert not spool.windows() and not list(tmp_path.iterdir())


def test_files_are_their_owner_s_alone_and_none_is_written_through_a_link(tmp_path):
    spool = UseSpool(tmp_path / "use")
    spool.secret(WINDOW)
    spool.append(frame(1), WINDOW)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "use").rglob("*") if path.is_file()}
    assert modes == {0o600}
    (path,) = tmp_path.rglob("*.jsonl")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        spool.append(frame(1), WINDOW)
    assert not os.path.exists(tmp_path / "elsewhere")


def test_other_names_in_the_folder_are_no_windows(tmp_path):
    for name in ("a-b", "7200", "7200-3600-1"):
        (tmp_path / name).mkdir()
    assert UseSpool(tmp_path).windows() == []
