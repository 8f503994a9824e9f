"""What each region of the demo gained over training alone, as mean and standard deviation over seeds.

A seed draws the division into training, validation and test rows, the consenting tenth, the first parameters and the
synthetic rows; the 5,594 people are the same, so the seeds are not independent samples of people.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile

import fedsov


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = range(parser.parse_args().seeds)
    gains: dict[str, list[float]] = {}
    kept: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            print(f"seed {seed}", file=sys.stderr)
            result = fedsov.train([f"workspace={folder}/w", f"seed={seed}"], progress=lambda line: None)
            for one in result.regions:
                if one.score is not None and one.local_score is not None and one.gain is not None:
                    gains.setdefault(one.region, []).append(one.gain)
                    kept.setdefault(one.region, []).append((one.score, one.local_score))
    print(f"{len(seeds)} seeds       AUC   local   gain (mean, standard deviation over seeds)")
    for region, values in gains.items():
        auc, local = (statistics.mean(pair[place] for pair in kept[region]) for place in (0, 1))
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"  {region:8} {auc:8.3f} {local:7.3f}   {statistics.mean(values):+.3f}  {spread:.3f}")


if __name__ == "__main__":
    main()
