"""Law is read with care: what is not understood refuses the whole bundle, and says where."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.artifact import Kind
from fedsov.border.bundle import load_atlas, load_bundle
from fedsov.errors import ConfigurationError

from .world import DAY, artifact, ask, law

RULE = """
rules:
- id: own.rule
  effect: {effect}
  when: {when}
  reason: A reason.
  cite: A text.
"""


def rules(folder: Path, text: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(text)
    return path


def test_the_packaged_law_is_dated_cited_and_named_by_one_digest():
    assert law().dated == date(2026, 11, 22)
    assert len(law().digest) == 64
    assert load_bundle().digest == law().digest
    for rule in (*law().rules, *law().releases):
        assert rule.cite.strip(), rule.id
        assert rule.reason.endswith("."), rule.id
        assert rule.effect != "forbid" or rule.remedy, rule.id


def test_every_regime_has_rules_of_its_own():
    named = {
        code for rule in law().rules for one in rule.when if one.field == "origin_regime" for code in _values(one.value)
    }
    regimes = {reign.id for reigns in law().regimes.values() for reign in reigns}
    assert named - regimes == {"unknown"}
    assert regimes == named - {"unknown"}


def _values(value: object) -> set[str]:
    return {value} if isinstance(value, str) else set(value)


def test_every_adequacy_scope_that_could_permit_is_read_by_a_rule():
    read = {scope for rule in law().rules for one in rule.when if one.field == "adequacy" for scope in one.value}
    scopes = {one.scope for found in law().adequacy.values() for one in found}
    assert read <= scopes
    assert scopes - read == {"privacy_shield", "safe_harbour", "international_organisation"}


def test_every_kind_of_document_is_asked_for_by_a_rule():
    asked = {kind for rule in law().rules for operator in ("holds", "lacks") for kind in rule.kinds(operator)}
    assert set(law().documents) - asked == {"global_consent"}


def test_own_rules_are_added_change_the_digest_and_may_forbid_more(tmp_path):
    path = rules(tmp_path, RULE.format(effect="forbid", when="[[origin, eq, DE], [destination, eq, GB]]"))
    bundle = load_bundle(path)
    assert bundle.digest != law().digest
    assert ask(artifact(Kind.UPDATE, "DE"), "DE", "GB", bundle=bundle).rules == ("own.rule",)
    assert ask(artifact(Kind.UPDATE, "DE"), "DE", "FR", bundle=bundle).verdict == "permit"


@pytest.mark.parametrize(
    ("effect", "when", "said"),
    [
        ("allow", "[[kind, eq, model]]", "unknown effect 'allow'"),
        ("permit", "[[colour, eq, red]]", "unknown field 'colour'"),
        ("permit", "[[kind, like, model]]", "'kind' has no operator 'like'"),
        ("permit", "[[count, at_least, many]]", "needs a int"),
        ("permit", "[[public, is, 'yes']]", "needs a bool"),
        ("permit", "[[destination, in, [NO]]]", "needs words"),
        ("permit", "[[destination, in, ['@EUROPE']]]", "unknown group '@EUROPE'"),
        ("permit", "[[documents, holds, [scc_mars]]]", "unknown kind of document 'scc_mars'"),
        ("permit", "[[kind, eq]]", "is no condition"),
        ("permit", "[kind, eq, model]", "is no condition"),
        ("permit", "kind", "'when' must be a list"),
        ("permit", "[]", "has no condition"),
        ("permit", "[[categories, overlaps, [health]]]", "a permit may use within, excludes"),
        ("permit", "[[restrictions, exceeds, []]]", "a permit may use within, excludes"),
        ("permit", "[[public, is, false]]", "may not depend on public being false"),
        ("permit", "[[documents, lacks, [tia]]]", "may not depend on lacking"),
        ("forbid", "[[categories, within, [health]]]", "a forbid may use overlaps, exceeds"),
        ("forbid", "[[public, is, true]]", "may not depend on public being true"),
        ("forbid", "[[documents, holds, [tia]]]", "may not depend on holding"),
        ("permit", "[[origin, eq, DE]]\n  confidence: low", "opens the border with low confidence"),
        ("permit", "[[origin, eq, DE]]\n  confidence: sure", "unknown confidence 'sure'"),
        ("permit", "[[origin, eq, DE]]\n  valid_from: soon", "write a date as"),
        ("permit", "[[origin, eq, DE]]\n  valid_until: 2026-01-01 10:00:00", "write a date as"),
        ("permit", "[[origin, eq, DE]]\n  because: yes", "unknown part 'because'"),
        ("permit", "[[origin, eq, DE]]\n  obligations: none", "must be a list of sentences"),
        ("permit", "[[origin, eq, DE]", "line"),
    ],
)
def test_a_rule_that_is_not_understood_refuses_the_bundle_with_file_and_line(tmp_path, effect, when, said):
    path = rules(tmp_path, RULE.format(effect=effect, when=when))
    with pytest.raises(ConfigurationError) as caught:
        load_bundle(path)
    assert said in str(caught.value)
    assert f"{path}" in str(caught.value)
    assert "line" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rules_line_is_the_line_it_starts_on(tmp_path):
    path = rules(
        tmp_path,
        RULE.format(effect="forbid", when="[[origin, eq, DE]]") + RULE[8:].format(effect="x", when="[]"),
    )
    with pytest.raises(ConfigurationError, match=r"line 8: rule 'own.rule' has the unknown effect 'x'"):
        load_bundle(path)


def test_a_repeated_id_an_unknown_section_and_an_absent_file_are_refused(tmp_path):
    again = RULE.replace("own.rule", "eu.scc").format(effect="forbid", when="[[origin, eq, DE]]")
    with pytest.raises(ConfigurationError, match=r"'eu.scc' is already defined in rules\.yaml, line"):
        load_bundle(rules(tmp_path, again))
    with pytest.raises(ConfigurationError, match=r"unknown section 'rule'"):
        load_bundle(rules(tmp_path, "rule: []"))
    with pytest.raises(ConfigurationError, match=r"cannot read"):
        load_bundle(tmp_path / "absent.yaml")


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=200), st.binary(max_size=80).map(lambda raw: raw.decode("latin-1"))))
def test_no_text_makes_the_reader_of_rules_fail_unclearly(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "rules.yaml"
    path.write_text(f"rules:\n- {text}", encoding="utf-8", errors="replace")
    with pytest.raises(ConfigurationError):
        load_bundle(path)


def test_the_atlas_knows_codes_names_and_the_tenants_own_spellings():
    atlas = load_atlas({"UK": "GB", "Blighty": "gbr"})
    assert atlas.code("United States of America") == "US"
    assert atlas.code("deu") == "DE"
    assert atlas.code("Ireland") == "IE"
    assert atlas.code("norway") == "NO"
    assert atlas.code(" uk ") == "GB"
    assert atlas.code("blighty") == "GB"
    assert atlas.code("ae-difc") == "AE-DIFC"
    assert atlas.code("Atlantis") is None
    assert load_atlas().code("UK") is None
    assert atlas.regime("DE") == "EU-GDPR"
    assert atlas.regime("AO") is None
    assert len({atlas.code(code) for code in atlas.spellings if len(code) == 3}) == 249


def test_an_alias_for_no_known_code_is_refused():
    with pytest.raises(ConfigurationError, match=r"'XX'"):
        load_atlas({"Atlantis": "XX"})


def test_regimes_follow_one_another_without_a_day_between():
    assert law().regime("CL", date(2026, 11, 30)) == "CL-19628"
    assert law().regime("CL", date(2026, 12, 1)) == "CL-21719"
    assert law().regime("IN", DAY) == "IN-SPDI"
    assert law().regime("IN", date(2027, 5, 13)) == "IN-DPDP"
    assert law().regime("US-OH", DAY) == "US-FED"
    assert law().regime("US-FL", DAY) == "US-FL"
    assert law().regime("GB", date(2019, 1, 1)) is None


def test_a_finding_of_low_confidence_counts_for_nothing():
    assert [one.confidence for one in law().adequacy["AE-DIFC", "US"]] == ["low"]
    assert law().findings("AE-DIFC", "US", DAY) == ()
