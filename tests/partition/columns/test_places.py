"""What the spellings of a column of jurisdictions mean."""

from __future__ import annotations

import pytest

from fedsov.border.law.bundle_loader import load_atlas
from fedsov.errors import InputError
from fedsov.jurisdiction import Atlas
from fedsov.partition.columns.places import Column, folded, unknown_line, with_spellings

ATLAS = load_atlas()


def meaning(*words: str, within: str | None = None) -> dict[str, str | None]:
    atlas = with_spellings(ATLAS, Column("country", dict.fromkeys(words, 20), within))
    return {word: atlas.code(word) for word in words}


@pytest.mark.parametrize(
    ("word", "code"),
    [
        *[("de", "DE"), ("DEU", "DE"), ("276", "DE"), ("4", "AF"), ("Germany", "DE"), ("Deutschland", "DE")],
        *[("UK", "GB"), ("U.K.", "GB"), ("EL", "GR"), ("XK", "XK"), ("USA", "US"), ("U.S.A.", "US"), ("NA", "NA")],
        *[("Türkiye", "TR"), ("Turkiye", "TR"), ("Turkey", "TR"), ("Côte d'Ivoire", "CI"), ("Cote d’Ivoire", "CI")],
        *[("Österreich", "AT"), ("日本", "JP"), ("Ελλάδα", "GR"), ("भारत", "IN"), ("the Netherlands", "NL")],
        *[("ＤＥ", "DE"), (" de ", "DE"), ("Congo, Kinshasa", "CD"), ("US-OH", "US-OH"), ("DE-BY", "DE-BY")],
    ],
)
def test_a_country_is_known_however_it_is_usually_written(word: str, code: str) -> None:
    assert meaning(word, *["DE", "FR", "GB"])[word] == code


@pytest.mark.parametrize("word", ["T.C.", "DE-XX", "US-1", "Atlantis", "Unknown", "99", "E.U.", "EU"])
def test_what_is_no_country_is_unknown_and_never_guessed(word: str) -> None:
    assert meaning(word, *["DE", "FR", "GB", "IT", "ES", "PT", "NL", "BE", "PL", "SE", "DK"])[word] is None


def test_language_tags_are_no_jurisdictions() -> None:
    with pytest.raises(InputError, match=r"'country' holds language tags such as pt-BR.*dataset\.jurisdiction"):
        meaning("pt-BR", "en-US", "fr-CA")
    with pytest.raises(InputError, match="language tags"):
        meaning("zh-Hant-TW", "DE", "FR")


def test_the_states_of_one_country_stop_the_ingestion_with_the_setting_that_says_so() -> None:
    with pytest.raises(InputError, match=r"parts of one country.*dataset\.within=US"):
        meaning("CA", "VA", "TX", "OH", "DE", "IN")
    with pytest.raises(InputError, match=r"dataset\.within=IN"):
        meaning("Kerala", "Punjab", "Goa")
    found = meaning("CA", "Virginia", "US-OH", "DE", "ZZ", within="US")
    assert found == {"CA": "US-CA", "Virginia": "US-VA", "US-OH": "US-OH", "DE": "US-DE", "ZZ": None}
    with pytest.raises(InputError, match=r"dataset\.within=FR.*'country' is a part of FR"):
        meaning("TX", within="FR")


def test_countries_that_are_states_as_well_are_countries_where_nothing_else_is_among_them() -> None:
    assert meaning("CA", "DE", "IN") == {"CA": "CA", "DE": "DE", "IN": "IN"}


def test_an_alias_of_the_tenant_goes_before_every_list() -> None:
    atlas = Atlas(ATLAS.regimes, {**ATLAS.spellings, "TX": "US", "ATLANTIS": "GR"})
    column = Column("country", {"TX": 5, "Atlantis": 5, "DE": 5})
    assert [with_spellings(atlas, column).code(word) for word in column.counts] == ["US", "GR", "DE"]


def test_unknown_spellings_are_listed_with_a_ready_alias_where_ten_rows_share_them() -> None:
    column = Column("country", {"DE": 50, "Zed Land": 12, "Zed": 30, "Jane Canary": 9})
    line = unknown_line(column, with_spellings(ATLAS, column))
    assert "'Zed' (30 rows or more), 'Zed Land' (10 rows or more) and 1 spelling of fewer rows" in line
    assert "dataset.aliases={Zed: CODE, 'Zed Land': CODE}" in line and "Canary" not in line
    assert unknown_line(Column("country", {"DE": 50}), ATLAS) == ""


def test_spellings_are_compared_without_case_accents_width_and_dots() -> None:
    assert folded("The  Côte-d'Ivoire ") == folded("côte d’ivoire") == "cote divoire"
