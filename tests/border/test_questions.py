"""What a decision looks at follows from the crossing, and no words in it make it fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsov.artifact import Artifact, Crossing, Kind, Party
from fedsov.border.evidence.claims import Claim
from fedsov.border.policy import decide, decide_release
from fedsov.border.questions import (
    ANYONE,
    as_release,
    asked_origins,
    claimed,
    crossing_facts,
    question,
    regime_of,
    route_of,
)
from fedsov.label import PUBLIC, Label
from tests.border.world import (
    DAY,
    EMPTY,
    STRICTNESS,
    artifact,
    ask,
    demo_register,
    document,
    label,
    law,
    of,
    party,
    register,
)


def crossing(thing: Artifact, source: str = "DE", target: str = "US", **other) -> Crossing:
    return Crossing(thing, party(source), party(target), "training", DAY, **other)


def settled(thing: Artifact, source: str, target: str | Party, origin: str = "", on: date = DAY) -> dict:
    there = target if isinstance(target, Party) else party(target)
    one = Crossing(thing, party(source), there, "training", on)
    return dict(route_of(origin or min(thing.label.origins), one, law(), on).facts)


def asked(thing: Artifact, source: str, target: str = "US", **other) -> list[str]:
    return asked_origins(crossing(thing, source, target, **other), law(), DAY)


def test_the_law_of_every_origin_of_the_label_is_asked_and_that_of_the_place_that_sends():
    assert asked(artifact(Kind.MODEL, "US", "DE", "GB"), "IE") == ["DE", "GB", "IE", "US"]
    assert asked(artifact(Kind.MODEL, "DE"), "DE") == ["DE"]
    assert asked(Artifact(Kind.MODEL, PUBLIC), "IE") == [""]
    assert asked(Artifact(Kind.MODEL, Label(categories=frozenset({"health"}))), "IE") == [""]


def test_a_law_that_protects_its_own_people_alone_does_not_bind_who_sends_from_its_territory():
    assert asked(artifact(Kind.MODEL, "DE"), "US", "GB") == ["DE"]
    assert asked(artifact(Kind.MODEL, "DE"), "PH", "GB") == ["DE"]
    assert asked(artifact(Kind.MODEL, "DE"), "US", "GB", flow="onward_transfer") == ["DE", "US"]


def test_a_place_whose_law_is_unknown_sends_nothing():
    """Andorra is adequate to the Union, but nobody has read what its own law asks of who sends from there."""
    assert ask(of(Kind.RECORDS, "DE", "personal"), "AD", "IN").rules == ("floor.unknown_origin",)


def test_what_a_party_keeps_to_itself_is_sent_by_nobody():
    thing = artifact(Kind.RECORDS, "US")
    assert asked(thing, "IE", "IE") == ["US"]
    assert ask(thing, "IE", "IE", register=EMPTY).verdict == "permit"


def test_data_of_another_law_than_the_senders_are_passed_on_whatever_the_caller_says():
    for said in ("transfer", "broadcast", "remote_access", "direct_collection", "transit", "onward_transfer"):
        one = crossing(artifact(Kind.MODEL, "DE", "GB"), "IE", flow=said)
        flows = {origin: route_of(origin, one, law(), DAY).facts["flow"] for origin in asked_origins(one, law(), DAY)}
        assert flows == {"DE": said, "GB": "onward_transfer", "IE": said}


@pytest.mark.parametrize(
    ("source", "target", "origin", "category", "ground"),
    [
        ("IE", "IN", "US", "health", ("scc_eu", "tia")),
        ("GB", "BR", "DE", "personal", ("scc_uk_idta", "tia")),
        ("DE", "RU", "TW", "health", ("scc_eu", "tia")),
        ("GB", "CA", "US", "personal", ("scc_uk_idta", "tia")),
        ("CN", "SG", "US", "personal", ("cn_exempt",)),
        ("CH", "IN", "US", "personal", ("scc_ch", "tia")),
    ],
)
def test_a_model_leaves_only_with_the_papers_of_the_place_that_sends_it(source, target, origin, category, ground):
    """GDPR Arts 3(1) and 44; UK GDPR Art. 44A; PIPL Art. 38, with CAC Order 16 Art. 4 as the way out."""
    terms = {
        "scc_eu": {"doc": "2021/914", "module": "1", "role": "C->C"},
        "scc_uk_idta": {"doc": "A1.0"},
        "scc_ch": {"doc": "2021/914", "module": "1", "role": "C->C", "swiss_adaptation": "yes"},
        "cn_exempt": {"exemption_reason": "transit_data", "domestic_data_added": "no"},
    }
    thing = of(Kind.MODEL, origin, category)
    papers = [
        document(kind, exporter=frozenset({source}), importer=frozenset({target}), terms=terms.get(kind, {}))
        for kind in ground
    ]
    refusal = ask(thing, source, target, register=EMPTY)
    assert refusal.verdict == "refuse"
    assert f"{source} -> {target}" in refusal.reason
    permit = ask(thing, source, target, register=register(*papers))
    assert permit.verdict == "permit", permit.reason
    assert {paper.id for paper in papers} <= set(permit.documents)
    for paper in papers:
        without = register(*(other for other in papers if other is not paper))
        assert ask(thing, source, target, register=without).verdict == "refuse"


def test_chinas_exemption_for_foreign_data_ends_where_important_data_are_added():
    paper = document("cn_exempt", terms={"exemption_reason": "transit_data", "domestic_data_added": "no"})
    papers = register(paper, document("accountability_contract", terms={"comparable_protection": "yes"}))
    assert ask(of(Kind.MODEL, "US", "personal"), "CN", "SG", register=papers).verdict == "permit"
    assert ask(of(Kind.MODEL, "US", "important_data"), "CN", "SG", register=papers).verdict == "refuse"


def test_a_global_model_on_its_way_back_to_a_region_is_asked_of_every_origin():
    global_model = artifact(Kind.MODEL, "DE", "GB", "US")
    for region in ("DE", "GB", "US", "IN"):
        assert asked(global_model, "IE", region, flow="broadcast") == ["DE", "GB", "IE", "US"]
    assert ask(global_model, "IE", "US", flow="broadcast").verdict == "permit"
    assert ask(global_model, "IE", "IN", flow="broadcast").verdict == "refuse"
    assert ask(global_model, "IE", "US", flow="broadcast", register=EMPTY).verdict == "refuse"


@pytest.mark.parametrize(
    ("origin", "source", "target", "same", "home"),
    [
        ("DE", "DE", "FR", False, True),  # under the same law
        ("DE", "DE", "US", False, False),
        ("US", "US", "US-CA", False, False),  # California has law of its own
        ("US", "US", "US-OH", False, True),
        ("DE", "IE", "IE", True, True),
        ("US", "IE", "IE", True, True),
        ("ZZ", "ZZ", "ZZ", True, False),  # nobody knows its law
        ("DK", "DK", "GL", False, False),
        ("CN", "CN", "HK", False, False),
    ],
)
def test_it_stays_home_with_the_same_party_or_under_the_law_of_its_origin(origin, source, target, same, home):
    facts = settled(of(Kind.UPDATE, origin, "personal"), source, target)
    assert facts["same_party"] is same
    assert facts["stays_home"] is home


def test_a_party_of_the_same_name_elsewhere_is_another_party():
    elsewhere = Party("DE", "US", "Example")
    assert settled(of(Kind.UPDATE, "DE", "personal"), "DE", elsewhere)["same_party"] is False


def test_owners_control_with_the_country_of_the_place():
    owned = party("IE", owners=["CN"])
    facts = settled(of(Kind.UPDATE, "US", "personal"), "US", owned)
    assert facts["owners"] == {"CN"}
    assert facts["controlled_by"] == {"CN", "IE"}
    assert settled(of(Kind.UPDATE, "US", "personal"), "US", "CN-BJ")["controlled_by"] == {"CN"}


def test_the_regime_of_the_day_governs():
    assert regime_of("CL", law(), date(2026, 11, 30)) == "CL-19628"
    assert regime_of("CL", law(), date(2026, 12, 1)) == "CL-21719"
    assert regime_of("GB", law(), date(2019, 1, 1)) == "unknown"
    assert regime_of("nowhere", law(), DAY) == "unknown"


def test_people_are_counted_at_least_as_many_as_any_source_says():
    thing = artifact(Kind.UPDATE, "US", count=500)
    facts = crossing_facts(crossing(thing, count_12m=700, count_year=300), EMPTY)
    assert (facts["count"], facts["count_12m"], facts["count_year"]) == (500, 700, 500)
    one = Claim("", {"n_12m": 900.0, "n_year": 400.0}, {})
    found = claimed(facts, one)
    assert (found["count"], found["count_12m"], found["count_year"]) == (500, 900.0, 500)
    assert claimed(facts, Claim("", {"count": 1}, {}))["count"] == 500  # no paper makes a crossing smaller


def test_evidence_that_nobody_holds_is_unknown():
    thing = of(Kind.UPDATE, "DE", "personal", evidence=("here",))
    held = register(document("dp_report", "here"))
    assert crossing_facts(crossing(thing), held)["evidence_unknown"] is False
    lost = replace(thing, evidence=("here", "lost"))
    assert crossing_facts(crossing(lost), held)["evidence_unknown"] is True


@pytest.mark.parametrize(
    ("content", "only"),
    [(b"", True), (b"ValueError", True), (b"_x1", True), (b"a" * 80, True), (b"a" * 81, False), (b"two words", False),
     (b"1abc", False), (b"a\n", False), ("Müller".encode(), False), (b"\xff", False), (b"a.b", False)],
)  # fmt: skip
def test_an_error_is_its_types_name_only_where_its_content_is_one_plain_identifier(content, only):
    thing = replace(artifact(Kind.ERROR, "DE"), content=content)
    assert crossing_facts(crossing(thing), EMPTY)["error_type_only"] is only
    assert crossing_facts(crossing(replace(thing, kind=Kind.REPORT)), EMPTY)["error_type_only"] is False


def test_the_question_to_the_evidence_names_the_origin_and_the_recipient_of_this_crossing():
    one = crossing(of(Kind.UPDATE, "DE", "personal", evidence=("dp",)))
    asked = question(route_of("DE", one, law(), DAY), one, law())
    assert (asked.origin, asked.destination, asked.entity) == ("DE", "US", party("US").entity)
    assert (asked.categories, asked.day, asked.evidence) == (frozenset({"personal"}), DAY, ("dp",))
    assert "" in asked.standing


def test_a_release_is_a_crossing_to_anyone_for_any_purpose_of_these_people_alone():
    one = crossing(of(Kind.MODEL, "DE", "personal"), flow="broadcast", count_12m=9_000, count_year=9_000)
    release = as_release(one)
    assert (release.target, release.purpose, release.flow) == (ANYONE, "*", "transfer")
    assert (release.artifact, release.source, release.on) == (one.artifact, one.source, one.on)
    facts = crossing_facts(release, EMPTY)
    assert (facts["count"], facts["count_12m"], facts["count_year"]) == (500, 500, 500)
    assert as_release(release) == release


def test_a_release_meets_every_fact_that_a_crossing_does_and_no_rule_for_crossings():
    """So a new fact is added once. Whom a release goes to is nobody in particular, and never the exporter itself."""
    one = as_release(crossing(of(Kind.MODEL, "DE", "personal")))
    release, plain = (route_of("DE", one, law(), DAY, release=kind) for kind in (True, False))
    assert set(release.facts) == set(plain.facts) == set(route_of("DE", crossing(one.artifact), law(), DAY).facts)
    assert release.facts["same_party"] is release.facts["stays_home"] is release.facts["destination_known"] is False
    assert {rule.id for rule in release.rules if rule.opens} <= {rule.id for rule in law().releases}


def test_to_name_anyone_as_the_recipient_of_a_crossing_is_no_release():
    """Only `decide_release` asks the rules for releases: consent to any use opens no plain crossing to "*"."""
    thing = of(Kind.RECORDS, "DE", "personal")
    consent = register(document("global_consent", "consent", example=True))
    assert decide_release(crossing(thing), "consent", bundle=law(), evidence=consent, at=DAY).verdict == "permit"
    assert ask(thing, "DE", ANYONE, register=consent).verdict == "refuse"


def test_routes_do_not_confuse_what_is_public_with_what_binds():
    public = crossing(Artifact(Kind.UPDATE, PUBLIC, b"", 500))
    nameless = crossing(Artifact(Kind.UPDATE, Label(categories=frozenset({"health"})), b"", 500))
    fresh = replace(law())
    verdicts = [decide(one, fresh, EMPTY, DAY).verdict for one in (public, nameless, public, nameless)]
    assert verdicts == ["permit", "refuse", "permit", "refuse"]


# ------------------------------------------------------------------ any words at all

ODD = [
    "",
    "*",
    "@EEA",
    "US-",
    "-US",
    "US-CA-SF",
    "us",
    "\x1f",
    "\0",
    "\ud800",
    "NO",
    "{origin}",
    "ü" * 99,
    "US\n",
    "１２",
    "+",
]
words = st.one_of(
    st.sampled_from([*ODD, "DE", "US", "CN", "CA-QC", "VN", "KZ", "health", "personal"]), st.text(max_size=6)
)
sets = st.frozensets(words, max_size=3)
numbers = st.one_of(st.sampled_from([0, -1, 9, 10, 10**6, 10**30]), st.integers())
some_party = st.builds(Party, words, words, words, sets)
some_days = st.one_of(st.sampled_from([date.min, date.max, DAY]), st.dates())
crossings = st.builds(
    Crossing,
    st.builds(
        Artifact,
        st.sampled_from(list(Kind)),
        st.builds(Label, sets, sets, sets),
        st.binary(max_size=6),
        numbers,
        words,
        st.lists(st.sampled_from(["demo-scc-de-us", "demo-global-consent", "dp", "lost"]), max_size=2).map(tuple),
    ),
    some_party, some_party, words, some_days, words, numbers, numbers,
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(crossings)
def test_deciding_raises_for_no_words_numbers_or_days_and_what_it_says_is_json(one):
    held = register(*demo_register().documents, document("dp_report", "dp", terms={"eps": 1.0, "delta": 1e-9}))
    for evidence in (held, EMPTY):
        answer = decide(one, law(), evidence, one.on)
        assert answer.verdict in STRICTNESS
        assert answer.to_json()["verdict"] == answer.verdict
    for paper in ("demo-global-consent", "dp", "lost"):
        assert decide_release(one, paper, bundle=law(), evidence=held, at=one.on).verdict in STRICTNESS


@settings(max_examples=100, deadline=None)
@given(words, words, st.sampled_from(list(Kind)))
def test_an_origin_or_destination_that_is_no_place_is_never_permitted(origin, target, kind):
    if not (law().is_place(origin) and law().is_place(target)) and kind is not Kind.ERROR:
        there = Party("there", target, "Example")
        thing = Artifact(kind, label(origin), b"", 500)
        assert ask(thing, "IE", there, register=EMPTY).verdict == "refuse"


def test_two_crossings_that_differ_in_who_receives_are_two_reviews_whatever_their_names():
    thing = of(Kind.UPDATE, "US", "personal")
    pairs = [
        ("a", "CN", "b\x1fc"),
        ("a\x1fb", "CN", "c"),
        ("a", "CN", "bc"),
        ("a\ud800", "CN", "b"),
        ("a", "CN", "\ud800b"),
    ]
    ids = {ask(thing, "US", Party(*three), register=EMPTY).id for three in pairs}
    assert len(ids) == len(pairs)
    assert "" not in ids
