"""The black-box attack of the Adversarial Robustness Toolbox."""

from __future__ import annotations

import numpy as np
import pytest

from fedsov.attacks import art_membership
from fedsov.attacks.membership import Target, membership, observe
from fedsov.attacks.shadow_models import AttackedTraining
from fedsov.attacks.verdict import figures
from fedsov.errors import ConfigurationError
from tests.attacks.world import OVERFIT, WIDE


def test_art_s_black_box_attack_tells_them_apart_too_the_same_each_time(rows: tuple) -> None:
    seen = observe(Target(*rows, AttackedTraining(WIDE, OVERFIT)), 8)
    found = membership(seen, ("art",))
    assert found["art"].auc_interval.low > 0.55 and membership(seen, ("art",)) == found


def test_a_model_that_gives_members_away_is_seen_through_and_one_that_does_not_is_not() -> None:
    rng = np.random.default_rng(0)
    members, y = np.stack([rng.random(200) < 0.5 for _ in range(5)]), (rng.random(200) < 0.5).astype(float)
    clear = np.where(members, 4.0, -1.0) + rng.normal(0, 0.3, members.shape)
    blank = rng.normal(0, 1.0, members.shape)
    assert figures(art_membership.membership(clear, members, y, seed=0), members[0]).auc > 0.99
    assert figures(art_membership.membership(clear, members, y, seed=2**63 - 1), members[0]).auc > 0.99
    assert figures(art_membership.membership(blank, members, y, seed=0), members[0]).auc_interval.low < 0.55


def test_probabilities_are_those_of_the_outcomes_zero_and_one() -> None:
    found = art_membership._probabilities(np.array([[0.0, 2.0, 800.0]]), np.array([1.0, 0.0, 1.0]))
    np.testing.assert_allclose(found.sum(axis=-1), 1.0)
    np.testing.assert_allclose(found[0, :, 1], [0.5, 1 / (1 + np.exp(2.0)), 1.0], atol=1e-12)


def test_without_the_toolbox_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(art_membership, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'fedsov\[attack\]', or leave it out with --attacks"):
        art_membership.membership(np.zeros((3, 4)), np.zeros((3, 4), bool), np.zeros(4), seed=0)
