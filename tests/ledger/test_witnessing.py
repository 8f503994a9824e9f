"""A witness takes a head that continues the one before, and names whatever else comes: fork, gap, another key."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import continuations, latest_heads
from fedsov.ledger.witnessing import (
    CROSSING,
    EVERY,
    FORK,
    MOST_WITNESSES,
    SHRUNK,
    UNPROVEN,
    Alarm,
    Announcement,
    Countersignature,
    NotedHead,
    announce,
    is_continued,
    judge,
    proof_between,
    raise_alarm,
    recalled,
    take,
    watched_by,
    witnesses_of,
)


def ledger_of(folder: Path, owner: str, entries: int, word: str = "n") -> Ledger:
    ledger = Ledger(folder / "ledger.sqlite", owner)
    ledger.append_all(
        {"at": "2026-11-25T12:00:00.000+00:00", "run": "", "act": "note", "note": {word: i}} for i in range(entries)
    )
    return ledger


def noted(announced: Announcement) -> NotedHead:
    return NotedHead(announced.head, announced.at)


@pytest.fixture
def states(tmp_path: Path) -> Ledger:
    return ledger_of(tmp_path / "US", "US", 5)


@pytest.fixture
def germany(tmp_path: Path) -> Ledger:
    return ledger_of(tmp_path / "DE", "DE", 3)


def rewritten(ledger_folder: Path, entries: int) -> Ledger:
    """The same owner and key, another history."""
    for path in ledger_folder.glob("ledger.sqlite*"):
        path.unlink()
    return ledger_of(ledger_folder, "US", entries, "other")


def test_a_head_that_is_proved_to_continue_the_one_before_is_taken_and_countersigned(
    states: Ledger, germany: Ledger
) -> None:
    first = announce(states, ["DE"])
    assert judge(first, None, path=None, key=states.key) == "taken"
    (signed,) = take(germany, [first])
    assert signed.check().witness == "DE" and signed.head == first.head and signed.entry == germany.head().size
    states.note({"more": 1})
    second = announce(states, ["DE"])
    path = proof_between(states, first.head.size, second.head)
    states.note({"meanwhile": 1})
    assert proof_between(states, first.head.size, second.head) == path
    assert judge(second, recalled(germany).noted["US"], path=path, key=states.key) == "taken"
    assert judge(second, noted(second), path=None, key=states.key) == "known"
    assert latest_heads(germany)["US"] == first.head.to_json()


@pytest.mark.parametrize("entries", [6, 40])
def test_an_owner_who_rewrote_its_ledger_and_signed_it_again_is_a_fork(
    tmp_path: Path, states: Ledger, entries: int
) -> None:
    first = announce(states, ["DE"])
    states.close()
    other = rewritten(tmp_path / "US", entries - 1)
    second = announce(other, ["DE"])
    path = proof_between(other, first.head.size, second.head)
    assert judge(second, noted(first), path=path, key=first.head.key) == "fork"


def test_a_later_and_smaller_ledger_was_put_back_and_an_older_announcement_is_only_old(
    tmp_path: Path, states: Ledger
) -> None:
    old = announce(states, ["DE"])
    states.note({"more": 1})
    first = announce(states, ["DE"])
    states.close()
    put_back = announce(rewritten(tmp_path / "US", 1), ["DE"])
    assert judge(put_back, noted(first), path=None, key=first.head.key) == "shrunk"
    assert judge(old, noted(first), path=None, key=first.head.key) == "old"


def test_another_key_is_named_whether_it_was_pinned_or_only_noted(tmp_path: Path, states: Ledger) -> None:
    first = announce(states, ["DE"])
    stranger = announce(ledger_of(tmp_path / "other", "US", 9), ["DE"])
    assert judge(stranger, noted(first), path=[], key="") == "replaced"
    assert judge(stranger, None, path=None, key=states.key) == "replaced"


def test_a_head_without_a_proof_is_unproven_and_with_a_wrong_one_a_fork(states: Ledger) -> None:
    first = announce(states, ["DE"])
    states.note({"more": 1})
    second = announce(states, ["DE"])
    assert judge(second, noted(first), path=None, key="") == "unproven"
    for path in ([], ["00" * 32], ["no hash"], ["00" * 32] * 65):
        assert judge(second, noted(first), path=path, key="") == "fork"


def test_whatever_was_changed_in_an_announcement_or_a_countersignature_is_refused(
    states: Ledger, germany: Ledger
) -> None:
    said = announce(states, ["DE"])
    for changed in (
        replace(said, at="2030-01-01T00:00:00.000+00:00"),
        replace(said, head=replace(said.head, size=99)),
        replace(said, signature="00" * 64),
    ):
        with pytest.raises(LedgerBroken):
            judge(changed, None, path=None, key="")
    (signed,) = take(germany, [said])
    for changed_too in (replace(signed, witness="FR"), replace(signed, entry=1), replace(signed, key=states.key)):
        with pytest.raises(LedgerBroken):
            changed_too.check()
    for value in ({}, {**said.to_json(), "at": "soon"}, {**said.to_json(), "more": 1}, {**said.to_json(), "head": 3}):
        with pytest.raises(ConfigurationError):
            Announcement.from_json(value)
    for value in ({}, {**signed.to_json(), "entry": "1"}, {**signed.to_json(), "at": 3}):
        with pytest.raises(ConfigurationError):
            Countersignature.from_json(value)
    assert Countersignature.from_json(signed.to_json()) == signed and Announcement.from_json(said.to_json()) == said


def test_entries_of_witnessing_are_no_news_so_that_no_announcement_calls_for_another(
    states: Ledger, germany: Ledger
) -> None:
    assert recalled(germany).is_due(datetime.now(UTC))
    announce(germany, ["US"])
    take(germany, [announce(states, ["DE"])])
    germany.append({"at": "2026-11-25T12:00:00.000+00:00", "run": "", "act": "cross", "name": CROSSING})
    memory = recalled(germany)
    assert not memory.is_due(datetime.now(UTC))
    assert memory.is_due(datetime.now(UTC) + timedelta(days=1, seconds=1))
    germany.note({"news": 1})
    memory = recalled(germany, memory)
    assert memory.is_due(datetime.now(UTC), every=timedelta())
    assert not memory.is_due(datetime.now(UTC)) and memory.is_due(datetime.now(UTC) + EVERY)


def test_an_alarm_is_noted_once_and_closed_by_a_head_that_is_proved(states: Ledger, germany: Ledger) -> None:
    first = announce(states, ["DE"])
    take(germany, [first])
    states.note({"more": 1})
    second = announce(states, ["DE"])
    alarm = Alarm(UNPROVEN, "US", "DE", second, first.head)
    assert raise_alarm(germany, alarm, recalled(germany))
    assert not raise_alarm(germany, alarm, recalled(germany))
    assert recalled(germany).alarms["US"].is_same(alarm) and recalled(germany).alarms["US"].at
    take(germany, [second])
    assert not recalled(germany).alarms


def test_two_signatures_for_one_size_stay_an_alarm_whatever_is_announced_later(
    tmp_path: Path, states: Ledger, germany: Ledger
) -> None:
    first = announce(states, ["DE"])
    take(germany, [first])
    states.close()
    other = announce(rewritten(tmp_path / "US", first.head.size - 1), ["DE"])
    assert other.head.size == first.head.size
    raise_alarm(germany, Alarm(FORK, "US", "DE", other, first.head), recalled(germany))
    take(germany, [first])
    assert recalled(germany).alarms["US"].stays


def test_each_alarm_names_the_party_the_entry_and_a_command_that_mends_it(states: Ledger) -> None:
    said = announce(states, ["DE"])
    for kind, word in ((FORK, "ledger verify US"), (SHRUNK, "ledger accept-gap US"), (UNPROVEN, "region serve")):
        sentence = Alarm(kind, "US", "DE", said, replace(said.head, size=1234)).sentence()
        assert "US" in sentence and "DE" in sentence and "1,234" in sentence and word in sentence
    assert said.head.key[:16] in Alarm("replaced", "US", "DE", said, None).sentence()


def test_a_loss_that_the_owner_accepted_is_taken_by_a_witness_and_closes_its_alarm(
    tmp_path: Path, states: Ledger, germany: Ledger
) -> None:
    take(germany, [announce(states, ["DE"])])
    copy = (tmp_path / "US" / "ledger.sqlite").read_bytes(), (tmp_path / "US" / "signing.key").read_bytes()
    states.note({"lost": 1})
    states.close()
    copy = (tmp_path / "US" / "ledger.sqlite").read_bytes(), copy[1]
    states = Ledger(tmp_path / "US" / "ledger.sqlite", "US")
    first = recalled(germany).noted["US"].head
    states.note({"lost": 2})
    later = announce(states, ["DE"])
    assert judge(later, recalled(germany).noted["US"], path=proof_between(states, first.size, later.head), key="")
    take(germany, [later])
    states.close()
    for path in (tmp_path / "US").glob("ledger.sqlite*"):
        path.unlink()
    (tmp_path / "US" / "ledger.sqlite").write_bytes(copy[0])
    states = Ledger(tmp_path / "US" / "ledger.sqlite", "US")
    put_back = announce(states, ["DE"])
    assert judge(put_back, recalled(germany).noted["US"], path=None, key="") == "shrunk"
    raise_alarm(germany, Alarm(SHRUNK, "US", "DE", put_back, later.head), recalled(germany))
    gaps.note_restored(states, archive="00" * 32, backed_up="2026-11-25T12:00:00+00:00")
    gaps.accept_own(states, by="A. Person", why="disk")
    accepted = gaps.accept_other(germany, gaps.stated(states), by="B. Person", why="told")
    assert later.head.size in accepted.abandoned and accepted.kept == first.size
    memory = recalled(germany)
    assert not memory.alarms and memory.noted["US"].head == accepted.head
    again = announce(states, ["DE"])
    path = proof_between(states, accepted.head.size, again.head)
    assert judge(again, memory.noted["US"], path=path, key="") == "taken"


def test_what_was_announced_to_witnesses_adds_nothing_to_what_a_run_tells_its_regions(germany: Ledger) -> None:
    germany.note({"told": ["US"]})
    before = set(json.loads(continuations(germany)["paths"]))
    announce(germany, ["US"])
    assert set(json.loads(continuations(germany)["paths"])) == before


def test_few_parties_all_watch_each_other_and_of_many_a_fixed_number_which_all_compute_alike() -> None:
    few = [f"R{number}" for number in range(MOST_WITNESSES + 1)]
    assert witnesses_of("R0", few) == frozenset(few) - {"R0"}
    many = [f"R{number}" for number in range(100)]
    chosen = witnesses_of("R7", many)
    assert len(chosen) == MOST_WITNESSES and "R7" not in chosen and chosen == witnesses_of("R7", reversed(many))
    for name in many[:20]:
        assert watched_by(name, many) == {party for party in many if name in witnesses_of(party, many)}
        assert len(watched_by(name, many)) == MOST_WITNESSES


def test_every_head_is_continued_by_itself_and_by_every_later_one(states: Ledger) -> None:
    heads = [states.head()]
    for number in range(20):
        states.note({"n": number})
        heads.append(states.head())
    for head in heads:
        assert is_continued(head, heads[-1], proof_between(states, head.size, heads[-1]))
        assert is_continued(heads[0], head, proof_between(states, heads[0].size, head))
