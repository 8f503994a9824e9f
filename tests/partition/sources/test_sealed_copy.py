"""A copy of a source that lies elsewhere: read like the source, noise on the disk, gone with the process."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import pytest
from deltalake import write_deltalake

from fedsov.partition.sources import open_source
from fedsov.partition.sources.sealed_copy import SealedCopy, piece_of
from tests.partition.world import CANARY, people, spec_of


@pytest.mark.parametrize("pieces", [[100_003], [1, 15, 16, 17, 65_536], [7] * 1000])
def test_any_part_of_a_copy_reads_as_it_was_written(pieces: list[int]) -> None:
    content = os.urandom(sum(pieces))
    with SealedCopy() as copy:
        place = 0
        for size in pieces:
            assert copy.write(content[place : place + size]) == size
            place += size
        for start in (0, 1, 15, 16, 17, len(content) - 3, len(content)):
            assert copy.seek(start) == start and copy.read(40) == content[start : start + 40]
            assert copy.piece(40, start) == content[start : start + 40]
        copy.seek(0)
        assert copy.read() == content
        assert os.pread(copy.fileno(), len(content), 0) != content and os.fstat(copy.fileno()).st_size == len(content)


def test_no_part_of_a_copy_is_written_twice_under_its_key() -> None:
    with SealedCopy() as copy:
        copy.write(b"once")
        copy.seek(0)
        with pytest.raises(io.UnsupportedOperation):
            copy.write(b"twice")
        assert piece_of(io.BufferedReader(copy), 9, 0) == b"once"


def test_the_disk_holds_no_value_of_a_source_that_lies_elsewhere_and_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside, place = tmp_path / "aside", tmp_path / "people_delta"
    aside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(aside))
    write_deltalake(str(place), people())
    with open_source(spec_of(place, source="delta")) as source:
        files = [Path(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
        copies = [path.read_bytes() for path in files if path.exists() and str(aside) in os.readlink(path)]
        assert source.table().num_rows == 60 and not list(aside.iterdir())
    assert len(copies) == 1 and len(copies[0]) > 1000
    for secret in CANARY:
        assert secret.encode() not in copies[0]
