"""A refusal says what would open it; whoever does that, it opens."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from fedsov.artifact import Artifact, Crossing, Kind
from fedsov.border.case_table import Case, answer, check_cases, read_cases
from fedsov.border.decisions import Decision
from fedsov.border.evidence.claims import Claim
from fedsov.border.evidence.register import Document, Register
from fedsov.border.evidence.register_file import load_register
from fedsov.border.questions import claimed, crossing_facts, route_of
from fedsov.border.remedies import Tried, cheapest_remedy
from tests.border.world import (
    DAY,
    DECISIONS,
    EMPTY,
    STRICTNESS,
    artifact,
    ask,
    askings,
    demo_register,
    document,
    law,
    of,
    papers_for,
    party,
    register,
)

EXAMPLES = Path(__file__).parent / "law" / "examples.csv"
_ENTRY = re.compile(r"\{kind: .*?\}\.(?= |$)")


def entered(refusal: Decision, on: date = DAY) -> list[Document]:
    """The documents whose entries a remedy gives, signed today and with what else the named rule asks of them."""
    (rule,) = (one for one in law().rules if one.id == refusal.rules[0])
    found = []
    for text in _ENTRY.findall(refusal.remedy):
        parts = yaml.safe_load(re.sub(r"terms: \{.*\}\}\.", "}", text).rstrip("."))
        ground = parts["kind"] if parts["kind"] in (rule.mechanisms() or ()) else ""
        like = {one.kind: one for one in papers_for(rule, ground, on).documents}.get(parts["kind"])
        made = like or document(parts["kind"], signed=on)
        if "onward_terms: yes" in text:
            made = replace(made, terms={**made.terms, "onward_terms": "yes"})
        sides = {side: frozenset([parts[side]] if isinstance(parts[side], str) else parts[side]) for side in SIDES}
        found.append(replace(made, **sides))
    return found


SIDES = ("exporter", "importer", "categories")


def opened(
    thing: Artifact, source: str, target: str, held: Register = EMPTY, on: date = DAY
) -> tuple[Decision, set[str]]:
    """The answer once every remedy was followed, one refusal after another, and the kinds entered on the way."""
    answer, kinds = ask(thing, source, target, register=held, on=on), set()
    for step in range(8):
        if answer.verdict != "refuse":
            break
        papers = [replace(one, id=f"step-{step}-{place}") for place, one in enumerate(entered(answer))]
        if not papers:
            break
        kinds |= {one.kind for one in papers}
        held = replace(held, documents=(*held.documents, *papers))
        answer = ask(thing, source, target, register=held)
    return answer, kinds


@pytest.mark.parametrize(
    ("origin", "target", "kinds", "verdict"),
    [
        ("DE", "US", {"scc_eu", "tia"}, "permit"),
        ("GB", "IN", {"scc_uk_idta", "tia"}, "permit"),
        ("CH", "US", {"scc_ch", "tia"}, "permit"),
        ("CN", "DE", {"cn_standard_contract", "pipia"}, "permit"),
        ("CN", "US", {"cn_standard_contract", "pipia"}, "permit"),
        ("BR", "US", {"scc_br"}, "permit"),
        ("CA", "US", {"accountability_contract"}, "permit"),
        ("CA-QC", "US", {"pia", "pia_transfer"}, "permit"),
        ("JP", "US", {"derogation_consent"}, "permit"),
        ("IN", "IE", {"accountability_contract"}, "permit"),
        ("SG", "US", {"scc_asean"}, "permit"),
        ("ID", "US", {"derogation_consent"}, "review"),
        ("KE", "US", {"accountability_contract", "proof_to_regulator"}, "permit"),
        ("SA", "US", {"scc_sa", "tia"}, "permit"),
        ("TR", "US", {"scc_tr"}, "permit"),
        ("AE-DIFC", "IN", {"scc_difc"}, "permit"),
        ("AU", "US", {"accountability_contract"}, "permit"),
        ("VN", "US", {"vn_ctia"}, "permit"),
    ],
)
def test_who_enters_the_papers_that_a_refusal_names_opens_it(origin, target, kinds, verdict):
    thing = of(Kind.UPDATE, origin, "personal", count=50)
    before = ask(thing, origin, target, register=EMPTY)
    assert before.verdict == "refuse"
    assert before.missing
    answer, entered_kinds = opened(thing, origin, target)
    assert answer.verdict == verdict
    assert entered_kinds == kinds
    assert set(answer.documents) <= {f"step-{step}-{place}" for step in range(8) for place in range(8)}


def test_a_paper_for_a_base_model_is_to_say_by_which_column_people_consented_and_for_what():
    thing = of(Kind.MODEL, "JP", "personal", count=50)
    trained, base = (ask(thing, "JP", "US", register=EMPTY, purpose=purpose) for purpose in ("training", "base_model"))
    for said in ("kind: derogation_consent", "purposes: [base_model]", "consent_column: COLUMN, consent_value: VALUE"):
        assert said in base.remedy
    assert "consent_column" not in trained.remedy and "purposes" not in trained.remedy


def test_of_two_papers_that_are_needed_neither_alone_opens():
    thing = of(Kind.UPDATE, "CN", "personal", count=50)
    papers = entered(ask(thing, "CN", "DE", register=EMPTY))
    assert {one.kind for one in papers} == {"cn_standard_contract", "pipia"}
    for one in papers:
        refusal = ask(thing, "CN", "DE", register=register(one))
        assert refusal.verdict == "refuse"
        (rest,) = {other.kind for other in papers} - {one.kind}
        assert rest in refusal.remedy
        assert f"kind: {one.kind}," not in refusal.remedy
    assert ask(thing, "CN", "DE", register=register(*papers)).verdict == "permit"


def test_a_global_model_s_remedies_are_those_of_every_origin_at_fault():
    global_model = artifact(Kind.MODEL, "DE", "GB", "CA", "US")
    refusal = ask(global_model, "IE", "IN", register=EMPTY)
    for origin in ("DE", "GB", "CA"):
        assert f"exporter: [{origin}], importer: [IN]" in refusal.remedy
    assert "exporter: [US]" not in refusal.remedy
    assert len(refusal.missing) >= 3


def test_an_expired_paper_is_named_to_be_renewed_rather_than_another_asked_for():
    scc = document("scc_eu", "old", expires=date(2026, 6, 1), terms={"doc": "2021/914", "role": "C->C", "module": "1"})
    refusal = ask(of(Kind.UPDATE, "DE", "personal"), "DE", "US", register=register(scc, document("tia")))
    assert "'old'" in refusal.reason
    assert "2026-06-01" in refusal.reason
    assert "Renew" in refusal.remedy
    renewed = replace(scc, expires=None)
    permit = ask(of(Kind.UPDATE, "DE", "personal"), "DE", "US", register=register(renewed, document("tia")))
    assert permit.verdict == "permit"


def test_an_expired_supporting_paper_is_named_beside_the_ground_that_needs_it():
    scc = document("scc_eu", terms={"doc": "2021/914", "role": "C->C", "module": "1"})
    old = document("tia", "old-tia", expires=date(2026, 6, 1))
    refusal = ask(of(Kind.UPDATE, "DE", "personal"), "DE", "US", register=register(scc, old))
    assert refusal.verdict == "refuse"
    assert "'old-tia' expired on 2026-06-01." in refusal.reason
    assert "kind: tia" in refusal.remedy


def test_no_remedy_proposes_a_paper_that_only_states_what_is_the_case():
    statements = {name for name, one in law().mechanisms.items() if one.statement}
    for code in sorted(law().regimes):
        refusal = ask(of(Kind.UPDATE, code, "personal"), code, "VU", register=EMPTY)
        assert not any(f"kind: {name}," in refusal.remedy for name in statements), code


@pytest.mark.parametrize(
    ("category", "count", "why"),
    [
        ("health", 500, "it needs categories with none of @CN_SENSITIVE (health is stated)"),
        ("contact", 100_000, "it needs count_year below 100000 (100000 is stated)"),
    ],
)
def test_a_refusal_says_why_a_stated_exemption_fails_and_invites_no_other_statement(category, count, why):
    terms = {"exemption_reason": "under_100k_nonsensitive", "ciio": "no", "n_sensitive": 0.0}
    papers = register(document("cn_exempt", terms=terms), document("pipia"))
    refusal = ask(of(Kind.RECORDS, "CN", category, count=count), "CN", "SG", register=papers)
    assert refusal.verdict == "refuse" and why in refusal.reason
    for other in ("transit_data", "domestic_data_added", "contract_necessity", "hr_management"):
        assert other not in f"{refusal.reason} {refusal.remedy}"
    assert "kind: cn_s" in refusal.remedy


def test_an_exemption_that_lacks_its_assessment_is_completed():
    terms = {"exemption_reason": "under_100k_nonsensitive", "ciio": "no", "n_sensitive": 0.0}
    refusal = ask(of(Kind.RECORDS, "CN", "contact"), "CN", "SG", register=register(document("cn_exempt", terms=terms)))
    assert refusal.rules == ("cn.exempt.small",) and "kind: pipia" in refusal.remedy


def test_where_nothing_would_open_the_remedy_is_to_keep_it_at_home():
    refusal = ask(of(Kind.UPDATE, "DE", "personal"), "DE", "US", bundle=replace(law(), rules=()))
    assert refusal.rules == ("default_refusal",)
    assert "Keep it at home" in refusal.remedy


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(askings())
def test_entering_what_a_remedy_names_never_makes_any_answer_stricter(asking):
    answer = asking.answer()
    if answer.verdict == "refuse" and _ENTRY.search(answer.remedy) and len(answer.rules) == 1:
        papers = [replace(one, id=f"new-{place}") for place, one in enumerate(entered(answer, asking.crossing.on))]
        after = replace(asking, documents=(*asking.documents, *papers)).answer()
        assert STRICTNESS[after.verdict] <= STRICTNESS[answer.verdict]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(askings())
def test_every_refusal_names_kinds_of_paper_that_there_are(asking):
    answer = asking.answer()
    for kind in re.findall(r"\{kind: (\w+),", answer.remedy if answer.verdict == "refuse" else ""):
        assert kind in law().mechanisms
    for name in answer.missing:
        assert re.search(r"\((\w+)\) for ", name)[1] in law().mechanisms


def test_the_demo_s_one_missing_paper_is_the_one_that_its_refusal_names():
    answer, kinds = opened(artifact(Kind.MODEL, "DE", "GB", "US"), "IE", "IN", demo_register())
    assert kinds == {"scc_uk_idta"}
    assert answer.verdict == "permit"


# ------------------------------------------------------------------ in words


def refused(*documents: Document, thing: Artifact | None = None, held: Register | None = None) -> Decision:
    thing = thing or of(Kind.UPDATE, "DE", "personal")
    return ask(thing, "DE", "US", register=register(*documents) if held is None else held)


def test_a_ground_that_is_silent_is_told_what_to_state_and_what_it_may_be():
    """Its supporting papers are named no more: they lack nothing."""
    refusal = refused(document("scc_eu", "scc-1", terms={"doc": "2021/914"}), document("tia", "tia-1"))
    assert refusal.reason == (
        "DE -> US: 'scc-1' does not apply: state role (C->C, C->P or P->P) and "
        "module (for its role: C->C 1, C->P 2, P->P 3)."
    )
    assert refusal.remedy == "Amend 'scc-1', or present another ground."


def test_what_every_document_is_entered_with_counts_as_not_stated():
    terms = {"role": "C->C", "module": "1"}
    refusal = refused(document("scc_eu", "scc-1", terms=terms), document("tia", "tia-1"))
    assert refusal.reason == "DE -> US: 'scc-1' does not apply: state doc (2021/914)."


def test_what_a_ground_states_otherwise_is_shown_beside_what_is_needed():
    paper = document("not_a_transfer", "transit", terms={"reason": "transit_no_access", "destination_final": "GB"})
    late = date(2033, 1, 1)  # when the finding about the United Kingdom has ended
    thing = of(Kind.UPDATE, "DE", "personal")
    refusal = ask(thing, "DE", "GB", register=register(paper), flow="transit", on=late)
    assert "'transit' does not apply: it needs destination_final = @EEA (GB is stated)." in refusal.reason


def test_a_prohibition_is_laid_at_the_documents_that_it_looks_at_and_no_others():
    terms = {"doc": "2021/914", "role": "C->C", "module": "3"}
    refusal = refused(document("scc_eu", "scc-1", terms=terms), document("tia", "tia-1"))
    assert refusal.reason == "DE -> US: 'scc-1' does not apply: Controller to controller needs Module 1."


def test_where_no_register_was_given_a_refusal_says_so_and_not_that_one_holds_nothing():
    without = refused(held=load_register(None))
    assert "No evidence register was given (border.evidence, or --evidence FILE)." in without.reason
    assert "register holds" not in without.reason
    assert "The register holds no scc_eu and no tia for it." in refused().reason


def test_one_document_does_not_apply_and_several_do_not():
    expired = document("scc_eu", "old", expires=date(2026, 6, 1))
    assert "'old' does not apply: The document expired on 2026-06-01." in refused(expired).reason
    crossing = Crossing(of(Kind.UPDATE, "DE", "personal"), party("DE"), party("US"), "training", DAY)
    route, (forbids,) = route_of("DE", crossing, law(), DAY), (one for one in law().rules if one.id == "paper.expired")
    states = {"old": frozenset({"mechanism", "expires"}), "older": frozenset({"expires"}), "tia-1": frozenset({"tia"})}
    claim = Claim("scc_eu", {"expires": date(2026, 6, 1)}, states)
    facts = {**route.facts, **crossing_facts(crossing, EMPTY)}
    tried = [Tried(claim, claimed(facts, claim), (forbids,))]
    mend = cheapest_remedy(tried, facts, route, bundle=law(), evidence=EMPTY)
    assert mend is not None
    assert mend.reason == "'old', 'older' do not apply: The document expired on 2026-06-01."
    assert mend.rules == (forbids,) and mend.missing == ("scc_eu",)


def test_a_profile_that_is_missing_is_asked_for_with_what_it_has_to_state():
    """Canada's private sector: a finding that holds only for recipients under its law."""
    thing = of(Kind.UPDATE, "DE", "personal")
    refusal = ask(thing, "DE", "CA", register=EMPTY)
    assert "(recipient) that states pipeda = yes." in refusal.reason
    assert "terms: {pipeda: yes}" in refusal.remedy
    assert ask(thing, "DE", "CA", register=register(*entered(refusal))).verdict == "permit"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(askings())
def test_no_refusal_speaks_in_the_notation_of_rules(asking):
    answer = asking.answer()
    for text in (answer.reason, answer.remedy):
        assert not re.search(r" (eq|ne|not_in|on_or_before_crossing) ", text), text
        assert "  " not in text and "None" not in text


# ------------------------------------------------------------------ why the ground that somebody rests on fails


def case(
    route: str, mechanism: str, facts: str = "", on: str = "2026-11-22", payload: str = "model_update"
) -> Decision:
    """The answer to a case that names its ground."""
    origin, target = route.split()
    return answer(Case("C", on, origin, target, "transfer", payload, "personal", mechanism, facts), law())


@pytest.mark.parametrize(
    ("route", "mechanism", "facts", "why"),
    [
        ("DE US", "scc_eu", "doc=2021/914;module=1;role=C->C;signed=2026-01-01", "(scc_eu) it needs a transfer impact"),
        ("DE US", "scc_eu", "tia=present;signed=2026-01-01", "(scc_eu) does not apply: state doc (2021/914), role ("),
        ("CH US", "scc_ch", "doc=2021/914;module=1;role=C->C;tia=present;swiss_adaptation=no;signed=2026-01-01",
         "(scc_ch) does not apply: it needs swiss_adaptation = yes (no is stated)"),
        ("FR MC", "adequacy", "", "EU-GDPR has no adequacy finding on MC in force on 2026-11-22."),
        ("DK GL", "intra_jurisdiction", "", "GL is not under EU-GDPR, so that a border is crossed."),
        ("BR US", "scc_eu", "doc=2021/914", "(scc_eu) opens nothing here under BR-LGPD."),
        ("IN US", "us_no_restriction", "", "(us_no_restriction) opens nothing here under IN-"),
        ("DE CA", "adequacy", "", "(recipient) that states pipeda = yes"),
    ],
)  # fmt: skip
def test_who_rests_on_one_ground_is_told_why_that_one_fails(route, mechanism, facts, why):
    refusal = case(route, mechanism, facts)
    assert refusal.verdict == "refuse"
    assert why in refusal.reason
    assert not any(f"({mechanism}) for " in missing for missing in refusal.missing), "it is at hand"


def test_a_ground_that_opens_nothing_here_is_named_beside_what_would():
    refusal = case("BR US", "scc_eu", "doc=2021/914")
    assert "Needs the ANPD's standard clauses, unmodified (scc_br)." in refusal.reason
    assert "kind: scc_br," in refusal.remedy


def test_no_refusal_proposes_to_obtain_what_needs_no_document():
    standing = {name for name, one in law().mechanisms.items() if one.standing}
    cases = read_cases(EXAMPLES.read_bytes(), "examples") + read_cases(DECISIONS.read_bytes(), "decisions")
    cases += [replace(one, mechanism="none") for one in cases]
    refusals = [checked.decision for checked in check_cases(cases, law()) if checked.decided == "refuse"]
    assert len(refusals) > 200
    for refusal in refusals:
        assert not any(f"kind: {name}," in refusal.remedy for name in standing), refusal
        assert not any(f"({name}) for " in missing for name in standing for missing in refusal.missing), refusal
        assert not any(re.search(rf"states? no (.* and no )?{name}\b", refusal.reason) for name in standing), refusal


def test_a_case_that_names_no_ground_where_none_is_needed_is_told_that_it_may_rest_on_it():
    refusal = case("FR JP", "none", "public_body=no")
    assert "nobody rests on an adequacy finding that covers the recipient (adequacy), which needs no document." in (
        refusal.reason
    )
    assert refusal.remedy == "Name adequacy as the ground." and not refusal.missing
    assert case("FR JP", "adequacy", "public_body=no").verdict == "permit"


def test_a_ground_that_would_lift_a_prohibition_is_told_why_it_fails_beside_the_prohibition():
    thing = of(Kind.RECORDS, "US", "genomic", count=2000)
    expired = document("us_licence", "licence-1", expires=date(2026, 6, 1))
    without, beside = (ask(thing, "US", "CN", register=register(*papers)) for papers in ((), (expired,)))
    assert without.verdict == beside.verdict == "refuse"
    assert beside.reason.startswith(without.reason)
    assert "'licence-1' does not apply" in beside.reason and "'licence-1'" not in without.reason
    clauses = document("accountability_contract", "contract-1")
    assert ask(thing, "US", "CN", register=register(clauses)).reason == without.reason


def test_a_party_whose_entity_nobody_gave_is_called_by_what_it_is():
    (rule,) = (one for one in law().rules if "{recipient_name}" in one.reason and "{role}" in one.reason)
    assert rule.reason_for({"role": "C->C", "recipient_name": "", "exporter_name": "Example"}).endswith(
        "and Example and the recipient have others."
    )
