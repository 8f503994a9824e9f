"""What it costs small regions that a region looks only at inputs enough of its people differ in.

Hotel bookings of the 15 largest countries, so many rows of each: the AUC of the global model on all other rows, where
statistics and training are bare, and under the rules for people's rows (`fedsov.model.disclosure`,
`fedsov.model.held_inputs`); and how many of the inputs a region held on average.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass

import numpy as np
from benchmark_quality import hotel
from benchmark_regions import Table, folder

import fedsov
from fedsov.model.column_statistics import Statistics
from fedsov.model.disclosure import Disclosure
from fedsov.model.features import Features
from fedsov.model.held_inputs import held
from fedsov.model.metrics import auc
from fedsov.simulation.federate import FederateOptions

SIZES = (40, 80, 120, 200, 1000)
RULES = Disclosure(10, dominance=0.5, robust=True)


@dataclass(frozen=True, slots=True)
class Found:
    """AUC of a global model on rows of no region's training, and the share of inputs that regions held."""

    auc: float
    held: float


def trained(table: Table, chosen: dict[str, np.ndarray], seed: int, *, rules: bool) -> Found:
    """A global model over the chosen rows of each region."""
    parts = {name: {column: values[rows] for column, values in table.columns.items()} for name, rows in chosen.items()}
    described = {
        name: Statistics.from_records(part, table.kinds, disclosure=RULES if rules else None)
        for name, part in parts.items()
    }
    features = Features.fit(Statistics.pooled(described.values()))
    looked = {
        name: held(features, part, None, least=10, own=described[name]) if rules else features
        for name, part in parts.items()
    }
    regions = {name: (looked[name].encode(part), table.y[chosen[name]]) for name, part in parts.items()}
    fitted = fedsov.federate("mlp", regions, rounds=15, seed=seed, options=FederateOptions(measures=False, processes=1))
    others = np.setdiff1d(np.arange(len(table.y)), np.concatenate(list(chosen.values())))
    X = features.encode({name: values[others] for name, values in table.columns.items()})
    share = np.mean([len(one.held.inputs) / features.inputs for one in looked.values()])
    return Found(auc(table.y[others], fitted.logits(X)) or 0.5, float(share))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="the folder with hotel_bookings/")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    table = hotel(folder(given.data))
    print("rows of a region    bare AUC    under the rules    difference (standard error)    inputs held")
    for size in SIZES:
        pairs = []
        for seed in range(given.seeds):
            rng = np.random.default_rng(seed)
            rows = {name: np.flatnonzero(table.region == name) for name in table.regions}
            chosen = {name: rng.choice(mine, size, replace=False) for name, mine in rows.items()}
            pairs.append([trained(table, chosen, seed, rules=rules) for rules in (False, True)])
        bare, ruled = (np.array([pair[which].auc for pair in pairs]) for which in (0, 1))
        error = (ruled - bare).std(ddof=1) / np.sqrt(len(pairs))
        share = np.mean([pair[1].held for pair in pairs])
        print(
            f"{size:>16}    {bare.mean():.4f}      {ruled.mean():.4f}             {(ruled - bare).mean():+.4f}"
            f" ({error:.4f})              {share:.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
