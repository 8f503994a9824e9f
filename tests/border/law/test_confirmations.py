"""A confirmation is about one law, and where a law owner is pinned it bears that owner's signature."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.border.law.bundle_loader import load_bundle
from fedsov.border.law.confirmations import (
    CONFIRMATIONS,
    Confirmation,
    confirmations_text,
    confirmed,
    read_confirmations,
)
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger, entry_time

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OWNER = KEY.public_key().public_bytes_raw().hex()
PLAIN = Confirmation("aa" * 32, date(2031, 1, 15), "A. Person", "read again", "2029-01-01T10:00:00")
SIGNED = PLAIN.signed(KEY)
NO_MOMENT = confirmations_text((replace(PLAIN, at="soon"),)).decode()


def test_confirmations_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_confirmations(tmp_path) == read_confirmations(None) == ()
    (tmp_path / CONFIRMATIONS).write_bytes(confirmations_text((PLAIN, SIGNED)))
    assert read_confirmations(tmp_path) == (PLAIN, SIGNED)


@pytest.mark.parametrize("text", ["[", "3", "[{}]", "[3]", '[{"until": "soon"}]', NO_MOMENT])
def test_confirmations_that_are_not_understood_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIRMATIONS).write_text(text)
    with pytest.raises(ConfigurationError, match="cannot read the confirmations"):
        read_confirmations(tmp_path)


def test_a_confirmation_counts_for_its_own_law_and_with_the_signature_that_is_asked_for() -> None:
    assert PLAIN.counts_for(PLAIN.digest, "") and SIGNED.counts_for(PLAIN.digest, "")
    assert SIGNED.counts_for(PLAIN.digest, OWNER)
    assert not PLAIN.counts_for(PLAIN.digest, OWNER)
    assert not SIGNED.counts_for(PLAIN.digest, "bb" * 32)
    assert not PLAIN.counts_for("bb" * 32, "")


@pytest.mark.parametrize("change", [{"until": date(2099, 1, 1)}, {"by": "B. Person"}, {"why": "x"}, {"at": "x"}])
def test_a_confirmation_that_was_changed_after_it_was_signed_counts_for_nothing(change: dict) -> None:
    assert not replace(SIGNED, **change).counts_for(PLAIN.digest, OWNER)
    assert not replace(SIGNED, **change).counts_for(PLAIN.digest, "")


def test_the_latest_day_that_counts_is_the_bundle_s(tmp_path: Path) -> None:
    law = load_bundle()
    longest = replace(PLAIN, until=date(2031, 12, 1), digest=law.digest)
    folder = folder_of(tmp_path, replace(PLAIN, digest=law.digest).signed(KEY), longest, PLAIN)
    assert confirmed(law, folder, law=law.digest, owner=OWNER).confirmed_until == date(2031, 1, 15)
    assert confirmed(law, folder, law=law.digest, owner="") is law, "no ledger noted them"
    note(tmp_path, "hub", longest)
    assert confirmed(law, folder, law=law.digest, owner="").confirmed_until == date(2031, 12, 1)
    assert confirmed(law, None, law=law.digest, owner="") is law


def test_a_confirmation_reaches_no_further_than_three_years_after_it_was_given(tmp_path: Path) -> None:
    law = load_bundle()
    folder = folder_of(tmp_path, replace(PLAIN, digest=law.digest, until=date(2099, 1, 1)).signed(KEY))
    assert confirmed(law, folder, law=law.digest, owner=OWNER).confirmed_until == date(2032, 1, 1)


def test_without_a_hub_every_ledger_of_the_workspace_must_have_noted_a_confirmation(tmp_path: Path) -> None:
    law = load_bundle()
    plain = replace(PLAIN, digest=law.digest)
    folder = folder_of(tmp_path, plain)
    note(tmp_path, "regions/ZZ", plain)
    note(tmp_path, "regions/DE", PLAIN)
    assert confirmed(law, folder, law=law.digest, owner="") is law, "a ledger that was put there says nothing for DE"
    note(tmp_path, "regions/DE", plain)
    assert confirmed(law, folder, law=law.digest, owner="").confirmed_until == plain.until


def folder_of(root: Path, *listed: Confirmation) -> Path:
    """The folder of law of a workspace, with these confirmations."""
    (root / "law").mkdir()
    (root / "law" / CONFIRMATIONS).write_bytes(confirmations_text(listed))
    return root / "law"


def note(root: Path, owner: str, confirmation: Confirmation) -> None:
    with closing(Ledger(root / owner / "ledger.sqlite", owner.rpartition("/")[2])) as ledger:
        ledger.append({"at": entry_time(), "act": "note", "note": {"law": confirmation.to_json()}})
