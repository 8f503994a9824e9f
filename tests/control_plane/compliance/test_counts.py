"""Crossings counted: the numbers are the ledgers'."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fedsov.artifact import Artifact, Kind
from fedsov.control_plane.compliance.entries import read_book
from fedsov.control_plane.compliance.page import as_html
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from tests.border.world import DAY, party
from tests.control_plane.compliance.ledgers import (
    bodies,
    gate_of,
    path_of,
    record,
    try_to_cross,
)


def test_the_numbers_of_the_record_are_those_of_the_ledgers(workspace: Path) -> None:
    told = record(workspace).to_json()
    crossings = [one for one in bodies(workspace) if one["act"] == "cross"]
    verdicts = Counter(one["verdict"] for one in crossings)
    assert told["crossings"] == {
        "permitted": verdicts["permit"],
        "reviewed": verdicts["review"],
        "refused": verdicts["refuse"],
        "total": len(crossings),
    }
    assert (verdicts["permit"], verdicts["review"], verdicts["refuse"]) == (8, 1, 2)
    answering = [(one, one["at_fault"] or one["origins"]) for one in crossings]
    cells = Counter((origin, one["destination"], one["verdict"]) for one, origins in answering for origin in origins)
    of_matrix = {
        (cell["origin"], cell["destination"], verdict): cell["count"][name]
        for cell in told["matrix"]
        for verdict, name in (("permit", "permitted"), ("review", "reviewed"), ("refuse", "refused"))
        if cell["count"][name]
    }
    assert of_matrix == dict(cells)
    by_word = {
        "origin": Counter(origin for _, origins in answering for origin in origins),
        "category": Counter(word for one in crossings for word in one["categories"]),
    }
    for dimension, counted in by_word.items():
        assert {word: count["total"] for word, count in told["tallies"][dimension].items()} == dict(counted)
    grounds = [{ground.partition(" ")[2] for ground in one["basis"]} for one in crossings]
    by_ground = Counter(ground for several in grounds for ground in several)
    assert {word: one["total"] for word, one in told["tallies"]["mechanism"].items() if word != "none"} == by_ground
    assert told["tallies"]["mechanism"]["none"]["refused"] == 2


def test_a_refusal_stands_under_the_origins_that_refuse_and_no_origin_has_another_s_documents(workspace: Path) -> None:
    told = record(workspace)
    refused = {(route.origin, route.destination) for route in told.matrix if route.count.refused}
    assert refused == {("GB", "IN")}, "the model is made of German and American rows too, which may go there"
    for route in (*told.matrix, *told.flows):
        others = {"DE": "gb", "GB": "-de-", "US": "-gb-"}.get(route.origin, "nobody")
        assert not any(others in document for document in route.documents), route


def test_an_older_entry_that_does_not_tell_whose_document_it_is_counts_as_before(workspace: Path) -> None:
    told = [(seq, "0", {**body, "relied": None, "at_fault": None}) for seq, body in enumerate(bodies(workspace))]
    lines = read_book("hub", told, head="0").lines
    assert all(line.answered_by == line.bound_by for line in lines)
    assert all(line.documents_of(origin) == line.documents for line in lines for origin in line.bound_by)


def test_flows_sum_to_their_cell_of_the_matrix(workspace: Path) -> None:
    told = record(workspace)
    for route in told.matrix:
        parts = [one for one in told.flows if (one.origin, one.destination) == (route.origin, route.destination)]
        assert sum(one.count.total for one in parts) == route.count.total


def test_parties_documents_runs_and_ledgers_are_told_with_their_use(workspace: Path) -> None:
    told = record(workspace)
    permitted = [one for one in bodies(workspace) if one.get("verdict") == "permit" and one["act"] == "cross"]
    used = Counter(document_id for one in permitted for document_id in one["documents"])
    assert {one.id: one.crossings for one in told.documents if one.crossings} == dict(used) and used
    parties = {one.party.name: (one.sent, one.received) for one in told.parties}
    assert parties["IE"] == (4, 4) and parties["IN"] == (0, 0) and "CN" in parties
    assert [(one.run, one.days) for one in told.runs] == [("r1", (DAY.isoformat(),))]
    assert {one.owner: one.entries for one in told.ledgers} == {"hub": 7, "DE": 2, "US": 4}
    assert all(one.head == Ledger.read(path_of(workspace, one.owner)).head().digest for one in told.ledgers)


def test_a_refusal_is_told_once_with_its_missing_document_and_way_out(workspace: Path) -> None:
    (refused,) = record(workspace).refusals
    assert refused.count == 2 and refused.origins == ("DE", "GB", "US") and refused.importer.name == "IN"
    assert "scc_uk_idta" in refused.missing[0] and "evidence register" in refused.remedy
    page = as_html(record(workspace))
    assert refused.missing[0].replace(">", "&gt;") in page and "2 times" in page


def test_a_model_is_told_by_its_digest_with_its_origins_and_recipients(workspace: Path) -> None:
    told = record(workspace).models
    sent = {one["digest"] for one in bodies(workspace) if one.get("kind") == "model" and one["verdict"] == "permit"}
    assert {one.digest for one in told} == sent and len(sent) == 2
    for one in told:
        assert one.origins == ("DE", "GB", "US") and one.recipients == ("DE (DE)", "US (US)")


def test_what_is_bound_without_an_origin_is_not_called_public(workspace: Path) -> None:
    hub = gate_of(workspace, "IE")
    try_to_cross(hub, Artifact(Kind.MODEL, Label(frozenset(), frozenset({"health"}), frozenset())), "US")
    hub.cross(Artifact(Kind.MODEL, Label(), b"open"), party("US"))
    found = {one.origin: one.count for one in record(workspace).matrix if one.destination == "US"}
    assert found["unnamed"].refused == 1 and found["public"].permitted == 1
