"""Which version answers follows from the request's id alone, in the shares that were approved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.inference.versions import ModelVersions, fraction

IDS = [f"id-{number}" for number in range(4000)]


def test_without_canaries_the_champion_answers_all():
    assert {ModelVersions("one").answering(each) for each in IDS} == {"one"}


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 1.0])
def test_a_canary_answers_its_share(share):
    answered = [ModelVersions("one", (("two", share),)).answering(each) for each in IDS]
    assert answered.count("two") / len(IDS) == pytest.approx(share, abs=0.03)


def test_canaries_share_out_and_nobody_has_the_rest_of_a_champion_that_is_not_there():
    versions: ModelVersions[str] = ModelVersions(None, (("two", 0.3), ("three", 0.3)))
    answered = [versions.answering(each) for each in IDS]
    for name, share in (("two", 0.3), ("three", 0.3), (None, 0.4)):
        assert answered.count(name) / len(IDS) == pytest.approx(share, abs=0.04)


@given(st.text(max_size=40))
def test_the_same_id_chooses_the_same_versions(request_id):
    versions = ModelVersions("one", (("two", 0.5),), (("three", 0.5),))
    assert versions.answering(request_id) == versions.answering(request_id)
    assert versions.watching(request_id) == versions.watching(request_id)
    assert 0.0 <= fraction(request_id) < 1.0


def test_a_shadow_s_requests_are_drawn_apart_from_a_canary_s():
    versions = ModelVersions("one", (("two", 0.5),), (("three", 0.5),))
    both = sum(versions.answering(each) == "two" and bool(versions.watching(each)) for each in IDS)
    assert both / len(IDS) == pytest.approx(0.25, abs=0.03)


def test_a_larger_share_keeps_the_requests_that_a_smaller_one_had():
    small, large = (ModelVersions("one", (("two", share),)) for share in (0.1, 0.2))
    assert all(large.answering(each) == "two" for each in IDS if small.answering(each) == "two")
