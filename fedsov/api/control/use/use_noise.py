"""Noise in a report of use, paid for from a budget of its own before a number is drawn.

People who ask an endpoint need not be those whose rows a region stores, so these reports have a budget apart from that
of trainings: ``regions/NAME/privacy-use.jsonl``, by the same rules (`fedsov.privacy.budget`), whose head the region's
ledger notes.
"""

from __future__ import annotations

from fractions import Fraction

from fedsov.errors import ConfigurationError
from fedsov.privacy.budget import Budget, BudgetHead
from fedsov.privacy.discrete_laplace import discrete_laplace
from fedsov.privacy.events import Event
from fedsov.protocol.use_report import UseNoise
from fedsov.region.admission import Place
from fedsov.region.settings import RegionSettings

FILE, NOTE = "privacy-use.jsonl", "use_privacy"
DELTA = 1e-6
"""Of one report: the chance that noise lets a group of too few people pass the threshold."""
LIFETIME_DELTA = 1e-3
CELLS = 2
"""Groups (a version and an outcome) that one person counts in: mostly one version answers them."""


def reserved_noise(place: Place, own: RegionSettings, begins: int) -> UseNoise:
    """The noise of a window's report, once it is on the budget's disk and in the ledger.

    Raises BudgetExceeded, BudgetBroken, LedgerBroken; ConfigurationError where the settings ask for no noise.
    """
    metrics = own.metrics
    if metrics.epsilon is None or metrics.lifetime_epsilon is None:
        raise ConfigurationError("metrics.epsilon is not set")
    notes = place.ledger.notes(NOTE)
    head = BudgetHead(**notes[-1].body["note"][NOTE]) if notes else None
    lifetime = (metrics.lifetime_epsilon, LIFETIME_DELTA)
    budget = Budget.open(place.folder / FILE, lifetime=lifetime, last_known_head=head)
    event = Event("stated", epsilon=metrics.epsilon, delta=DELTA)
    _, after = budget.reserve(f"use {begins}", "a report of use", [event], dataset="", rows=0)
    place.ledger.note({NOTE: after._asdict()})
    return UseNoise(metrics.epsilon, DELTA, CELLS)


def draw_noise(scale: float) -> int:
    """A number of discrete Laplace noise, of a scale that is no smaller than this one."""
    return discrete_laplace(Fraction(scale).limit_denominator(10**6) + Fraction(1, 10**6))
