"""Hotel bookings of the 15 largest countries, trained by federation with and without record-level privacy.

Each country bounds its records' gradients and adds its own noise, calibrated to the epsilon asked at delta = 1 / n²
over all its steps of all rounds; nothing else leaves it: the inputs are scaled by bounds that are written here and not
looked up in rows, and nothing is measured in a round. The run beside it is the same without bound and noise. Rows are
divided 70 to 30 by the seed; test rows are scored once, by both. With --rehearse they are left out: settings were
chosen so.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from benchmark_quality import divided, hotel
from benchmark_regions import Table, folder

import fedsov
from fedsov.model.metrics import auc
from fedsov.privacy.accounting import calibrated, epsilon
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.simulation.federate import FederateOptions

BOUNDS: Mapping[str, tuple[float, float]] = {
    "lead_time": (0, 365),
    "arrival_date_year": (2015, 2017),
    "arrival_date_week_number": (1, 53),
    "arrival_date_day_of_month": (1, 31),
    "stays_in_weekend_nights": (0, 4),
    "stays_in_week_nights": (0, 10),
    "adults": (0, 4),
    "children": (0, 3),
    "babies": (0, 2),
    "is_repeated_guest": (0, 1),
    "previous_cancellations": (0, 1),
    "previous_bookings_not_canceled": (0, 3),
    "booking_changes": (0, 3),
    "days_in_waiting_list": (0, 100),
    "adr": (0, 250),
    "required_car_parking_spaces": (0, 1),
    "total_of_special_requests": (0, 3),
}
"""What such a booking can be, by the trade: values beyond are cut."""
LEVELS: Mapping[str, tuple[str, ...]] = {
    "hotel": ("City Hotel", "Resort Hotel"),
    "meal": ("BB", "FB", "HB", "SC", "Undefined"),
    "market_segment": (
        "Aviation", "Complementary", "Corporate", "Direct", "Groups", "Offline TA/TO", "Online TA", "Undefined",
    ),
    "distribution_channel": ("Corporate", "Direct", "GDS", "TA/TO", "Undefined"),
    "reserved_room_type": tuple("ABCDEFGHLP"),
    "assigned_room_type": tuple("ABCDEFGHIKLP"),
    "deposit_type": ("No Deposit", "Non Refund", "Refundable"),
    "customer_type": ("Contract", "Group", "Transient", "Transient-Party"),
}  # fmt: skip
ROUNDS, BATCH, CLIP = 20, 512, 4.0
MOST_OFTEN = 0.2
"""No record is drawn more often than in this share of steps, however few its country has."""
STEPS = fedsov.LocalSteps(learning_rate=2.0, momentum=0.5, batch=BATCH, epochs=1, weight_decay=0.0)
ASKED = 0.03


def inputs(table: Table) -> np.ndarray:
    """(N, D) inputs: bounded numbers in [-1, 1], and a 1 for each known level; nothing of them is learned from rows."""
    parts = []
    for name, (low, high) in BOUNDS.items():
        values = np.nan_to_num(table.columns[name], nan=low)
        parts.append(np.clip((values - low) / (high - low), 0.0, 1.0)[:, None] * 2.0 - 1.0)
    for name, levels in LEVELS.items():
        parts.append(np.array([table.columns[name] == level for level in levels], dtype=float).T)
    return np.concatenate(parts, axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Private:
    """A country's noise of one round, and what all rounds cost."""

    mechanism: RecordMechanism
    epsilon: float
    delta: float


def private(rows: int, wanted: float) -> Private:
    """The noise for a country with these many training rows."""
    rate, delta = min(MOST_OFTEN, BATCH / rows), 1.0 / rows**2
    each = math.ceil(1.0 / rate)
    whole = calibrated([], wanted, delta, sampling_rate=rate, steps=each * ROUNDS, clip=CLIP)
    return Private(whole.for_steps(each), epsilon([whole.event], delta), delta)


def compare(
    table: Table, seed: int, wanted: float, *, rehearse: bool = False, draws: int = 1
) -> tuple[dict[str, dict[str, float]], list[float]]:
    """By country: rows, noise, epsilon, and the AUC on test rows without noise and, mean over draws, with it.

    And the mean over countries of each draw.
    """
    fit, choose, test = divided(table, seed, rehearse=rehearse)
    X, train = inputs(table), fit | choose
    regions = {name: (X[table.mask(name, train)], table.y[table.mask(name, train)]) for name in table.regions}
    noise = {name: private(len(y), wanted) for name, (_, y) in regions.items()}
    quiet = FederateOptions(measures=False)
    plain = fedsov.federate("logistic", regions, rounds=ROUNDS, steps=STEPS, seed=seed, options=quiet)
    mechanisms = {name: one.mechanism for name, one in noise.items()}
    noisy = replace(quiet, noise=mechanisms)
    hidden = [
        fedsov.federate("logistic", regions, rounds=ROUNDS, steps=STEPS, seed=seed, options=noisy) for _ in range(draws)
    ]

    def scored(fitted: fedsov.Fitted, name: str) -> float:
        rows = table.mask(name, test)
        found = auc(table.y[rows], fitted.logits(X[rows]))
        return float("nan") if found is None else found

    each = {name: [scored(fitted, name) for fitted in hidden] for name in table.regions}
    found = {
        name: {
            "rows": float(len(regions[name][1])),
            "noise": noise[name].mechanism.noise_multiplier,
            "epsilon": noise[name].epsilon,
            "plain": scored(plain, name),
            "private": statistics.mean(each[name]),
        }
        for name in table.regions
    }
    return found, [statistics.mean(draw) for draw in zip(*each.values(), strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="the folder with hotel_bookings/")
    parser.add_argument("--epsilon", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=10, help="of noise, which no seed repeats")
    parser.add_argument("--rehearse", action="store_true", help="leave the test rows out; settings were chosen so")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    table = hotel(folder(chosen.data))
    found, draws = compare(table, chosen.seed, chosen.epsilon, rehearse=chosen.rehearse, draws=chosen.draws)
    macro = {key: statistics.mean(one[key] for one in found.values()) for key in ("plain", "private")}
    if chosen.json:
        print(json.dumps({"countries": found, "macro": macro, "draws": draws, "asked": ASKED}, indent=1))
        return
    print(f"hotel bookings, epsilon {chosen.epsilon:g} a record, delta 1/n^2, {ROUNDS} rounds, logistic regression")
    print(f"{'':6}{'rows':>8}{'noise':>8}{'epsilon':>9}{'plain':>8}{'private':>9}{'loss':>8}")
    for name, one in found.items():
        line = f"{name:6}{one['rows']:>8,.0f}{one['noise']:>8.2f}{one['epsilon']:>9.3f}{one['plain']:>8.3f}"
        print(f"{line}{one['private']:>9.3f}{one['plain'] - one['private']:>8.3f}")
    loss = macro["plain"] - macro["private"]
    print(f"{'macro':6}{'':>25}{macro['plain']:>8.3f}{macro['private']:>9.3f}{loss:>8.3f}   asked: at most {ASKED}")
    print(f"private macro of {len(draws)} draws of noise: from {min(draws):.3f} to {max(draws):.3f}")


if __name__ == "__main__":
    main()
