"""Evidence as it stands: the file as it is now, approvals as the ledger has them now."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.artifact import Artifact, Kind
from fedsov.border.evidence.approvals import approval_entry, withdrawal_entry
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.evidence.reviewers import Reviewer, Reviewers, reviewers_text, signed_bytes, write_reviewers
from fedsov.border.gate import Gate, Refused
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.storage.atomic_files import sha256_hex
from tests.border.world import DAY, DEMO, artifact, law, party

AT = "2026-11-23T10:00:00.000+00:00"


def gate_of(place: Path, code: str, register: Path | None) -> Gate:
    ledger = Ledger(place / f"{code}.sqlite", code)
    return Gate(
        party(code),
        bundle=law(),
        evidence=LiveRegister(register, ledger, register_of(place, ledger)),
        ledger=ledger,
        run="r",
        today=lambda: DAY,
    )


KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PERSON = Reviewer("A. Person", "data protection officer", KEY.public_key().public_bytes_raw().hex(), DAY)


def register_of(place: Path, ledger: Ledger, *listed: Reviewer) -> Path:
    """The file of a register of these reviewers, which the ledger notes; of one person where none is named."""
    register = Reviewers(listed or (PERSON,))
    ledger.append({"act": "note", "note": {"reviewers": {"sha256": sha256_hex(reviewers_text(register))}}})
    write_reviewers(place / "reviewers.yaml", register)
    return place / "reviewers.yaml"


def approve(gate: Gate, review: str, *, days: int = 30) -> dict:
    until = DAY + timedelta(days=days)
    entry = approval_entry({"review": review}, by="A. Person", why="checked", since=DAY, until=until, at=AT)
    entry = signed(entry | {"role": PERSON.role, "key": PERSON.key})
    gate.ledger.append(entry)
    return entry


def signed(entry: dict, key: Ed25519PrivateKey = KEY) -> dict:
    return entry | {"signature": key.sign(signed_bytes(entry)).hex()}


def waiting(gate: Gate, thing: Artifact, to: str) -> str:
    with pytest.raises(Refused) as caught:
        gate.cross(thing, party(to))
    assert caught.value.decision.verdict == "review"
    assert caught.value.decision.id == gate.ledger.entries()[-1].body["review"]
    return caught.value.decision.id


def test_a_document_taken_from_the_file_counts_for_nothing_from_the_next_crossing_on(tmp_path: Path) -> None:
    register = tmp_path / "documents.yaml"
    register.write_text(DEMO.read_text())
    gate, update = gate_of(tmp_path, "DE", register), artifact(Kind.UPDATE, "DE")
    gate.cross(update, party("US"))
    register.write_text(
        DEMO.read_text().replace("id: demo-scc-de-us\n  kind: scc_eu", "id: demo-scc-de-us\n  kind: scc_ch")
    )
    with pytest.raises(Refused, match="scc_eu"):
        gate.cross(update, party("US"))


def test_a_register_that_cannot_be_read_lets_nothing_cross_that_needs_a_document_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register = tmp_path / "documents.yaml"
    register.write_text(DEMO.read_text())
    gate, update = gate_of(tmp_path, "DE", register), artifact(Kind.UPDATE, "DE")
    gate.cross(update, party("US"))
    for spoil in (lambda: register.write_text("documents: ["), lambda: os.remove(register)):
        spoil()
        with pytest.raises(Refused, match="scc_eu"):
            gate.cross(update, party("US"))
        gate.cross(update, party("GB"))  # which needs none
        assert "documents.yaml" in caplog.text
        caplog.clear()
    register.write_text(DEMO.read_text())
    gate.cross(update, party("US"))
    verdicts = [entry.body["verdict"] for entry in gate.ledger.entries() if entry.body["act"] != "note"]
    assert verdicts == ["permit", "refuse", "permit", "refuse", "permit", "permit"]


def test_a_review_crosses_once_a_person_approved_it_and_stops_when_the_approval_is_withdrawn(tmp_path: Path) -> None:
    gate, update = gate_of(tmp_path, "US", None), artifact(Kind.UPDATE, "US", count=50)
    entry = approve(gate, waiting(gate, update, "CN"))
    assert gate.cross(update, party("CN")) is update
    permitted = gate.ledger.entries()[-1].body
    assert (permitted["verdict"], permitted["documents"]) == ("permit", [entry["approval"]])
    (approval,) = gate.evidence.approvals()
    gate.ledger.append(withdrawal_entry(approval, by="B. Person", why="no longer", at=AT))
    waiting(gate, update, "CN")


def test_an_approval_is_for_that_review_alone_and_for_its_days(tmp_path: Path) -> None:
    gate, update = gate_of(tmp_path, "US", None), artifact(Kind.UPDATE, "US", count=50)
    approve(gate, waiting(gate, update, "CN"), days=3)
    waiting(gate, update, "RU")
    waiting(gate, artifact(Kind.MODEL, "US", count=50), "CN")
    waiting(gate, Artifact(Kind.UPDATE, Label(frozenset({"US"}), frozenset({"health"})), count=50), "CN")
    late = replace(gate, today=lambda: DAY + timedelta(days=4))
    waiting(late, update, "CN")
    assert gate.consider(update, party("CN")).verdict == "permit"


def test_an_approval_never_opens_a_refusal(tmp_path: Path) -> None:
    gate = gate_of(tmp_path, "US", None)
    bulk = Artifact(Kind.UPDATE, Label(frozenset({"US"}), frozenset({"health"})), count=50_000)
    for review in ("", "R0000000000", waiting(gate, artifact(Kind.UPDATE, "US", count=50), "CN")):
        approve(gate, review)
    assert gate.consider(bulk, party("CN")).verdict == "refuse"


OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entry: {name: part for name, part in entry.items() if name != "signature"}, "it bears no signature"),
        (lambda entry: signed(entry | {"by": "C. Stranger"}), "'C. Stranger' is not in the register"),
        (lambda entry: entry | {"until": "2099-01-01"}, "it was changed after it was signed"),
        (lambda entry: entry | {"review": entry["review"], "why": "other"}, "it was changed after it was signed"),
        (
            lambda entry: signed(entry | {"key": OTHER.public_key().public_bytes_raw().hex()}, OTHER),
            "signed with another key than that of 'A. Person'",
        ),
        (lambda entry: signed(entry, OTHER), "its signature is not that of 'A. Person'"),
    ],
    ids=["none", "a stranger", "a later day", "another reason", "another key", "a forged signature"],
)
def test_an_approval_that_no_registered_reviewer_signed_counts_for_nothing_and_the_warning_names_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Callable[[dict], dict], said: str
) -> None:
    gate, update = gate_of(tmp_path, "US", None), artifact(Kind.UPDATE, "US", count=50)
    review = waiting(gate, update, "CN")
    entry = approval_entry({"review": review}, by="A. Person", why="checked", since=DAY, until=DAY, at=AT)
    entry = signed(entry | {"role": PERSON.role, "key": PERSON.key})
    gate.ledger.append(change(entry))
    waiting(gate, update, "CN")
    assert said in caplog.text and entry["approval"] in caplog.text
    gate.ledger.append(entry)
    assert gate.consider(update, party("CN")).verdict == "permit", "as it was signed it counts"


def test_who_is_revoked_has_approved_nothing_from_the_next_decision_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate, update = gate_of(tmp_path, "US", None), artifact(Kind.UPDATE, "US", count=50)
    approve(gate, waiting(gate, update, "CN"))
    assert gate.consider(update, party("CN")).verdict == "permit"
    register_of(tmp_path, gate.ledger, replace(PERSON, revoked=DAY))
    assert gate.consider(update, party("CN")).verdict == "review"
    assert f"'A. Person' was revoked on {DAY}" in caplog.text


def test_who_was_revoked_comes_back_by_no_edit_of_the_register(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate, update = gate_of(tmp_path, "US", None), artifact(Kind.UPDATE, "US", count=50)
    approve(gate, waiting(gate, update, "CN"))
    register = register_of(tmp_path, gate.ledger, replace(PERSON, revoked=DAY))
    register.write_text(register.read_text().replace(f"revoked: {DAY}", "revoked: null"))
    assert gate.consider(update, party("CN")).verdict == "review"
    assert "not the register of reviewers that the ledger noted last" in caplog.text


def test_an_approval_from_before_its_person_was_a_reviewer_counts_for_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate, update = gate_of(tmp_path, "US", None), artifact(Kind.UPDATE, "US", count=50)
    approve(gate, waiting(gate, update, "CN"))
    register_of(tmp_path, gate.ledger, replace(PERSON, since=date(2099, 1, 1)))
    assert gate.consider(update, party("CN")).verdict == "review"
    assert "it was not given after 'A. Person' became a reviewer, on 2099-01-01" in caplog.text


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("reviewers: [")])
def test_without_a_register_of_reviewers_that_can_be_read_no_approval_counts(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    gate, update = gate_of(tmp_path, "US", None), artifact(Kind.UPDATE, "US", count=50)
    approve(gate, waiting(gate, update, "CN"))
    spoil(tmp_path / "reviewers.yaml")
    waiting(gate, update, "CN")
    assert gate.consider(update, party("CN")).verdict == "review"
