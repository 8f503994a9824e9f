"""What the ingestion reports: its counts in a sentence, its columns in a line, and its values for machines."""

from __future__ import annotations

import json
from dataclasses import replace

from fedsov.artifact import Party
from fedsov.protocol.ingestion_report import IngestionReport, settled_line, unused_line

PARTIES = {name: Party(name, name, f"Example {name}") for name in ("US", "DE")}
REPORT = IngestionReport(
    rows_in=12345,
    stored=12000,
    quarantined={"target missing": 300, "country not recognised": 45},
    kinds={"years": "numeric", "age": "numeric", "job": "categorical", "birthday": "categorical"},
    up_to_date=False,
    regions=PARTIES,
    public_keys={"US": "00", "DE": "11"},
    stores={"DE": "ab"},
    settings={"DE": "cd"},
    unused={"birthday": "a date"},
)


def test_counts_in_are_counts_stored_and_quarantined_with_each_reason() -> None:
    assert REPORT.sentence() == (
        "12,345 rows in = 12,000 stored in 2 regions + 345 quarantined (45 country not recognised; 300 target missing)"
    )


def test_rows_of_an_unknown_jurisdiction_have_their_remedy_in_the_line() -> None:
    report = replace(REPORT, quarantined={"jurisdiction unknown": 345})
    assert report.sentence().endswith(
        "+ 345 quarantined (345 jurisdiction unknown); name unknown jurisdictions by dataset.aliases={SPELLING: CODE}"
    )


def test_counts_in_tens_are_said_to_be_so_lest_rows_seem_lost() -> None:
    said = replace(REPORT, rounded=True).sentence()
    assert said.endswith("; counts of people's rows are given in tens, rounded down: no row is lost")


def test_without_quarantined_rows_no_reason_is_told_and_stores_that_are_up_to_date_say_so() -> None:
    again = replace(REPORT, quarantined={}, stored=12345, up_to_date=True)
    assert again.sentence() == (
        "12,345 rows in = 12,345 stored in 2 regions + 0 quarantined; the stores are up to date"
    )


def test_columns_are_told_by_kind_without_those_that_are_not_learned_from() -> None:
    assert REPORT.columns() == "1 categorical (job); 2 numeric (age, years)"
    assert replace(REPORT, kinds={}).columns() == ""


def test_of_many_columns_the_first_names_are_told_and_all_are_counted() -> None:
    many = replace(REPORT, kinds={f"c{number}": "numeric" for number in range(7)})
    assert many.columns() == "7 numeric (c0, c1, c2, c3, c4, c5, …)"
    assert many.columns(most=7) == "7 numeric (c0, c1, c2, c3, c4, c5, c6)"


def test_machines_get_counts_kinds_and_names_and_no_keys() -> None:
    said = json.loads(json.dumps(REPORT.to_json()))
    assert said["rows_in"] == said["stored"] + sum(said["quarantined"].values())
    assert (said["regions"], said["up_to_date"], said["unused"]) == (["DE", "US"], False, {"birthday": "a date"})
    assert said["kinds"] == dict(REPORT.kinds)
    assert not {"public_keys", "stores", "settings"} & said.keys()


def test_unused_columns_of_one_reason_stand_together() -> None:
    why = {"town": "one value", "signup": "a date", "birthday": "a date"}
    assert unused_line(why) == "birthday, signup (a date); town (one value)"
    assert unused_line({}) == ""


def test_what_a_first_ingestion_made_permanent_and_protects_less_is_said() -> None:
    assert "protects less" not in settled_line(["DE", "FR"], ())
    line = settled_line(["DE", "FR"], ["law.unsafe_open", "datasets.people.examples"])
    assert "stays so until their owner changes it: law.unsafe_open, datasets.people.examples; from now on" in line
    assert "`fedsov region set DE KEY=VALUE`" in line
