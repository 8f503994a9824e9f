"""What the page says of rollouts, and what it lets a person do next."""

from __future__ import annotations

import pytest

from fedsov.control_plane.overview.rollout_states import rollouts
from fedsov.control_plane.rollouts import states
from fedsov.control_plane.rollouts.states import RegionStep, Rollout
from tests.control_plane.pages.overview_world import add_rollout


def only(database, rollout, **more):
    with database.changing() as connection:
        add_rollout(connection, rollout, **more)
        (shown,) = rollouts(connection)
        return shown


@pytest.mark.parametrize(
    ("state", "steps", "acts"),
    [
        ("proposed", {"DE": RegionStep()}, [("approve", ""), ("rollback", "")]),
        ("approved", {"DE": RegionStep(), "GB": RegionStep("signed")}, [("approve", "DE"), ("rollback", "")]),
        ("approved", {"DE": RegionStep("signed")}, [("start", ""), ("rollback", "")]),
        ("running", {"DE": RegionStep("published")}, [("freeze", ""), ("rollback", "")]),
        (
            "running",
            {"DE": RegionStep("published"), "GB": RegionStep("signed"), "IN": RegionStep()},
            [("approve", "IN"), ("start", ""), ("freeze", ""), ("rollback", "")],
        ),
        ("frozen", {"DE": RegionStep("published")}, [("start", ""), ("rollback", "")]),
        ("done", {"DE": RegionStep("passed")}, [("rollback", "")]),
        ("done", {"DE": RegionStep("superseded")}, []),
        ("stopped", {"DE": RegionStep("taken back")}, []),
        ("ended", {"DE": RegionStep()}, []),
    ],
)
def test_a_state_offers_the_acts_that_it_allows_and_no_other(database, state, steps, acts):
    rollout = Rollout(0, "m", 2, state, "DE", steps)
    shown = only(database, rollout)
    assert list(shown.acts) == acts
    for act, does in (("start", states.started), ("freeze", lambda each: states.frozen(each, "why"))):
        if (act, "") in acts:
            does(rollout)  # none of them is refused


def test_a_rollout_has_who_approved_and_what_regions_report(database):
    steps = {
        "DE": RegionStep("published", word="errors"),
        "GB": RegionStep("unsigned"),
        "IN": RegionStep("refused", "no document"),
    }
    shown = only(database, Rollout(0, "m", 2, "running", "DE", steps, "because"), verdict="fail")
    assert [(each.name, each.is_canary, each.word, each.approved_by) for each in shown.regions] == [
        ("DE", True, "errors", "DE's approver"),
        ("GB", False, "", ""),
        ("IN", False, "", ""),
    ]
    assert shown.regions[2].detail == "no document"
    assert (shown.verdict, shown.stopped, shown.approvals[0][0]) == ("fail", "because", "H. Officer")


def test_every_open_rollout_is_shown_and_the_last_that_ended(database):
    with database.changing() as connection:
        ended = [add_rollout(connection, Rollout(0, "m", n, "done", "DE", {"DE": RegionStep()})) for n in range(1, 8)]
        opened = [
            add_rollout(connection, Rollout(0, f"m{n}", 1, "proposed", "DE", {"DE": RegionStep()})) for n in range(7)
        ]
        shown = rollouts(connection)
    assert [each.id for each in shown] == sorted([*opened, *ended[-4:]], reverse=True)
