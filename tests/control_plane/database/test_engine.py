"""The control plane's database: a change is whole, is counted, and is seen by other processes."""

import threading

import pytest
from sqlalchemy import select

from fedsov.control_plane.database.engine import CHANGES, Database
from fedsov.errors import WorkspaceUnusable


@pytest.fixture
def database(tmp_path):
    opened = Database.open(f"sqlite:///{tmp_path}/control.sqlite")
    yield opened
    opened.close()


def test_each_transaction_is_counted_and_seen_by_whoever_has_it_open_too(database, tmp_path):
    other = Database.open(f"sqlite:///{tmp_path}/control.sqlite")
    with database.changing():
        pass
    assert (database.changes, other.changes) == (1, 1)
    other.close()


def test_what_raises_changes_nothing(database):
    with pytest.raises(RuntimeError), database.changing():
        raise RuntimeError
    assert database.changes == 0


def test_writers_at_once_lose_no_change(database):
    def change():
        for _ in range(20):
            with database.changing():
                pass

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.changes == 80


def test_a_reader_sees_one_moment(database):
    with database.reading() as connection:
        before = connection.scalar(select(CHANGES.c.counter))
        with database.changing():
            pass
        assert connection.scalar(select(CHANGES.c.counter)) == before


def test_a_database_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(WorkspaceUnusable, match="cannot be opened"):
        Database.open(f"sqlite:///{tmp_path}/nowhere/control.sqlite")


def test_a_database_that_is_full_or_gone_is_said_in_a_sentence(database, tmp_path):
    with database.changing() as connection:
        connection.exec_driver_sql("CREATE TABLE filled (content BLOB)")
    with pytest.raises(WorkspaceUnusable, match="cannot be used now: database or disk is full; see that"):
        _fill(database)
    (tmp_path / "control.sqlite").rename(tmp_path / "elsewhere")
    database.close()
    (tmp_path / "control.sqlite").mkdir()
    with pytest.raises(WorkspaceUnusable, match="cannot be used now: unable to open"):
        _look(database)


def _fill(database):
    with database.changing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.exec_driver_sql("INSERT INTO filled VALUES (zeroblob(1000000))")


def _look(database):
    with database.reading() as connection:
        connection.scalar(select(CHANGES.c.counter))
