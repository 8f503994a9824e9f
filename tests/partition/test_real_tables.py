"""Tables as people have them (../shared/cases/tables): each is read rightly, or refused in one line that says why."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError, InputError
from fedsov.partition.ingest import ingest
from fedsov.partition.records import Records
from fedsov.partition.sorting import IngestReport
from tests.partition.world import read
from tests.world import SHARED

TABLES = SHARED / "cases" / "tables"
CASES = {row["case"]: row for row in csv.DictReader((TABLES / "cases.csv").open(encoding="utf-8"))}
COMMON = {"dataset": "table", "dataset.jurisdiction": "country", "dataset.target": "y", "federation.regions": "auto"}


@dataclass(frozen=True)
class Ingested:
    report: IngestReport
    workspace: Path

    def rows(self, region: str) -> Records:
        return read(self.workspace, region, "table")

    def every(self) -> list[Records]:
        return [self.rows(name) for name, count in self.report.stored.items() if count]


def ingested(case: str, workspace: Path, *more: str) -> Ingested:
    row = CASES[case]
    given = dict(word.partition("=")[::2] for word in shlex.split(row["settings beside the common ones"], posix=False))
    given |= {"dataset.path": str(TABLES / row["file"])}
    words = [f"{key}={value}" for key, value in (COMMON | given).items()]
    chosen = settings(compose([*words, f"workspace={workspace}", "border=none", *more]))
    report = ingest(
        chosen.dataset, atlas=chosen.atlas, regions="auto", workspace=workspace, release=None,
        today=lambda: date(2026, 1, 2),
    )  # fmt: skip
    return Ingested(report, workspace)


def bound(done: Ingested) -> int:
    """How many rows a restriction binds."""
    return sum(sum(bool(rows.labels[place].restrictions) for place in rows.label_of) for rows in done.every())


def text_of(done: Ingested, column: str) -> set[str]:
    return {str(value) for rows in done.every() for value in rows.columns[column]}


def subjects(done: Ingested) -> int:
    return sum(len(set(rows.subjects)) for rows in done.every())


def said(done: Ingested, *words: str) -> bool:
    lines = " | ".join((*done.report.said, *(f"{name}: {why}" for name, why in done.report.unused.items())))
    return all(word in lines for word in words)


def kinds(done: Ingested, **expected: str) -> bool:
    return all(done.report.kinds[name] == kind for name, kind in expected.items())


READ: dict[str, tuple[tuple[str, ...], Callable[[Ingested], bool]]] = {
    "restrict_bool_text": ((), lambda done: bound(done) == 60),
    "restrict_float": ((), lambda done: bound(done) == 60),
    "huge_int": ((), lambda done: subjects(done) == 120 and kinds(done, big="identifier")),
    "leading_zero": ((), lambda done: "01000" in text_of(done, "plz")),
    "subject_zero": ((), lambda done: len(set(done.rows("DE").subjects)) == 60),
    "jsonl": ((), lambda done: done.report.rows_in == 120 and kinds(done, age="numeric", job="categorical")),
    "latin1": (("dataset.csv.encoding=latin-1",), lambda done: not done.report.quarantined),
    "latin1_header": (("dataset.csv.encoding=latin-1",), lambda done: not done.report.quarantined),
    "decimal_comma": (("dataset.csv.decimal=','",), lambda done: kinds(done, income="numeric")),
    "thousands": (("dataset.csv.thousands=','",), lambda done: kinds(done, income="numeric")),
    "question_mark": (("dataset.csv.null=['?']",), lambda done: kinds(done, income="numeric")),
    "pii": (
        (),
        lambda done: (
            kinds(
                done,
                **dict.fromkeys(("Nachname", "Telefon", "credit_card", "cpf", "steuernummer", "kontakt"), "identifier"),
                **{"mail_address": "identifier", "geburtsdatum": "drop", "age": "numeric"},
            )
            and said(done, "e-mail", "long whole numbers", "date of birth")
        ),
    ),
    "target_true_false": ((), lambda done: text_of_target(done) == {"True", "false"}),
    "none_target": ((), lambda done: text_of_target(done) == {"None", "Minor"} and not done.report.quarantined),
    "preamble": (("dataset.csv.skip=4",), lambda done: not done.report.quarantined),
    "sep_line": ((), lambda done: done.report.rows_in == 120 and not done.report.quarantined),
    "ragged_long": (("dataset.csv.ragged=quarantine",), lambda done: said(done, "do not fit the header")),
    "ragged_short": (("dataset.csv.ragged=quarantine",), lambda done: said(done, "do not fit the header")),
    "utf16": ((), lambda done: not done.report.quarantined),
    "spell": ((), lambda done: said(done, "dataset.aliases={")),
    "uk": ((), lambda done: done.report.stored["GB"] > 0 and not done.report.quarantined),
    "comment": (("dataset.csv.comment='#'",), lambda done: not done.report.quarantined),
    "trailing_comma": ((), lambda done: not done.report.quarantined and "" not in done.report.kinds),
    "gz": ((), lambda done: done.report.rows_in == 120),
    "parquet_dir": ((), lambda done: done.report.rows_in == 120),
    "na_unquoted": ((), lambda done: done.report.stored["NA"] > 0 and not done.report.quarantined),
    "dates": ((), lambda done: kinds(done, seen="numeric", de="numeric") and said(done, "born: named like")),
    "consent_text": ((), lambda done: not done.report.quarantined),
    "state_codes": (("dataset.within=US",), lambda done: done.report.stored["US-CA"] > 0),
}
REFUSED = {
    "restrict_spelling": r"'No-Sharing' \(30 rows or more\)",
    "locale": "language tags",
    "state_codes": r"dataset\.within=US",
    "headerless": "looks like a row and not like a header",
    "latin1": r"dataset\.csv\.encoding",
    "latin1_header": r"dataset\.csv\.encoding",
    "p_nested_country": r"nested values \('",
    "reserved": "fedsov:",
    "preamble": r"dataset\.csv\.skip",
    "ragged_long": r"dataset\.csv\.ragged=quarantine",
    "ragged_short": r"dataset\.csv\.ragged=quarantine",
}
WARNED = {
    "decimal_comma": "income: most of its texts look like numbers",
    "thousands": "income: most of its texts look like numbers",
    "question_mark": "income: most of its texts look like numbers",
}


def text_of_target(done: Ingested) -> set[str]:
    return {str(value) for rows in done.every() for value in rows.target}


def test_every_case_has_an_answer() -> None:
    assert CASES.keys() == READ.keys() | REFUSED.keys() and len(CASES) == 34


@pytest.mark.parametrize("case", READ)
def test_a_table_as_people_have_it_is_read_rightly(case: str, tmp_path: Path) -> None:
    more, is_right = READ[case]
    done = ingested(case, tmp_path, *more)
    assert is_right(done), (done.report.said, done.report.unused, done.report.quarantined, done.report.kinds)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_rightly_is_refused_in_one_line_with_the_way_out(case: str, tmp_path: Path) -> None:
    with pytest.raises((InputError, ConfigurationError), match=REFUSED[case]) as refused:
        ingested(case, tmp_path)
    assert "\n" not in str(refused.value) and "Schmidt" not in str(refused.value)


@pytest.mark.parametrize("case", WARNED)
def test_a_column_of_numbers_that_are_written_otherwise_is_named_with_the_setting(case: str, tmp_path: Path) -> None:
    done = ingested(case, tmp_path)
    assert said(done, WARNED[case], "dataset.csv."), done.report.unused
