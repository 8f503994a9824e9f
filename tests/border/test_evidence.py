"""A document covers what it says, for as long as it says, and the register is read with care."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.border.evidence import Register
from fedsov.errors import ConfigurationError

from .world import CATEGORIES, DAY, DEMO, demo_register

ENTRY = """
- id: tia-1
  kind: tia
  exporter: ["@EEA"]
  importer: [US]
  categories: [personal]
  signed: 2025-01-01
  expires: 2026-12-31
  owner: Example (fictional)
"""


def load(folder, text: str) -> Register:
    path = folder / "documents.yaml"
    path.write_text(text)
    return Register.load(path)


def held(
    register: Register, *, kind: str = "tia", origin: str = "DE", destination: str = "US", on: date = DAY
) -> str | None:
    found = register.holding(kind, origin=origin, destination=destination, categories=frozenset({"personal"}), on=on)
    return found and found.id


def test_a_document_covers_groups_parts_of_countries_and_both_of_its_last_days(tmp_path):
    register = load(tmp_path, "documents:" + ENTRY)
    assert held(register) == "tia-1"
    assert held(register, origin="NO") == "tia-1"
    assert held(register, destination="US-CA") == "tia-1"
    assert held(register, on=date(2025, 1, 1)) == "tia-1"
    assert held(register, on=date(2026, 12, 31)) == "tia-1"


def test_a_document_covers_nothing_beyond_what_it_says(tmp_path):
    register = load(tmp_path, "documents:" + ENTRY)
    assert held(register, origin="GB") is None
    assert held(register, destination="IN") is None
    assert held(register, kind="scc_eu") is None
    assert held(register, on=date(2024, 12, 31)) is None
    assert held(register, on=date(2027, 1, 1)) is None
    terms = {"origin": "DE", "destination": "US", "on": DAY}
    assert register.holding("tia", categories=frozenset({"personal", "health"}), **terms) is None
    assert register.shortcoming("tia", categories=frozenset({"health"}), **terms) == "'tia-1' does not cover health."
    assert register.shortcoming("scc_eu", categories=frozenset(), **terms) == ""


def test_the_document_that_lasts_longest_is_relied_on_in_whatever_order_they_stand(tmp_path):
    later = ENTRY.replace("tia-1", "tia-2").replace("2026-12-31", "2027-12-31")
    one, other = load(tmp_path, "documents:" + ENTRY + later), load(tmp_path, "documents:" + later + ENTRY)
    assert held(one) == held(other) == "tia-2"
    assert one.digest == other.digest
    assert one.digest != load(tmp_path, "documents:" + ENTRY).digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: tia", "kind: tiaa", "kind 'tiaa', which no rule knows"),
        ("  owner", "  holder", "unknown field 'holder'"),
        ("  owner: Example (fictional)", "", "has no 'owner'"),
        ("2025-01-01", "January", "signed is 'January'"),
        ("2026-12-31", "2026-13-31", "documents.yaml"),
        ("2026-12-31", "2026-12-31 10:00:00", "expires is"),
        ("[US]", "[NO]", "importer holds False"),
        ("[US]", "[America]", "importer holds 'America'"),
        ("[US]", "['@NATO']", "importer holds '@NATO'"),
        ("[personal]", "[]", "has no 'categories'"),
        ("[personal]", "[3]", "categories holds 3"),
        ("kind: tia", "kind: [tia]", "kind is ['tia']"),
    ],
)
def test_an_entry_that_is_not_understood_refuses_the_register_and_is_named(tmp_path, old, new, said):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "documents:" + ENTRY.replace(old, new))
    assert said in str(caught.value)
    assert "documents.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_repeated_id_another_shape_and_an_absent_file_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"'tia-1' is listed twice"):
        load(tmp_path, "documents:" + ENTRY + ENTRY)
    for text in ("", "[]", "documents: none", "papers: []", "documents: [3]", "documents:\n- id: {"):
        with pytest.raises(ConfigurationError, match=r"documents\.yaml"):
            load(tmp_path, text)
    with pytest.raises(ConfigurationError, match=r"cannot read the evidence register"):
        Register.load(tmp_path / "absent.yaml")


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=200), st.binary(max_size=80).map(lambda raw: raw.decode("latin-1"))))
def test_no_text_makes_the_reader_of_registers_fail_unclearly(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "documents.yaml"
    path.write_text(f"documents:\n- {text}", encoding="utf-8", errors="replace")
    with pytest.raises(ConfigurationError):
        Register.load(path)


def test_every_document_of_the_demo_is_marked_as_an_example_and_one_is_missing_on_purpose():
    assert all(document.example for document in demo_register().documents)
    assert all("fictional" in document.owner for document in demo_register().documents)
    assert "EXAMPLE" in DEMO.read_text().splitlines()[0]
    terms = {"origin": "GB", "destination": "IN", "categories": CATEGORIES, "on": DAY}
    assert demo_register().holding("scc_uk_idta", **terms) is None
    assert demo_register().holding("tia_uk", entity="Example India Pvt Ltd (fictional)", **terms) is not None
