"""The documents that would open a better plan: with all of them entered, the plan is the one that was promised."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from fedsov.api.border.missing_evidence import BorderView, missing, rule_of
from fedsov.border.evidence.register import Register
from fedsov.border.evidence.register_file import load_register
from fedsov.cli.evidence_missing import entry_line
from fedsov.errors import ConfigurationError
from fedsov.hub.planning.plan import make_plan
from fedsov.hub.planning.plan_values import Profile, StrategyRule
from tests.border.world import DAY, DEMO, EMPTY, demo_register, label, law, party
from tests.cli.world import call

PROFILES = [
    Profile(name, rows, 60, label(name), 2) for name, rows in {"US": 2791, "GB": 1023, "DE": 757, "IN": 538}.items()
]
RULE = StrategyRule()


def view(register: Register) -> BorderView:
    return BorderView(lambda name: party("IE" if name == "hub" else name), law(), register, DAY)


def test_the_demo_misses_one_document_and_with_it_india_federates() -> None:
    answer = missing(PROFILES, RULE, hub="hub", view=view(demo_register()))
    assert [(each.kind, min(each.exporter), min(each.importer)) for each in answer.documents] == [
        ("scc_uk_idta", "GB", "IN")
    ]
    assert answer.before["IN"] != "federated" and answer.changed == {"IN": "federated"} and answer.closed == ()


def test_without_a_register_every_document_is_named_that_a_federation_of_all_needs() -> None:
    answer = missing(PROFILES, RULE, hub="hub", view=view(EMPTY))
    assert set(answer.after.values()) == {"federated"} and set(answer.before.values()) != {"federated"}
    ids = [each.id for each in answer.documents]
    assert len(ids) == len(set(ids)) and not any(name.startswith("proposed") for name in ids)


def test_nothing_is_missing_where_all_federate_already() -> None:
    answer = missing(PROFILES[:3], RULE, hub="hub", view=view(demo_register()))
    assert answer.documents == () and answer.changed == {}


@pytest.mark.parametrize("begin", ["demo", "nothing"])
def test_the_lines_run_as_they_stand_and_the_plan_is_then_the_promised_one(tmp_path: Path, begin: str) -> None:
    path, register = tmp_path / "documents.yaml", demo_register() if begin == "demo" else EMPTY
    if begin == "demo":
        path.write_bytes(DEMO.read_bytes())
    answer = missing(PROFILES, RULE, hub="hub", view=view(register))
    for document in answer.documents:
        line = shlex.split(entry_line(document, path))
        assert line[1:4] == ["-m", "fedsov", "evidence"]
        ended = call(*line[3:])
        assert ended.code == 0, ended.err
    plan = make_plan(PROFILES, RULE, hub="hub", judge=view(load_register(path)).judge)
    assert {region.region: region.strategy for region in plan.regions} == dict(answer.after)


def test_for_one_strategy_only_its_documents_are_asked_for_and_an_unknown_one_is_refused() -> None:
    assert rule_of(RULE, "synthetic").order == ("synthetic",) and rule_of(RULE, None) is RULE
    with pytest.raises(ConfigurationError, match="unknown strategy 'federate'; did you mean federated"):
        rule_of(RULE, "federate")


def test_a_document_that_a_later_crossing_asks_more_of_is_told_once_with_all_that_it_states() -> None:
    answer = missing(PROFILES, RULE, hub="hub", view=view(EMPTY))
    papers = [(each.kind, each.exporter, each.importer) for each in answer.documents]
    contracts = {min(each.importer): each for each in answer.documents if each.kind == "accountability_contract"}
    assert len(papers) == len(set(papers)) and contracts["IE"].terms["onward_terms"] == "yes"
    german = {each.exporters for each in answer.documents if each.kind == "scc_eu" and each.exporter == {"DE"}}
    assert german == {frozenset({party("DE").entity})}, "whose rows they are, though the hub passes them on"
