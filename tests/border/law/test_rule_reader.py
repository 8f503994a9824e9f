"""Rules are read with care: what is not understood refuses the whole bundle, and says where."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsov.artifact import Kind
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.border.law.rule_reader import Vocabulary, read_rules
from fedsov.errors import ConfigurationError
from tests.border.world import (
    BOMB,
    BROKEN,
    EMPTY,
    artifact,
    ask,
    broken_yaml,
    document,
    law,
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
    read_rules({str(path): text}, Vocabulary(law().facts, law().groups, law().places))
    return load_bundle(path)


def rules(folder: Path, text: str | bytes) -> Path:
    path = folder / "rules.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


NOT_UNDERSTOOD = [
    ("allow", "[[kind, eq, model]]", "unknown effect 'allow'"),
    ("permit", "[[colour, eq, red]]", "unknown field 'colour'"),
    ("permit", "[[kind, like, model]]", "unknown operator of kind 'like'"),
    ("permit", "[[count, overlaps, [1]]]", "unknown operator of count 'overlaps'"),
    ("permit", "[[public, missing, null]]", "unknown operator of public 'missing'"),
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
    ("permit", "[[kind, eq, models]]", "unknown value 'models'"),
    ("permit", "[[flow, in, [transfer, swim]]]", "unknown value 'swim'"),
    ("permit", "[[tia, eq, done]]", "unknown value 'done'"),
    ("permit", "[[role, matches, {by: module, map: {'1': 'C->X'}}]]", "unknown value 'C->X'"),
    ("permit", "[[module, matches, {by: role, map: {'C->X': '1'}}]]", "unknown value 'C->X'"),
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
    ("oblige", "[[origin, eq, DE]]", "obliges to nothing; name its obligations"),
    ("oblige", "[[origin, eq, DE]]\n  obligations: [Do.]\n  opens: true", "is a duty, which cannot open"),
    ("oblige", "[[categories, excludes, [health]]]\n  obligations: [Do.]", "looks at categories with 'excludes'"),
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
    with pytest.raises(ConfigurationError, match=r"line 8: rule 'own.rule': unknown effect 'x'"):
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


@pytest.mark.parametrize(
    ("effect", "when", "meant"),
    [
        ("permits", "[[origin, eq, DE]]", "unknown effect 'permits'; did you mean permit?"),
        ("forbid", "[[orgin, eq, DE]]", "unknown field 'orgin'; did you mean origin? See `facts.yaml`"),
        ("forbid", "[[origin, equals, DE]]", "unknown operator of origin 'equals'"),
        ("forbid", "[[origin, in, ['@EAE']]]", "unknown group '@EAE'; did you mean @EEA?"),
        ("permit", "[[kind, eq, models]]", "unknown value 'models'; did you mean model?"),
        ("permit", "[[origin, eq, DE]]\n  obligation: [x]", "unknown part 'obligation'; did you mean obligations?"),
        ("permit", "[[origin, eq, DE]]\n  confidence: higher", "unknown confidence 'higher'; did you mean high?"),
    ],
)
def test_a_mistyped_word_of_a_rule_is_answered_with_the_one_that_was_meant(tmp_path, effect, when, meant):
    with pytest.raises(ConfigurationError) as caught:
        load(rules(tmp_path, RULE.format(effect=effect, when=when)))
    assert meant in str(caught.value)


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
