"""A ledger in PostgreSQL is the same ledger: a real server, one role and one database for each owner."""

from __future__ import annotations

import multiprocessing
import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger import standalone_verifier
from fedsov.ledger.backends.postgresql import provision, write_address
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import export, prove
from fedsov.storage.workspace import is_there
from tests.killed import lines_of_a_killed
from tests.ledger.world import WRITER, forged
from tests.postgresql_server import postgresql_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an administrator."""
    running = postgresql_server()
    try:
        yield running.get_uri()
    finally:
        running.cleanup()


@pytest.fixture
def owner(request: pytest.FixtureRequest) -> str:
    return f"o{abs(hash(request.node.name)) % 10**9}"


@pytest.fixture
def path(server: str, owner: str, tmp_path: Path) -> Path:
    """Where a ledger would be, with PostgreSQL named as its home."""
    write_address(tmp_path / "ledger.postgresql", provision(server, owner=owner, password="secret"))
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def book(path: Path, owner: str) -> Iterator[Ledger]:
    with closing(Ledger(path, owner)) as ledger:
        ledger.append({"act": "note", "number": 1})
        ledger.append_all({"act": "note", "number": number} for number in range(2, 14))
        yield ledger


def as_admin(server: str, owner: str, *statements: str) -> None:
    with psycopg.connect(make_conninfo(server, dbname=f"fedsov_{owner}")) as database:
        database.execute("SET session_replication_role = replica")  # no trigger fires
        for statement in statements:
            database.execute(statement)


def test_it_holds_what_a_file_would_hold_and_makes_no_file(book: Ledger, path: Path, tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "file" / "ledger.sqlite", book.owner)) as file:
        file.append_all(entry.body for entry in book.entries())
        assert file.head().digest == book.head().digest
    assert is_there(path) and not path.exists()
    assert path.with_name("ledger.postgresql").stat().st_mode & 0o777 == 0o600
    assert path.with_name("signing.key").exists()
    assert book.verify().entries == 13
    old = book.head()
    book.append({"number": 14})
    assert book.contains(old) and book.verify(old).entries == 1


def test_it_is_read_without_the_private_key_and_proves_and_exports(book: Ledger, path: Path, tmp_path: Path) -> None:
    path.with_name("signing.key").unlink()
    with closing(Ledger.read(path)) as reader:
        assert reader.verify().head == book.head()
        assert prove(reader, 5)["seq"] == 5
        export(reader, tmp_path / "export")
        assert standalone_verifier.main([str(tmp_path / "export"), "--key", book.key]) == 0
        with pytest.raises(LedgerBroken, match="nothing crossed"):
            reader.append({"number": 14})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET body = '' WHERE seq = 3",
        "DELETE FROM entries WHERE seq = 13",
        "TRUNCATE entries",
        "DROP TABLE entries",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "DROP TRIGGER no_change ON entries",
        "INSERT INTO entries VALUES (99, '', '', '')",
        "UPDATE book SET owner = 'us'",
        "INSERT INTO book VALUES ('us', '')",
        "DELETE FROM head",
        "UPDATE head SET size = 3",
        "SET session_replication_role = replica",
        "CREATE TABLE t (x int)",
    ],
)
def test_the_owners_role_can_add_and_nothing_else(book: Ledger, path: Path, statement: str) -> None:
    with (
        psycopg.connect(path.with_name("ledger.postgresql").read_text()) as session,
        pytest.raises(psycopg.Error),
    ):
        session.execute(statement)
    assert book.verify().entries == 13


def test_no_owner_enters_anothers_database(server: str, book: Ledger, path: Path) -> None:
    other = provision(server, owner=f"{book.owner}_other", password="secret")
    address = path.with_name("ledger.postgresql").read_text()
    for mine, theirs in ((address, f"fedsov_{book.owner}_other"), (other, f"fedsov_{book.owner}")):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(make_conninfo(mine, dbname=theirs))


def test_an_owner_is_provisioned_once(server: str, book: Ledger) -> None:
    with pytest.raises(ConfigurationError, match=f"no database was made for the ledger of {book.owner}"):
        provision(server, owner=book.owner, password="secret")


def test_another_owner_or_another_key_cannot_use_the_database(book: Ledger, path: Path) -> None:
    with pytest.raises(LedgerBroken, match="belongs to"):
        Ledger(path, "us")
    path.with_name("signing.key").unlink()
    with pytest.raises(LedgerBroken, match=r"signing.key is gone"):
        Ledger(path, book.owner)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE entries SET body = set_byte(body, 4, 7) WHERE seq = 6", "entry 6 does not match its hash"),
        ("UPDATE entries SET leaf = set_byte(leaf, 4, 7) WHERE seq = 6", "entry 6 does not match its hash"),
        ("UPDATE entries SET above = set_byte(above, 4, 7) WHERE seq = 6", "entry 6 does not match the hashes above"),
        ("DELETE FROM entries WHERE seq = 6", "entry 6 is missing"),
        ("DELETE FROM entries WHERE seq > 6", "entry 7 is missing: of 13 signed entries the end was cut"),
        ("UPDATE head SET root = set_byte(root, 4, 7)", "another root than entries 1 to 13"),
        ("UPDATE head SET signature = set_byte(signature, 4, 7)", "signature, owner or key was changed"),
        ("UPDATE head SET size = 12", "size 12 instead of 13"),
        ("DELETE FROM head", "does not have one head"),
        ("UPDATE book SET owner = 'us'", "signature, owner or key was changed"),
    ],
)
def test_what_an_administrator_changes_is_found_and_named(
    server: str, book: Ledger, path: Path, statement: str, words: str
) -> None:
    as_admin(server, book.owner, statement)
    with closing(Ledger.read(path)) as reader, pytest.raises(LedgerBroken, match=words):
        reader.verify()


def test_a_row_forged_with_its_hash_is_found_and_not_signed_over(server: str, book: Ledger, path: Path) -> None:
    _, (body, leaf, seq) = forged(12)
    changes = f"body = '\\x{body.hex()}', leaf = '\\x{leaf.hex()}'"
    as_admin(server, book.owner, f"UPDATE entries SET {changes} WHERE seq = {seq}")
    with closing(Ledger.read(path)) as reader, pytest.raises(LedgerBroken, match="entry 12 does not match the hashes"):
        reader.verify()


def test_a_broken_connection_is_taken_anew(server: str, book: Ledger) -> None:
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fedsov_{book.owner}'"
    with psycopg.connect(server) as admin:
        admin.execute(end)
    with pytest.raises(LedgerBroken, match="nothing crossed"):
        book.append({"number": 14})
    assert book.append({"number": 14}).seq == 14
    book.close()
    assert book.verify().entries == 14


def test_a_server_that_cannot_be_reached_or_has_no_ledger_is_told(server: str, tmp_path: Path) -> None:
    for address, words in (
        ("postgresql://nobody:hidden@127.0.0.1:9/x", "cannot be opened"),
        ("this is no address", "cannot be opened"),
        (server, "a database without a ledger"),
    ):
        write_address(tmp_path / "ledger.postgresql", address)
        for opened in (Ledger.read, lambda path: Ledger(path, "eu")):
            with pytest.raises(LedgerBroken, match=words) as told:
                opened(tmp_path / "ledger.sqlite")
            assert "hidden" not in str(told.value)


def _append_many(path: Path, owner: str, times: int) -> None:
    ledger = Ledger(path, owner)
    for number in range(times):
        ledger.append({"process": os.getpid(), "number": number})


def test_several_processes_fill_one_book_without_gaps(path: Path, owner: str) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append_many, args=(path, owner, 25)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    with closing(Ledger.read(path)) as reader:
        assert reader.verify().entries == 100


def test_a_book_opened_before_a_fork_serves_parent_and_child(book: Ledger) -> None:
    child = multiprocessing.get_context("fork").Process(target=book.append, args=({"from": "child"},))
    child.start()
    child.join()
    book.append({"from": "parent"})
    assert child.exitcode == 0
    assert [entry.body["from"] for entry in book.entries()[-2:]] == ["child", "parent"]
    assert book.verify().entries == 15


def test_a_killed_writer_loses_nothing_it_was_told_was_written(path: Path, owner: str) -> None:
    told, chance = dict[int, str](), random.Random(5)
    for _ in range(5):
        lines = lines_of_a_killed(WRITER.replace('"eu"', repr(owner)), str(path), chance=chance)
        told |= {int(seq): digest for seq, digest in map(str.split, lines)}
        with closing(Ledger(path, owner)) as ledger:
            assert ledger.verify().entries >= max(told)
            found = {entry.seq: entry.digest for entry in ledger.entries()}
            assert all(found[seq] == digest for seq, digest in told.items())
