"""Every path of a workspace: nothing outside it, nothing created, and which ledgers there are."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger
from fedsov.storage.workspace import Workspace, is_there, log_size, named_path


def test_all_folders_are_under_the_root_and_none_is_created_by_asking(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    folders = [workspace.hub, workspace.regions, workspace.quarantine, workspace.region("DE")]
    assert [str(folder.relative_to(workspace.root)) for folder in folders] == [
        "hub",
        "regions",
        "quarantine",
        "regions/DE",
    ]
    assert workspace.region_names() == [] and workspace.ledgers() == {}
    assert not workspace.root.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../DE", "a/b", "/etc", "a b", "DE\0", "-", "_-_", "DE.ledger"])
def test_a_region_s_name_that_could_leave_the_workspace_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="must be letters, digits, '-' or '_'"):
        Workspace(tmp_path).region(name)


@pytest.mark.parametrize("name", ["DE", "eu-west_2", "Österreich", "7"])
def test_a_region_s_folder_has_its_name(tmp_path: Path, name: str) -> None:
    assert Workspace(tmp_path).region(name) == tmp_path / "regions" / name


def test_regions_are_the_folders_sorted_and_files_beside_them_are_none(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for name in ("US", "DE"):
        workspace.region(name).mkdir(parents=True)
    (workspace.regions / "AT").write_text("a file")
    assert workspace.region_names() == ["DE", "US"]


def test_ledgers_that_exist_are_listed_the_hub_s_first(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for folder in (workspace.region("DE"), workspace.region("AT"), workspace.hub, workspace.region("US")):
        folder.mkdir(parents=True)
    for folder in (workspace.region("DE"), workspace.region("AT"), workspace.hub):
        Ledger(folder / "ledger.sqlite", "owner").close()
    (workspace.region("US") / "ledger.sqlite").touch()  # no ledger was begun in it
    assert list(workspace.ledgers()) == ["hub", "AT", "DE"]
    assert workspace.ledgers()["DE"] == tmp_path / "regions" / "DE" / "ledger.sqlite"


def test_a_ledger_whose_store_is_postgresql_is_there_by_the_file_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    assert not is_there(path)
    path.mkdir()
    assert not is_there(path)
    (tmp_path / "ledger.postgresql").write_text("postgresql:///fedsov")
    assert is_there(path)


def test_a_workspace_without_a_run_says_what_to_do(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    with pytest.raises(ConfigurationError, match=rf"workspace {workspace.root} holds no run yet; run .*workspace=DIR"):
        workspace.require()
    workspace.regions.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="holds no run yet"):
        workspace.require()
    workspace.hub.mkdir()
    workspace.require()


def test_a_path_may_begin_with_the_user_s_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert named_path("dataset.path", "~/p.csv") == Path("/home/somebody/p.csv")
    assert named_path("dataset.path", "a/~/p.csv") == Path("a/~/p.csv")


@pytest.mark.parametrize("value", ["", "  ", None, [], True])
def test_a_path_of_no_text_is_refused_rather_than_the_current_folder(value: object) -> None:
    with pytest.raises(ConfigurationError, match="workspace must be a folder, got"):
        named_path("workspace", value, "a folder")


def test_a_log_that_its_last_user_takes_away_while_it_is_looked_at_is_none(tmp_path: Path) -> None:
    """Whoever closes a SQLite file last removes the log, at any moment."""
    database, log = tmp_path / "ledger.sqlite", tmp_path / "ledger.sqlite-wal"
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            log.write_bytes(b"x")
            log.unlink()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        assert {log_size(database) for _ in range(3000)} <= {0, 1}
    finally:
        stop.set()
        other.join()
