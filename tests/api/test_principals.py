"""Principals at work: each with its own keys, for its own purposes, while the owner's keyring is elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fedsov
from fedsov.api.lifecycle.erasure import erase
from fedsov.api.lifecycle.retention import plan
from fedsov.api.principals import grant, principals, revoke
from fedsov.api.region_keys import retire, rotate
from fedsov.errors import ConfigurationError, JobRefused, KeyUnavailable
from fedsov.ledger.ledger import Ledger
from fedsov.region.trust.access import NOTE
from fedsov.region.worker import ClosedRegion, open_region
from fedsov.storage.workspace import ledger_of
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion
from tests.keys.servers import private_file


@pytest.fixture
def region(thirty_people: PeopleRegion, tmp_path: Path) -> PeopleRegion:
    """The same in a workspace that a test may change; a trainer, an erasure officer and an auditor have keys."""
    region = thirty_people.copied(tmp_path / "copy")
    for principal in ("trainer", "erasure_officer", "auditor"):
        file = private_file(tmp_path / f"{principal}.secret", f"the passphrase of {principal}")
        words = ["key_service.backend=passphrase", f"key_service.credential_file={file}"]
        grant(_root(region), "DE", principal, words, why="a test")
    return region


def _root(region: PeopleRegion) -> Path:
    return region.place / "w"


def _opened(region: PeopleRegion) -> list[tuple[Any, ...]]:
    notes = [entry.body["note"][NOTE] for entry in Ledger.read(ledger_of(region.folder)).notes(NOTE)]
    return [tuple(note[key] for key in ("principal", "purpose", "verdict")) for note in notes]


def test_each_principal_works_with_its_own_keys_where_the_owner_s_are_not(region: PeopleRegion) -> None:
    (region.folder / "keyring.json").rename(region.place / "elsewhere.json")
    before = len(_opened(region))
    assert len(fedsov.rows("DE", "people", workspace=_root(region), purpose="training")) == 30
    worker = open_region(region.start())
    assert not isinstance(worker, ClosedRegion) and len(worker.outbound.session.records) == 30
    worker.close()
    assert plan(_root(region), "DE")[0][0].rows == 30
    assert erase(_root(region), "DE", "p3", why="request 3").removed["store"] == ["1 row of people"]
    assert len(fedsov.rows("DE", "people", workspace=_root(region), purpose="synthetic")) == 29
    assert _opened(region)[before:] == [
        ("trainer", "training", "permit"),
        ("trainer", "training", "permit"),
        ("erasure_officer", "retention", "permit"),
        ("erasure_officer", "erasure", "permit"),
        ("trainer", "synthetic", "permit"),
    ]


def test_a_principal_opens_nothing_for_another_s_purpose(region: PeopleRegion) -> None:
    for principal, purpose in (("trainer", "erasure"), ("auditor", "training"), ("erasure_officer", "training")):
        with pytest.raises(JobRefused, match=f"{principal} opens no store for {purpose}"):
            fedsov.rows("DE", "people", workspace=_root(region), purpose=purpose, principal=principal)
        assert _opened(region)[-1] == (principal, purpose, "refuse")
    with pytest.raises(ConfigurationError, match="unknown principal 'trainr'; did you mean trainer"):
        fedsov.rows("DE", "people", workspace=_root(region), purpose="training", principal="trainr")


def test_whoever_was_granted_keys_that_are_gone_or_lie_open_does_not_work_with_the_owner_s(
    region: PeopleRegion,
) -> None:
    path = region.folder / "keyring-trainer.json"
    path.write_bytes((region.folder / "keyring.json").read_bytes())
    with pytest.raises(KeyUnavailable, match="the keyring of the owner of DE, not of the trainer"):
        fedsov.rows("DE", "people", workspace=_root(region), purpose="training")
    path.unlink()
    with pytest.raises(KeyUnavailable, match="has no keyring at"):
        fedsov.rows("DE", "people", workspace=_root(region), purpose="training")
    assert isinstance(open_region(region.start()), ClosedRegion)


def test_a_rotation_and_its_end_reach_the_principals(region: PeopleRegion) -> None:
    rotate(_root(region), "DE", why="yearly")
    assert len(fedsov.rows("DE", "people", workspace=_root(region), purpose="training")) == 30
    lines = retire(_root(region), "DE", why="yearly")
    assert any(line.startswith("trainer: copies of the former keyring-trainer.json") for line in lines)
    assert len(fedsov.rows("DE", "people", workspace=_root(region), purpose="training")) == 30


def test_keys_are_shown_and_taken_away_and_the_owner_works_again(region: PeopleRegion) -> None:
    assert [each.service is not None for each in principals(_root(region), "DE")] == [True, False, True, True]
    place = f"workspace={_root(region)}"
    shown = call("keys", "principals", "DE", place).out.splitlines()
    assert shown[0].startswith(
        "DE: trainer: training, base_model, synthetic, attack_test; opens manifests, rows, the secret that divides "
        "rows; keys"
    )
    assert shown[1].endswith("no keys of its own") and "reads no row" in shown[2]
    assert "take that credential away" in call("keys", "revoke", "DE", "trainer", place, "--why", "left").out
    assert fedsov.rows("DE", "people", workspace=_root(region), purpose="training").region == "DE"
    assert _opened(region)[-1] == ("owner", "training", "permit")
    with pytest.raises(ConfigurationError, match="unknown principal with keys of its own 'trainer'"):
        revoke(_root(region), "DE", "trainer")
    granted = call("keys", "grant", "DE", "endpoint", place, "--why", "a test", "--json").json
    assert granted["keys"] == {"backend": "local"} and granted["purposes"] == ["inference"]
    assert "is no setting of a key service" in call("keys", "grant", "DE", "endpoint", place, "backend=local").line
