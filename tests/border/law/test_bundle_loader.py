"""Law is read with care: what is not understood refuses the whole bundle, and says where."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsov.artifact import Kind
from fedsov.border.law.bundle import UNKNOWN, Bundle
from fedsov.border.law.bundle_loader import load_atlas, load_bundle
from fedsov.border.law.rule_reader import Words, read_rules
from fedsov.border.law.vocabulary import Term
from fedsov.errors import ConfigurationError
from tests.border.world import (
    BOMB,
    BROKEN,
    DAY,
    DECISIONS,
    EMPTY,
    artifact,
    ask,
    broken_yaml,
    document,
    law,
    openers,
    register,
    yaml_texts,
)

RULE = """
rules:
- id: own.rule
  effect: {effect}
  when: {when}
  reason: A reason.
  cite: A text.
"""
HUGE = f"0x{'F' * 5000}"


def load(path: Path) -> Bundle:
    """`load_bundle`, once its reader took the tenant's file alone: what that refuses need not wait for the law."""
    text = path.read_bytes()
    read_rules({str(path): text}, Words(law().facts, law().groups, law().places))
    return load_bundle(path)


def rules(folder: Path, text: str | bytes) -> Path:
    path = folder / "rules.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# ------------------------------------------------------------------ the packaged law


def test_the_packaged_law_is_dated_cited_and_named_by_one_digest():
    assert law().dated == date(2026, 11, 22)
    assert len(law().digest) == 64
    assert load_bundle().digest == law().digest
    for rule in (*law().rules, *law().releases):
        assert rule.cite.strip(), rule.id
        assert rule.reason.endswith("."), rule.id
        assert rule.effect != "forbid" or rule.remedy, rule.id
        assert rule.valid_from is None or rule.valid_until is None or rule.valid_from <= rule.valid_until, rule.id
    for reigns in law().regimes.values():
        assert all(one.cite.strip() for one in reigns)
    for found in law().adequacy.values():
        assert all(one.cite.strip() for one in found)


def test_every_rule_has_an_id_of_its_own():
    ids = [rule.id for rule in (*law().rules, *law().releases)]
    assert len(ids) == len(set(ids))
    assert len(ids) > 290


def test_there_are_forty_regimes_and_every_one_has_rules_of_its_own():
    named = {
        code for rule in law().rules for one in rule.when if one.field == "origin_regime" for code in _values(one.value)
    }
    regimes = _regimes()
    assert len(regimes) == 40
    assert named - regimes == {UNKNOWN}
    assert regimes == named - {UNKNOWN}


def _regimes() -> set[str]:
    return {reign.id for reigns in law().regimes.values() for reign in reigns}


def _values(value: object) -> set[str]:
    return {value} if isinstance(value, str) else set(value)


def test_every_regime_has_a_rule_that_opens_for_it_by_name():
    assert [regime for regime in sorted(_regimes()) if not openers(regime)] == []


def test_a_law_that_restricts_by_default_has_no_opener_without_paper_or_finding():
    """Those open without any: the United States, India from May 2027, Taiwan, Qatar, and Canada between provinces."""
    free = {rule.id for regime in _regimes() for rule in openers(regime) if _asks_for_nothing(rule)}
    assert free == {
        "us.free",
        "us.concern.small_unsaid",
        "us.concern.before",
        "in.dpdp",
        "tw.free",
        "qa.free",
        "ca.home",
    }


def _asks_for_nothing(rule) -> bool:
    free = {"", "us_no_restriction", "permitted_unless_restricted"}
    asks = any(one.needs_a_statement or one.field in ("adequacy", "exporter_adequacy") for one in rule.when)
    return not asks and (rule.mechanisms() is None or bool(free & rule.mechanisms()))


def test_every_adequacy_scope_that_could_permit_is_read_by_a_rule():
    fields = ("adequacy", "exporter_adequacy")
    read = {scope for rule in law().rules for one in rule.when if one.field in fields for scope in one.value}
    findings = [one for found in law().adequacy.values() for one in found]
    scopes = {f"unverified_{one.scope}" if one.confidence == "low" else one.scope for one in findings}
    assert scopes - read == UNREAD_SCOPES
    assert read - scopes == set()


UNREAD_SCOPES = {
    "safe_harbour",  # history: it ended before the GDPR applied
    "unverified_notify_first",  # Russia's list where nobody verified it: as if the country were not on it
}


def test_every_mechanism_is_named_by_a_rule_or_supports_one():
    named = {name for rule in law().rules for name in rule.mechanisms() or ()}
    named |= {one.value for rule in law().releases for one in rule.when if one.field == "document_kind"}
    read = {field for rule in (*law().rules, *law().releases) for one in rule.when for field in one.names}
    supporting = {
        name for name, one in law().mechanisms.items()
        if one.supports is not None and (not one.supports or one.supports.partition("=")[0] in read)
    }  # fmt: skip
    assert set(law().mechanisms) - named - supporting == UNREAD_MECHANISMS
    assert named - {""} <= set(law().mechanisms)


UNREAD_MECHANISMS = {"intra_jurisdiction"}
"""A name for cases that claim to stay at home: whether they do, the atlas says and no paper."""

UNREAD_FACTS = {
    "exporter": "adequacy is looked up by it",
    "destination_regime": "whether it stays home is computed from it",
    "n_12m": "counts in count_12m", "n_year": "counts in count_year",
    "doc_id": "a reference", "sha256": "a reference", "verified_by": "a reference", "verified_on": "a reference",
    "tia_ref": "a reference", "assessment_ref": "a reference", "audit_ref": "a reference", "amended": "a reference",
    "note": "a remark", "measures": "a remark", "sector": "a remark", "system": "a remark", "topic": "a remark",
    "importer_parent": "counts among a case's owners",
    "label": "what the exporter calls it weighs nothing", "anonymised": "what the exporter calls it weighs nothing",
    "synthetic": "what the exporter calls it weighs nothing",
    "law": "the law is looked up, not claimed", "c108_party": "being a party is no ground by itself",
    "destination_province": "the place of the recipient says it", "rounds": "difference_attack_check says it",
    "stored_only_abroad": "primary_db_in_country and local_copy say it",
}  # fmt: skip
"""Facts that a tenant or a case may state and that no rule weighs, each with why."""


def test_every_fact_is_looked_at_by_a_rule_or_said_here_to_be_unread():
    read = {name for rule in (*law().rules, *law().releases) for one in rule.when for name in one.names}
    assert set(law().facts) - read == set(UNREAD_FACTS)


def test_every_group_and_set_is_used_by_a_rule_or_a_finding():
    folder = Path(load_bundle.__code__.co_filename).parent
    listed = yaml.safe_load((folder / "regimes.yaml").read_text())
    text = "".join(path.read_text() for path in sorted(folder.glob("rules/*.yaml")))
    text += (folder / "adequacy.csv").read_text() + str(listed["regimes"])
    for name in (*listed["groups"], *listed["sets"]):
        assert name in text, name


def test_every_code_a_rule_names_is_a_place_and_every_regime_a_regime():
    for rule in (*law().rules, *law().releases):
        for one in rule.when:
            wanted = _values(one.value) if isinstance(one.value, (str, frozenset)) else set()
            if one.field in ("destination", "destination_country", "origin", "exporter") and not one.other:
                assert all(map(law().is_place, wanted)), rule.id
            if one.field in ("origin_regime", "destination_regime"):
                assert wanted <= _regimes() | {UNKNOWN}, rule.id
            if one.field == "kind":
                assert wanted <= {str(kind) for kind in Kind}, rule.id
            if one.field == "mechanism":
                assert wanted <= {"", *law().mechanisms}, rule.id
            if isinstance(one.value, Term):
                assert law().facts[one.value.of].shape == "day", rule.id


def test_no_permit_has_low_confidence_and_every_low_one_is_a_review_or_a_prohibition():
    for rule in (*law().rules, *law().releases):
        assert rule.effect != "permit" or rule.confidence in ("high", "medium"), rule.id


# ------------------------------------------------------------------ the tenant's own rules


def test_own_rules_are_added_change_the_digest_and_may_forbid_more(tmp_path):
    path = rules(tmp_path, RULE.format(effect="forbid", when="[[origin, eq, DE], [destination, eq, GB]]"))
    bundle = load_bundle(path)
    assert bundle.digest != law().digest
    assert ask(artifact(Kind.UPDATE, "DE"), "DE", "GB", bundle=bundle).rules == ("own.rule",)
    assert ask(artifact(Kind.UPDATE, "DE"), "DE", "FR", bundle=bundle).verdict == "permit"


NOT_UNDERSTOOD = [
    ("allow", "[[kind, eq, model]]", "unknown effect 'allow'"),
    ("permit", "[[colour, eq, red]]", "unknown field 'colour'"),
    ("permit", "[[kind, like, model]]", "'kind' has no operator 'like'"),
    ("permit", "[[count, overlaps, [1]]]", "'count' has no operator 'overlaps'"),
    ("permit", "[[public, missing, null]]", "'public' has no operator 'missing'"),
    ("permit", "[[count, at_least, many]]", "needs a number"),
    ("permit", "[[count, at_least, true]]", "needs a number"),
    ("forbid", "[[count, at_least, .nan]]", "count at_least"),
    ("forbid", "[[count, at_least, .inf]]", "count at_least"),
    ("permit", "[[public, is, 'yes']]", "needs a flag"),
    ("permit", "[[destination, in, [NO]]]", "needs words"),
    ("permit", "[[destination, in, ['@EUROPE']]]", "unknown group '@EUROPE'"),
    ("permit", "[[destination, eq, XX]]", "'XX'"),
    ("permit", "[[origin, in, [DE, EUR]]]", "'EUR'"),
    ("permit", "[[destination_country, ne, USA]]", "'USA'"),
    ("permit", "[[origin_regime, eq, EU-GDRP]]", "'EU-GDRP'"),
    ("forbid", "[[origin_regime, not_in, [EU-GDRP]]]", "'EU-GDRP'"),
    ("permit", "[[adequacy, overlaps, [everything]]]", "'everything'"),
    ("permit", "[[mechanism, eq, scc_mars]]", "'scc_mars'"),
    ("forbid", "[[mechanism, not_in, [scc_mars]]]", "'scc_mars'"),
    ("forbid", "[[mechanism, ne, scc_mars]]", "'scc_mars'"),
    ("permit", "[[kind, eq, models]]", "'models' is no value of it"),
    ("permit", "[[flow, in, [transfer, swim]]]", "'swim' is no value of it"),
    ("permit", "[[tia, eq, done]]", "'done' is no value of it"),
    ("permit", "[[role, matches, {by: module, map: {'1': 'C->X'}}]]", "'C->X' is no value of it"),
    ("permit", "[[module, matches, {by: role, map: {'C->X': '1'}}]]", "'C->X' is no value of it"),
    ("permit", "[[module, matches, {by: signed, map: {a: b}}]]", "maps a field of words"),
    ("permit", "[[module, matches, {by: role}]]", "needs {by: field"),
    ("permit", "[[tia_date, older_than, 3 years]]", "is no duration"),
    ("permit", "[[tia_date, not_older_than, P0Y]]", "is no duration"),
    ("permit", "[[tia_date, older_than, 3]]", "is no duration"),
    ("permit", "[[signed, before, soon]]", "needs a day"),
    ("permit", "[[signed, before, 2026-01-01 10:00:00]]", "needs a day"),
    ("permit", "[[signed, present, yes]]", "takes no value"),
    ("permit", "[[signed, missing, true]]", "takes no value"),
    ("permit", "[[filed, no_later_than, 5]]", "needs {of: field"),
    ("permit", "[[filed, no_later_than, {of: role, days: 5}]]", "counts days from a field that is a day"),
    ("permit", "[[filed, no_later_than, {of: mars, days: 5}]]", "counts days from a field that is a day"),
    ("permit", "[[filed, no_later_than, {of: signed, days: 0}]]", "counts days"),
    ("permit", "[[filed, no_later_than, {of: signed, days: 5, holidays: true}]]", "needs {of: field"),
    ("permit", "[[day, within, {of: signed, days: 2.5}]]", "counts days"),
    ("permit", "[[purpose, outside, colours]]", "needs the name of a field"),
    ("forbid", "[[purpose, outside, count]]", "purpose outside"),
    ("forbid", "[[categories, beyond, destination]]", "categories beyond"),
    ("forbid", "[[count, at_least_one_over, destination]]", "count at_least_one_over"),
    ("forbid", "[[origin, same_as, categories]]", "origin same_as"),
    ("permit", "[[kind, eq]]", "is no condition"),
    ("permit", "[[kind, eq, model, records]]", "is no condition"),
    ("permit", "[kind, eq, model]", "is no condition"),
    ("permit", "[[[kind], eq, model]]", "is no condition"),
    ("permit", "kind", "'when' must be a list"),
    ("permit", "[]", "has no condition"),
    ("permit", "[[categories, overlaps, [health]]]", "a permit may use within, excludes"),
    ("permit", "[[categories, beyond, covers]]", "a permit may use within, excludes"),
    ("permit", "[[restrictions, exceeds, []]]", "a permit may use within, excludes"),
    ("permit", "[[public, is, false]]", "may not depend on public being false"),
    ("permit", "[[unreadable, is, true]]", "opens where unreadable is true"),
    ("permit", "[[unknown_fact, is, true]]", "opens where unknown_fact is true"),
    ("permit", "[[evidence_unknown, is, true]]", "opens where evidence_unknown is true"),
    ("forbid", "[[categories, within, [health]]]", "a forbid may use overlaps, exceeds"),
    ("forbid", "[[restrictions, excludes, [contract]]]", "a forbid may use overlaps, exceeds"),
    ("review", "[[categories, excludes, [health]]]", "a review may use overlaps, exceeds"),
    ("forbid", "[[public, is, true]]", "may not depend on public being true"),
    ("forbid", "[[origin, eq, DE]]\n  opens: true", "is a prohibition, which cannot open"),
    ("review", "[[categories, overlaps, [health]]]\n  opens: true", "a review may use within, excludes"),
    ("review", "[[origin, eq, DE]]\n  opens: maybe", "'opens' must be true or false"),
    ("permit", "[[origin, eq, DE]]\n  confidence: low", "permits with low confidence"),
    ("permit", "[[origin, eq, DE]]\n  confidence: sure", "unknown confidence 'sure'"),
    ("permit", "[[origin, eq, DE]]\n  valid: soon", "write [2026-11-22, null]"),
    ("permit", "[[origin, eq, DE]]\n  valid: [2026-01-01]", "write [2026-11-22, null]"),
    ("permit", "[[origin, eq, DE]]\n  valid: [2026-01-01 10:00:00, null]", "write [2026-11-22, null]"),
    ("permit", "[[origin, eq, DE]]\n  because: yes", "unknown part 'because'"),
    ("permit", "[[origin, eq, DE]]\n  valid_from: 2026-01-01", "unknown part 'valid_from'"),
    ("permit", "[[origin, eq, DE]]\n  obligations: none", "must be a list of sentences"),
    ("permit", "[[origin, eq, DE]]\n  obligations: [3]", "must be a list of sentences"),
    ("permit", "[[origin, eq, DE]]\n  remedy: 3", "'remedy' must be a text"),
    ("permit", "[[origin, eq, DE]", "line"),
    ("permit", "[[origin, eq, DE]]\n  effect: forbid", "effect"),
]


@pytest.mark.parametrize(("effect", "when", "said"), NOT_UNDERSTOOD)
def test_a_rule_that_is_not_understood_refuses_the_bundle_with_file_and_line(tmp_path, effect, when, said):
    path = rules(tmp_path, RULE.format(effect=effect, when=when))
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert said in str(caught.value)
    assert f"{path}" in str(caught.value)
    assert "line" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["id", "effect", "when", "reason", "cite"])
def test_a_rule_without_one_of_its_parts_or_with_an_empty_one_is_refused(tmp_path, part):
    lines = RULE.format(effect="forbid", when="[[origin, eq, DE]]").splitlines()
    without = "\n".join(line.replace(f"- {part}:", "- note:") for line in lines if f"  {part}:" not in line)
    empty = "\n".join(f"{line.partition(':')[0]}: ''" if f" {part}:" in line else line for line in lines)
    for text in (without, empty):
        with pytest.raises(ConfigurationError, match=rf"rules\.yaml, line \d.*{part}"):
            load(rules(tmp_path, text))


@pytest.mark.parametrize("reason", ["'{colour} it'", "'{origin'", "'origin}'", "'{}'", "'{origin:d}'", "'{origin!q}'",
                                    "'{origin.code}'", "'{origin:{kind}}'", "'{origin[0]}'"])  # fmt: skip
def test_a_reason_names_facts_in_braces_and_nothing_else(tmp_path, reason):
    text = RULE.format(effect="forbid", when="[[origin, eq, DE]]").replace("A reason.", reason)
    with pytest.raises(ConfigurationError, match=r"rules\.yaml, line 3.*reason"):
        load(rules(tmp_path, text))


def test_a_reason_is_told_with_the_facts_it_names(tmp_path):
    text = RULE.format(effect="forbid", when="[[origin, eq, DE]]").replace(
        "A reason.", "'{categories} to {destination}.'"
    )
    refusal = ask(artifact(Kind.UPDATE, "DE"), "DE", "US", register=EMPTY, bundle=load(rules(tmp_path, text)))
    assert "employment, financial, personal to US." in refusal.reason


def test_a_rules_line_is_the_line_it_starts_on(tmp_path):
    path = rules(
        tmp_path,
        RULE.format(effect="forbid", when="[[origin, eq, DE]]") + RULE[8:].format(effect="x", when="[]"),
    )
    with pytest.raises(ConfigurationError, match=r"line 8: rule 'own.rule' has the unknown effect 'x'"):
        load(path)


def test_a_repeated_id_an_unknown_section_and_an_absent_file_are_refused(tmp_path):
    again = RULE.replace("own.rule", "eu.scc").format(effect="forbid", when="[[origin, eq, DE]]")
    with pytest.raises(ConfigurationError, match=r"'eu.scc' is already defined in rules/europe\.yaml, line"):
        load_bundle(rules(tmp_path, again))
    with pytest.raises(ConfigurationError, match=r"unknown section 'rule'"):
        load_bundle(rules(tmp_path, "rule: []"))
    with pytest.raises(ConfigurationError, match=r"cannot read"):
        load_bundle(tmp_path / "absent.yaml")
    with pytest.raises(ConfigurationError, match=r"is a release, whose effect is permit or forbid"):
        load_bundle(
            rules(tmp_path, RULE.replace("rules", "releases").format(effect="review", when="[[origin, eq, DE]]"))
        )


# ------------------------------------------------------------------ hostile texts

HOSTILE = {
    **BROKEN,
    "a list of rules given twice": RULE.format(effect="forbid", when="[[origin, eq, DE]]") + "\nrules: []\n",
    "rules merged in from elsewhere": "<<: {rules: [{id: x, effect: forbid, when: [], reason: r, cite: c}]}",
    "an id that is a huge number": f"rules: [{{id: {HUGE}, effect: forbid, when: [], reason: r, cite: c}}]",
    "a value that is a huge number": RULE.format(effect="forbid", when=f"[[origin, eq, {HUGE}]]"),
    "a term of hugely many days": RULE.format(
        effect="forbid", when=f"[[filed, later_than, {{of: signed, days: {HUGE}}}]]"
    ),
    "a condition that is a bomb": RULE.format(effect="forbid", when=f"[[origin, in, {BOMB}]]"),
    "an effect that is a bomb": RULE.format(effect=BOMB, when="[[origin, eq, DE]]"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_of_rules_is_refused_in_a_moment(tmp_path, what):
    with broken_yaml(HOSTILE[what]) as text, pytest.raises(ConfigurationError, match=r"rules\.yaml"):
        load(rules(tmp_path, text))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    yaml_texts(("rules", "releases", "id", "effect", "when", "reason", "cite", "valid", "forbid", "origin", "eq", "in"))
)
def test_no_text_makes_the_reader_of_rules_fail_unclearly(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "rules.yaml"
    path.write_bytes(text)
    try:
        bundle = load(path)
    except ConfigurationError as problem:
        assert "rules.yaml" in str(problem)  # noqa: PT017
    else:
        assert bundle.digest


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(), st.datetimes()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_value_in_a_rule_is_understood_or_refused_and_what_is_understood_can_be_asked(tmp_path_factory, data):
    parts = {
        "id": "own.rule",
        "effect": "forbid",
        "when": [["origin", "eq", "DE"]],
        "reason": "A reason.",
        "cite": "A text.",
    }
    name = data.draw(st.sampled_from([*parts, "valid", "confidence", "obligations", "remedy", "opens", "condition"]))
    if name == "condition":
        field = data.draw(st.sampled_from(sorted(law().facts)))
        known = [
            "eq",
            "in",
            "overlaps",
            "at_least",
            "before",
            "within",
            "older_than",
            "later_than",
            "matches",
            "outside",
        ]
        parts["when"] = [[field, data.draw(st.sampled_from([*known, "same_as", "is", "present"])), data.draw(values)]]
    else:
        parts[name] = data.draw(values)
    path = tmp_path_factory.mktemp("fuzz") / "rules.yaml"
    path.write_text(yaml.safe_dump({"rules": [parts]}, allow_unicode=True), encoding="utf-8")
    try:
        bundle = load(path)
    except ConfigurationError:
        return
    held = register(document("scc_eu", terms={"doc": "2021/914"}), document("tia"))
    assert ask(artifact(Kind.UPDATE, "DE"), "DE", "US", register=held, bundle=bundle).bundle_digest == bundle.digest


# ------------------------------------------------------------------ places and days


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
    assert law().regime("IN", date(2027, 5, 12)) == "IN-SPDI"
    assert law().regime("IN", date(2027, 5, 13)) == "IN-DPDP"
    assert law().regime("US-OH", DAY) == "US-FED"
    assert law().regime("US-FL", DAY) == "US-FL"
    assert law().regime("GB", date(2019, 1, 1)) is None


def test_a_finding_of_low_confidence_counts_as_unverified_only():
    assert [one.confidence for one in law().adequacy["AE-DIFC", "US"]] == ["low"]
    assert law().scopes("AE-DIFC", "US", DAY) == {"unverified_dpf_listed"}
    permits = [rule for rule in law().rules if rule.effect == "permit"]
    for rule in permits:
        for one in rule.when:
            assert one.field != "adequacy" or not any(scope.startswith("unverified_") for scope in one.value), rule.id


def test_the_decisions_under_test_are_at_hand():
    assert DECISIONS.exists()
