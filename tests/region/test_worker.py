"""A region's worker: the days it decides on, what it answers from its ledger, and whom it does not answer."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message, RecordDict

from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import accepted, continuations, noted_heads
from fedsov.protocol.calendar import real_day
from fedsov.protocol.flower_messages import OTHER_VERSION, identify, new_id, pack, unpack, with_version
from fedsov.protocol.job import Asked
from fedsov.protocol.message_types import VERSION
from fedsov.region.worker import OpenRegion, answer
from tests.region.world import BOUND, ask, question, region, update


def test_a_region_reckons_the_day_of_a_rehearsed_round_from_its_own_start(tmp_path: Path) -> None:
    opened = region(tmp_path, update)
    ask(replace(opened, start=replace(opened.start, asked=Asked(today=date(2026, 11, 23), days_per_round=10))))
    assert {entry.body["day"] for entry in opened.outbound.gate.ledger.entries()} == {"2026-12-13"}  # round 3


def test_a_region_without_a_rehearsed_day_decides_on_its_own_clock_whatever_round_it_is_told(tmp_path: Path) -> None:
    opened, before = region(tmp_path, update), real_day()
    ask(replace(opened, start=replace(opened.start, asked=Asked())))
    days = {entry.body["day"] for entry in opened.outbound.gate.ledger.entries()}
    assert days and all(before <= date.fromisoformat(day) <= real_day() for day in days)


@pytest.mark.parametrize(("round_number", "beside"), [(None, None), (4, Label(frozenset({"FR"})))])
def test_a_crossing_that_would_be_refused_goes_into_the_region_s_own_ledger(
    tmp_path: Path, round_number: int | None, beside: Label | None
) -> None:
    opened = region(tmp_path, update, hub="CN")
    said = {"crossings": json.dumps([["update", "hub"]])} | (
        {} if round_number is None else {"server-round": round_number}
    )
    said |= {} if beside is None else {"label": json.dumps(beside.to_json())}
    reply, _ = answer(opened, question("query.propose", said), PUBLIC)
    (entry,) = opened.outbound.gate.ledger.entries()
    assert reply.has_content() and (entry.body["verdict"], entry.body["round"]) == ("refuse", round_number)
    assert set(entry.body["origins"]) == (BOUND | (beside or PUBLIC)).origins


def _told(opened: OpenRegion, config: dict[str, str]) -> Message:
    reply, _ = answer(opened, question("query.ledger", config), PUBLIC)
    return unpack(pack(reply))


def _hub_says(folder: Path, entries: int = 3) -> dict[str, str]:
    """What the hub tells at the end of a run, after so many more entries."""
    with closing(Ledger(folder / "ledger.sqlite", "hub")) as ledger:
        ledger.append_all({"act": "cross", "number": number} for number in range(entries))
        ledger.append({"act": "note", "note": {"told": ["DE"]}})
        return continuations(ledger)


def test_a_region_notes_the_hubs_head_only_from_the_same_key_and_with_a_proof(tmp_path: Path) -> None:
    opened = region(tmp_path / "DE", update)
    for entries in (3, 0, 5):
        said = _hub_says(tmp_path / "hub", entries)
        assert _told(opened, said).has_content()
        assert noted_heads(opened.outbound.gate.ledger)["hub"] == json.loads(said["head"])
    said, kept = _hub_says(tmp_path / "hub"), noted_heads(opened.outbound.gate.ledger)
    unsigned = {**json.loads(said["head"]), "signature": "0" * 128}
    other = _hub_says(tmp_path / "another", 40)
    for reason, wrong in (
        ("HubRestored", {"head": said["head"]}),
        ("HubRestored", {"head": said["head"], "paths": other["paths"]}),
        ("LedgerBroken", {"head": json.dumps(unsigned), "paths": said["paths"]}),
        ("LedgerBroken", other),
        ("LedgerBroken", {"head": "{}"}),
    ):
        assert _told(opened, wrong).error.reason == reason
    assert noted_heads(opened.outbound.gate.ledger) == kept
    for path in (tmp_path / "hub").glob("ledger.sqlite*"):
        path.unlink()
    assert _told(opened, _hub_says(tmp_path / "hub", 90)).error.reason == "HubRestored"


def test_a_region_proves_that_its_ledger_continues_the_head_that_was_noted(tmp_path: Path) -> None:
    opened = region(tmp_path / "DE", update)
    first = _said(_told(opened, _hub_says(tmp_path / "hub")))
    noted = accepted(first["head"], None).to_json()
    again = replace(opened, start=replace(opened.start, last_known_head=noted))
    second = _said(_told(again, _hub_says(tmp_path / "hub")))
    assert accepted(second["head"], noted, path=second["path"]).size > noted["size"]


def _said(reply: Message) -> dict[str, Any]:
    return json.loads(str(reply.content.config_records["ledger"]["json"]))


def test_a_message_of_another_version_is_answered_with_an_error_that_names_both(tmp_path: Path) -> None:
    opened = region(tmp_path, update)
    message = Message(RecordDict(), 2, "query.profile")
    with_version(message, VERSION + 1)
    identify(message, new_id())
    reply, _ = answer(opened, message, PUBLIC)
    assert reply.has_error() and reply.error.code == OTHER_VERSION
    assert f"version {VERSION + 1}" in reply.error.reason and f"speaks version {VERSION}" in reply.error.reason
    assert not opened.outbound.gate.ledger.entries()  # it says nothing of a row: nothing crosses
