"""Attacks on a training, run on rows at home: who was in it, and how much privacy it shows to lack.

*Membership.* One model, the target, is trained on a random half of the rows, and shadow models on other halves.
Every row is then scored by four attacks: the target's loss alone (Yeom et al. 2018), LiRA online and offline
(`fedsov.attacks.lira`), and ART's black-box attack, whose classifier learns from the shadow models how members look.

*Canary audit.* In each of many independent runs, one canary (an extreme row with the outcome that its neighbours do not
have) is put among the rows by the toss of a coin; see `fedsov.attacks.canary_audit`.

The attacker sees the trained model alone, knows the recipe and the first parameters, and has rows like those trained
on. An attacker who also sees each step, as a hub does, can do better; so can another attack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from fedsov.attacks import lira
from fedsov.attacks.canary_audit import Audit, audited
from fedsov.attacks.shadow_models import AttackedTraining, halves, logits_of, train_many
from fedsov.attacks.verdict import Figures, figures
from fedsov.errors import ConfigurationError, InputError

FEWEST_ROWS = 40
CANARY_ROWS = 20
"""Rows beside the canary. A guarantee holds for every set of rows, so the audit takes one in which little hides the
canary; clip, noise, sampling rate, steps and divisor stay those of the training."""
EXTREME = 6.0
"""Of each of the canary's inputs, in standard deviations: where `fedsov.model.features` clips."""


@dataclass(frozen=True, slots=True)
class Target:
    """Rows, the training that is attacked, and the seed of everything but its noise.

    Attributes:
        X, y: (N, D) standardised inputs and (N,) outcomes of 0 and 1.
    """

    X: np.ndarray
    y: np.ndarray
    training: AttackedTraining
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.y) < FEWEST_ROWS or self.X.shape[0] != len(self.y):
            raise InputError(f"an attack needs {FEWEST_ROWS} rows or more, got {len(self.y)}")
        if len(np.unique(self.y)) < 2:
            raise InputError("an attack needs rows of both outcomes; these have one")


@dataclass(frozen=True, slots=True)
class Observed:
    """What membership attacks look at; row 0 is the target's.

    Attributes:
        scores: (K, N) scores of the true outcomes, see `fedsov.attacks.lira.right_logits`.
        members: (K, N) bool, which model was trained on which row.
        y: (N,) outcomes.
    """

    scores: np.ndarray
    members: np.ndarray
    y: np.ndarray
    seed: int


def observe(target: Target, shadows: int) -> Observed:
    """Trains the target and the shadow models, and scores every row under each.

    Raises:
        ConfigurationError: fewer shadow models than 4, or an odd number.
    """
    if shadows < 4 or shadows % 2:
        raise ConfigurationError(f"expected an even number of 4 shadow models or more, got {shadows}")
    rng, n = np.random.default_rng([target.seed, 1]), len(target.y)
    members = np.concatenate([halves(n, 1, rng), halves(n, shadows, rng)])
    places = [np.flatnonzero(row) for row in members]
    trained = train_many(target.X, target.y, places, target.training, expected_rows=n // 2, seed=target.seed)
    logits = logits_of(trained, target.X, target.training.network)
    return Observed(lira.right_logits(logits, target.y), members, target.y, target.seed)


def _loss(seen: Observed) -> np.ndarray:
    scores: np.ndarray = seen.scores[0]
    return scores


def _online(seen: Observed) -> np.ndarray:
    return lira.online(seen.scores[0], seen.scores[1:], seen.members[1:])


def _offline(seen: Observed) -> np.ndarray:
    return lira.offline(seen.scores[0], seen.scores[1:], seen.members[1:])


def _art(seen: Observed) -> np.ndarray:
    from fedsov.attacks.art_membership import membership

    return membership(seen.scores, seen.members, seen.y, seed=seen.seed)


MEMBERSHIP: Mapping[str, Callable[[Observed], np.ndarray]] = {
    "loss": _loss,
    "lira_online": _online,
    "lira_offline": _offline,
    "art": _art,
}
"""Each membership attack: what was observed, to (N,) scores, higher for members."""


def membership(seen: Observed, attacks: tuple[str, ...] = tuple(MEMBERSHIP)) -> dict[str, Figures]:
    """The figures of each attack on the target."""
    return {name: figures(MEMBERSHIP[name](seen), seen.members[0]) for name in attacks}


def canary_scores(target: Target, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the canary under independent runs with it, and without it."""
    rng = np.random.default_rng([target.seed, 2])
    rows = rng.permutation(len(target.y))[:CANARY_ROWS]
    canary = EXTREME * rng.choice([-1.0, 1.0], target.X.shape[1])
    beside = rows[np.argsort(-(target.X[rows] @ canary), kind="stable")[: max(5, len(rows) // 10)]]
    outcome = float(target.y[beside].mean() < 0.5)  # what most rows in its direction do not have
    X = np.concatenate([target.X[rows], canary[None]]).astype(np.float32)
    y = np.concatenate([target.y[rows], [outcome]])
    present = rng.random(runs) < 0.5
    members = [np.arange(len(rows) + there) for there in present.astype(int)]
    trained = train_many(X, y, members, target.training, expected_rows=len(target.y) // 2, seed=target.seed)
    scores = lira.right_logits(logits_of(trained, X[-1:], target.training.network), y[-1:])[:, 0]
    return scores[present], scores[~present]


def canary_audit(target: Target, runs: int, *, delta: float) -> tuple[Audit, float | None]:
    """What the audit shows, and jax_privacy's bound from the same scores; None where that is not installed.

    Raises:
        ConfigurationError: fewer runs than 32.
    """
    if runs < 32:
        raise ConfigurationError(f"an audit needs 32 runs or more, got {runs}")
    inside, outside = canary_scores(target, runs)
    shown = audited(inside, outside, delta=delta, rng=np.random.default_rng([target.seed, 3]))
    return shown, _by_jax_privacy(inside, outside, delta=delta, confidence=shown.confidence, seed=target.seed)


def _by_jax_privacy(
    inside: np.ndarray, outside: np.ndarray, *, delta: float, confidence: float, seed: int
) -> float | None:
    """The same bound by another hand, with a split of its own.

    Not its default, which divides the significance by the thresholds on the scores' own frontier: chosen from the
    scores that are then counted, they are too few.
    """
    if find_spec("jax_privacy") is None:
        return None
    from jax_privacy.auditing import CanaryScoreAuditor, Split

    auditor = CanaryScoreAuditor(inside, outside)
    return float(auditor.epsilon_clopper_pearson(1.0 - confidence, delta, threshold_strategy=Split(seed=seed)))
