"""Each principal opens a store for its own purposes alone, and for none that nobody stated."""

from __future__ import annotations

import pytest

from fedsov.keys.principals import OWNER, PRINCIPALS, PURPOSES, refusal


@pytest.mark.parametrize("principal", [OWNER, *PRINCIPALS, "stranger"])
def test_a_principal_has_its_own_purposes_and_no_other(principal: str) -> None:
    own = PURPOSES if principal == OWNER else PRINCIPALS[principal].purposes if principal in PRINCIPALS else ()
    assert [purpose for purpose in PURPOSES if not refusal(principal, purpose)] == [*own]


def test_a_purpose_is_stated_and_known() -> None:
    assert "no purpose is stated; give one of training" in refusal(OWNER, "")
    assert "unknown purpose 'marketing'" in refusal(OWNER, "marketing")
    assert refusal("auditor", "training").endswith("its purposes: none, it reads no row")
    assert sorted(PURPOSES) == [
        "attack_test",
        "base_model",
        "erasure",
        "inference",
        "retention",
        "synthetic",
        "training",
    ]
