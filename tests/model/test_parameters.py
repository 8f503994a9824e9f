"""Parameters by name and as one vector, and which of them are private or frozen."""

from __future__ import annotations

import numpy as np
import pytest

from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.network import NetworkSpec, initial, shapes
from fedsov.model.parameters import flat, joined, named, places, private_names, private_part, shared, trained

SPEC = NetworkSpec("mlp", (4,))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), set()),
        (("intercept",), {"2.bias"}),
        (("head",), {"2.bias", "2.weight"}),
        (("first.bias",), {"0.bias"}),
        (("bias",), {"0.bias", "2.bias"}),
        (("0.weight", "intercept"), {"0.weight", "2.bias"}),
    ],
)
def test_words_for_private_parameters_mean_the_network_s_own_names(words: tuple[str, ...], names: set[str]) -> None:
    assert private_names(SPEC, words) == names


def test_a_word_that_means_nothing_and_a_network_that_shares_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'tail' is no part"):
        private_names(SPEC, ("tail",))
    with pytest.raises(ConfigurationError, match="leaves no parameter to share"):
        private_names(NetworkSpec("logistic"), ("head",))


def test_a_private_parameter_from_outside_is_refused_and_a_missing_one_is_named() -> None:
    whole = initial(SPEC, 3, 0)
    own = private_part(whole, {"2.bias"})
    with pytest.raises(TrainingFailed, match=r"'2\.bias' is private"):
        joined(whole, own, SPEC)
    with pytest.raises(TrainingFailed, match=r"'0\.bias' is neither"):
        joined(shared(whole, {"0.bias"}), {}, SPEC)


def test_a_vector_is_the_parameters_in_the_network_s_order_and_back() -> None:
    whole, shaped = initial(SPEC, 3, 1), shapes(SPEC, 3)
    row = flat(whole, shaped)
    assert row.dtype == np.float32 and row.shape == (21,)
    again = named(row, shaped)
    assert all(np.array_equal(again[name], whole[name]) for name in shaped)
    assert np.array_equal(row[places(shaped, {"2.bias", "0.bias"})], np.append(whole["0.bias"], whole["2.bias"]))


def test_a_frozen_name_that_is_none_is_named_and_something_must_be_left_to_train() -> None:
    assert trained(["a", "b"], ("a",)) == ["b"]
    with pytest.raises(ConfigurationError, match="no shared parameter 'c'; there are a, b"):
        trained(["a", "b"], ("c",))
    with pytest.raises(ConfigurationError, match="lists every shared parameter; remove at least one"):
        trained(["a"], ("a",))
