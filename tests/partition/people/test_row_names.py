"""A row's name by its values: the same in every file and whatever a job says of its columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from fedsov.keys import create_keys
from fedsov.keys.protocol import KeySettings
from fedsov.model.targets import TargetRule
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.people.row_names import (
    RowNames,
    bytes_of,
    halves_of,
    hexadecimal,
    keyed,
    keyed_halves,
    packed,
    row_digests,
    row_folds,
    row_names,
    with_digits,
    without_digits,
)
from fedsov.partition.records import keyed_numbers
from fedsov.partition.sources import read_source
from tests.partition.world import people


def _read(path: Path) -> pa.Table:
    return read_source(DatasetSpec("people", TargetRule("wage"), "country", path=path))


def test_csv_and_parquet_in_any_order_of_rows_and_columns_give_the_same_names(tmp_path: Path) -> None:
    table = people(contract=[None, *["open"] * 59])
    pq.write_table(table, tmp_path / "people.parquet")
    turned = table.take(np.arange(60)[::-1]).select(table.column_names[::-1])
    csv.write_csv(turned, tmp_path / "people.csv")
    names = row_names(_read(tmp_path / "people.parquet"))
    assert names == row_names(_read(tmp_path / "people.csv"))[::-1] and len(set(names)) == 60


def test_equal_rows_are_told_apart_by_their_number() -> None:
    first, second, third, other = row_names(pa.table({"age": [41, 41, 41, 7]}))
    assert (second, third) == (f"{first}#1", f"{first}#2") and not other.startswith(first)


def test_halves_of_names_are_those_of_their_bytes_and_other_text_is_no_name() -> None:
    names = np.random.default_rng(0).integers(0, 256, (50, 16)).astype(np.uint8)
    words = pa.chunked_array([hexadecimal(names[:20]), hexadecimal(names[20:])])
    assert (halves_of(words.slice(3, 40)) == keyed_halves(names[3:43])).all() and not len(halves_of(words.slice(0, 0)))
    for strange in (["abc"], [None], ["0" * 32, "0" * 31], ["G" * 32], ["A" * 32]):
        with pytest.raises(ValueError, match="digits"):
            halves_of(pa.chunked_array([pa.array(strange, pa.string())]))


def test_names_in_16_bytes_are_those_in_32_digits_and_other_text_stays() -> None:
    names = np.random.default_rng(0).integers(0, 256, (50, 16)).astype(np.uint8)
    both = pa.chunked_array([packed(names[:20]), packed(names[20:])])
    assert (bytes_of(both.slice(3, 40)) == names[3:43]).all()
    digits = pa.table({"whose": hexadecimal(names), "town": hexadecimal(names), "odd": ["Bonn"] * 50})
    small = without_digits(digits, ["whose", "odd"])
    assert small.schema.types == [pa.binary(16), pa.large_string(), pa.string()]
    assert with_digits(small).equals(digits)
    with pytest.raises(ValueError, match="missing"):
        bytes_of(pa.chunked_array([pa.array([None], pa.binary(16))]))


def test_one_value_more_less_or_missing_is_another_row() -> None:
    rows = [
        {"age": [41.0], "town": ["Bonn"]},
        {"age": [41.5], "town": ["Bonn"]},
        {"age": [None], "town": ["Bonn"]},
        {"age": [41.0], "town": [None]},
        {"age": [41.0], "town": ["bonn"]},
        {"age": [41.0], "town": ["Bonn"], "job": ["nurse"]},
    ]
    assert len({row_names(pa.table(row))[0] for row in rows}) == len(rows)


def test_numbers_are_numbers_in_whatever_type_they_come() -> None:
    columns = (
        pa.array([3, 0, None]),
        pa.array([3.0, -0.0, float("nan")]),
        pa.array(["3", "0", None]),
        pa.array(["3.0", "0", None]).dictionary_encode(),
        pa.array([3, 0, None], pa.int8()),
    )
    assert len({tuple(row_names(pa.table({"n": column}))) for column in columns}) == 1


def test_dates_lists_and_truths_have_names_too() -> None:
    table = pa.table(
        {
            "day": pa.array([0, 1], pa.date32()),
            "marks": pa.array([[1, 2], [1]]),
            "member": pa.array([True, False]),
            "nothing": pa.nulls(2),
        }
    )
    assert len(set(row_names(table))) == 2 and row_names(table) == row_names(table.select(table.column_names))


def test_texts_of_any_length_differ_by_one_letter_anywhere_and_not_by_spaces_around_them() -> None:
    long = "ä" * 3000
    words = ["", "a", "b", "ab", "ba", "x" * 15, "x" * 16, "x" * 17, long, f"{long}a", f"b{long}", f"{long}b", None]
    digests = row_digests(pa.table({"note": words}))
    assert len({digest.tobytes() for digest in digests}) == len(words) - 1, "nothing is missing, too"
    around = row_digests(pa.table({"note": [None if word is None else f" {word}\t" for word in words]}))
    assert (digests == around).all()


def test_rows_of_nobody_have_one_digest_and_those_of_people_are_named_by_subject_and_digested_by_value(
    tmp_path: Path,
) -> None:
    keys, others = create_keys(KeySettings("DE", tmp_path / "DE")), create_keys(KeySettings("FR", tmp_path / "FR"))
    values, places = row_names(pa.table({"age": [41, 7, 7]})), np.array([2, 0, 1])
    subjects, digests = keyed(values, values, places, keys)
    assert len(set(subjects)) == 3 and digests.tolist() == keyed_numbers(subjects).tolist()
    assert keyed(values, values, places, keys)[0] == subjects, "the same in every ingestion"
    assert not {*subjects} & {*keyed(values, values, places, others)[0]}, "and in no other region"
    named, same = keyed(["subject:A", values[1], "subject:A"], values, places, keys)
    assert named[:2] == keys.pseudonyms(["subject:A", "subject:A"]) and named[2] == subjects[2]
    assert same.tolist() == digests.tolist()


def test_names_survive_as_words() -> None:
    words = row_names(pa.table({"age": [41, 7, 7]}))
    assert RowNames.of_words(words).words() == words and words[2] == f"{words[1]}#1"


def test_folds_of_rows_of_nobody_depend_on_the_file_and_the_number_alone() -> None:
    folds = row_folds("a" * 64, 0, 200_000)
    assert folds.min() >= 0 and folds.max() <= 65_535 and len(np.unique(folds)) > 60_000
    assert row_folds("a" * 64, 1000, 10).tolist() == folds[1000:1010].tolist()
    assert row_folds("b" * 64, 0, 10).tolist() != folds[:10].tolist()
