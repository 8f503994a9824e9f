"""The law of every origin is asked, and the strictest answer counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fedsov.artifact import Artifact, Kind
from fedsov.border.bundle import unsafe_open
from fedsov.border.evidence import Register
from fedsov.border.policy import decide_release
from fedsov.label import PUBLIC, Label

from .world import CATEGORIES, DAY, artifact, ask, demo_register, law

STRICTNESS = {"permit": 0, "review": 1, "refuse": 2}
EMPTY = Register(())
CODES = [
    "DE",
    "FR",
    "GB",
    "US",
    "IN",
    "CA",
    "CH",
    "BR",
    "CN",
    "KR",
    "RU",
    "JP",
    "AE",
    "US-FL",
    "CA-QC",
    "AO",
    "ZZ",
]
WORDS = ["personal", "financial", "health", "genomic", "payment", "government", "telecom", "important_data"]
BOUNDS = ["contract", "court_order"]

labels = st.builds(
    Label,
    st.frozensets(st.sampled_from(CODES), min_size=1, max_size=4),
    st.frozensets(st.sampled_from(WORDS), max_size=4),
    st.frozensets(st.sampled_from(BOUNDS), max_size=1),
)
kinds = st.sampled_from(list(Kind))
counts = st.sampled_from([0, 9, 10, 500, 20_000, 2_000_000])
places = st.sampled_from([*CODES, "IE", "HK", "CN-BJ"])
days = st.sampled_from([date(2021, 1, 1), date(2024, 6, 1), DAY, date(2027, 6, 1), date(2033, 1, 1)])
contents = st.sampled_from([b"", b"ValueError", b"no such row: Jane"])


def strictness(thing: Artifact, source: str, target: str, day: date, register: Register | None = None) -> int:
    return STRICTNESS[ask(thing, source, target, on=day, register=register or full_register()).verdict]


def full_register() -> Register:
    """The demo's register and one document of every kind for everybody, so that permits do occur."""
    pattern = demo_register().documents[0]
    everybody = {"exporter": frozenset("*"), "importer": frozenset("*"), "entities": frozenset()}
    every = tuple(
        replace(pattern, id=f"every-{kind}", kind=kind, categories=frozenset("*"), **everybody)
        for kind in sorted(law().documents)
        if kind not in ("us_licence", "us_restricted_transaction", "localisation_exemption")
    )
    return Register(demo_register().documents + every)


@settings(max_examples=150, deadline=None)
@given(labels, st.one_of(labels, st.just(PUBLIC)), kinds, counts, contents, places, places, days)
def test_joining_a_label_to_another_can_only_make_the_answer_stricter(
    one, other, kind, count, content, source, target, day
):
    alone = Artifact(kind, one, content, count)
    joined = replace(alone, label=one | other)
    assert strictness(joined, source, target, day) >= strictness(alone, source, target, day)


@settings(max_examples=60, deadline=None)
@given(labels, kinds, counts, places, places, days)
def test_what_binds_is_never_freer_than_what_is_public(one, kind, count, source, target, day):
    public, bound = Artifact(kind, PUBLIC, b"", count), Artifact(kind, one, b"", count)
    assert strictness(bound, source, target, day) >= strictness(public, source, target, day)


@settings(max_examples=100, deadline=None)
@given(labels, st.sampled_from(CODES), kinds, counts, places, places, days)
def test_adding_an_origin_can_only_make_the_answer_stricter(one, origin, kind, count, source, target, day):
    alone = Artifact(kind, one, b"", count)
    wider = replace(alone, label=replace(one, origins=one.origins | {origin}))
    assert strictness(wider, source, target, day) >= strictness(alone, source, target, day)


@settings(max_examples=100, deadline=None)
@given(labels, kinds, counts, places, places, days, st.data())
def test_removing_documents_never_opens_anything(one, kind, count, source, target, day, draw):
    register = full_register()
    kept = draw.draw(st.frozensets(st.sampled_from([document.id for document in register.documents])))
    fewer = Register(tuple(document for document in register.documents if document.id in kept))
    thing = Artifact(kind, one, b"", count)
    before = strictness(thing, source, target, day, register)
    assert strictness(thing, source, target, day, fewer) >= before


@settings(max_examples=60, deadline=None)
@given(labels, kinds, counts, places, places, days, st.randoms(use_true_random=False))
def test_the_order_of_rules_and_documents_does_not_matter(one, kind, count, source, target, day, random):
    rules, documents = list(law().rules), list(demo_register().documents)
    random.shuffle(rules)
    random.shuffle(documents)
    thing = Artifact(kind, one, b"", count)
    shuffled = ask(
        thing,
        source,
        target,
        on=day,
        bundle=replace(law(), rules=tuple(rules)),
        register=Register(tuple(documents)),
    )
    plain = ask(thing, source, target, on=day)
    assert (shuffled.verdict, sorted(shuffled.rules), shuffled.missing) == (
        plain.verdict,
        sorted(plain.rules),
        plain.missing,
    )


@settings(max_examples=100, deadline=None)
@given(labels, kinds, counts, places, places, days)
def test_the_index_of_rules_changes_no_answer(one, kind, count, source, target, day):
    plain = replace(law())
    plain._index.clear()
    thing = Artifact(kind, one, b"", count)
    assert ask(thing, source, target, on=day, bundle=plain) == ask(thing, source, target, on=day)


@settings(max_examples=60, deadline=None)
@given(labels, kinds, counts, places, places, days)
def test_an_empty_bundle_permits_nothing(one, kind, count, source, target, day):
    thing = Artifact(kind, one, b"", count)
    assert ask(thing, source, target, on=day, bundle=replace(law(), rules=())).verdict == "refuse"


def test_a_joint_model_is_an_export_from_every_origin_and_the_refusal_names_the_one_at_fault():
    refusal = ask(artifact(Kind.MODEL, "DE", "GB", "US"), "IE", "IN")
    assert refusal.verdict == "refuse"
    assert refusal.rules == ("uk.idta",)
    assert refusal.reason.startswith("GB -> IN: needs an International Data Transfer Agreement (scc_uk_idta)")
    assert "DE ->" not in refusal.reason
    assert refusal.missing == ("an International Data Transfer Agreement (scc_uk_idta) for GB -> IN",)
    assert (
        "{kind: scc_uk_idta, exporter: [GB], importer: [IN], categories: [employment, financial, personal]}"
        in refusal.remedy
    )
    assert refusal.citations == ("UK GDPR Art. 46(2)(d) and 46(1A)",)


def test_the_remedy_of_a_refusal_mends_it():
    document = replace(
        next(one for one in demo_register().documents if one.id == "demo-idta-gb-us"),
        id="idta-gb-in",
        importer=frozenset({"IN"}),
        entities=frozenset(),
    )
    register = Register((*demo_register().documents, document))
    permit = ask(artifact(Kind.MODEL, "DE", "GB", "US"), "IE", "IN", register=register)
    assert permit.verdict == "permit"
    assert {"idta-gb-in", "demo-tra-gb-in", "demo-scc-de-in"} <= set(permit.documents)


@pytest.mark.parametrize("region", ["US", "GB", "DE", "IN", "CA"])
def test_every_region_of_the_demo_may_send_its_update_and_metrics_to_the_hub(region):
    assert ask(artifact(Kind.UPDATE, region), region, "IE").verdict == "permit"
    assert ask(artifact(Kind.METRICS, region), region, "IE").verdict == "permit"


@pytest.mark.parametrize("region", ["US", "GB", "DE"])
def test_the_federated_regions_of_the_demo_may_receive_the_joint_model(region):
    assert ask(artifact(Kind.MODEL, "DE", "GB", "US"), "IE", region).verdict == "permit"


def test_an_adequacy_finding_is_cited_with_its_instrument_and_ends_on_its_day():
    thing = artifact(Kind.UPDATE, "DE")
    assert "2021/1772" in " ".join(ask(thing, "DE", "GB", register=EMPTY).citations)
    assert ask(thing, "DE", "GB", register=EMPTY, on=date(2031, 12, 27)).verdict == "permit"
    assert ask(thing, "DE", "GB", register=EMPTY, on=date(2031, 12, 28)).verdict == "refuse"


def test_an_expired_document_is_refused_and_named():
    refusal = ask(artifact(Kind.UPDATE, "DE"), "DE", "US", on=date(2032, 1, 1))
    assert refusal.verdict == "refuse"
    assert "'demo-scc-de-us' expired on 2031-12-31." in refusal.reason


def test_a_document_not_yet_signed_is_no_document():
    assert ask(artifact(Kind.UPDATE, "DE"), "DE", "US", on=date(2024, 12, 1)).verdict == "refuse"


def test_a_document_for_other_categories_or_another_recipient_is_refused_and_named():
    health = Artifact(Kind.UPDATE, Label(frozenset({"DE"}), frozenset({"health"})), b"", 500)
    assert "'demo-scc-de-us' does not cover health." in ask(health, "DE", "US").reason
    stranger = replace(demo_register().documents[0], entities=frozenset({"Example Stranger (fictional)"}))
    register = Register((stranger, *demo_register().documents[1:]))
    assert "does not bind the recipient" in ask(artifact(Kind.UPDATE, "DE"), "DE", "US", register=register).reason


@pytest.mark.parametrize("unknown", ["ZZ", "AO", "", "de", "*", "@EEA", "XX-EPO-1"])
def test_an_unknown_origin_is_refused_even_within_the_same_party(unknown):
    answer = ask(artifact(Kind.UPDATE, unknown), "IE", "IE")
    assert answer.verdict == "refuse"
    assert "floor.unknown_origin" in answer.rules


def test_an_unknown_destination_is_refused_even_from_a_country_without_export_law():
    answer = ask(artifact(Kind.UPDATE, "US"), "US", "ZZ", register=full_register())
    assert (answer.verdict, answer.rules) == ("refuse", ("floor.unknown_destination",))


def test_a_label_that_names_no_origin_but_binds_is_refused():
    nameless = Artifact(Kind.UPDATE, Label(categories=frozenset({"health"})), b"", 500)
    assert ask(nameless, "DE", "IE").verdict == "refuse"


def test_a_public_model_may_go_anywhere():
    assert ask(Artifact(Kind.MODEL, PUBLIC, b"weights"), "IE", "CN").rules == ("floor.public",)


def test_a_restriction_stops_everything_but_metrics_and_error_types():
    bound = Label(frozenset({"US"}), CATEGORIES, frozenset({"contract"}))
    for kind in (Kind.RECORDS, Kind.UPDATE, Kind.MODEL, Kind.SYNTHETIC):
        assert "floor.restriction" in ask(Artifact(kind, bound, b"", 500), "US", "IE").rules
    for kind in (Kind.METRICS, Kind.ERROR):
        assert ask(Artifact(kind, bound, b"", 500), "US", "IE").verdict == "permit"


@pytest.mark.parametrize(("count", "verdict"), [(0, "refuse"), (9, "refuse"), (10, "permit")])
def test_figures_about_fewer_than_ten_records_stay(count, verdict):
    assert ask(artifact(Kind.METRICS, "DE", count=count), "DE", "IE").verdict == verdict
    assert ask(artifact(Kind.REPORT, "GB", count=count), "GB", "US", register=EMPTY).verdict == verdict


@pytest.mark.parametrize("text", [b"", b"ValueError", b"OutOfMemoryError"])
def test_the_type_name_of_an_error_may_cross(text):
    assert ask(artifact(Kind.ERROR, "DE", content=text, count=0), "DE", "US", register=EMPTY).verdict == "permit"


@pytest.mark.parametrize("text", [b"bad row: Jane Canary", b"a" * 81, "Müller".encode(), b"X\n", b"3", b"\xff"])
def test_the_text_of_an_error_may_not_cross_even_when_labelled_public(text):
    assert ask(artifact(Kind.ERROR, "DE", content=text), "DE", "IE").rules == ("floor.error_text",)
    assert ask(Artifact(Kind.ERROR, PUBLIC, text), "DE", "IE").verdict == "refuse"


def test_american_bulk_data_may_not_go_to_a_country_of_concern_nor_to_a_part_of_one():
    thing = artifact(Kind.MODEL, "US", count=40_000)
    for place in ("CN", "HK", "CN-BJ"):
        assert "us.doj.bulk_10000" in ask(thing, "US", place, register=full_register()).rules
    assert ask(artifact(Kind.MODEL, "US", count=400), "US", "CN").verdict == "review"
    assert ask(artifact(Kind.MODEL, "US"), "US", "IN", register=EMPTY).verdict == "permit"


@pytest.mark.parametrize(
    ("origin", "target", "day", "verdict"),
    [
        ("NO", "DE", DAY, "permit"),  # the EEA, and not YAML's `no`
        ("DK", "GL", DAY, "refuse"),  # Greenland is outside the Union
        ("DK", "FO", DAY, "permit"),
        ("FR", "MC", DAY, "refuse"),
        ("CH", "MC", DAY, "permit"),
        ("CH", "JP", DAY, "refuse"),
        ("FR", "GB", date(2025, 12, 20), "permit"),
        ("PT", "BR", date(2026, 1, 27), "refuse"),
        ("PT", "BR", date(2026, 1, 28), "permit"),
        ("BR", "DE", DAY, "permit"),
        ("CL", "US", date(2026, 12, 1), "refuse"),
        ("IN", "IE", date(2027, 5, 12), "refuse"),
        ("IN", "IE", date(2027, 5, 13), "permit"),
        ("CA-QC", "CA", DAY, "refuse"),
        ("CN", "HK", DAY, "refuse"),
        ("AE-DIFC", "AE", DAY, "refuse"),
    ],
)
def test_without_any_document_the_law_answers_by_origin_place_and_day(origin, target, day, verdict):
    thing = Artifact(Kind.RECORDS, Label(frozenset({origin}), frozenset({"personal"})), b"", 500)
    assert ask(thing, origin, target, on=day, register=EMPTY).verdict == verdict


def test_a_brake_turns_a_permit_into_a_review_and_never_a_refusal_into_one():
    state = Artifact(Kind.MODEL, Label(frozenset({"CA"}), frozenset({"government"})), b"", 500)
    assert ask(state, "CA", "FR", register=EMPTY).verdict == "refuse"
    review = ask(state, "CA", "FR", register=full_register())
    assert (review.verdict, review.rules) == ("review", ("local.government",))
    assert review.documents == ("every-accountability_contract",)


def test_unsafe_open_permits_everything_and_says_so(caplog):
    bundle = unsafe_open()
    permit = ask(artifact(Kind.RECORDS, "ZZ"), "DE", "CN", register=EMPTY, bundle=bundle)
    assert (permit.verdict, permit.rules) == ("permit", ("unsafe_open",))
    assert permit.bundle_digest != law().digest
    assert "unsafe_open" in caplog.text


def test_answers_are_plain_json_with_their_verdict():
    refusal = ask(artifact(Kind.MODEL, "GB"), "IE", "IN").to_json()
    assert refusal["verdict"] == "refuse"
    assert refusal["missing"] == ["an International Data Transfer Agreement (scc_uk_idta) for GB -> IN"]
    assert ask(artifact(Kind.MODEL, "GB"), "IE", "GB").to_json()["rules"] == ["intra_jurisdiction"]


def release(thing: Artifact, document: str, *, on: date = DAY, register: Register | None = None):
    return decide_release(thing, document, bundle=law(), evidence=register or demo_register(), at=on)


def test_records_are_released_only_by_a_document_that_covers_origin_category_day_and_the_world():
    records = artifact(Kind.RECORDS, "DE", "GB")
    assert release(records, "demo-global-consent").rules == ("release.consent",)
    assert release(records, "demo-scc-de-us").verdict == "refuse"
    assert release(records, "no-such-document").verdict == "refuse"
    assert release(records, "demo-global-consent", on=date(2032, 1, 1)).verdict == "refuse"
    assert release(artifact(Kind.RECORDS, "DE", "FR"), "demo-global-consent").verdict == "refuse"
    assert release(artifact(Kind.MODEL, "DE"), "demo-global-consent").verdict == "refuse"
    assert release(artifact(Kind.RECORDS, "ZZ"), "demo-global-consent").verdict == "refuse"
    local = replace(demo_register().get("demo-global-consent"), importer=frozenset({"US"}))
    assert release(records, local.id, register=Register((local,))).verdict == "refuse"


def test_consent_lifts_no_restriction():
    bound = Artifact(Kind.RECORDS, Label(frozenset({"DE"}), CATEGORIES, frozenset({"contract"})), b"", 500)
    assert release(bound, "demo-global-consent").verdict == "refuse"


@given(labels)
@settings(max_examples=50, deadline=None)
def test_a_release_that_a_longer_label_gets_a_shorter_one_gets_too(one):
    assume(len(one.origins) > 1)
    for origin in one.origins:
        shorter = replace(one, origins=frozenset({origin}))
        if release(Artifact(Kind.RECORDS, one), "demo-global-consent").verdict == "permit":
            assert release(Artifact(Kind.RECORDS, shorter), "demo-global-consent").verdict == "permit"
