"""What leaves of a window: no cell of fewer than ten people, and no sum or difference of cells that is about fewer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.inference.use.cells import NO_SCORE, NOBODY, CellKey, UseFrame
from fedsov.inference.use.leaving import Leaving, LeavingRule, cells_that_leave, noised
from fedsov.protocol.use_report import OUTCOMES, UseCell, UseNoise, UseReport

RULE = LeavingRule()
ANSWERED = ("m", 1, "champion", "answered")


class Asked(NamedTuple):
    """One request, as nobody outside the region sees it."""

    person: int
    version: int
    outcome: str
    seconds: int
    score: int
    window: int = 0


def frame(requests: list[Asked], code: str = "DE") -> UseFrame:
    cells: dict[CellKey, dict[int, int]] = {}
    for each in requests:
        key = CellKey("m", each.version, "champion", each.outcome, code, each.seconds, each.score)
        people = cells.setdefault(key, {})
        people[each.person] = people.get(each.person, 0) + 1
    return UseFrame(0, cells, {("m", 1): ("personal",), ("m", 2): ("health",)})


def counts_in(cell: UseCell, request: Asked) -> bool:
    """Whether a request is in a cell, by what the cell says of itself."""
    if (request.version, request.outcome) != (cell.version, cell.outcome):
        return False
    if not cell.seconds[0] <= request.seconds <= cell.seconds[1]:
        return False
    if cell.score is None:
        return request.score == NO_SCORE
    return cell.score[0] <= request.score <= cell.score[1]


def fewest_told(groups: list[frozenset[Asked]], most: int = 9) -> int | None:
    """What an adversary gets who adds and subtracts what was told: the fewest people that a result is about.

    Args:
        groups: the requests behind each number that was told; every sum of them with factors -1, 0 and 1 is tried,
            of any nine at once.
    """
    if not groups:
        return None
    requests = sorted(frozenset().union(*groups))
    owner = np.array([request.person for request in requests])
    has = np.array([[request in group for request in requests] for group in groups[:most]], int).reshape(-1, len(owner))
    fewest = None
    for factors in product((-1, 0, 1), repeat=len(has)):
        about = np.array(factors) @ has
        people = len({*owner[about != 0].tolist()} - {NOBODY})
        fewest = people if people and (fewest is None or people < fewest) else fewest
    return fewest


def drawn(seed: int, many: int, people: int) -> list[Asked]:
    """So many requests of so many people, most of them alike and fast."""
    rng = np.random.default_rng(seed)
    persons, versions = rng.integers(1, people + 1, many), rng.choice([1, 2], many, p=[0.9, 0.1])
    outcomes, seconds = rng.choice(OUTCOMES[:2], many, p=[0.9, 0.1]), rng.geometric(0.6, many).clip(1, 6) - 1
    rows = zip(persons, versions, outcomes, seconds, rng.integers(NO_SCORE, 10, many), strict=True)
    return [Asked(int(person), int(version), str(outcome), int(band), int(score))
            for person, version, outcome, band, score in rows]  # fmt: skip


REQUESTS = st.builds(drawn, st.integers(0, 2**32), st.integers(0, 500), st.integers(5, 80))


@settings(deadline=None, max_examples=60)
@given(REQUESTS)
def test_no_sum_and_no_difference_of_cells_is_about_fewer_than_ten_people(requests):
    cells = cells_that_leave(frame(requests), RULE).cells
    groups = [frozenset(request for request in requests if counts_in(cell, request)) for cell in cells]
    assert all(len({request.person for request in group}) >= 10 for group in groups)
    assert sum(map(len, groups)) == len(frozenset().union(*groups)), "a request is in two cells"
    fewest = fewest_told(groups[:7])
    assert fewest is None or fewest >= 10


@settings(deadline=None, max_examples=30)
@given(REQUESTS, REQUESTS)
def test_two_windows_are_no_two_views_of_one_request(first, second):
    """Requests of a later window are others, so that its cells cannot be taken from the first one's."""
    groups = []
    for number, requests in enumerate((first, second)):
        window = [each._replace(window=number) for each in requests]
        cells = cells_that_leave(frame(window), RULE).cells
        groups += [frozenset(each for each in window if counts_in(cell, each)) for cell in cells[:4]]
    fewest = fewest_told(groups)
    assert fewest is None or fewest >= 10


def test_the_adversary_finds_the_person_where_a_total_stands_beside_its_parts():
    many = [Asked(person, 1, "answered", 0, 3) for person in range(1, 30)]
    last = Asked(99, 1, "answered", 5, 9)
    assert fewest_told([frozenset(many), frozenset([*many, last])]) == 1


@given(REQUESTS)
def test_whatever_leaves_fits_the_schema_and_counts_no_request_twice(requests):
    leaving = cells_that_leave(frame(requests), RULE)
    if leaving.cells:
        UseReport("DE", 0, 60, 10, leaving.cells)
        assert leaving.fewest >= 10
    told = sum(cell.requests or 0 for cell in leaving.cells)
    assert told + leaving.requests_left_out <= len(requests)


@given(st.integers(1, 9))
def test_of_fewer_than_ten_people_nothing_leaves_however_often_they_ask(people):
    requests = [Asked(person, 1, "answered", 0, 3) for person in range(1, people + 1)] * 50
    leaving = cells_that_leave(frame(requests), RULE)
    assert leaving == Leaving(left_out=1, requests_left_out=50 * people)


def test_bands_of_few_people_are_joined_with_their_neighbours_and_cover_all():
    requests = [Asked(person, 1, "answered", person % 2, person % 3) for person in range(1, 61)]
    cells = cells_that_leave(frame(requests), RULE).cells
    scores = sorted({cell.score for cell in cells if cell.score is not None})
    assert scores[0][0] == 0 and scores[-1][1] == 9
    assert all(low[1] + 1 == high[0] for low, high in pairwise(scores))
    assert sum(cell.people for cell in cells) == 60


def test_a_number_of_requests_that_is_one_person_s_is_not_told():
    requests = [Asked(person, 1, "answered", 0, 3) for person in range(1, 31)]
    often = [Asked(7, 1, "answered", 0, 3)] * 100
    (alike,), (driven,) = (cells_that_leave(frame(each), RULE).cells for each in (requests, requests + often))
    assert (alike.people, alike.requests) == (30, 30) and (driven.people, driven.requests) == (30, None)


def test_requests_without_a_subject_are_nobody():
    requests = [Asked(NOBODY, 1, "answered", 0, 3)] * 500
    assert not cells_that_leave(frame(requests), RULE).cells
    nine = [Asked(person, 1, "answered", 0, 3) for person in range(1, 10)]
    assert not cells_that_leave(frame(requests + nine), RULE).cells


def test_the_label_is_of_those_who_are_told_of():
    of_ten = [Asked(person, 1, "answered", 0, 3) for person in range(1, 11)]
    of_nine = [Asked(person, 2, "answered", 0, 3) for person in range(1, 10)]
    frames = {**frame(of_ten).cells, **frame(of_nine, code="FR").cells}
    leaving = cells_that_leave(replace(frame([]), cells=frames), RULE)
    assert (leaving.origins, leaving.categories) == (frozenset({"DE"}), frozenset({"personal"}))
    assert (leaving.fewest, leaving.left_out) == (10, 1)


def test_a_region_may_ask_for_more_people():
    requests = [Asked(person, 1, "answered", 0, 3) for person in range(1, 31)]
    assert not cells_that_leave(frame(requests), LeavingRule(least=31)).cells
    assert cells_that_leave(frame(requests), LeavingRule(least=30)).cells


NOISE = UseNoise(1.0, 1e-6, 2)
GROUPS = [("m", version, "champion", outcome) for version in (1, 2) for outcome in OUTCOMES]


def still(scale: float) -> int:
    return 0


def test_under_noise_a_group_is_one_cell_of_people_alone():
    requests = [Asked(person, 1, "answered", person % 6, person % 10) for person in range(1, 101)]
    (cell,) = noised(frame(requests), RULE, NOISE, GROUPS, still).cells
    assert cell == UseCell(*ANSWERED, people=100, requests=None)


@pytest.mark.parametrize("drawn", [-10_000, 10_000])
def test_noise_never_lets_fewer_than_ten_people_out(drawn):
    requests = [Asked(person, 1, "answered", 0, 3) for person in range(1, 10)]
    assert not noised(frame(requests), RULE, NOISE, GROUPS, lambda scale: drawn).cells


def test_a_number_that_noise_alone_could_make_is_not_told():
    requests = [Asked(person, 1, "answered", 0, 3) for person in range(1, 11)]
    assert not noised(frame(requests), RULE, NOISE, GROUPS, still).cells


@settings(deadline=None)
@given(REQUESTS, st.integers(1, 40))
def test_one_person_changes_what_noise_is_added_to_by_one_in_so_many_groups_as_it_is_paid_for(requests, person):
    seen: list[dict[object, int]] = []
    for some in (requests, [each for each in requests if each.person != person]):
        rule, noise = LeavingRule(least=1), UseNoise(10.0, 9e-4, 2)
        cells = noised(frame(some), rule, noise, GROUPS, lambda scale: 1000).cells
        seen.append({(cell.version, cell.outcome): cell.people for cell in cells})
    groups = {*seen[0], *seen[1]}
    assert sum(seen[0].get(group, 1000) != seen[1].get(group, 1000) for group in groups) <= 2
