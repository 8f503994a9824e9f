"""The signature of a label holds for one answer of one region in one run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.label import PUBLIC, Label
from fedsov.protocol.signed_labels import LabelledAnswer, LabelUnsigned, check_label, signed_label

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC_KEY = KEY.public_key().public_bytes_raw()
LABELLED = LabelledAnswer("r", "DE", "q", b"body", Label(frozenset({"DE"})))


def test_a_signature_of_the_pinned_key_is_believed() -> None:
    signature = signed_label(KEY.sign, LABELLED)
    check_label(LABELLED, signature, PUBLIC_KEY)
    assert signature == signed_label(KEY.sign, replace(LABELLED))


@pytest.mark.parametrize(
    "change", [{"run": "s"}, {"region": "FR"}, {"question": "p"}, {"body": b"other"}, {"label": PUBLIC}]
)
def test_it_holds_for_nothing_else(change: dict[str, Any]) -> None:
    with pytest.raises(LabelUnsigned, match="not signed by its pinned key"):
        check_label(replace(LABELLED, **change), signed_label(KEY.sign, LABELLED), PUBLIC_KEY)


@pytest.mark.parametrize("signature", [None, "", "zz", "00" * 64, 5, b"\x00"])
def test_what_is_no_signature_is_none(signature: object) -> None:
    with pytest.raises(LabelUnsigned, match="not signed by its pinned key"):
        check_label(LABELLED, signature, PUBLIC_KEY)


def test_a_region_whose_key_nobody_gave_is_not_believed() -> None:
    with pytest.raises(LabelUnsigned, match="nobody gave the hub its verify key"):
        check_label(LABELLED, signed_label(KEY.sign, LABELLED), None)
