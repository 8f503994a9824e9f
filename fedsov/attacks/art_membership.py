"""The black-box membership attack of the Adversarial Robustness Toolbox (extra `attack`); its only home.

Shokri et al. 2017 (https://arxiv.org/abs/1610.05820) as ART has it: a classifier learns from what shadow models say of
their own members and of other rows, and judges what the attacked model says.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from fedsov.errors import ConfigurationError

MOST_LEARNED = 20_000
"""Rows, over all shadow models, that the classifier learns from."""


def require() -> None:
    """Raises ConfigurationError, with the command that mends it, where ART is not installed."""
    if find_spec("art") is None:
        raise ConfigurationError(
            "the attack art needs the Adversarial Robustness Toolbox; run: pip install 'fedsov[attack]', "
            "or leave it out with --attacks lira,inversion,canary"
        )


def membership(scores: np.ndarray, members: np.ndarray, y: np.ndarray, *, seed: int) -> np.ndarray:
    """(N,) ART's probabilities that the target, row 0, was trained on each row.

    Args:
        scores: (K, N) logits of the true outcomes by the target and the shadow models.
        members: (K, N) bool, who was trained on what.
        y: (N,) of 0 and 1.

    Raises:
        ConfigurationError: ART is not installed.
    """
    require()
    from art.attacks.inference.membership_inference import MembershipInferenceBlackBox
    from art.estimators.classification import BlackBoxClassifierNeuralNetwork

    probabilities, outcomes = _probabilities(scores, y), np.eye(2)[y.astype(int)]
    of_target = probabilities[0]
    estimator = BlackBoxClassifierNeuralNetwork(lambda _: of_target, input_shape=(1,), nb_classes=2, clip_values=None)
    attack = MembershipInferenceBlackBox(estimator, attack_model_type="gb")
    attack.attack_model.set_params(random_state=seed % 2**32, n_estimators=50)  # ART seeds none of its classifiers
    shadow, row = np.divmod(_some((len(scores) - 1) * len(y), seed), len(y))
    inside = members[1:][shadow, row]
    of_members, of_others = (
        (probabilities[1:][shadow[part], row[part]], outcomes[row[part]]) for part in (inside, ~inside)
    )
    attack.fit(pred=of_members[0], y=of_members[1], test_pred=of_others[0], test_y=of_others[1])
    inferred = attack.infer(None, outcomes, pred=of_target, probabilities=True)
    return np.asarray(inferred, np.float64).reshape(len(y), -1)[:, -1]


def _probabilities(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(K, N, 2) probabilities of the outcomes 0 and 1."""
    logits = np.where(y > 0.5, scores, -scores)
    positive = 1.0 / (1.0 + np.exp(-np.clip(logits, -35.0, 35.0)))
    return np.stack([1.0 - positive, positive], axis=-1)


def _some(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 4]).permutation(count)[:MOST_LEARNED]
