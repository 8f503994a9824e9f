import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsov.storage.private_files import create_private_file, keep_private, make_private_folder, open_private


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_umask")
def test_folders_and_files_are_their_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "regions" / "DE" / "store")
    create_private_file(tmp_path / "regions" / "DE" / "store" / "records")
    for name in ("regions", "regions/DE", "regions/DE/store"):
        assert mode(tmp_path / name) == 0o700
    assert mode(tmp_path / "regions/DE/store/records") == 0o600


def test_what_is_there_keeps_its_mode_and_content(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o750)
    make_private_folder(tmp_path / "shared" / "own")
    make_private_folder(tmp_path / "shared" / "own")
    assert (mode(tmp_path / "shared"), mode(tmp_path / "shared" / "own")) == (0o750, 0o700)
    (tmp_path / "file").write_text("content")
    with pytest.raises(FileExistsError):
        create_private_file(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "content"


def test_a_folder_under_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError):
            make_private_folder(path)


def test_a_process_that_keeps_private_makes_plain_files_and_folders_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        keep_private()
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").write_text("")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "folder"), mode(tmp_path / "file")) == (0o700, 0o600)


def test_a_file_is_opened_or_made_and_never_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for _ in range(2):
        os.close(open_private(path, os.O_RDWR))
    assert mode(path) == 0o600
    for target in (path, tmp_path / "nowhere"):
        (tmp_path / "link").symlink_to(target)
        with pytest.raises(OSError, match="is a symbolic link, and nothing is written through one; remove it"):
            open_private(tmp_path / "link", os.O_RDWR)
        (tmp_path / "link").unlink()
    assert not (tmp_path / "nowhere").exists()
