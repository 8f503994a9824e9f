"""The tripwire in the hub's process is not passed by another name of the same file, and knows all that is a region's.

Names: a symbolic link to a file, a folder or a whole region, a hard link, `dir_fd`, a descriptor, a SQLite address, a
name through another region. What it does not claim to stop (another process, ctypes) is said in its docstring.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.ledger.ledger import Ledger
from fedsov.runtimes import file_guard
from fedsov.runtimes.file_guard import keep_out

PRIVATE = (
    "regions/DE/store/people/records.parquet",
    "regions/DE/keyring.json",
    "regions/DE/signing.key",
    "regions/DE/worker.log",
    "regions/DE/models/r1/model.safetensors",
    "regions/DE/runs/r1/journal.json",
    "regions/DE/privacy.jsonl",
    "regions/DE/mlflow.db",
    "quarantine/store/people/records.parquet",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with one region's files, whose ledger is real."""
    root = tmp_path / "w"
    for name in PRIVATE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"secret")
    for name in ("signing.key", "mlflow.db"):
        (root / "regions" / "DE" / name).unlink()
    Ledger(root / "regions" / "DE" / "ledger.sqlite", "DE").close()
    with closing(sqlite3.connect(root / "regions" / "DE" / "mlflow.db")) as registry:
        registry.execute("CREATE TABLE runs (secret)")
    (root / "hub").mkdir()
    return root


@pytest.mark.parametrize("private", PRIVATE)
def test_every_file_of_a_region_but_its_ledger_and_settings_is_closed_to_the_hub(workspace: Path, private: str) -> None:
    path = workspace / private
    with keep_out(workspace / "regions"):
        for attempt in (path.read_bytes, path.open, lambda: os.open(path, os.O_RDONLY), lambda: shutil.copy(path, "x")):
            with pytest.raises(PermissionError, match="the hub's process does not open"):
                attempt()
        with closing(Ledger.read(workspace / "regions" / "DE" / "ledger.sqlite")) as ledger:
            assert ledger.verify().entries == 0
    assert path.read_bytes()


def _link_to_the_file(workspace: Path, path: Path, place: Path) -> Callable[[], object]:
    (place / "link").symlink_to(path)
    return (place / "link").read_bytes


def _link_to_the_folder(workspace: Path, path: Path, place: Path) -> Callable[[], object]:
    (place / "folder").symlink_to(path.parent)
    return (place / "folder" / path.name).read_bytes


def _the_region_itself_is_a_link(workspace: Path, path: Path, place: Path) -> Callable[[], object]:
    """A region on a disk of its own: its folder in the workspace is a link, and the disk has the other name."""
    region = workspace / "regions" / "DE"
    region.rename(place / "disk")
    region.symlink_to(place / "disk")
    return (place / "disk" / path.relative_to(region)).read_bytes


def _the_store_itself_is_a_link(workspace: Path, path: Path, place: Path) -> Callable[[], object]:
    store = workspace / "regions" / "DE" / "store"
    store.rename(place / "disk")
    store.symlink_to(place / "disk")
    return (place / "disk" / path.relative_to(store)).read_bytes


def _hard_link(workspace: Path, path: Path, place: Path) -> Callable[[], object]:
    os.link(path, place / "other name")
    return (place / "other name").read_bytes


def _dir_fd(workspace: Path, path: Path, place: Path) -> Callable[[], object]:
    folder = os.open(path.parent, os.O_RDONLY)
    return lambda: os.open(path.name, os.O_RDONLY, dir_fd=folder)


def _proc(workspace: Path, path: Path, place: Path) -> Callable[[], object]:
    folder = os.open(path.parent, os.O_RDONLY)
    return lambda: open(f"/proc/self/fd/{folder}/{path.name}", "rb")


def _another_workspace_inside(workspace: Path, path: Path, place: Path) -> Callable[[], object]:
    other = workspace / "regions" / "FR"
    other.mkdir()
    (other / "ledger.sqlite").symlink_to(path)
    return (other / "ledger.sqlite").read_bytes


NAMES = (
    _link_to_the_file,
    _link_to_the_folder,
    _the_region_itself_is_a_link,
    _the_store_itself_is_a_link,
    _hard_link,
    _dir_fd,
    _proc,
    _another_workspace_inside,
)


@pytest.mark.parametrize("another_name", NAMES)
def test_another_name_of_a_store_leads_to_the_same_refusal(
    workspace: Path, tmp_path: Path, another_name: Callable[[Path, Path, Path], Callable[[], object]]
) -> None:
    path = workspace / "regions/DE/store/people/records.parquet"
    attempt = another_name(workspace, path, tmp_path)
    with keep_out(workspace / "regions"), pytest.raises(PermissionError, match="the hub's process does not open"):
        attempt()


def test_a_sqlite_address_a_listing_by_descriptor_and_a_new_link_are_refused_too(
    workspace: Path, tmp_path: Path
) -> None:
    registry = workspace / "regions" / "DE" / "mlflow.db"
    store = workspace / "regions" / "DE" / "store"
    folder = os.open(store, os.O_RDONLY)
    with keep_out(workspace / "regions"):
        for attempt in (
            lambda: sqlite3.connect(registry),
            lambda: sqlite3.connect(f"{registry.as_uri()}?mode=ro", uri=True),
            lambda: os.listdir(folder),
            lambda: list(os.scandir(store)),
            lambda: os.link(store / "people" / "records.parquet", tmp_path / "mine"),
            lambda: os.rename(workspace / "regions" / "DE" / "keyring.json", tmp_path / "mine"),
        ):
            with pytest.raises(PermissionError, match="the hub's process does not open"):
                attempt()
    os.close(folder)
    assert not (tmp_path / "mine").exists()


def test_the_hub_s_own_files_and_the_names_of_regions_stay_open_and_all_is_open_afterwards(workspace: Path) -> None:
    with keep_out(workspace / "regions"):
        (workspace / "hub" / "store").write_text("the hub's own")
        assert [path.name for path in (workspace / "regions").iterdir()] == ["DE"]
        assert (workspace / "hub" / "store").read_text() == "the hub's own"
    assert (workspace / "regions" / "DE" / "keyring.json").read_bytes() == b"secret"


def test_it_is_plainly_said_that_it_is_a_tripwire_and_no_wall() -> None:
    said = " ".join((file_guard.__doc__ or "").split())
    assert "It is no wall." in said and "a promise of a deployment alone" in said
