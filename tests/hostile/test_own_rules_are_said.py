"""Additional rules that stand only in a region's own settings are said to whoever plans: no plan promises over them.

A region told its profile and nothing of its rules; the hub planned by the shipped law, and the region refused later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fedsov.border.law.law_owner import sign_rules
from fedsov.hub import region_queries
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.flower_messages import flower_process
from fedsov.storage.workspace import ledger_of
from tests.hostile.people_region import PeopleRegion, drawn
from tests.hub.world import World, connected, text
from tests.world import answered, called

FORBID = "{id: own-1, effect: forbid, when: [[kind, in, [synthetic]]], reason: r, cite: c, remedy: m}"
PERMIT = "{id: own-2, effect: permit, when: [[kind, in, [metrics]]], reason: r, cite: c}"
RULES = {"digest": "ab" * 32, "count": 2, "permits": True}


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    made = PeopleRegion(tmp_path_factory.mktemp("rules"))
    made.ingest(drawn(range(40)))
    return made


@pytest.fixture
def process() -> Iterator[None]:
    with flower_process():
        yield


def _rules(region: PeopleRegion, *rules: str) -> Path:
    path = region.place / "rules.yaml"
    path.write_text("rules:\n" + "".join(f"- {rule}\n" for rule in rules))
    return path


def _crossed(region: PeopleRegion) -> list[str]:
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        return [entry.body["name"] for entry in ledger.entries("r") if entry.body["act"] == "cross"]


@pytest.mark.usefixtures("process")
def test_a_region_tells_of_its_own_rules_and_its_gate_writes_it_down(region: PeopleRegion) -> None:
    assert region.asked("query.ready") == {} and "additional rules of its own" not in _crossed(region)
    path = _rules(region, FORBID)
    region.set(f"law.rules={path}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert region.asked("query.ready") == {"law": {"digest": digest, "count": 1, "permits": False}}
    assert _crossed(region)[-1] == "additional rules of its own"
    place, key = f"workspace={region.place / 'w'}", region.place / "owner.pem"
    assert called("region", "owner", "init", "DE", "--key", str(key), place).returncode == 0
    sign_rules(_rules(region, FORBID, PERMIT), key)
    region.set(f"law.rules={path}")
    said: dict[str, Any] = region.asked("query.ready")
    assert (said["law"]["count"], said["law"]["permits"]) == (2, True)


def test_a_plan_says_above_all_that_a_region_decides_by_rules_of_its_own(region: PeopleRegion) -> None:
    region.set(f"law.rules={_rules(region, FORBID)}")
    plan = answered(called("plan", *region.words(), "--json", "--quiet"))
    assert any("region DE decides by 1 rule of its own besides" in mark for mark in plan["marks"]), plan["marks"]


def test_whoever_plans_for_people_under_the_demonstration_s_hub_is_told_to_name_the_own_one(
    region: PeopleRegion,
) -> None:
    own = [*region.words(), "federation.hub.entity=Bank plc"]
    demonstration = str(region.start().hub.entity)
    for words, entity, is_told in ((own, "Bank plc", False), (region.words(), demonstration, True)):
        region.set(f"parties.hub.entity={entity}")
        done = called("plan", *words)
        assert done.returncode == 0, done.stderr
        assert ("name yours by federation.hub.entity=NAME" in done.stderr) is is_told, done.stderr


def test_what_a_region_says_of_its_rules_stands_in_plan_and_run_and_nonsense_costs_that_region_alone(
    tmp_path: Path,
) -> None:
    answers = {"query.ready": lambda name, _: text("law", RULES if name == "DE" else {"count": "many"})}
    with connected(World(tmp_path, answers, names=("DE", "US"))) as run:
        plan = region_queries.plan_of(run, region_queries.profiles(run))
        assert list(run.own_rules) == ["DE"]
        (mark,) = [each for each in plan.marks if each.startswith("OWN RULES")]
        assert mark in run.marks and "2 rules" in mark and "one of them permits" in mark
