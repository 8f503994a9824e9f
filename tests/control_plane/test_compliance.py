"""The record of processing: its numbers are the ledgers', it escapes what is hostile, and it claims nothing."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fedsov.api.ledger_audit import books
from fedsov.artifact import Artifact, Kind
from fedsov.border.gate import Gate, Refused
from fedsov.border.law.bundle_loader import unsafe_open
from fedsov.control_plane.compliance.entries import Book, read_book
from fedsov.control_plane.compliance.page import as_html
from fedsov.control_plane.compliance.record import Record, record_of
from fedsov.errors import LedgerBroken
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from tests.border.world import DAY, DEMO, artifact, demo_register, law, party
from tests.world import answered, fedsov

CLAIMS = re.compile(r"compliant|lawful|anonymous", re.IGNORECASE)
HOSTILE = '<script>alert("x")</script>'
NEWER: Mapping[str, Any] = {
    "destination_name": "United States",
    "basis": ["DE scc_eu", "GB scc_uk_idta", "US free"],
    "bundle_dated": "2026-11-01",
    "privacy": {"eps": 1.5, "delta": 1e-6, "mechanism": "gaussian"},
}


def gate_of(root: Path, code: str, **other: Any) -> Gate:
    """A gate whose ledger stands where a workspace has it; IE is the hub's."""
    folder = root / "hub" if code == "IE" else root / "regions" / code
    parts = {"bundle": law(), "evidence": demo_register(), "run": "r1", "today": lambda: DAY}
    return Gate(party(code), ledger=Ledger(folder / "ledger.sqlite", code), **(parts | other))


def try_to_cross(gate: Gate, thing: Artifact, target: str) -> None:
    with pytest.raises(Refused):
        gate.cross(thing, party(target))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two rounds of a joint model, updates, a refusal, a review, a release, a note; all through real gates."""
    root = tmp_path / "w"
    hub, germany, states = (gate_of(root, code) for code in ("IE", "DE", "US"))
    for round in (1, 2):
        for gate in (germany, states):
            gate.cross(artifact(Kind.UPDATE, gate.owner.location, content=b"update"), party("IE"), round=round)
        joint = artifact(Kind.MODEL, "DE", "GB", "US", content=b"weights %d" % round, count=900)
        for target in ("US", "DE"):
            hub.cross(joint, party(target), round=round)
    try_to_cross(hub, artifact(Kind.MODEL, "DE", "GB", "US"), "IN")
    try_to_cross(hub, artifact(Kind.MODEL, "DE", "GB", "US"), "IN")
    try_to_cross(states, artifact(Kind.UPDATE, "US", count=50), "CN")
    states.release(artifact(Kind.RECORDS, "US", content=b"rows"), document="demo-global-consent")
    hub.note({"heads": {}})
    return root


def bodies(root: Path) -> list[dict[str, Any]]:
    """What the ledgers hold, read without the code under test."""
    found = []
    for path in sorted(root.rglob("ledger.sqlite")):
        with sqlite3.connect(path) as book:
            found += [json.loads(row[0]) for row in book.execute("SELECT body FROM entries")]
    return found


def record(root: Path, on: date = DAY, **other: Any) -> Record:
    return record_of(books(root), on=on, **other)


def made_of(*entries: dict[str, Any], fault: str = "", on: date = DAY) -> Record:
    """The record of one ledger that holds these bodies."""
    book = read_book("DE", [(seq, f"{seq:064x}", body) for seq, body in enumerate(entries, 1)], head="0", fault=fault)
    return record_of([book], on=on)


def crossing(root: Path, **changed: Any) -> dict[str, Any]:
    """The body of the joint model's permitted crossing to the United States, with some fields changed."""
    wanted = (one for one in bodies(root) if one.get("destination") == "US" and one["kind"] == "model")
    return next(wanted) | changed


def said(record: Record) -> str:
    return " ".join(one.text for one in record.warnings)


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
    cells = Counter((origin, one["destination"], one["verdict"]) for one in crossings for origin in one["origins"])
    of_matrix = {
        (cell["origin"], cell["destination"], verdict): cell["count"][name]
        for cell in told["matrix"]
        for verdict, name in (("permit", "permitted"), ("review", "reviewed"), ("refuse", "refused"))
        if cell["count"][name]
    }
    assert of_matrix == dict(cells)
    for dimension, field in (("origin", "origins"), ("category", "categories")):
        counted = Counter(word for one in crossings for word in one[field])
        assert {word: count["total"] for word, count in told["tallies"][dimension].items()} == dict(counted)
    grounds = [{ground.partition(" ")[2] for ground in one["basis"]} for one in crossings]
    by_ground = Counter(ground for several in grounds for ground in several)
    assert {word: one["total"] for word, one in told["tallies"]["mechanism"].items() if word != "none"} == by_ground
    assert told["tallies"]["mechanism"]["none"]["refused"] == 2


def test_flows_sum_to_their_cell_of_the_matrix(workspace: Path) -> None:
    told = record(workspace)
    for route in told.matrix:
        parts = [one for one in told.flows if (one.origin, one.destination) == (route.origin, route.destination)]
        assert sum(one.count.total for one in parts) == route.count.total


def test_parties_documents_runs_and_ledgers_are_told_with_their_use(workspace: Path) -> None:
    told = record(workspace)
    permitted = [one for one in bodies(workspace) if one.get("verdict") == "permit" and one["act"] == "cross"]
    used = Counter(id for one in permitted for id in one["documents"])
    assert {one.id: one.crossings for one in told.documents if one.crossings} == dict(used) and used
    parties = {one.party.name: (one.sent, one.received) for one in told.parties}
    assert parties["IE"] == (4, 4) and parties["IN"] == (0, 0) and "CN" in parties
    assert [(one.run, one.days) for one in told.runs] == [("r1", (DAY.isoformat(),))]
    assert {one.owner: one.entries for one in told.ledgers} == {"hub": 7, "DE": 2, "US": 4}
    assert all(one.head == Ledger.read(path_of(workspace, one.owner)).head().digest for one in told.ledgers)


def path_of(root: Path, owner: str) -> Path:
    return (root / "hub" if owner == "hub" else root / "regions" / owner) / "ledger.sqlite"


def test_a_refusal_is_told_once_with_its_missing_document_and_way_out(workspace: Path) -> None:
    (refused,) = record(workspace).refusals
    assert refused.count == 2 and refused.origins == ("DE", "GB", "US") and refused.importer.name == "IN"
    assert "scc_uk_idta" in refused.missing[0] and "evidence register" in refused.remedy
    page = as_html(record(workspace))
    assert refused.missing[0].replace(">", "&gt;") in page and "2 times" in page


def test_a_release_is_told_with_what_bound_it_and_the_evidence(workspace: Path) -> None:
    (released,) = record(workspace).releases
    assert released.origins == ("US",) and released.documents == ("demo-global-consent",)
    assert released.ledger == "US" and released.verdict == "permit" and "personal" in released.categories


def test_a_model_is_told_by_its_digest_with_its_origins_and_recipients(workspace: Path) -> None:
    told = record(workspace).models
    sent = {one["digest"] for one in bodies(workspace) if one.get("kind") == "model" and one["verdict"] == "permit"}
    assert {one.digest for one in told} == sent and len(sent) == 2
    for one in told:
        assert one.origins == ("DE", "GB", "US") and one.recipients == ("DE (DE)", "US (US)")


def test_grounds_follow_the_origin_where_entries_tell_it(workspace: Path) -> None:
    told = made_of(crossing(workspace, **NEWER))
    assert {one.origin: one.mechanisms for one in told.matrix} == {
        "DE": ("scc_eu",),
        "GB": ("scc_uk_idta",),
        "US": ("free",),
    }
    assert told.places == {"US": "United States"} and "United States" in as_html(told)


def test_privacy_is_told_as_written_and_never_added_up(workspace: Path) -> None:
    second = NEWER | {"privacy": {"eps": 2.5, "delta": 1e-6}}
    (spent,) = made_of(crossing(workspace, **NEWER), crossing(workspace, **second)).privacy
    assert (spent.entries, spent.largest, spent.latest["eps"]) == (2, 2.5, 2.5)


def test_what_is_bound_without_an_origin_is_not_called_public(workspace: Path) -> None:
    hub = gate_of(workspace, "IE")
    try_to_cross(hub, Artifact(Kind.MODEL, Label(frozenset(), frozenset({"health"}), frozenset())), "US")
    hub.cross(Artifact(Kind.MODEL, Label(), b"open"), party("US"))
    found = {one.origin: one.count for one in record(workspace).matrix if one.destination == "US"}
    assert found["unnamed"].refused == 1 and found["public"].permitted == 1


REVIEW: Mapping[str, Any] = {"review": "R7", "verdict": "review", "reason": "A person must look."}
APPROVE: Mapping[str, Any] = {
    "act": "approve",
    "review": "R7",
    "by": "Example Person",
    "why": "Looked at the contract.",
    "since": "2026-11-01",
    "until": "2026-12-31",
    "at": "2026-11-02T09:00:00.000+00:00",
    "crossing": {"origins": ["DE"], "destination": "US", "kind": "model"},
}
WITHDRAW: Mapping[str, Any] = {
    "act": "withdraw",
    "review": "R7",
    "by": "Other Person",
    "why": "The contract ended.",
    "at": "2026-11-03T09:00:00.000+00:00",
}


@pytest.mark.parametrize(
    ("acts", "on", "status"),
    [
        ([], DAY, "waiting"),
        ([APPROVE], DAY, "in force"),
        ([APPROVE], date(2026, 12, 31), "in force"),
        ([APPROVE], date(2027, 1, 1), "expired"),
        ([APPROVE], date(2026, 10, 31), "not yet"),
        ([APPROVE, WITHDRAW | {"approval": f"{2:064x}"}], DAY, "withdrawn"),
        ([APPROVE, WITHDRAW], DAY, "withdrawn"),
        ([APPROVE, WITHDRAW, APPROVE | {"at": "2026-11-04T09:00:00.000+00:00"}], DAY, "in force"),
        ([WITHDRAW, APPROVE], DAY, "in force"),
    ],
)
def test_an_approval_holds_from_its_first_day_to_its_last_unless_withdrawn(
    workspace: Path, acts: list[dict[str, Any]], on: date, status: str
) -> None:
    (told,) = made_of(crossing(workspace, **REVIEW), *acts, on=on).reviews
    assert told.status == status and told.review == "R7" and told.held == 1
    page = as_html(made_of(crossing(workspace, **REVIEW), *acts, on=on))
    assert all(one["by"] in page and one["why"] in page for one in acts if one["act"] == "approve")


def test_a_crossing_under_an_approval_counts_as_permitted_and_names_its_review(workspace: Path) -> None:
    told = made_of(crossing(workspace, **REVIEW), dict(APPROVE), crossing(workspace, review="R7"))
    assert told.reviews[0].crossed == 1 and told.crossings.permitted == 1 and told.crossings.reviewed == 1


def test_documents_that_expired_or_soon_do_are_named(workspace: Path, tmp_path: Path) -> None:
    register = demo_register().documents
    last = next(one.expires for one in register if one.id == "demo-scc-de-us")
    status = {
        on: {one.id: one.status for one in record(workspace, on, register=register).documents}["demo-scc-de-us"]
        for on in (DAY, last - timedelta(90), last, last + timedelta(1))
    }
    assert list(status.values()) == ["valid", "expires soon", "expires soon", "expired"]
    assert "demo-scc-de-us" in said(record(workspace, last + timedelta(1), register=register))
    assert "not in the register" in said(record(workspace, register=()))
    assert "made-up examples" in said(record(workspace, register=register))


@pytest.mark.parametrize(("age", "stale"), [(90, False), (91, True)])
def test_a_bundle_of_rules_older_than_90_days_is_warned_of(workspace: Path, age: int, stale: bool) -> None:
    told = made_of(crossing(workspace, bundle_dated=(DAY - timedelta(age)).isoformat()))
    assert (f"{age} days before this report" in said(told)) is stale
    assert (f"{age} days before this report" in as_html(told)) is stale


def test_a_bundle_that_was_replaced_is_not_warned_of(workspace: Path) -> None:
    old, new = {"bundle_dated": "2025-01-01", "bundle": "old"}, {"bundle_dated": "2026-11-01", "bundle": "new"}
    assert "days before this report" not in said(made_of(crossing(workspace, **old), crossing(workspace, **new)))
    assert "days before this report" in said(made_of(crossing(workspace, **new), crossing(workspace, **old)))


def test_unsafe_decisions_are_marked_first_and_where_they_stand(workspace: Path) -> None:
    gate = gate_of(workspace, "US", bundle=unsafe_open())
    gate.cross(artifact(Kind.RECORDS, "US", content=b"rows"), party("CN"))
    told = record(workspace)
    (route,) = [one for one in told.matrix if one.destination == "CN"]
    assert told.unsafe == 1 and route.unsafe == 1
    assert told.warnings[0].grave and told.warnings[0].text.startswith("UNSAFE")
    assert as_html(told).count('class="unsafe"') >= 4


def test_a_ledger_that_was_changed_is_told_first_and_still_shown(workspace: Path) -> None:
    with sqlite3.connect(workspace / "regions" / "DE" / "ledger.sqlite") as book:
        book.execute("DROP TRIGGER no_update")
        (body,) = book.execute("SELECT body FROM entries WHERE seq = 2").fetchone()
        book.execute("UPDATE entries SET body = ? WHERE seq = 2", (body.replace(b'"IE"', b'"XX"'),))
    told = record(workspace)
    assert told.warnings[0].grave and "ledger of DE does not verify" in told.warnings[0].text
    assert {one.owner: one.verifies for one in told.ledgers} == {"hub": True, "DE": False, "US": True}
    assert "XX" in told.tallies["destination"]
    page = as_html(told)
    assert page.index("ledger of DE does not verify") < page.index("crossings decided")
    assert "Every ledger verifies" not in page


@pytest.mark.parametrize(
    "body",
    [
        "no mapping",
        {"act": 7},
        {"act": "cross", "verdict": "perhaps"},
        {"act": "cross", "verdict": "permit", "origins": "DE"},
        {"act": "cross", "verdict": "permit", "importer": {"name": ["x"]}},
        {"act": "cross", "verdict": "permit", "bundle_dated": "yesterday"},
        {"act": "cross", "verdict": "permit", "name": "\ud800"},
        {"act": "cross", "verdict": "permit", "bytes": "many"},
    ],
)
def test_an_entry_that_is_not_understood_is_told_by_its_number(body: Any) -> None:
    told = made_of(body, fault="changed")
    assert told.ledgers[0].strange == (1,) and told.crossings.total == 0
    assert "not understood: 1" in said(told) and as_html(told).encode()


def test_an_entry_with_only_what_it_must_have_is_understood() -> None:
    told = made_of({"act": "cross", "verdict": "permit", "privacy": {"eps": float("nan")}}, {"act": "erase"})
    assert told.crossings.permitted == 1 and told.ledgers[0].notes == 1
    assert json.loads(json.dumps(told.to_json(), allow_nan=False)) and as_html(told)


class Parsed(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_hostile_words_of_an_entry_are_text_and_never_markup(workspace: Path) -> None:
    """Every text field at once, in an element and in an attribute; none brings a tag or an attribute of its own."""
    evil = HOSTILE + '" onmouseover="x()" \''
    texts = ("name", "kind", "destination", "destination_name", "purpose", "reason", "remedy", "run", "digest", "at")
    lists = ("documents", "categories", "origins", "basis", "rules", "citations", "missing", "obligations")
    body = dict.fromkeys(texts, evil) | {name: [evil] for name in lists}
    person = {"name": evil, "entity": evil, "location": evil, "owners": [evil], "role": evil}
    body |= {"exporter": person, "importer": person, "bundle": evil, "privacy": {evil: evil}, "review": evil}
    entries = [
        body | {"act": act, "verdict": verdict}
        for act in ("cross", "release", "approve")
        for verdict in ("permit", "review", "refuse")
    ]
    page = as_html(made_of(*(one | {"by": evil, "why": evil, "until": evil} for one in entries), fault=evil))
    plain = as_html(record(workspace))
    tags = Parsed(page).tags
    assert {tag for tag, _ in tags} <= {tag for tag, _ in Parsed(plain).tags} | {"article", "br"}
    assert not any(tag == "script" or name.startswith("on") for tag, attributes in tags for name in attributes)
    assert HOSTILE not in page and "&lt;script&gt;" in page


def test_the_page_needs_nothing_from_outside_and_can_be_read_by_all(workspace: Path) -> None:
    page = as_html(record(workspace, register=demo_register().documents))
    tags = Parsed(page).tags
    assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, _ in tags}
    assert not re.search(r"https?://|url\(|@import", page)
    assert all(link.get("href", "").startswith("#") for tag, link in tags if tag == "a")
    assert ("html", {"lang": "en"}) in tags and all(one.get("scope") for tag, one in tags if tag == "th")
    ids = [one["id"] for _, one in tags if "id" in one]
    assert len(ids) == len(set(ids)) and {one["href"][1:] for tag, one in tags if tag == "a"} <= set(ids)
    assert "prefers-color-scheme: dark" in page and "@media print" in page


def test_it_claims_nothing_and_says_so(workspace: Path) -> None:
    told = record(workspace, register=demo_register().documents)
    for text in (as_html(told), json.dumps(told.to_json())):
        assert not CLAIMS.search(text)
        assert "on these documents, at this time; it is not a legal opinion" in text


def test_numbers_of_people_behind_an_artifact_are_left_out(workspace: Path) -> None:
    hub = gate_of(workspace, "IE")
    hub.cross(artifact(Kind.MODEL, "DE", content=b"w", count=987654), party("DE"))
    told = record(workspace)
    assert "987654" not in json.dumps(told.to_json()) and "987,654" not in as_html(told)


def test_a_large_federation_gives_a_page_of_bounded_size() -> None:
    codes = [f"{a}{b}" for a in "ABCDEFGHIJKLM" for b in "ABCDEFGHIJKLM"][:100]
    entries = [
        {"act": "cross", "verdict": "permit", "origins": codes, "destination": code, "kind": "model", "bytes": 1}
        for code in codes
    ]
    told = made_of(*entries)
    page = as_html(told)
    assert len(told.matrix) == 10_000 and len(page) < 4_000_000 and "The first 500 of 10,000" in page


def test_a_ledger_without_entries_is_told_as_such(tmp_path: Path) -> None:
    told = record_of([Book("hub", 0, "0", "", ())], on=DAY)
    assert told.crossings.total == 0 and "No ledger holds a decision yet" in as_html(told)


def test_books_of_a_workspace_are_cut_at_what_was_verified(workspace: Path) -> None:
    assert {one.owner: (one.size, len(one.lines)) for one in books(workspace)} == {
        "hub": (7, 6),
        "DE": (2, 2),
        "US": (4, 4),
    }


def test_the_command_writes_both_files_and_says_where(workspace: Path, tmp_path: Path) -> None:
    done = fedsov("report", f"workspace={workspace}", "--evidence", str(DEMO))
    assert done.returncode == 0 and done.stderr == ""
    page, sheet = workspace / "report" / "report.html", workspace / "report" / "report.json"
    assert str(page) in done.stdout and str(sheet) in done.stdout
    told = json.loads(sheet.read_text())
    assert told["crossings"]["total"] == 11 and told["register_given"]
    assert "Example Holding Ltd" in page.read_text() and not CLAIMS.search(page.read_text())
    out = tmp_path / "elsewhere"
    assert answered(fedsov("report", f"workspace={workspace}", "--out", str(out), "--json"))["matrix"] == told["matrix"]
    assert (out / "report.html").exists()


def test_the_command_writes_the_report_of_a_broken_ledger_and_ends_with_5(workspace: Path) -> None:
    with sqlite3.connect(workspace / "hub" / "ledger.sqlite") as book:
        book.execute("DROP TRIGGER no_delete")
        book.execute("DELETE FROM entries WHERE seq = 3")
    done = fedsov("report", f"workspace={workspace}", "--json")
    assert done.returncode == LedgerBroken.exit_code and "hub does not verify" in done.stderr
    assert json.loads(done.stdout)["warnings"][0]["grave"]
    assert "hub does not verify" in (workspace / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("workspace=EMPTY",), "holds no run yet"),
        (("workspace=EMPTY", "evidence=x.yaml"), "no setting 'evidence' here; this command has workspace"),
        (("workspace=RUN", "--evidence", "/nowhere.yaml"), "cannot read the evidence register /nowhere.yaml"),
    ],
)
def test_the_command_tells_in_one_line_what_it_lacks(
    workspace: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    places = {"EMPTY": str(tmp_path / "empty"), "RUN": str(workspace)}
    done = fedsov("report", *(word.replace("EMPTY", places["EMPTY"]).replace("RUN", places["RUN"]) for word in words))
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "empty").exists()
