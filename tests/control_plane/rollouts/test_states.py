"""The states of a rollout: what each act makes of them, and what it refuses, said with the way out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.control_plane.rollouts import states
from fedsov.control_plane.rollouts.states import RegionStep, Rollout, RolloutChange
from fedsov.errors import ConfigurationError
from fedsov.protocol.rollouts import FAULTS, WORDS

FIVE = ("AT", "DE", "FR", "GB", "IE")


def _approved(*signed: str, canary: str = "DE", unsigned: tuple[str, ...] = ()) -> Rollout:
    steps = {name: RegionStep(states.SIGNED) for name in signed} | {name: RegionStep() for name in unsigned}
    return Rollout(1, "people", 2, states.APPROVED, canary, steps)


def _all_ok(change: RolloutChange) -> RolloutChange:
    for name in change.publish:
        change = states.reported(change.rollout, name, "ok")
    return change


def test_the_canary_comes_first_and_what_a_fault_can_reach_doubles_at_most() -> None:
    change = states.started(_approved(*FIVE))
    assert change.publish == ("DE",)
    change = _all_ok(change)
    assert change.publish == ("AT",)
    change = _all_ok(change)
    assert change.publish == ("FR", "GB")
    change = _all_ok(change)
    assert change.publish == ("IE",)
    assert _all_ok(change).rollout.state == states.DONE


def test_a_wave_waits_for_every_region_before_it() -> None:
    change = _all_ok(_all_ok(states.started(_approved(*FIVE))))
    first, second = change.publish
    waiting = states.reported(change.rollout, first, "ok")
    assert not waiting.publish and not states.reported(waiting.rollout, second, "watching").publish
    assert states.reported(waiting.rollout, second, "ok").publish == ("IE",)


def test_a_person_may_begin_the_next_wave_before_the_last_has_passed_and_end_the_last() -> None:
    change = states.started(_approved("DE", "FR"))
    change = states.started(change.rollout)
    assert change.publish == ("FR",)
    done = states.started(change.rollout)
    assert (done.rollout.state, done.publish) == (states.DONE, ())
    assert "ended by a person" in done.rollout.why


@pytest.mark.parametrize("word", FAULTS)
def test_a_fault_in_one_region_takes_the_version_back_everywhere(word: str) -> None:
    change = _all_ok(states.started(_approved(*FIVE)))
    back = states.reported(change.rollout, "AT", word)
    assert (back.rollout.state, back.take_back, back.publish) == (states.STOPPED, ("DE", "AT"), ())
    assert back.rollout.why == f"AT reported {word}"
    assert back.rollout.at(states.SIGNED) == ("FR", "GB", "IE"), "what was never published stays where it is"


def test_a_region_without_its_approver_s_signature_stays_where_it_is_and_comes_late() -> None:
    change = _all_ok(states.started(_approved("DE", unsigned=("FR",))))
    assert (change.rollout.state, change.publish) == (states.RUNNING, ())
    with pytest.raises(ConfigurationError, match=r"FR has not signed \(`fedsov rollout approve 1 --region FR`\)"):
        states.started(change.rollout)
    late = states.signed(change.rollout, "FR")
    assert late.publish == ("FR",)
    assert _all_ok(late).rollout.state == states.DONE


def test_without_the_canary_s_signature_nothing_starts() -> None:
    with pytest.raises(ConfigurationError, match=r"DE is the canary .* is unsigned; .*--canary \(signed: FR\)"):
        states.started(_approved("FR", unsigned=("DE",)))


def test_a_frozen_rollout_stays_whatever_is_reported_and_goes_on_when_it_is_started() -> None:
    change = states.started(_approved("DE", "FR"))
    frozen = states.frozen(change.rollout, "a look at the complaints")
    for word in WORDS:
        stays = states.reported(frozen, "DE", word)
        assert (stays.rollout.state, stays.publish, stays.take_back) == (states.FROZEN, (), ())
        assert stays.rollout.steps["DE"].word == word
    passed = states.reported(frozen, "DE", "ok").rollout
    assert states.started(passed).publish == ("FR",)
    assert states.started(frozen).publish == (), "DE has not passed yet"


def test_a_rollback_takes_back_whoever_has_it_also_after_the_end() -> None:
    change = _all_ok(_all_ok(states.started(_approved("DE", "FR"))))
    assert change.rollout.state == states.DONE
    back = states.rolled_back(change.rollout, "complaints")
    assert (back.rollout.state, back.take_back) == (states.ROLLED_BACK, ("DE", "FR"))
    with pytest.raises(ConfigurationError, match=r"is rolled back \(complaints\), .*`fedsov rollout propose people 2`"):
        states.rolled_back(back.rollout, "again")


def test_a_rollback_before_the_start_ends_it_and_publishes_nothing() -> None:
    ended = states.rolled_back(_approved("DE"), "no")
    assert (ended.rollout.state, ended.take_back) == (states.ENDED, ())


def test_a_region_that_the_border_refuses_signs_nothing_and_the_reason_is_said() -> None:
    proposed = Rollout(1, "people", 2, canary="DE", steps={"DE": RegionStep(), "US": RegionStep()})
    with pytest.raises(ConfigurationError, match="not approved by the hub yet"):
        states.signed(proposed, "DE")
    approved = states.approved(proposed, {"US": "needs a document"})
    with pytest.raises(ConfigurationError, match="US may not serve people 2: needs a document"):
        states.signed(approved, "US")
    with pytest.raises(ConfigurationError, match="not for FR, but for DE, US"):
        states.signed(approved, "FR")
    with pytest.raises(ConfigurationError, match="no region may serve people 2: DE: no; US: no"):
        states.approved(proposed, {"DE": "no", "US": "no"})
    with pytest.raises(ConfigurationError, match="is approved, and cannot be approved"):
        states.approved(approved, {})


def test_one_rollout_at_a_time_may_be_about_to_be_published_in_a_region() -> None:
    newer = replace(_approved("DE"), number=2)
    with pytest.raises(ConfigurationError, match="DE has signed rollout 1 .*`fedsov rollout rollback 1` ends it"):
        states.superseded(_approved("DE"), "DE", newer)
    running = states.started(_approved("DE", "FR")).rollout
    left = states.superseded(running, "DE", newer)
    assert left.steps["DE"] == RegionStep(states.SUPERSEDED, "DE signed rollout 2 since")
    with pytest.raises(ConfigurationError, match="no region has people 2"):
        states.rolled_back(left, "x")
    alone = states.superseded(states.started(_approved("DE")).rollout, "DE", newer)
    assert alone.state == states.ENDED


def test_a_rollout_of_another_model_that_waits_for_its_signature_goes_on_waiting() -> None:
    waiting = _approved("FR", canary="FR", unsigned=("DE",))
    assert states.superseded(waiting, "DE", replace(waiting, number=2, model="others")) == waiting
    assert states.superseded(waiting, "DE", replace(waiting, number=2)).steps["DE"].state == states.SUPERSEDED


@given(st.data())
def test_no_region_is_ever_published_that_has_not_signed_nor_taken_back_that_has_it_not(data: st.DataObject) -> None:
    """Whatever happens in whatever order: a version serves only by a signature, and goes back only where it serves."""
    steps = {
        name: RegionStep(data.draw(st.sampled_from([states.UNSIGNED, states.SIGNED, states.REFUSED]))) for name in FIVE
    }
    rollout, published = Rollout(1, "people", 2, states.APPROVED, "DE", steps), set[str]()
    for _ in range(data.draw(st.integers(0, 25))):
        region, word = data.draw(st.sampled_from(FIVE)), data.draw(st.sampled_from(WORDS))
        acts = (
            lambda r=rollout: states.started(r),
            lambda r=rollout: states.started_everywhere(r),
            lambda r=rollout: RolloutChange(states.frozen(r, "why")),
            lambda r=rollout: states.rolled_back(r, "why"),
            lambda r=rollout, n=region: states.signed(r, n),
            lambda r=rollout, n=region, w=word: states.reported(r, n, w),
        )
        before = rollout
        try:
            change = data.draw(st.sampled_from(acts))()
        except ConfigurationError:
            continue
        rollout = change.rollout
        signable = {region} if rollout.steps[region].state == states.PUBLISHED else set()
        assert set(change.publish) <= set(before.at(states.SIGNED)) | (signable & set(before.at(states.UNSIGNED)))
        assert set(change.take_back) <= published
        assert not (change.publish and change.take_back)
        published = (published | set(change.publish)) - set(change.take_back)
        assert published == set(rollout.at(*states.SERVING))
        assert not published or rollout.state not in (states.STOPPED, states.ROLLED_BACK, states.ENDED)


def test_a_frozen_rollout_does_not_go_on_while_a_region_of_it_reports_a_fault() -> None:
    """Its next wave would get a version that is known to do badly, and nothing would stop it."""
    passed = states.reported(states.started(_approved("DE", "FR", "GB")).rollout, "DE", "ok").rollout
    frozen = states.reported(states.frozen(passed, "a look"), "DE", "errors").rollout
    with pytest.raises(ConfigurationError, match="cannot go on: DE reports errors"):
        states.started(states.reported(frozen, "FR", "ok").rollout)
    well = states.reported(states.reported(frozen, "FR", "ok").rollout, "DE", "ok").rollout
    assert states.started(well).publish == ("GB",)


def test_a_canary_that_left_before_it_passed_lets_no_wave_begin_by_itself() -> None:
    running = states.started(_approved("DE", unsigned=("FR",))).rollout
    other = Rollout(2, "people", 3, states.APPROVED, "DE", {"DE": RegionStep()})
    left = states.superseded(running, "DE", other)
    change = states.signed(left, "FR")
    assert change.publish == (), "nobody has seen this version do well"
    assert states.started(change.rollout).publish == ("FR",), "a person may"


def test_lists_that_are_shown_anew_are_not_signed_yet() -> None:
    assert states.shown(_approved("DE", "FR"), "DE").at(states.SIGNED) == ("FR",)
