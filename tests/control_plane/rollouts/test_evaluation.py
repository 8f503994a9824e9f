"""An evaluation in sentences: a region's score beside that of its model alone, and the gain with its standard error."""

from __future__ import annotations

import pytest

from fedsov.control_plane.rollouts.evaluation import SHOWN, evaluation_sentences

GERMANY = {"DE_auc": 0.8173, "DE_local_auc": 0.82, "DE_gain": -0.0027, "DE_gain_se": 0.0146, "DE_model_loss": 0.55}


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        (GERMANY, ("DE auc 0.817 (local 0.820), gain -0.003 ± 0.015",)),
        ({"IN_gain": 0.0, "aggregate_auc": 0.8}, ("IN gain +0.000",)),
        ({"test_auc": 0.811, "test_loss": 0.5}, ("test auc 0.811", "test loss 0.5")),
        ({}, ("its run noted none",)),
    ],
)
def test_each_region_has_a_sentence_and_figures_of_no_region_stand_alone(
    evaluation: dict[str, float], said: tuple[str, ...]
) -> None:
    assert evaluation_sentences(evaluation) == said


def test_of_many_regions_the_first_are_shown_and_the_others_counted() -> None:
    many = {f"R{number:02}_gain": 0.1 for number in range(SHOWN + 3)}
    assert evaluation_sentences(many)[-1] == "3 more (--json)" and len(evaluation_sentences(many)) == SHOWN + 1
