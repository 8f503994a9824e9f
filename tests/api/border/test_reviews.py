"""A review from the first run to a person's approval, the plan that relies on it, and its withdrawal."""

from __future__ import annotations

import csv
import random
import shutil
from pathlib import Path

import pytest

from fedsov.ledger.ledger import Ledger
from tests.own_settings import EXAMPLES
from tests.world import answered, called, fedsov

pytestmark = pytest.mark.long
ROWS = {"DE": 300, "IE": 300, "NG": 300}
LATE = ("--why", "y", "--until", "2099-01-01")
REGISTER = """documents:
- {id: ng-instrument, kind: scc_ng, exporter: [NG], importer: [IE, DE], categories: [personal], signed: 2025-01-01,
   owner: Example, terms: {approval: NDPC-7, onward_terms: "yes"},
   exporters: [operator in NG], entities: [Example Holding Ltd (fictional), operator in IE, operator in DE]}
- {id: eu-ng-clauses, kind: scc_eu, exporter: [DE, IE], importer: [NG], categories: [personal], signed: 2025-01-01,
   owner: Example, terms: {doc: "2021/914", module: "1", role: "C->C", onward_terms: "yes"},
   exporters: [Example Holding Ltd (fictional), operator in DE, operator in IE], entities: [operator in NG]}
- {id: eu-ng-assessment, kind: tia, exporter: [DE, IE], importer: [NG], categories: [personal], signed: 2025-01-01,
   owner: Example,
   exporters: [Example Holding Ltd (fictional), operator in DE, operator in IE], entities: [operator in NG]}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three regions; Nigeria's law lets its updates go to Ireland once a person has looked at the instrument."""
    place = tmp_path_factory.mktemp("reviews")
    rng = random.Random(0)
    with (place / "people.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["country", "visits", "bought"])
        for country, count in ROWS.items():
            for _ in range(count):
                visits = rng.randint(0, 9)
                table.writerow([country, visits, int(visits + rng.gauss(0, 2) > 4)])
    (place / "documents.yaml").write_text(REGISTER)
    return [
        f"workspace={place / 'w'}", "dataset=table", "dataset.name=people", f"dataset.path={place / 'people.csv'}",
        "dataset.jurisdiction=country", "dataset.target=bought", "federation.regions=auto", "federation.rounds=1",
        f"dataset.examples={EXAMPLES}",
        "strategy.federated.min_rows=100", "border=own", f"border.evidence={place / 'documents.yaml'}",
    ]  # fmt: skip


def strategy_of(settings: list[str], region: str) -> str:
    plan = answered(called("plan", *settings, "--json", "--quiet"))
    return next(one["strategy"] for one in plan["regions"] if one["region"] == region)


def test_a_review_waits_is_approved_is_relied_on_and_is_withdrawn(settings: list[str]) -> None:
    place = settings[0]
    assert fedsov("train", *settings, "--quiet").returncode == 0
    listed = answered(called("border", "reviews", place, "--json"))
    (review,) = [one for one in listed if one["kind"] == "update"]
    assert (review["exporter"]["name"], review["importer"]["name"], review["approved"]) == ("NG", "hub", None)
    assert "a person must check" in review["reason"]
    assert strategy_of(settings, "NG") != "federated"

    key = str(Path(place.partition("=")[2]) / "a.pem")
    first = ("reviewer", "init", "A. Person", "--role", "data protection officer", "--key", key)
    assert called("border", *first, place).returncode == 0
    yes = ("--by", "A. Person", "--why", "the instrument covers updates", "--until", "2099-01-01", "--key", key)
    made = answered(called("border", "approve", review["review"], *yes, place, "--json"))
    assert strategy_of(settings, "NG") != "federated"  # the global model may not yet go to Germany
    assert "hub -> DE needs review" in why_of(settings, "NG")
    assert fedsov("train", *settings, "--quiet").returncode == 0
    others = [one for one in answered(called("border", "reviews", place, "--json")) if one["approved"] is None]
    assert {(one["kind"], one["exporter"]["name"], one["importer"]["name"]) for one in others} == {
        ("model", "hub", "DE"),
        ("model", "hub", "IE"),
    }
    for one in others:
        assert called("border", "approve", one["review"], *yes, place).returncode == 0
    assert strategy_of(settings, "NG") == "federated"
    trained = answered(fedsov("train", *settings, "--json", "--quiet"))
    assert trained["regions"]["NG"]["strategy"] == "federated"
    workspace = Path(place.partition("=")[2])
    sent = [entry.body for entry in Ledger.read(workspace / "regions" / "NG" / "ledger.sqlite").entries()]
    assert any(body.get("kind") == "update" and made["approval"] in body.get("documents", ()) for body in sent)

    why = why_of(settings, "NG")
    assert made["approval"] in why and "ng-instrument" in why
    kept = workspace / "kept.sqlite"
    shutil.copy(workspace / "hub" / "ledger.sqlite", kept)
    assert called("border", "withdraw", made["approval"], "--by", "B. Person", "--why", "doubts", place).returncode == 0
    assert strategy_of(settings, "NG") != "federated"
    assert "border approve" in why_of(settings, "NG")
    assert called("ledger", "verify", place).returncode == 0
    assert made["approval"] in called("ledger", "show", place).stdout
    report = answered(called("report", place, "--json"))
    assert {"A. Person", "B. Person"} <= set(str(report).replace("'", '"').split('"'))
    for end in ("", "-wal", "-shm"):
        (workspace / "hub" / f"ledger.sqlite{end}").unlink(missing_ok=True)
    shutil.copy(kept, workspace / "hub" / "ledger.sqlite")
    put_back = called("ledger", "verify", place)
    assert put_back.returncode == 5 and "hub" in put_back.stderr and "as withdrawn" in put_back.stderr


def why_of(settings: list[str], region: str) -> str:
    done = called("border", "why", region, *settings, "--quiet")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("approve", "R0000000000", "--by", "A. Person", *LATE, "--key", "a.pem"), "no review 'R0000000000'"),
        (("approve", "R0000000000", "--by", "x", *LATE, "--key", "a.pem"), "unknown reviewer 'x'"),
        (("withdraw", "A0000000000", "--by", "x", "--why", "y"), "no approval or approved review"),
        (("approve", "R0000000000", *LATE), "border approve needs --by and --key; see"),
        (("approve", "R0000000000", "--by", "x", "--why", "y", "--key", "a"), "border approve needs --until; see"),
        (("approve", "R0000000000", "--by", "x", "--why", "y", "--until", "soon", "--key", "a"), "write a day as"),
    ],
)
def test_a_wrong_answer_to_a_review_is_one_clear_line(settings: list[str], words: tuple[str, ...], said: str) -> None:
    done = called("border", *words, settings[0])
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
