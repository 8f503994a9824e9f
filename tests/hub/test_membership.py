"""The examination before a round: with the documents of that moment, each change told once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flwr.app import Message

from fedsov.algorithms.rounds import RoundRecord
from fedsov.artifact import Party
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.evidence.register import Document, Register
from fedsov.border.evidence.register_file import load_register
from fedsov.config.hub_settings import hub_settings
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.hub.inbox import Inbox
from fedsov.hub.membership import Membership
from fedsov.hub.planning.plan_values import Profile
from fedsov.hub.run import HubRun, open_run
from fedsov.label import Label, join

DE, US = 2, 3
MEMBERS = [Profile(name, 600, 0, Label(frozenset({name}), frozenset({"personal"})), 2) for name in ("DE", "US")]
LABEL = join(member.label for member in MEMBERS)


TERMS = {
    "scc_eu": {"doc": "2021/914", "module": "1", "role": "C->C"},
    "accountability_contract": {"comparable_protection": "yes", "consent": "yes", "onward_terms": "yes"},
}


def _document(kind: str, exporter: str = "DE", importer: str = "US") -> Document:
    anything, places = frozenset({"*"}), (frozenset({exporter, "IE"}), frozenset({importer}))
    named = frozenset(
        {"Example Holding Ltd (fictional)", *(f"Example {name}" for name in ("US", "DE", "GB", "IN", "CA"))}
    )
    paper = Document(kind, kind, *places, anything, date(2026, 1, 1), None, "", "office", terms=TERMS.get(kind, {}))
    return replace(paper, entities=named, exporters=named)


def _register(*documents: Document) -> Register:
    return replace(load_register(None), documents=documents)


class Shelf:
    """Documents that somebody may take away or put back while a run goes on."""

    def __init__(self, *kinds: str) -> None:
        self.register = _register(*map(_document, kinds))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.register, name)


class Silent:
    """A runtime, and its links, to two regions that are never asked anything."""

    parties: ClassVar[dict[int, Party]] = {node: Party(name, name, "") for name, node in (("DE", DE), ("US", US))}

    def send(self, message: Message, label: Label) -> None:
        raise AssertionError("nobody is asked")

    def poll(self, seconds: float) -> list[tuple[Message, Label]]:
        return []

    def close(self) -> None: ...


@pytest.fixture
def run(tmp_path: Path) -> Iterator[HubRun]:
    """A hub with two regions, which are never asked anything."""
    chosen = settings(compose([f"workspace={tmp_path}", "border=none", "today=2026-11-22", "federation.rounds=5"]))
    with open_run(hub_settings(chosen), lambda _: Silent(), progress=lambda _: None) as run:
        run.gate = replace(run.gate, evidence=Shelf("scc_eu", "tia"))
        run.nodes = {"DE": DE, "US": US}
        run.inbox = Inbox(Silent())
        yield run


def _refusals(run: HubRun) -> list[tuple[int | None, str]]:
    bodies = [entry.body for entry in run.gate.ledger.entries()]
    return [(body["round"], body["importer"]["name"]) for body in bodies if body["verdict"] != "permit"]


def test_nobody_is_out_and_nothing_is_written_while_all_is_permitted(run: HubRun) -> None:
    examination = Membership(run, MEMBERS)
    assert [examination.before(number, LABEL, 1200) for number in (1, 2, 3)] == [{}, {}, {}]
    assert not examination.amendments and not run.gate.ledger.entries()


def test_a_document_that_is_withdrawn_takes_the_recipient_out_and_one_that_returns_brings_it_back(
    run: HubRun,
) -> None:
    examination, shelf = Membership(run, MEMBERS), run.gate.evidence
    assert examination.before(1, LABEL, 1200) == {}
    shelf.register = _register()
    for number in (2, 3):
        out = examination.before(number, LABEL, 1200)
        assert set(out) == {US} and out[US].startswith("US: DE -> US: ")
        assert "'scc_eu' was taken from the register." in out[US]
    assert _refusals(run) == [(2, "US")]  # once, not every round
    shelf.register = _register(_document("scc_eu"), _document("tia"))
    assert examination.before(4, LABEL, 1200) == {}
    shelf.register = _register(_document("tia"))
    assert set(examination.before(6, LABEL, 1200)) == {US}
    assert _refusals(run) == [(2, "US"), (None, "US")]
    assert [(one.round, one.left) for one in examination.amendments] == [(2, True), (4, False), (None, True)]


def test_a_register_that_is_half_written_at_one_examination_is_read_again_at_the_next(
    run: HubRun, tmp_path: Path
) -> None:
    file, whole = (
        tmp_path / "documents.yaml",
        (
            "documents:\n"
            "- {id: clauses, kind: scc_eu, exporter: [DE, IE], importer: [US], categories: '*', signed: 2026-01-01,\n"
            "   owner: office, exporters: [Example Holding Ltd (fictional)], entities: [Example US],\n"
            "   terms: {doc: '2021/914', module: '1', role: 'C->C'}}\n"
            "- {id: assessment, kind: tia, exporter: [DE, IE], importer: [US], categories: '*', signed: 2026-01-01,\n"
            "   owner: office, exporters: [Example Holding Ltd (fictional)], entities: [Example US]}\n"
        ),
    )
    file.write_text(whole)
    run.settings = replace(run.settings, border=replace(run.settings.border, evidence=file))
    run.gate = replace(run.gate, evidence=LiveRegister(file, run.gate.ledger))
    examination = Membership(run, MEMBERS)
    assert examination.before(1, LABEL, 1200) == {}
    file.write_text(whole[:150])
    out = examination.before(2, LABEL, 1200)
    assert set(out) == {US} and "cannot be read at the moment" in out[US]
    file.write_text(whole)
    assert examination.before(3, LABEL, 1200) == {}
    assert _refusals(run) == [(2, "US")]


def test_a_member_whose_own_gate_refused_stays_out_for_a_reason_only_its_ledger_knows(run: HubRun) -> None:
    examination = Membership(run, MEMBERS)
    examination.after(RoundRecord(2, {US: {}}, {DE: "Refused"}))
    assert set(examination.before(3, LABEL, 1200)) == set(examination.before(4, LABEL, 1200)) == {DE}
    (amendment,) = examination.amendments
    assert amendment.crossing is None and "its own gate refused its answer in round 2" in amendment.why
    assert not _refusals(run)


def test_a_refusal_in_the_round_itself_is_not_written_down_again(run: HubRun) -> None:
    examination = Membership(run, MEMBERS)
    run.gate.evidence.register = _register()
    examination.after(RoundRecord(2, {DE: {}}, {US: "CrossingRefused"}))
    assert set(examination.before(3, LABEL, 1200)) == {US} and not _refusals(run)
    assert "DE -> US" in examination.amendments[0].why


def test_after_the_last_round_only_the_handing_out_of_the_model_is_examined(run: HubRun) -> None:
    """India's contract covers the United States and no longer the hub: no update may come, but the model may go."""
    india = Profile("US", 600, 0, Label(frozenset({"IN"}), frozenset({"personal"})), 2)
    hubs = _document("scc_eu", "IE", "US"), _document("tia", "IE", "US")
    run.gate.evidence.register = _register(_document("accountability_contract", "IN", "US"), *hubs)
    assert Membership(run, [india]).before(6, india.label, 600) == {}
    run.gate.evidence.register = _register(_document("accountability_contract", "IN", "IE"), *hubs)
    assert set(Membership(run, [india]).before(6, india.label, 600)) == {US}


def test_other_failures_are_no_refusal(run: HubRun) -> None:
    examination = Membership(run, MEMBERS)
    examination.after(RoundRecord(1, {US: {}}, {DE: "RegionProcessEnded"}))
    assert examination.before(2, LABEL, 1200) == {}


def test_an_examination_that_goes_on_elsewhere_remembers_who_is_out_and_why(run: HubRun) -> None:
    first, shelf = Membership(run, MEMBERS), run.gate.evidence
    assert first.before(1, LABEL, 1200) == {}
    shelf.register = _register()
    out = first.before(2, LABEL, 1200)
    first.after(RoundRecord(2, {}, {DE: "Refused"}))
    second = Membership(run, MEMBERS)
    second.remind(json.loads(json.dumps(first.state())))
    assert second.amendments == first.amendments and second.state() == first.state()
    assert set(second.before(3, LABEL, 1200)) == set(first.before(3, LABEL, 1200)) == {DE, US}
    assert out[US] == second.before(4, LABEL, 1200)[US]
    assert _refusals(run) == [(2, "US")]  # not once more


def test_what_comes_after_a_training_that_ended_early_is_decided_on_the_day_after_its_last_round(run: HubRun) -> None:
    run.calendar = replace(run.calendar, days_per_round=30)
    examination = Membership(run, MEMBERS)
    for number in (1, 2, 3):
        examination.before(number, LABEL, 1200)
    run.stopped_after, run.gate.evidence.register = 3, _register()
    assert run.afterwards == 4 and set(examination.before(run.afterwards, LABEL, 1200)) == {US}
    assert [(one.round, one.day) for one in examination.amendments] == [(None, run.calendar.day(4))]
