"""A lower bound of epsilon from an experiment, to hold beside the epsilon that is claimed.

A canary is put into a training run, or not, by the toss of a coin, and its score under the trained model tells whether
it was there. If training is (epsilon, delta)-private, any such test has TPR <= e^epsilon FPR + delta, and the same of
its complements. So whoever sees a better test than that has shown a greater epsilon: with TPR no less than TPR_low and
FPR no more than FPR_high, each but for a chance of (1 - confidence) / 2,

    epsilon >= log((TPR_low - delta) / FPR_high)

(Jagielski, Ullman and Oprea 2020, https://arxiv.org/abs/2006.07709; Nasr et al. 2021, https://arxiv.org/abs/2101.04535).
The bound is valid only for independent trials: one canary a run, and a threshold that was chosen on other runs than
those that are counted. It says nothing from above: a small bound is what weak canaries give, too.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fedsov.attacks.verdict import CONFIDENCE, clopper_pearson


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit showed.

    Attributes:
        epsilon: the lower bound, 0 where nothing is shown.
        delta, confidence: what it holds at; the confidence is one-sided.
        threshold, above: a score is taken for a member's where it is above the threshold (or below, if not `above`).
        hits, inside: runs with the canary that the test recognised, and runs with it, of those counted.
        wrong, outside: runs without it that were taken for runs with it, and runs without it.
    """

    epsilon: float
    delta: float
    confidence: float
    threshold: float
    above: bool
    hits: int
    inside: int
    wrong: int
    outside: int

    @property
    def most(self) -> float:
        """The greatest bound that as many runs could have shown, had the test been perfect."""
        return lower_bound(self.inside, self.inside, 0, self.outside, delta=self.delta, confidence=self.confidence)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "most": self.most}


def lower_bound(
    hits: int, inside: int, wrong: int, outside: int, *, delta: float, confidence: float = CONFIDENCE
) -> float:
    """The epsilon that is shown at this one-sided confidence; 0 where none is.

    Args:
        hits, inside: independent runs with the canary: recognised, and all.
        wrong, outside: independent runs without it: taken for the former, and all.
    """
    low = clopper_pearson(hits, inside, confidence).low - delta  # each end fails with a chance of (1 - confidence) / 2
    high = clopper_pearson(wrong, outside, confidence).high
    return max(0.0, math.log(low / high)) if low > 0.0 else 0.0


def audited(
    inside: np.ndarray,
    outside: np.ndarray,
    *,
    delta: float,
    rng: np.random.Generator,
    confidence: float = CONFIDENCE,
) -> Audit:
    """The bound from (R,) and (S,) scores of independent runs with and without the canary.

    A random half of the runs chooses threshold and direction, those that would show most; the other half is counted.

    Raises:
        ValueError: fewer than 4 runs of a kind, or a score that is not finite.
    """
    if min(len(inside), len(outside)) < 4 or not np.isfinite(np.concatenate([inside, outside])).all():
        raise ValueError(f"expected finite scores of 4 runs or more of each kind, got {len(inside)}, {len(outside)}")
    (tried_in, counted_in), (tried_out, counted_out) = (_halves(scores, rng) for scores in (inside, outside))
    threshold, above = _promising(tried_in, tried_out, delta=delta, confidence=confidence)
    hits, wrong = _beyond(counted_in, threshold, above), _beyond(counted_out, threshold, above)
    shown = lower_bound(hits, len(counted_in), wrong, len(counted_out), delta=delta, confidence=confidence)
    return Audit(shown, delta, confidence, threshold, above, hits, len(counted_in), wrong, len(counted_out))


def _halves(scores: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    mixed = rng.permutation(np.asarray(scores, np.float64))
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]


def _beyond(scores: np.ndarray, threshold: float, above: bool) -> int:
    return int((scores > threshold).sum() if above else (scores < threshold).sum())


def _promising(inside: np.ndarray, outside: np.ndarray, *, delta: float, confidence: float) -> tuple[float, bool]:
    """The threshold and direction that would show most on these scores; midway between two scores."""
    ordered = np.unique(np.concatenate([inside, outside]))
    thresholds = (ordered[1:] + ordered[:-1]) / 2.0 if len(ordered) > 1 else ordered

    def shown(threshold: float, above: bool) -> float:
        hits, wrong = _beyond(inside, threshold, above), _beyond(outside, threshold, above)
        return lower_bound(hits, len(inside), wrong, len(outside), delta=delta, confidence=confidence)

    candidates = [(float(threshold), above) for threshold in thresholds for above in (True, False)]
    return max(candidates, key=lambda candidate: shown(*candidate))
