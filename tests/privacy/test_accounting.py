"""The accountant against published values, a closed form, and two other accountants."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from fedsov.errors import BudgetExceeded, ConfigurationError
from fedsov.privacy.accounting import calibrated, epsilon, guarantee, least
from fedsov.privacy.events import Event


def sampled(noise: float, rate: float, steps: int) -> Event:
    return Event("sampled_gaussian", noise_multiplier=noise, sampling_rate=rate, steps=steps, sampler="poisson")


RUNS = [sampled(1.1, 256 / 30000, 1200), sampled(0.8, 128 / 30000, 2000), sampled(2.0, 512 / 30000, 600)]
"""Three trainings whose epsilons were computed before, by dp-accounting and Opacus (LIBRARIES.md)."""


def opacus(kind: str, events: list[Event], delta: float) -> float:
    from opacus.accountants import create_accountant

    accountant: Any = create_accountant(kind)
    accountant.history = [(one.noise_multiplier, one.sampling_rate, one.steps) for one in events]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(accountant.get_epsilon(delta))


@pytest.mark.parametrize(
    ("event", "published"),
    [
        (sampled(4.0, 0.01, 10_000), 1.26),  # Abadi et al. 2016, section 3.2
        (sampled(1.3, 250 / 60_000, 3600), 1.18),  # TensorFlow Privacy's MNIST tutorial: 15 epochs, batch 250
    ],
)
def test_the_classic_examples_are_below_the_moments_accountant_s_values(event: Event, published: float) -> None:
    """Published at delta 1e-5 by moments and the conversion of Abadi's theorem 2, made here from Opacus' moments."""
    from opacus.accountants.analysis.rdp import compute_rdp

    orders = [*(1 + tenth / 10 for tenth in range(1, 100)), *range(12, 64)]
    numbers = {"q": event.sampling_rate, "noise_multiplier": event.noise_multiplier, "steps": event.steps}
    moments = compute_rdp(**numbers, orders=orders)
    theirs = min(moment + math.log(1e5) / (order - 1) for moment, order in zip(moments, orders, strict=True))
    assert theirs == pytest.approx(published, abs=0.01)
    assert 0.7 * published < epsilon([event], 1e-5) < 0.8 * published


@pytest.mark.parametrize(
    ("event", "delta"),
    [
        (sampled(4.0, 0.01, 10_000), 1e-5),
        (sampled(1.1, 256 / 30000, 1200), 1e-6),
        (sampled(1.5, 256 / 3000, 400), 1e-5),
        (sampled(6.0, 0.5, 100), 1e-6),
    ],
)
def test_it_agrees_with_opacus_prv_and_is_below_opacus_rdp(event: Event, delta: float) -> None:
    found = epsilon([event], delta)
    assert found == pytest.approx(opacus("prv", [event], delta), rel=0.02)
    assert found < opacus("rdp", [event], delta)


@pytest.mark.parametrize("noise", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("delta", [1e-5, 1e-9])
def test_a_gaussian_equals_the_closed_form(noise: float, delta: float) -> None:
    """Balle & Wang 2018, theorem 8: delta = Phi(1/2s - es) - exp(e) Phi(-1/2s - es)."""

    def excess(e: float) -> float:
        return float(norm.cdf(0.5 / noise - e * noise) - math.exp(e) * norm.cdf(-0.5 / noise - e * noise) - delta)

    exact = brentq(excess, 0.0, 60.0, xtol=1e-9)
    found = epsilon([Event("gaussian", noise)], delta)
    assert exact <= found < exact * 1.001 + 1e-4


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_a_laplace_release_is_below_its_pure_epsilon(noise: float) -> None:
    found = epsilon([Event("laplace", noise)], 1e-9)
    assert found == pytest.approx(1.0 / noise, rel=1e-3) and found <= 1.0 / noise + 1e-3


def test_a_stated_event_costs_what_it_states_and_its_delta_is_taken_from_the_whole() -> None:
    assert epsilon([Event("stated", epsilon=0.5)], 1e-9) == pytest.approx(0.5, abs=2e-3)
    gaussian = Event("gaussian", 3.0)
    assert epsilon([gaussian, Event("stated", delta=5e-6)], 1e-5) > epsilon([gaussian], 1e-5)
    assert epsilon([gaussian, Event("stated", delta=2e-5)], 1e-5) == math.inf


def test_gaussian_steps_compose_as_one_with_less_noise() -> None:
    assert epsilon([Event("gaussian", 8.0, steps=16)], 1e-6) == epsilon([Event("gaussian", 2.0)], 1e-6)
    full = sampled(8.0, 1.0, 16)
    assert epsilon([full], 1e-6) == pytest.approx(epsilon([Event("gaussian", 2.0)], 1e-6), rel=1e-3)


def test_three_runs_together_cost_far_less_than_the_sum() -> None:
    alone = [epsilon([run], 1e-5) for run in RUNS]
    together = epsilon(RUNS, 1e-5)
    assert together == pytest.approx(2.406, abs=0.01) and sum(alone) == pytest.approx(4.02, abs=0.02)
    assert max(alone) < together < 0.65 * sum(alone)
    assert together == pytest.approx(opacus("prv", RUNS, 1e-5), rel=0.02) and together < opacus("rdp", RUNS, 1e-5)


def test_the_order_and_the_division_of_events_have_no_say() -> None:
    whole = epsilon([sampled(1.1, 0.01, 100), Event("gaussian", 9.0)], 1e-6)
    parts = [sampled(1.1, 0.01, 30), Event("gaussian", 9.0), sampled(1.1, 0.01, 70)]
    assert epsilon(parts, 1e-6) == pytest.approx(whole, rel=1e-9)
    assert epsilon(reversed(parts), 1e-6) == pytest.approx(whole, rel=1e-6)


def test_nothing_costs_nothing_and_a_guarantee_keeps_what_it_was_accounted_from() -> None:
    assert epsilon([], 1e-9) == 0.0
    found = guarantee(RUNS[:1], 1e-5)
    assert (found.unit, found.neighbours, found.events) == ("record", "add_or_remove_one", tuple(RUNS[:1]))
    assert found.to_json()["events"] == [RUNS[0].to_json()]


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, math.nan, True])
def test_an_impossible_delta_is_refused(delta: float) -> None:
    with pytest.raises(ConfigurationError, match="0 < delta < 1"):
        epsilon(RUNS, delta)


SPENT: dict[str, list[Event]] = {
    "nothing": [],
    "statistics": [Event("gaussian", 8.0), Event("stated", epsilon=0.05)],
    "two runs": [sampled(3.0, 0.06, 200), sampled(6.0, 0.02, 800), Event("laplace", 10.0)],
}


@pytest.mark.parametrize("spent", SPENT.values(), ids=SPENT)
@pytest.mark.parametrize(
    ("bound", "delta", "rate", "steps"),
    [(3.0, 1e-7, 0.085, 400), (4.0, 1e-9, 256 / 30_000, 1200), (8.0, 1e-6, 1.0, 50), (2.5, 1e-6, 0.01, 2000)],
)
def test_calibrated_noise_uses_what_is_left_and_never_more(
    spent: list[Event], bound: float, delta: float, rate: float, steps: int
) -> None:
    mechanism = calibrated(spent, bound, delta, sampling_rate=rate, steps=steps, clip=0.7)
    total = epsilon([*spent, mechanism.event], delta)
    assert 0.99 * bound < total <= bound
    assert (mechanism.clip, mechanism.sampling_rate, mechanism.steps) == (0.7, rate, steps)


def test_calibrating_over_the_composition_needs_less_noise_than_a_difference_of_epsilons() -> None:
    spent, rate, steps = SPENT["two runs"], 0.02, 500
    ours = calibrated(spent, 3.0, 1e-7, sampling_rate=rate, steps=steps, clip=1.0)
    naive = calibrated([], 3.0 - epsilon(spent, 1e-7), 1e-7, sampling_rate=rate, steps=steps, clip=1.0)
    assert ours.noise_multiplier < 0.9 * naive.noise_multiplier


def test_where_all_is_spent_no_noise_is_found_and_it_is_said_soon() -> None:
    started = time.monotonic()
    with pytest.raises(BudgetExceeded, match="no amount of noise"):
        calibrated([Event("gaussian", 1.0)], 3.0, 1e-6, sampling_rate=0.1, steps=100, clip=1.0)
    assert time.monotonic() - started < 10.0


@pytest.mark.parametrize("bound", [0.0, -1.0, math.inf, math.nan, True])
def test_an_impossible_epsilon_is_refused(bound: float) -> None:
    with pytest.raises(ConfigurationError, match="epsilon above 0"):
        calibrated([], bound, 1e-6, sampling_rate=0.1, steps=100, clip=1.0)


def test_where_hardly_any_noise_is_needed_the_search_ends_at_its_least() -> None:
    assert least(lambda by: [Event("gaussian", 1e4 * by)], 3.0, 1e-6) < 0.11


def test_it_is_dp_accounting_s_accountant_in_all_but_the_grid() -> None:
    import dp_accounting
    from dp_accounting import pld

    theirs = pld.PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    for run in RUNS:
        step = dp_accounting.PoissonSampledDpEvent(
            run.sampling_rate, dp_accounting.GaussianDpEvent(run.noise_multiplier)
        )
        theirs.compose(step, run.steps)
    exact = theirs.get_epsilon(1e-5)
    assert exact - 1e-6 <= epsilon(RUNS, 1e-5) < exact * 1.003
