"""What moves over a border, and who sends and receives it: values that are compared, written and read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import FrozenInstanceError, replace
from datetime import date

import pytest

from fedsov.artifact import Artifact, Crossing, Kind, Party
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.label import PUBLIC, Label

PARTY = Party("eu", "DE", "Example Bank AG", frozenset({"US", "JP"}), "processor")


def test_a_digest_is_of_the_content_alone() -> None:
    artifact = Artifact(Kind.UPDATE, Label(frozenset({"DE"})), b"weights", count=120, name="update")
    assert artifact.digest == hashlib.sha256(b"weights").hexdigest()
    assert replace(artifact, label=PUBLIC, count=7, name="other").digest == artifact.digest
    assert replace(artifact, content=b"weight").digest != artifact.digest


def test_a_planned_artifact_has_the_digest_of_no_bytes_and_no_people() -> None:
    planned = Artifact(Kind.MODEL, PUBLIC)
    assert planned.digest == hashlib.sha256(b"").hexdigest()
    assert (planned.count, planned.evidence, planned.pool, planned.pool_people) == (0, (), "", 0)


def test_the_kinds_of_artifacts_are_the_words_that_rules_are_written_in() -> None:
    assert {str(kind) for kind in Kind} == load_bundle().facts["kind"].values


def test_what_was_decided_about_cannot_be_changed_afterwards() -> None:
    crossing = Crossing(Artifact(Kind.RECORDS, PUBLIC), PARTY, PARTY, "training", date(2026, 11, 29))
    for value, name in ((crossing, "target"), (crossing.artifact, "label"), (PARTY, "location")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)


def test_a_crossing_is_a_transfer_that_nobody_counted_unless_it_says_more() -> None:
    crossing = Crossing(Artifact(Kind.RECORDS, PUBLIC), PARTY, PARTY, "training", date(2026, 11, 29))
    assert (crossing.flow, crossing.count_12m, crossing.count_year) == ("transfer", 0, 0)


def test_a_party_comes_back_from_json_with_all_that_it_says() -> None:
    written = json.loads(json.dumps(PARTY.to_json()))
    assert Party.from_json(written) == PARTY
    assert written["owners"] == ["JP", "US"]


def test_a_party_written_before_owners_and_roles_is_a_controller_without_owners() -> None:
    assert Party.from_json({"name": "eu", "location": "DE", "entity": ""}) == Party("eu", "DE", "")


@pytest.mark.parametrize("absent", ["name", "location", "entity"])
def test_a_party_without_a_name_a_place_or_an_entity_is_not_read(absent: str) -> None:
    written = PARTY.to_json()
    del written[absent]
    with pytest.raises(KeyError, match=absent):
        Party.from_json(written)
