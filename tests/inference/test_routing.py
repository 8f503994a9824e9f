"""Routing: compliant first, nearest of the compliant, and never open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError
from fedsov.inference.routing import NoRegion, Routed, RoutingTable, ServingRegion, route

CODES = ("DE", "FR", "US", "US-OH", "KP", "IN")
sets = st.frozensets(st.sampled_from(CODES), max_size=4)
regions = st.builds(ServingRegion, st.sampled_from("ABCDEFGH"), sets, sets, st.floats(0, 100, allow_nan=False))
tables = st.lists(regions, max_size=6, unique_by=lambda region: region.name).map(lambda each: RoutingTable(tuple(each)))
healths = st.dictionaries(st.sampled_from("ABCDEFGH"), st.booleans())


@given(st.sampled_from(CODES), tables, healths)
def test_a_request_reaches_a_region_that_may_serve_it_and_is_up_or_none(code, table, health):
    answer = route(code, table, health)
    lawful = [region for region in table.regions if code in region.own | region.hosts]
    up = [region for region in lawful if health.get(region.name)]
    if isinstance(answer, Routed):
        assert answer.region in up
    else:
        assert not up and answer.status == (503 if lawful else 451)
        assert code in answer.reason


@given(st.sampled_from(CODES), tables, healths)
def test_home_comes_before_a_host_and_of_either_the_nearest(code, table, health):
    answer = route(code, table, health)
    if isinstance(answer, NoRegion):
        return
    others = [region for region in table.lawful(code) if health.get(region.name)]
    homes = [region for region in others if code in region.own]
    assert (code in answer.region.own) == bool(homes)
    assert answer.region.distance == min(region.distance for region in homes or others)


@given(st.sampled_from(CODES), tables, healths, st.sampled_from("ABCDEFGH"))
def test_a_region_that_goes_down_never_opens_a_way_to_one_that_may_not(code, table, health, gone):
    before, after = route(code, table, health), route(code, table, {**health, gone: False})
    lawful = {region.name for region in table.lawful(code)}
    assert isinstance(after, NoRegion) or after.region.name in lawful - {gone}
    if isinstance(before, NoRegion):
        assert isinstance(after, NoRegion) and after.status == before.status


@given(tables)
def test_the_chains_say_the_same_as_the_routing(table):
    by_code = {code: chain for chain, codes in table.chains().items() for code in codes}
    for code in CODES:
        for up in (by_code.get(code, ())[place:] for place in range(3)):
            answer = route(code, table, dict.fromkeys(up, True))
            assert isinstance(answer, Routed) is bool(up)
            assert not isinstance(answer, Routed) or answer.region.name == up[0]


def test_codes_are_taken_to_the_letter():
    table = RoutingTable((ServingRegion("DE", frozenset({"DE"})), ServingRegion("US", frozenset({"US", "US-OH"}))))
    up = {"DE": True, "US": True}
    for word in ("de", "DE ", "D\u0415", "pt-BR", "US-ZZ", "", "*", "DE,US"):
        assert route(word, table, up) == NoRegion(451, f"no region may serve {word}")
    assert isinstance(route("US-OH", table, up), Routed)


def test_the_reason_names_who_is_down_and_why_the_region_answers():
    table = RoutingTable(
        (ServingRegion("FR", frozenset({"FR"}), distance=9), ServingRegion("DE", frozenset({"DE"}), frozenset({"FR"})))
    )
    assert route("FR", table, {"FR": True, "DE": True}).reason == "FR serves FR as its own"
    assert route("FR", table, {"DE": True}).reason.startswith("FR down; DE hosts FR")
    assert route("FR", table, {}).reason == "FR, DE may serve FR, and all are down; no other region may"


def test_a_region_stands_once_in_a_table():
    with pytest.raises(ConfigurationError, match="twice"):
        RoutingTable((ServingRegion("DE", frozenset({"DE"})), ServingRegion("DE", frozenset({"FR"}))))
