"""The hub's last step: the sum of the survivors, or a refusal that names whose secret is false."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedsov.errors import TrainingFailed
from fedsov.privacy.secure_aggregation.protocol import RevealedShares
from fedsov.privacy.secure_aggregation.unmasking import opened_sum
from tests.privacy.secure_aggregation.sums import (
    NAMES,
    Overheard,
    summed,
    terms_of,
)

WORDS = 6
PLAIN = {name: np.arange(at, at + WORDS, dtype=np.uint64) ** 3 + np.uint64(1) for at, name in enumerate(NAMES)}


def test_a_false_share_is_found_and_whose_secret_it_was_is_told() -> None:
    heard = summed(terms_of(4, WORDS), PLAIN, silent={"IN": "mask"})
    said = heard.opened["DE"]
    other = said.seeds["DE"]
    for wrong, says in (
        (RevealedShares({**said.seeds, "GB": other}, said.keys), "seed that was opened for GB|shares of GB"),
        (RevealedShares(said.seeds, {"IN": other}), "masking key that was opened for IN|shares of IN"),
    ):
        with pytest.raises(TrainingFailed, match=says):
            replace_opened(heard, "DE", wrong).result()


def replace_opened(heard: Overheard, name: str, said: RevealedShares) -> Overheard:
    return replace(heard, opened={**heard.opened, name: said})


def test_too_few_answers_open_nothing() -> None:
    heard = summed(terms_of(5, WORDS), PLAIN)
    few = dict(list(heard.opened.items())[:3])
    with pytest.raises(TrainingFailed, match="3 regions opened the sum, and it takes 4"):
        opened_sum(heard.terms, heard.adverts, heard.total, among=heard.letters, opened=few)
