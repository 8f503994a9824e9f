"""A data set that is described in a file, and mappings that Hydra's grammar cannot say."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.config.hydra_compose import compose
from fedsov.config.settings import Settings, settings
from fedsov.errors import ConfigurationError
from fedsov.model.declared_values import read_bounds

PEOPLE = """\
name: people
path: people.csv
jurisdiction: Land
target: y
aliases: {Österreich: AT, "Côte d'Ivoire": CI}
kinds: {plz: categorical}
categories: {"Größe, cm": [health]}
restrictions: [{column: contract, equals: "no, never", restriction: contract}]
csv: {decimal: ","}
"""


def composed(*words: str) -> Settings:
    return settings(compose([*words, "federation.regions=auto", "border=none"]))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "a b'c"
    folder.mkdir()
    (folder / "people.yaml").write_text(PEOPLE)
    return folder / "people.yaml"


def test_a_data_set_is_described_once_in_a_file(file: Path) -> None:
    dataset = composed(f"dataset=@{file}").dataset
    assert (dataset.name, dataset.jurisdiction, dataset.target.column) == ("people", "Land", "y")
    assert dataset.path == file.parent / "people.csv", "it is beside the file"
    assert dataset.aliases == {"Österreich": "AT", "Côte d'Ivoire": "CI"}
    assert dataset.classify.categories == {"Größe, cm": ("health",)}
    assert dataset.classify.restrictions[0].equals == "no, never"
    assert dataset.csv.decimal == "," and dataset.csv.skip == 0 and dataset.source == "table"


def test_yes_no_norways_code_and_dates_are_words_in_a_file(file: Path) -> None:
    more = "levels: {smoker: [yes, no, on]}\nbounds: {born: [1970-01-02, 1971-01-01]}\n"
    file.write_text(PEOPLE.replace("{Österreich: AT,", "{Norge: NO, Österreich: AT,") + more)
    plain = composed(f"dataset=@{file}").plain["dataset"]
    assert plain["levels"] == {"smoker": ["yes", "no", "on"]} and plain["aliases"]["Norge"] == "NO"
    assert read_bounds(plain["bounds"]) == {"born": (1.0, 365.0)}


def test_later_words_count_over_the_file(file: Path) -> None:
    dataset = composed(f"dataset=@{file}", "dataset.target=z", "dataset.kinds={plz: drop}").dataset
    assert dataset.target.column == "z" and dataset.kinds == {"plz": "drop"} and dataset.name == "people"


def test_a_mapping_comes_from_a_file_where_hydra_cannot_say_it(tmp_path: Path) -> None:
    (tmp_path / "aliases.yaml").write_text('"Côte d\'Ivoire": CI\nÖsterreich: AT\n')
    words = ["dataset=table", "dataset.path=x", "dataset.jurisdiction=c", "dataset.target=y"]
    dataset = composed(*words, f"dataset.aliases=@{tmp_path / 'aliases.yaml'}").dataset
    assert dataset.aliases == {"Côte d'Ivoire": "CI", "Österreich": "AT"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "expected a mapping at the top"),
        ("targt: y", "targt"),
        ('"a b": 1', "no setting of a data set"),
        (None, "cannot read"),
    ],
)
def test_a_file_that_describes_no_data_set_is_refused_by_name(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "people.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        composed(f"dataset=@{path}", "dataset.path=x", "dataset.jurisdiction=c")
