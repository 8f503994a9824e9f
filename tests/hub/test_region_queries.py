"""Questions to regions: every answer as a value, every failure as the error of that region, with a way out."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from flwr.app import Message, RecordDict

from fedsov.artifact import Kind
from fedsov.border.decisions import Refusal
from fedsov.border.evidence.register import Register
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.errors import BudgetExceeded, LedgerBroken, StoreDamaged
from fedsov.hub import region_queries
from fedsov.hub.planning.plan_values import Plan, PlannedCrossing, RegionPlan
from fedsov.label import Label
from fedsov.ledger.proofs import noted_heads
from fedsov.protocol.flower_messages import DECISION_ROUND, REFUSED, VERSION_KEY, config_of, error_reply
from fedsov.protocol.message_types import VERSION
from tests.hub.world import World, connected, ledger_of, profile, text


def test_a_question_goes_to_each_region_with_the_round_it_is_decided_in(tmp_path: Path) -> None:
    world = World(tmp_path)
    with connected(world) as run:
        replies = region_queries.ask(run, ["DE", "US"], "query.ready", {"a": 1}, decision_round=3)
    assert list(replies) == ["DE", "US"] and all(reply.has_content() for reply in replies.values())
    assert [config_of(message) for message in world.messages] == [{"a": 1, DECISION_ROUND: 3, VERSION_KEY: VERSION}] * 2


def test_the_first_region_that_could_not_be_opened_is_named_with_what_mends_it(tmp_path: Path) -> None:
    world = World(tmp_path, {"query.ready": lambda name, _: "StoreDamaged" if name == "FR" else RecordDict()})
    with connected(world) as run, pytest.raises(StoreDamaged, match="region FR: its store .*ingest --rebuild"):
        region_queries.profiles(run)
    assert not world.kinds("query.profile")


def test_profiles_are_counts_and_a_region_that_holds_them_back_has_none(tmp_path: Path) -> None:
    world = World(tmp_path)
    ordinary = world.send

    def refusing(message: Message, label: object) -> None:
        if (message.metadata.message_type, message.metadata.dst_node_id) == ("query.profile", 3):
            world.arrived.append((error_reply(message, REFUSED, "Refused"), label))  # type: ignore[arg-type]
        else:
            ordinary(message, label)  # type: ignore[arg-type]

    world.send = refusing  # type: ignore[method-assign, assignment]
    with connected(world) as run:
        found = {each.region: each for each in region_queries.profiles(run)}
    assert found["DE"].rows == 600 and found["DE"].label.origins == {"DE"}
    assert found["FR"].rows is None and found["FR"].label.is_public


def test_a_region_that_withholds_its_answer_by_its_own_rule_is_planned_without_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    answers = {"query.profile": lambda name, _: "AnswerWithheld" if name == "FR" else text("profile", profile(name))}
    lines: list[str] = []
    with connected(World(tmp_path, answers), lines=lines) as run:
        plan, _ = region_queries.planned(run)
    (line,) = [line for line in lines if "region FR" in line]
    assert "whom it answered about before left, were erased or corrected" in line and "the others go on" in line
    (without,) = plan.following("none")
    assert without == "FR"
    reason = next(part.reasons[0] for part in plan.regions if part.region == "FR")
    assert "AnswerWithheld" in reason, "the table's line has the way out, and a command that runs as it stands"
    place = f"--workspace {shlex.quote(str(run.workspace.root))}`"
    assert f"`fedsov region set FR datasets.stackoverflow.subject=COLUMN {place}" in reason


def test_the_plan_is_made_of_what_regions_say_and_records_nothing(tmp_path: Path) -> None:
    sizes = {"DE": 600, "FR": 700, "US": 40}
    world = World(tmp_path, {"query.profile": lambda name, _: text("profile", profile(name, sizes[name]))})
    with connected(world) as run:
        plan, profiles = region_queries.planned(run)
        assert run.gate.ledger.head().size == 0
    assert plan.following("federated") == ("DE", "FR") and [each.rows for each in profiles] == [600, 700, 40]


def _blocked(source: str, target: str) -> PlannedCrossing:
    refusal = Refusal(("rule",), ("law",), "needs a paper", ("paper",), "add it", "0")
    label = Label.from_json(profile("DE")["label"])
    return PlannedCrossing(source, target, Kind.MODEL, label, 9, refusal)


def test_a_region_that_refuses_to_note_the_hub_s_head_is_told_with_its_reason(tmp_path: Path) -> None:
    why, lines = "region FR has pinned the key abab… for hub, and was told 1212…", list[str]()
    answers = {
        "query.ledger": lambda name, _: (
            f"JobRefused: {why}"
            if name == "FR"
            else text("ledger", {**ledger_of(tmp_path, name), "permitted": 0, "refused": 0, "refusals": []})
        )
    }
    with connected(World(tmp_path, answers), lines=lines) as run:
        assert "FR" not in region_queries.ledgers(run)
    assert [line for line in lines if line.startswith("ledgers: region FR") and why in line]


def test_a_refused_crossing_goes_once_into_the_ledger_of_the_party_that_would_send(tmp_path: Path) -> None:
    world = World(tmp_path, names=("CN", "DE"))
    crossings = (_blocked("hub", "CN"), _blocked("hub", "CN"), _blocked("DE", "hub"))
    plan = Plan((RegionPlan("DE", 600, "local", ("no",), blocked=crossings),))
    with connected(world) as run:
        run.gate = replace(run.gate, bundle=load_bundle(), evidence=Register(()))
        region_queries.record_refusals(run, plan)
        bodies = [entry.body for entry in run.gate.ledger.entries()]
    assert [body["importer"]["name"] for body in bodies] == ["CN"]
    (proposed,) = world.kinds("query.propose")
    assert config_of(proposed)["crossings"] == '[["model", "hub"]]' and proposed.metadata.dst_node_id == 3


def test_privacy_that_does_not_fit_ends_the_run_before_any_row_was_touched(tmp_path: Path) -> None:
    prices = {"DE": {"fits": False, "why": "0.1 is left"}, "FR": {"fits": False, "why": "nothing is left"}}
    world = World(tmp_path, {"query.privacy": lambda name, _: text("privacy", prices[name])})
    with connected(world) as run, pytest.raises(BudgetExceeded, match=r"DE: 0.1 is left; FR: nothing is left; privacy"):
        region_queries.price_privacy(run, ["DE", "FR"])


def test_heads_are_noted_on_both_sides_and_one_that_does_not_continue_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    with connected(world) as run:
        summaries = region_queries.ledgers(run)
        noted = noted_heads(run.gate.ledger)
        assert set(summaries) == {"DE", "FR", "US"} and noted["DE"] == summaries["DE"]["head"]
    (told, *_) = world.kinds("query.ledger")
    assert "head" in config_of(told)
    for path in (tmp_path / "ledgers" / "DE").glob("*"):
        path.unlink()
    ledger_of(tmp_path, "DE")
    with connected(world) as run, pytest.raises(LedgerBroken):
        region_queries.ledgers(run)
