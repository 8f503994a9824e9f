"""A register is read with care: what is not understood refuses it whole, and names the document."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsov.artifact import Kind
from fedsov.border.evidence.register import Register
from fedsov.border.evidence.register_file import add_document, load_register, read_register
from fedsov.errors import ConfigurationError
from tests.border.world import BOMB, BROKEN, DAY, DEMO, artifact, ask, broken_yaml, demo_register, law, yaml_texts

ENTRY = """
- id: scc-1
  kind: scc_eu
  exporter: ["@EEA"]
  importer: [US]
  categories: [personal, employment, financial]
  signed: 2025-01-01
  expires: 2026-12-31
  owner: Example (fictional)
  terms: {doc: "2021/914", module: "1", role: "C->C"}
"""
HUGE = f"0x{'F' * 5000}"


def read(text: str | bytes) -> Register:
    return read_register(text if isinstance(text, bytes) else text.encode(), "documents.yaml")


def test_an_entry_is_read_with_its_groups_resolved_and_its_terms_in_their_shapes():
    extra = ENTRY.replace(
        '"2021/914"', '"2021/914", recert_due: 2027-01-01, n_sensitive: 10_000, part_owners: [CN, RU]'
    )
    (one,) = read("documents:" + extra).documents
    assert (one.id, one.kind, one.importer) == ("scc-1", "scc_eu", frozenset({"US"}))
    assert one.exporter == law().groups["@EEA"]
    assert (one.signed, one.expires, one.effective) == (date(2025, 1, 1), date(2026, 12, 31), None)
    assert one.terms["recert_due"] == date(2027, 1, 1)
    assert one.terms["n_sensitive"] == 10_000
    assert one.terms["part_owners"] == {"CN", "RU"}
    assert one.terms["doc"] == "2021/914"
    assert not one.example


def test_what_is_read_is_what_decides():
    parties = '  exporters: ["Example Deutschland GmbH (fictional)"]\n  entities: ["Example US Inc. (fictional)"]\n'
    scc = ENTRY.replace("  terms", f"{parties}  terms")
    tia = scc.replace("scc-1", "tia-1").replace("scc_eu", "tia").partition("  terms")[0]
    held = read("documents:" + scc + tia)
    permit = ask(artifact(Kind.UPDATE, "DE"), "DE", "US", register=held)
    assert (permit.verdict, set(permit.documents)) == ("permit", {"scc-1", "tia-1"})
    assert ask(artifact(Kind.UPDATE, "DE"), "DE", "US", register=held, on=date(2027, 1, 1)).verdict == "refuse"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: scc_eu", "kind: scc_eq", "unknown kind 'scc_eq'; did you mean scc_eu? See `fedsov evidence kinds`"),
        ("kind: scc_eu", "kind: us_no_restriction", "unknown kind 'us_no_restriction'"),
        ("kind: scc_eu", "kind: [scc_eu]", "kind is ['scc_eu']"),
        ("  owner", "  holder", "unknown field 'holder'"),
        ("  owner: Example (fictional)", "", "has no 'owner'"),
        ("  owner: Example (fictional)", "  owner: ''", "has no 'owner'"),
        ("id: scc-1", "id: 3", "id is 3"),
        ("2025-01-01", "January", "signed is 'January'"),
        ("2025-01-01", "2025-01-01 10:00:00", "signed is"),
        ("2026-12-31", "2026-13-31", "documents.yaml"),
        ("2026-12-31", "2026-12-31 10:00:00", "expires is"),
        ("2026-12-31", "2024-12-31", "before it is signed"),
        ("[US]", "[NO]", "importer holds False"),
        ("[US]", "[America]", "importer holds 'America'"),
        ("[US]", "['@NATO']", "importer holds '@NATO'"),
        ("[US]", "[]", "has no 'importer'"),
        ("[US]", "''", "has no 'importer'"),
        ("[US]", "{US: yes}", "importer holds"),
        ("[personal, employment, financial]", "[]", "has no 'categories'"),
        ("[personal, employment, financial]", "[3]", "categories holds 3"),
        ("[personal, employment, financial]", "[personal, '']", "categories holds ''"),
        ("terms: {", "terms: {colour: red, ", "unknown fact 'colour'"),
        ("terms: {", "terms: {kind: model, ", "unknown fact 'kind'"),
        ("terms: {", "terms: {count: 3, ", "unknown fact 'count'"),
        ("terms: {", "terms: {n_12m: 3, ", "'n_12m' is counted from the ledger"),
        ("terms: {", "terms: {n_year: 3, ", "'n_year' is counted from the ledger"),
        ("terms: {", "terms: {signed: 2026-01-01, ", "write it as the document's signed"),
        ("terms: {", "terms: {covers: '*', ", "write it as the document's categories"),
        ("terms: {", "terms: {importer_match: yes, ", "write it as the document's entities"),
        ("terms: {", "terms: {tia: present, ", "'tia' is shown by a document of the kind tia"),
        ("terms: {", "terms: {pipia: yes, ", "'pipia' is shown by a document of the kind pipia"),
        ("terms: {", "terms: {dp: yes, ", "'dp' is about an artifact"),
        ("terms: {", "terms: {attack_test: pass, ", "'attack_test' is about an artifact"),
        ("terms: {", "terms: {anon_assessment: approved, ", "'anon_assessment' is about an artifact"),
        ("terms: {", "terms: {modified: perhaps, ", "unknown value of modified 'perhaps'"),
        ("terms: {", "terms: {recert_due: soon, ", "recert_due is 'soon'"),
        ("terms: {", "terms: {n_sensitive: many, ", "n_sensitive is 'many'"),
        ("terms: {", "terms: {n_sensitive: -1, ", "n_sensitive is '-1'"),
        ("terms: {", "terms: {n_sensitive: .nan, ", "n_sensitive is 'nan'"),
        ("terms: {", "terms: {ref: {a: b}, ", "write a word, a number or a day"),
        ("terms: {", "terms: {ref: null, ", "write a word, a number or a day"),
        ('terms: {doc: "2021/914", module: "1", role: "C->C"}', "terms: [doc]", "terms are a mapping"),
        ("expires: 2026-12-31", "expires: 2026-12-31\n  expires: 2030-12-31", "'expires' is given twice"),
        ("expires: 2026-12-31", "example: 'no'", "example"),
        ("expires: 2026-12-31", "purposes: [3]", "purposes holds 3"),
        ("expires: 2026-12-31", "entities: [{a: b}]", "entities holds"),
        ("expires: 2026-12-31", "sha256: 12", "sha256 is 12"),
        ("expires: 2026-12-31", "effective: tomorrow", "effective is 'tomorrow'"),
    ],
)
def test_an_entry_that_is_not_understood_refuses_the_register_and_is_named(old, new, said):
    text = "documents:" + ENTRY.replace(old, new)
    assert text != "documents:" + ENTRY
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert said in str(caught.value)
    assert "documents.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_repeated_id_another_shape_and_an_absent_file_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"'scc-1' is listed twice"):
        read("documents:" + ENTRY + ENTRY)
    lists = ("documents: none", "documents: [3]", "documents:\n- id: {", "documents: {a: b}", "documents:")
    for text in ("", "[]", "papers: []", "documents: []\nmore: []", *lists):
        with pytest.raises(ConfigurationError, match=r"documents\.yaml"):
            read(text)
    with pytest.raises(ConfigurationError, match=r"cannot read the evidence register"):
        load_register(tmp_path / "absent.yaml")
    with pytest.raises(ConfigurationError, match=r"cannot read the evidence register"):
        load_register(tmp_path)


def test_no_register_at_all_is_an_empty_one():
    assert load_register(None).documents == ()
    assert read("documents: []").documents == ()
    assert load_register(None).mechanisms == law().mechanisms


# ------------------------------------------------------------------ adding to it

PARTS = {"id": "tia-2", "kind": "tia", "exporter": ["NO"], "importer": "*", "categories": ["personal"], "signed": DAY,
         "owner": "Müller (fictional)"}  # fmt: skip


@pytest.mark.parametrize(
    "before", [None, "documents: []\n", "documents:\n", "documents:" + ENTRY, "# Ours\ndocuments:" + ENTRY]
)
def test_a_document_is_added_at_the_end_and_read_back(tmp_path, before):
    path = tmp_path / "folder" / "documents.yaml"
    if before is not None:
        path.parent.mkdir()
        path.write_text(before)
    added = add_document(path, PARTS)
    assert added.exporter == {"NO"}
    assert load_register(path).documents[-1] == added
    assert load_register(path).knows("scc-1") is (ENTRY in (before or ""))
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "wrong", [{"kind": "nothing"}, {"id": "scc-1"}, {"signed": "soon"}, {"colour": "red"}, {"owner": ""}]
)
def test_a_bad_document_changes_nothing(tmp_path, wrong):
    path = tmp_path / "documents.yaml"
    path.write_text("documents:" + ENTRY)
    with pytest.raises(ConfigurationError):
        add_document(path, PARTS | wrong)
    assert path.read_text() == "documents:" + ENTRY
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("before", [b"documents: # M\xfcller\n", b"papers: []\n", b"documents: {}\n", b"\xff\xfe"])
def test_nothing_is_added_to_what_is_no_register(tmp_path, before):
    path = tmp_path / "documents.yaml"
    path.write_bytes(before)
    with pytest.raises(ConfigurationError, match=r"documents\.yaml"):
        add_document(path, PARTS)
    assert path.read_bytes() == before


# ------------------------------------------------------------------ hostile texts

HOSTILE = {
    **BROKEN,
    "terms that hold themselves": "documents:" + ENTRY.replace('doc: "2021/914"', "ref: &a [*a]"),
    "a bomb in a note": "documents:" + ENTRY.replace("Example (fictional)", BOMB),
    "a bomb in terms": "documents:" + ENTRY.replace('"2021/914"', BOMB),
    "a bomb for a document": f"documents: [{BOMB}]",
    "a huge number for a day": "documents:" + ENTRY.replace("2026-12-31", HUGE),
    "a huge number in terms": "documents:" + ENTRY.replace('"2021/914"', f'"2021/914", n_sensitive: {HUGE}'),
    "a huge number for an id": "documents:" + ENTRY.replace("scc-1", HUGE),
    "a deep document": f"documents: {'[' * 5_000}{']' * 5_000}",
    "documents merged in": "<<: {documents: []}",
    "documents given twice": "documents:" + ENTRY + "\ndocuments: []",
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_register_is_refused_in_a_moment(what):
    with broken_yaml(HOSTILE[what]) as text, pytest.raises(ConfigurationError, match=r"documents\.yaml"):
        read(text)


FIELDS = ("documents", "id", "kind", "exporter", "importer", "categories", "signed", "owner", "terms", "tia", "US", "*")


@settings(max_examples=150, deadline=None)
@given(yaml_texts(FIELDS))
def test_no_text_makes_the_reader_of_registers_fail_unclearly(text):
    try:
        held = read(text)
    except ConfigurationError as problem:
        assert "documents.yaml" in str(problem)  # noqa: PT017
    else:
        assert held.documents == ()


values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.datetimes(),
        st.sampled_from([date.min, date.max, DAY, 10**30, -(2**63), "US", "*", "@EEA", "none"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)  # fmt: skip
CLAIMED = sorted(name for name, fact in law().facts.items() if fact.claimed)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([*yaml.safe_load(ENTRY)[0], "effective", "purposes", "entities", "example", "note"]), values,
       st.dictionaries(st.sampled_from(CLAIMED), values, max_size=3))  # fmt: skip
def test_any_value_in_any_field_is_refused_or_decides_without_failing(field, value, terms):
    parts = yaml.safe_load(ENTRY)[0] | {"kind": "recipient", "terms": terms} | {field: value}
    try:
        held = read(yaml.safe_dump({"documents": [parts]}, allow_unicode=True))
    except ConfigurationError:
        return
    for target in ("US", "CN"):
        assert ask(artifact(Kind.UPDATE, "DE", "US", "CN"), "DE", target, register=held).rules
    assert len(held.digest) == 64


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("field", ["signed", "expires", "effective"])
def test_the_first_and_the_last_day_of_the_calendar_are_days(field, day):
    entry = ENTRY.replace("  expires: 2026-12-31\n", "").replace("  signed: 2025-01-01\n", "")
    parts = {"signed": "0001-01-01"} | {field: day}
    lines = "".join(f"  {name}: {value}\n" for name, value in parts.items())
    held = read("documents:" + entry + lines)
    for on in (date.min, DAY, date.max):
        for origin in ("DE", "CN", "VN", "TR", "MY"):
            assert ask(artifact(Kind.UPDATE, origin), origin, "US", register=held, on=on).verdict == "refuse"


def test_the_demo_is_a_register_like_any_other(tmp_path: Path):
    copy = tmp_path / "documents.yaml"
    copy.write_bytes(DEMO.read_bytes())
    assert load_register(copy) == demo_register()
    assert load_register(copy).digest == demo_register().digest


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("kind: scc_eu", "kind: scc", "unknown kind 'scc'; did you mean scc_"),
        ("owner:", "owners: x\n  owner:", "unknown field 'owners'; did you mean owner?"),
        ("terms: {", "terms: {modul: '1', ", "unknown fact 'modul'; did you mean module? See `fedsov evidence kinds`"),
        ('role: "C->C"', 'role: "C-C"', "unknown value of role 'C-C'; did you mean C->"),
    ],
)
def test_a_mistyped_word_of_a_document_is_answered_with_the_one_that_was_meant(old, new, meant):
    with pytest.raises(ConfigurationError) as caught:
        read("documents:" + ENTRY.replace(old, new))
    assert meant in str(caught.value)


def test_a_category_that_no_label_can_hold_is_not_entered_and_the_one_that_was_meant_is_named(tmp_path):
    parts = {"id": "a", "kind": "tia", "exporter": "DE", "importer": "US", "categories": ["helth"], "owner": "x"}
    with pytest.raises(ConfigurationError, match="unknown category 'helth'; did you mean health"):
        add_document(tmp_path / "documents.yaml", {**parts, "signed": DAY})
    assert list(tmp_path.iterdir()) == []
