"""The region's own door: what leaves, what does not, and what is said of a failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsov.artifact import Party
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Gate
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import accepted, continuations, noted_heads
from fedsov.model.targets import TargetRule
from fedsov.partition.records import Records
from fedsov.protocol.calendar import real_day
from fedsov.protocol.flower_messages import OTHER_VERSION, identify, new_id, pack, unpack, with_version
from fedsov.protocol.job import RegionStart, TrainingJob
from fedsov.protocol.message_types import VERSION
from fedsov.region.outbound import Outbound
from fedsov.region.session import Session
from fedsov.region.worker import OpenRegion, answer
from fedsov.serialization import from_plain, to_plain

BOUND = Label(frozenset({"DE"}), frozenset({"health"}))
HUB = {"IE": Party("hub", "IE", "Example Holding"), "CN": Party("hub", "CN", "Example Holding")}
Answer = Callable[[Message], RecordDict]


def _home(folder: Path, app_answer: Answer, *, hub: str = "IE", people: int = 200) -> OpenRegion:
    rng = np.random.default_rng(0)
    records = Records(
        region="DE",
        columns={"age": rng.normal(size=people)},
        kinds={"age": "numeric"},
        target=rng.integers(0, 2, people).astype(float),
        subjects=np.array([f"{row:032x}" for row in range(people)]),
        labels=(BOUND,),
        label_of=np.zeros(people, int),
    )
    work = TrainingJob("people", TargetRule("ill"))
    party = Party("DE", "DE", "Example Deutschland")
    brief = RegionStart(party, HUB[hub], folder, "run", work, None, None, False, date(2026, 11, 23))
    ledger = Ledger(folder / "ledger.sqlite", "DE")
    bundle = load_bundle()
    gate = Gate(party, bundle=bundle, evidence=Register(()), ledger=ledger, run="run", today=lambda: brief.today)
    app = ClientApp()
    app.train()(lambda message, context: Message(app_answer(message), reply_to=message))
    context = Context(run_id=1, node_id=2, node_config={}, state=RecordDict(), run_config={})
    return OpenRegion(brief, Outbound(brief, gate, Session(records, work, folder)), app, context)


def _ask(home: OpenRegion, incoming: Label = PUBLIC, scope: str = "shareable") -> tuple[Message, Label]:
    model = ArrayRecord({"w": Array(np.zeros(3, np.float32))})
    config = ConfigRecord({"scope": scope, "server-round": 3})
    message = Message(RecordDict({"config": config, "arrays": model}), 2, "train")
    with_version(message, VERSION)
    identify(message, new_id())
    reply, label = answer(home, unpack(pack(message)), incoming)
    return unpack(pack(reply)), label


def _update(_: Message) -> RecordDict:
    arrays = ArrayRecord({"w": Array(np.ones(3, np.float32))})
    return RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 120, "loss": 0.5, "score": 0.7})})


def test_an_update_leaves_with_the_join_of_the_rows_and_the_incoming_model(tmp_path: Path) -> None:
    home = _home(tmp_path, _update)
    reply, label = _ask(home, incoming=Label(frozenset({"FR"})))
    assert reply.has_content() and label == BOUND | Label(frozenset({"FR"}))
    kinds = [
        (entry.body["kind"], entry.body["verdict"], entry.body["round"])
        for entry in home.outbound.gate.ledger.entries()
    ]
    assert kinds == [("update", "permit", 3), ("metrics", "permit", 3)]


def test_an_update_that_the_law_does_not_permit_stays_and_the_ledger_says_so(tmp_path: Path) -> None:
    home = _home(tmp_path, _update, hub="CN")
    reply, _ = _ask(home)
    assert reply.has_error() and reply.error.reason == "Refused"
    first = home.outbound.gate.ledger.entries()[0].body
    assert (first["kind"], first["verdict"]) == ("update", "refuse") and first["remedy"]


def test_an_exception_leaves_as_the_name_of_its_type_and_nothing_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Message) -> RecordDict:
        raise ValueError("bad row: Jane Canary, passport X99C4N4RY7")

    home = _home(tmp_path, fail)
    reply, label = _ask(home)
    assert reply.error.reason == "ValueError" and label == PUBLIC
    assert b"Canary" not in pack(reply) and b"X99C" not in pack(reply)
    entry = home.outbound.gate.ledger.entries()[-1].body
    assert (entry["kind"], entry["verdict"]) == ("error", "permit") and "Canary" not in str(entry)
    assert "Jane Canary" in capsys.readouterr().err  # the region's own log, which its process writes stderr to


@pytest.mark.parametrize(
    "smuggled",
    [
        {"rows": ArrayRecord({"rows": Array(np.ones((5, 3), np.float32))})},
        {"notes": ConfigRecord({"text": "Jane Canary"})},
        {"arrays": ArrayRecord({"w": Array(np.ones(3, np.float32))}), "more": MetricRecord({"age": 33.0})},
        {"arrays": ConfigRecord({"rows": b"Jane Canary"})},
        {"arrays": ArrayRecord({"Jane Canary": Array(np.ones(3, np.float32))})},
        {"arrays": ArrayRecord({"w": Array(np.ones((500, 3), np.float32))})},
        {"metrics": MetricRecord({"num-examples": 120, "loss": 0.5, "score": 0.7, "Jane Canary": 1.0})},
        {"metrics": MetricRecord({"num-examples": 120, "loss": [0.5] * 400, "score": 0.7})},
    ],
)
def test_a_record_that_nobody_declared_does_not_leave_whoever_wrote_the_app(tmp_path: Path, smuggled: dict) -> None:
    reply, _ = _ask(_home(tmp_path, lambda _: RecordDict(smuggled)))
    assert reply.has_error() and b"Canary" not in pack(reply)


def test_what_an_app_writes_on_the_envelope_does_not_leave(tmp_path: Path) -> None:
    def app(message: Message, context: Context) -> Message:
        return Message(_update(message), reply_to=message, ttl=77.0)

    home = _home(tmp_path, _update)
    marked = ClientApp()

    @marked.train()
    def train(message: Message, context: Context) -> Message:
        reply = app(message, context)
        reply.metadata.__dict__["_group_id"] = "Jane Canary"
        return reply

    reply, _ = _ask(replace(home, app=marked))
    assert reply.has_content()
    assert b"Canary" not in pack(reply)


def test_the_name_of_a_type_that_is_nobody_s_own_is_not_told(tmp_path: Path) -> None:
    class JaneCanaryError(Exception):
        pass

    def fail(_: Message) -> RecordDict:
        raise JaneCanaryError

    reply, _ = _ask(_home(tmp_path, fail))
    assert reply.error.reason == "Exception"


@pytest.mark.parametrize("scope", ["all", "everything", ""])
def test_the_hub_cannot_ask_for_an_update_on_other_rows_than_the_table_allows(tmp_path: Path, scope: str) -> None:
    home = _home(tmp_path, _update)
    reply, _ = _ask(home, scope=scope)
    assert reply.has_error()
    assert all(entry.body["kind"] == "error" for entry in home.outbound.gate.ledger.entries())


def test_an_answer_about_all_rows_carries_their_label_whatever_scope_the_hub_names(tmp_path: Path) -> None:
    home = _home(tmp_path, _update)
    for asked in ("query.profile", "query.finish"):
        message = Message(RecordDict({"config": ConfigRecord({"scope": "public"})}), 2, asked)
        with_version(message, VERSION)
        assert home.outbound.scope(message) == "all"


def test_metrics_of_too_few_people_stay_and_take_the_update_with_them(tmp_path: Path) -> None:
    home = _home(tmp_path, _update, people=20)
    reply, _ = _ask(home)
    assert reply.has_error() and reply.error.reason == "Refused"


def test_what_came_in_once_binds_every_later_answer(tmp_path: Path) -> None:
    home, global_model = _home(tmp_path, _update), Label(frozenset({"FR", "DE"}))
    _ask(home, incoming=global_model)
    _, later = _ask(home)
    assert later == BOUND | global_model
    assert home.outbound.gate.ledger.entries()[-1].body["origins"] == ["DE", "FR"]


def test_a_region_reckons_the_day_of_a_round_from_its_own_brief(tmp_path: Path) -> None:
    home = _home(tmp_path, _update)
    _ask(replace(home, start=replace(home.start, days_per_round=10)))
    assert {entry.body["day"] for entry in home.outbound.gate.ledger.entries()} == {"2026-12-13"}  # round 3


def test_a_region_without_a_rehearsed_day_decides_on_its_own_clock_whatever_round_it_is_told(tmp_path: Path) -> None:
    home, before = _home(tmp_path, _update), real_day()
    _ask(replace(home, start=replace(home.start, today=None)))
    days = {entry.body["day"] for entry in home.outbound.gate.ledger.entries()}
    assert days and all(before <= date.fromisoformat(day) <= real_day() for day in days)


def test_a_brief_travels_with_its_calendar(tmp_path: Path) -> None:
    brief = _home(tmp_path, _update).start
    for sent in (replace(brief, days_per_round=7), replace(brief, today=None)):
        came = from_plain(RegionStart, json.loads(json.dumps(to_plain(sent))))
        assert (came.today, came.days_per_round) == (sent.today, sent.days_per_round)


@pytest.mark.parametrize(("round_number", "beside"), [(None, None), (4, Label(frozenset({"FR"})))])
def test_a_crossing_that_would_be_refused_goes_into_the_region_s_own_ledger(
    tmp_path: Path, round_number: int | None, beside: Label | None
) -> None:
    home = _home(tmp_path, _update, hub="CN")
    said = {"crossings": json.dumps([["update", "hub"]])} | (
        {} if round_number is None else {"server-round": round_number}
    )
    said |= {} if beside is None else {"label": json.dumps(beside.to_json())}
    message = Message(RecordDict({"config": ConfigRecord(said)}), 2, "query.propose")
    with_version(message, VERSION)
    identify(message, new_id())
    reply, _ = answer(home, unpack(pack(message)), PUBLIC)
    (entry,) = home.outbound.gate.ledger.entries()
    assert reply.has_content() and (entry.body["verdict"], entry.body["round"]) == ("refuse", round_number)
    assert set(entry.body["origins"]) == (BOUND | (beside or PUBLIC)).origins


def test_nothing_leaves_when_the_ledger_cannot_be_written(tmp_path: Path) -> None:
    home = _home(tmp_path, _update)
    closed = replace(home.outbound.gate, ledger=_read_only(tmp_path, home))
    reply, _ = _ask(replace(home, outbound=replace(home.outbound, gate=closed)))
    assert reply.has_error() and not reply.has_content()


def _read_only(folder: Path, home: OpenRegion) -> Ledger:
    home.outbound.gate.note({"before": "anything"})
    home.outbound.gate.ledger.close()
    return Ledger.read(folder / "ledger.sqlite")


def _told(home: OpenRegion, config: dict[str, str]) -> Message:
    message = Message(RecordDict({"config": ConfigRecord(dict(config))}), 2, "query.ledger")
    with_version(message, VERSION)
    identify(message, new_id())
    reply, _ = answer(home, unpack(pack(message)), PUBLIC)
    return unpack(pack(reply))


def _hub_says(folder: Path, entries: int = 3) -> dict[str, str]:
    """What the hub tells at the end of a run, after so many more entries."""
    with closing(Ledger(folder / "ledger.sqlite", "hub")) as ledger:
        ledger.append_all({"act": "cross", "number": number} for number in range(entries))
        ledger.append({"act": "note", "note": {"told": ["DE"]}})
        return continuations(ledger)


def test_a_region_notes_the_hubs_head_only_from_the_same_key_and_with_a_proof(tmp_path: Path) -> None:
    home = _home(tmp_path / "DE", _update)
    for entries in (3, 0, 5):
        said = _hub_says(tmp_path / "hub", entries)
        assert _told(home, said).has_content()
        assert noted_heads(home.outbound.gate.ledger)["hub"] == json.loads(said["head"])
    said, kept = _hub_says(tmp_path / "hub"), noted_heads(home.outbound.gate.ledger)
    unsigned = {**json.loads(said["head"]), "signature": "0" * 128}
    other = _hub_says(tmp_path / "another", 40)
    for wrong in (
        {"head": said["head"]},
        {"head": said["head"], "paths": other["paths"]},
        {"head": json.dumps(unsigned), "paths": said["paths"]},
        other,
        {"head": "{}"},
    ):
        assert _told(home, wrong).error.reason == "LedgerBroken"
    assert noted_heads(home.outbound.gate.ledger) == kept
    for path in (tmp_path / "hub").glob("ledger.sqlite*"):
        path.unlink()
    assert _told(home, _hub_says(tmp_path / "hub", 90)).error.reason == "LedgerBroken"


def test_a_region_proves_that_its_ledger_continues_the_head_that_was_noted(tmp_path: Path) -> None:
    home = _home(tmp_path / "DE", _update)
    first = _said(_told(home, _hub_says(tmp_path / "hub")))
    noted = accepted(first["head"], None).to_json()
    again = replace(home, start=replace(home.start, last_known_head=noted))
    second = _said(_told(again, _hub_says(tmp_path / "hub")))
    assert accepted(second["head"], noted, path=second["path"]).size > noted["size"]


def _said(reply: Message) -> dict[str, Any]:
    return json.loads(str(reply.content.config_records["ledger"]["json"]))


def test_a_message_of_another_version_is_answered_with_an_error_that_names_both(tmp_path: Path) -> None:
    region = _home(tmp_path, _update)
    message = Message(RecordDict(), 2, "query.profile")
    with_version(message, VERSION + 1)
    identify(message, new_id())
    reply, _ = answer(region, message, PUBLIC)
    assert reply.has_error() and reply.error.code == OTHER_VERSION
    assert f"version {VERSION + 1}" in reply.error.reason and f"speaks version {VERSION}" in reply.error.reason
    assert not region.outbound.gate.ledger.entries()  # it says nothing of a row: nothing crosses
