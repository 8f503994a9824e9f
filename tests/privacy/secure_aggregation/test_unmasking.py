"""The hub's last step: the sum of the survivors, or a refusal that names whose secret is false."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedsov.errors import TrainingFailed
from fedsov.privacy.secure_aggregation.protocol import RevealedShares
from fedsov.privacy.secure_aggregation.unmasking import SecretUnopened, honest_openings, opened_sum
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


def test_who_gave_a_false_share_is_found_where_enough_others_answered() -> None:
    heard = summed(terms_of(5, WORDS), PLAIN, silent={"JP": "mask"})
    honest, liars = honest_openings(heard.terms, heard.adverts, heard.opened)
    assert honest == heard.opened and liars == []
    whole = summed(terms_of(5, WORDS), PLAIN)
    for liar, said in whole.opened.items():
        other = {**said.seeds, "DE": said.seeds["GB"]}
        several = {**whole.opened, liar: RevealedShares(other, said.keys)}
        honest, liars = honest_openings(whole.terms, whole.adverts, several)
        assert liars == [liar] and set(honest) == set(whole.opened) - {liar}


def test_a_secret_that_no_choice_opens_is_told_by_its_owner() -> None:
    heard = summed(terms_of(4, WORDS), PLAIN)
    dealt = {
        name: RevealedShares({**said.seeds, "GB": bytes([0]) + bytes([at]) * 32}, said.keys)
        for at, (name, said) in enumerate(heard.opened.items())
    }
    with pytest.raises(SecretUnopened, match="secret of GB") as caught:
        honest_openings(heard.terms, heard.adverts, dealt)
    assert caught.value.member == "GB"
