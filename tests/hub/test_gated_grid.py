"""The hub's gate stands before every runtime: what it refuses is not sent, and what is sent bears its label."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message

from fedsov.border.evidence.register import Register
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.errors import FedsovError, LedgerBroken
from fedsov.hub.gated_grid import GatedGrid
from fedsov.hub.region_queries import question
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.flower_messages import reason_of
from tests.hub.world import World, connected, update

MODEL = {"w": np.zeros(3, np.float32)}
BOUND = Label(frozenset({"DE"}), frozenset({"personal"}))


def _model_to(node: int, round_number: int = 1) -> Message:
    return question(node, "train", {"server-round": round_number, "scope": "shareable"}, MODEL)


def test_what_is_sent_bears_the_label_of_the_grid_and_a_question_without_a_model_none(tmp_path: Path) -> None:
    world = World(tmp_path)
    with connected(world) as run:
        grid = run.grid([2, 3], label=BOUND, people=900)
        list(grid.send_and_receive([_model_to(2), question(3, "query.ready")]))
        (body,) = [entry.body for entry in run.gate.ledger.entries()]
    assert world.labels == [BOUND, Label()]
    assert (body["kind"], body["importer"]["name"], body["count"], body["round"]) == ("model", "DE", 900, 1)


def test_labels_of_updates_join_the_grid_s_label(tmp_path: Path) -> None:
    world = World(tmp_path, {"train": lambda name, message: update(message, 1.0)})
    with connected(world) as run:
        grid = run.grid([2, 3])
        replies = list(grid.send_and_receive([_model_to(2), _model_to(3)]))
    assert len(replies) == 2 and grid.label.origins == {"DE", "FR"}


def test_a_model_that_the_gate_refuses_never_reaches_the_runtime_and_others_go_on(tmp_path: Path) -> None:
    world = World(tmp_path, names=("CN", "DE"))
    with connected(world) as run:
        run.gate = replace(run.gate, bundle=load_bundle(), evidence=Register(()))
        grid = run.grid([2, 3], label=BOUND, people=900)
        replies = {reply.metadata.src_node_id: reply for reply in grid.send_and_receive([_model_to(2), _model_to(3)])}
        verdicts = {
            entry.body["importer"]["name"]: entry.body["verdict"]
            for entry in run.gate.ledger.entries()
            if entry.body["act"] == "cross"
        }
    assert reason_of(replies[2]) == "CrossingRefused" and replies[3].has_content()
    assert [message.metadata.dst_node_id for message in world.messages] == [3]
    assert verdicts == {"CN": "refuse", "DE": "permit"}


def test_each_message_is_decided_on_the_day_of_its_round(tmp_path: Path) -> None:
    with connected(World(tmp_path), "federation.days_per_round=10") as run:
        list(run.grid([2], label=BOUND).send_and_receive([_model_to(2, round_number=3)]))
        list(run.grid([2], label=BOUND, decision_round=2).send_and_receive([question(2, "query.finish", {}, MODEL)]))
        days = [entry.body["day"] for entry in run.gate.ledger.entries()]
    assert days == [str(date(2026, 12, 13)), str(date(2026, 12, 3))]


def test_a_grid_speaks_to_its_own_nodes_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    with connected(world) as run:
        grid = run.grid([3, 2])
        assert list(grid.get_node_ids()) == [2, 3] and [node.node_id for node in grid.get_nodes()] == [2, 3]
        with pytest.raises(FedsovError, match="node 4 is not one of"):
            grid.push_messages([question(4, "query.ready")])
    assert not world.messages


def test_nothing_is_sent_where_the_ledger_cannot_be_written(tmp_path: Path) -> None:
    world = World(tmp_path)
    with connected(world) as run:
        run.gate.note({"before": "anything"})
        run.gate = replace(run.gate, ledger=Ledger.read(run.workspace.hub / "ledger.sqlite"))
        grid = run.grid([2], label=BOUND)
        with pytest.raises(LedgerBroken):
            grid.push_messages([_model_to(2)])
    assert not world.messages


def test_an_answer_that_does_not_come_in_time_is_not_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, {"query.ready": lambda name, _: None})
    with connected(world) as run:
        grid: GatedGrid = run.grid([2])
        assert list(grid.send_and_receive([question(2, "query.ready")], timeout=0.01)) == []
