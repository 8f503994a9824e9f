"""Whoever kept a head finds a ledger that was cut, rewritten or replaced, also where its owner did it and signed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fedsov.api.border.reviewers import add_reviewer
from fedsov.api.border.reviews import approve, withdraw
from fedsov.api.ledger_audit import LedgerFinding, entries, entry_line, verify_all, verify_since
from fedsov.border.evidence.approvals import withdrawal_entry
from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Head
from tests.border.world import DAY

AT = {"at": "2026-11-25T12:00:00.000+00:00", "run": "r"}


def append(folder: Path, owner: str, *bodies: dict[str, Any]) -> Head:
    """Adds to a ledger, made where there is none; its head after that."""
    with closing(Ledger(folder / "ledger.sqlite", owner)) as ledger:
        ledger.append_all({**AT, "act": "note", "note": body} for body in bodies)
        return ledger.head()


def history(size: int, word: str = "n") -> list[dict[str, Any]]:
    return [{word: number} for number in range(size)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A hub and two regions, which noted each other's heads at the end of two runs."""
    folders = {"hub": tmp_path / "hub", "DE": tmp_path / "regions/DE", "US": tmp_path / "regions/US"}
    for _ in range(2):
        hub = append(folders["hub"], "hub", *history(6))
        heads = {
            name: append(folders[name], name, *history(5, name), {"heads": {"hub": hub.to_json()}})
            for name in ("DE", "US")
        }
        append(folders["hub"], "hub", {"heads": {name: head.to_json() for name, head in heads.items()}})
    return tmp_path


def faults(place: Path) -> dict[str, str]:
    return {finding.owner: finding.fault for finding in verify_all(place) if finding.fault}


def reviewer_of(place: Path) -> Path:
    """The key of the workspace's one reviewer."""
    add_reviewer(place, "A. Person", role="data protection officer", key=place / "a.pem", today=DAY)
    return place / "a.pem"


def test_an_approval_is_not_written_where_the_hub_s_ledger_is_gone(place: Path) -> None:
    key = reviewer_of(place)
    asked = {"verdict": "review", "review": "R1", **AT, "act": "cross"}
    with closing(Ledger(place / "regions/DE/ledger.sqlite", "DE")) as ledger:
        ledger.append(asked)
        size = ledger.head().size
    for path in (place / "hub").glob("ledger.sqlite*"):
        path.unlink()
    with pytest.raises(LedgerBroken, match="restore it from your copy"):
        approve(place, "R1", by="A. Person", why="checked", until=DAY, today=DAY, key=key)
    assert Ledger.read(place / "regions/DE/ledger.sqlite").head().size == size


def test_a_withdrawal_that_was_interrupted_is_found_and_mended_by_another(place: Path) -> None:
    with closing(Ledger(place / "regions/DE/ledger.sqlite", "DE")) as ledger:
        ledger.append({"verdict": "review", "review": "R1", **AT, "act": "cross"})
    approval = approve(place, "R1", by="A. Person", why="checked", until=DAY, today=DAY, key=reviewer_of(place))
    with closing(Ledger(place / "hub/ledger.sqlite", "hub")) as ledger:
        ledger.append(withdrawal_entry(approval, by="A. Person", why="doubts", at=AT["at"]))
    found = faults(place)
    assert set(found) == {"DE", "US"} and "the withdrawal was interrupted; withdraw it again" in found["DE"]
    withdraw(place, approval.id, by="A. Person", why="doubts")
    assert faults(place) == {}


def rewrite(folder: Path, owner: str, bodies: Sequence[dict[str, Any]], *, keeps_key: bool = True) -> None:
    """What an owner can do: a new history, whole and signed."""
    for path in folder.glob("ledger.sqlite*"):
        path.unlink()
    if not keeps_key:
        (folder / "signing.key").unlink()
    append(folder, owner, *bodies)


def test_ledgers_that_hold_what_others_noted_verify(place: Path) -> None:
    assert faults(place) == {}
    assert [finding.owner for finding in verify_all(place)] == ["hub", "DE", "US"]


@pytest.mark.parametrize(
    ("folder", "owner", "noter"), [("hub", "hub", "DE"), ("regions/DE", "DE", "hub"), ("regions/US", "US", "hub")]
)
def test_an_owner_who_rewrites_and_signs_again_is_found_by_the_other_side(
    place: Path, folder: str, owner: str, noter: str
) -> None:
    rewrite(place / folder, owner, history(40, "other"))
    found = faults(place)
    assert list(found) == [owner]
    assert "cut or rewritten" in found[owner] and f"that {noter} noted in its entry" in found[owner]


def test_an_owner_who_starts_again_with_another_key_is_found(place: Path) -> None:
    with closing(Ledger.read(place / "regions/DE/ledger.sqlite")) as ledger:
        same = [entry.body["note"] for entry in ledger.entries()]
    rewrite(place / "regions/DE", "DE", same, keeps_key=False)
    found = faults(place)
    assert list(found) == ["DE"] and "replaced: it is signed with another key" in found["DE"]


def test_a_ledger_put_back_to_an_older_copy_is_found(place: Path, tmp_path: Path) -> None:
    path = place / "regions/DE/ledger.sqlite"
    rewrite(place / "regions/DE", "DE", history(5))
    shutil.copy(path, tmp_path / "copy")
    assert "its beginning is not the 6 entries" in faults(place)["DE"]


def test_a_ledger_that_is_gone_or_anothers_is_found(place: Path) -> None:
    shutil.copy(place / "regions/US/ledger.sqlite", place / "regions/DE/ledger.sqlite")
    assert "belongs to 'US', not to 'DE'" in faults(place)["DE"]
    (place / "regions/DE/ledger.sqlite").unlink()
    assert "is gone" in faults(place)["DE"]


def test_a_key_that_changed_between_two_notes_is_found(place: Path, tmp_path: Path) -> None:
    other = append(tmp_path / "elsewhere", "DE", *history(3))
    append(place / "hub", "hub", {"heads": {"DE": other.to_json()}})
    assert "replaced" in faults(place)["DE"]


def test_a_note_that_holds_no_head_is_named(place: Path) -> None:
    append(place / "hub", "hub", {"heads": {"DE": {"size": "many", "digest": ""}}})
    assert "cannot be compared with the head that hub noted" in faults(place)["DE"]


def test_verification_since_a_head_checks_one_ledger_from_there(place: Path) -> None:
    with closing(Ledger.read(place / "regions/DE/ledger.sqlite")) as ledger:
        old = ledger.head()
    append(place / "regions/DE", "DE", *history(7))
    for owner, head in ((None, old), ("DE", old), ("DE", Head(old.size, old.digest))):
        finding = verify_since(place, owner, head)
        assert (finding.owner, finding.entries, finding.since, finding.fault) == ("DE", 7, old.size, "")
        assert f"7 entries after the first {old.size} verify" in finding.sentence()
        assert finding.to_json()["since"] == old.size
    assert "another owner or key" in verify_since(place, "US", old).fault
    assert "rewritten" in verify_since(place, "US", Head(old.size, old.digest)).fault
    with pytest.raises(ConfigurationError, match="name its OWNER"):
        verify_since(place, None, Head(old.size, old.digest))
    with pytest.raises(ConfigurationError, match="unknown ledger owner 'FR'"):
        verify_since(place, "FR", old)


def test_every_entry_has_a_line(place: Path) -> None:
    lines = [entry_line(entry) for entry in entries(place, None, None)]
    assert any("note heads" in line for line in lines)
    about = {"act": "approved", "number": 3, "region": "DE", "by": "B. Person", "why": "tried on our rows"}
    body = {"act": "note", "at": "2026-11-30", "note": {"rollout": about, "told": ["DE"]}}
    line = entry_line({"owner": "hub", "seq": 1, "body": body})
    assert line == "hub 1 2026-11-30 note rollout: approved 3 DE by B. Person: tried on our rows, told"
    assert LedgerFinding("DE", 0, None, "broken").sentence() == "DE: DOES NOT VERIFY: broken"


def test_in_the_home_of_one_party_nobody_asks_for_the_others_ledgers_and_what_is_not_compared_is_said(
    place: Path,
) -> None:
    for gone in ("hub", "regions/US"):
        shutil.rmtree(place / gone)
    assert "no ledger at" in faults(place)["hub"], "of a workspace that had a hub"
    (place / "deployment").mkdir()
    (place / "deployment" / "party.yaml").write_text("name: DE\nrole: region\n")
    (found,) = verify_all(place)
    assert found.owner == "DE" and not found.fault
    assert "the heads that it noted of hub are compared in their homes" in found.sentence()
    (place / "deployment" / "party.yaml").write_text("name: US\nrole: region\n")
    assert "no ledger at" in faults(place)["hub"], "the file of another party excuses nothing"


def test_a_head_that_was_given_up_by_an_accepted_loss_is_no_fault_and_any_other_still_is(place: Path) -> None:
    shutil.copytree(place / "regions/DE", place / "yesterday")
    head = append(place / "regions/DE", "DE", *history(3))
    append(place / "hub", "hub", {"heads": {"DE": head.to_json()}})
    shutil.rmtree(place / "regions/DE")
    shutil.copytree(place / "yesterday", place / "regions/DE")
    assert "cut or rewritten" in faults(place)["DE"]
    with (
        closing(Ledger(place / "regions/DE/ledger.sqlite", "DE")) as own,
        closing(Ledger(place / "hub/ledger.sqlite", "hub")) as hub,
    ):
        gaps.note_restored(own, archive="ab" * 32, backed_up="yesterday")
        gaps.accept_own(own, by="A", why="w")
        gaps.accept_other(hub, gaps.stated(own), by="B", why="w")
    assert not faults(place)
    shutil.rmtree(place / "regions/DE")
    shutil.copytree(place / "yesterday", place / "regions/DE")
    assert "cut or rewritten" in faults(place)["DE"], "a second loss was accepted by nobody"
