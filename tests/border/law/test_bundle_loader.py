"""Law is read with care: what is not understood refuses the whole bundle, and says where."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from fedsov.artifact import Kind
from fedsov.border.law.bundle import UNKNOWN
from fedsov.border.law.bundle_loader import HERE, _sets, load_atlas, load_bundle
from fedsov.border.law.vocabulary import Term, Unreadable
from fedsov.errors import ConfigurationError
from tests.border.world import (
    DECISIONS,
    artifact,
    ask,
    law,
    openers,
)

RULE = """
rules:
- id: own.rule
  effect: {effect}
  when: {when}
  reason: A reason.
  cite: A text.
"""


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


def test_there_are_fifty_four_regimes_and_every_one_has_rules_of_its_own():
    named = {
        code for rule in law().rules for one in rule.when if one.field == "origin_regime" for code in _values(one.value)
    }
    regimes = _regimes()
    assert len(regimes) == 54
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
    "consent_column": "the ingestion compares it with dataset.consent",
    "consent_value": "the ingestion compares it with dataset.consent",
    "as_exporter": "says whose law it is, for who reads an answer",
    "exporter_name": "reasons name it", "recipient_name": "reasons name it",
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
}  # fmt: skip
"""Facts that a tenant or a case may state and that no rule weighs, each with why."""


def test_every_fact_is_looked_at_by_a_rule_or_said_here_to_be_unread():
    read = {name for rule in (*law().rules, *law().releases) for one in rule.when for name in one.names}
    assert set(law().facts) - read == set(UNREAD_FACTS)


def test_every_group_and_set_is_used_by_a_rule_or_a_finding():
    folder = HERE
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


def test_the_decisions_under_test_are_at_hand():
    assert DECISIONS.exists()


def test_a_set_may_name_sets_above_it_and_no_other():
    assert _sets({"sets": {"@A": ["x"], "@B": ["@A", "y"]}})["@B"] == {"x", "y"}
    with pytest.raises(ConfigurationError, match="set @B: unknown set '@C'"):
        _sets({"sets": {"@A": ["x"], "@B": ["@C"]}})


def test_a_filing_that_is_pending_is_no_day_and_a_signature_that_is_pending_cannot_be_read():
    assert law().facts["filed"].read("pending") is None
    with pytest.raises(Unreadable):
        law().facts["signed"].read("pending")
