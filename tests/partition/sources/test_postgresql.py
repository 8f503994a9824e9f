"""A source in PostgreSQL: a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from fedsov.errors import InputError
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.sources import read_source
from tests.partition.world import people, read, run, spec_of
from tests.postgresql_server import postgresql_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that has a table of people."""
    running = postgresql_server()
    host = parse_qs(urlsplit(running.get_uri()).query)["host"][0]
    address = f"postgresql://postgres@/postgres?host={host}"
    rows = people().to_pylist()
    with psycopg.connect(address) as database:
        database.execute("CREATE SCHEMA hr")
        database.execute(
            "CREATE TABLE hr.people (name text, passport text, country text, age float8, job text, wage numeric(12,4), "
            "contract text, born date, active boolean)"
        )
        with database.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO hr.people VALUES (%(name)s, %(passport)s, %(country)s, %(age)s, %(job)s, %(wage)s, "
                "%(contract)s, '1980-02-03', true)",
                rows,
            )
    try:
        yield address
    finally:
        running.cleanup()


def _spec(address: str, **options: str) -> DatasetSpec:
    return spec_of(Path(address), source="postgresql", source_options=options)


def test_a_table_is_ingested_with_its_kinds(server: str, tmp_path: Path) -> None:
    report = run(_spec(server, table="hr.people"), tmp_path)
    assert sum(report.stored.values()) == 60 and len(read(tmp_path, "EU")) == report.stored["EU"] > 0
    assert (report.kinds["age"], report.kinds["job"]) == ("numeric", "categorical")
    wages = dict(zip(people()["passport"].to_pylist(), people()["wage"].to_pylist(), strict=True))
    stored = sorted(value for name in report.stored for value in read(tmp_path, name).target)
    assert stored == pytest.approx(sorted(wages.values()), abs=1e-4)


def test_a_query_gives_its_rows_and_columns(server: str) -> None:
    query = "SELECT country, passport, wage FROM hr.people WHERE age > 30 ORDER BY passport"
    table = read_source(_spec(server, query=query))
    assert table.column_names == ["country", "passport", "wage"] and 0 < table.num_rows < 60


def test_a_query_writes_nothing(server: str) -> None:
    with pytest.raises(InputError, match="with code 25006"):  # read_only_sql_transaction
        read_source(_spec(server, query="DELETE FROM hr.people RETURNING *"))
    assert read_source(_spec(server, table="hr.people")).num_rows == 60


def test_an_error_has_postgresqls_code_and_no_value_of_a_row(server: str) -> None:
    with pytest.raises(InputError, match="in the middle of its answer") as refusal:  # for its text quotes a value
        read_source(_spec(server, query="SELECT country, passport, wage, name::int FROM hr.people"))
    assert "Canary" not in str(refusal.value) and "\n" not in str(refusal.value)
    with pytest.raises(InputError, match="with code 42P01"):  # undefined_table
        read_source(_spec(server, table='none"; DROP TABLE hr.people; --'))
    with pytest.raises(InputError, match="PostgreSQL refused"):
        read_source(_spec("postgresql://postgres@127.0.0.1:9/postgres", table="people"))


@pytest.mark.parametrize(
    ("path", "options", "told"),
    [
        ("postgresql://me:secret@db.example/people", {"table": "people"}, "holds a password"),
        ("postgresql://db.example/people?password=secret", {"table": "people"}, "holds a password"),
        ("people.csv", {"table": "people"}, "needs dataset.path=postgresql://"),
        ("postgresql://db.example/people", {}, "source_options.table=NAME, or query"),
        ("postgresql://db.example/people", {"table": "a", "query": "b"}, "source_options.table=NAME, or query"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_a_password_is_not_told(
    path: str, options: dict[str, str], told: str
) -> None:
    with pytest.raises(InputError, match=told) as refusal:
        read_source(_spec(path, **options))
    assert "secret" not in str(refusal.value)
