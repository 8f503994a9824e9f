"""Restrictions, small regions and refused donors, from the table to the ledgers."""

from __future__ import annotations

import csv
import random

import pytest

from fedsov.ledger.ledger import Ledger
from tests.world import Overheard, overhear

ROWS = {"DE": 700, "FR": 620, "AT": 600, "IE": 33}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Overheard:
    """Records of four countries; all of France's and a third of Germany's are under a contract that binds them."""
    place = tmp_path_factory.mktemp("restricted")
    rng = random.Random(0)
    with (place / "people.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["country", "age", "visits", "contract", "bought"])
        for country, count in ROWS.items():
            for number in range(count):
                visits = rng.randint(0, 9)
                bound = country == "FR" or (country == "DE" and number % 3 == 0)
                bought = int(visits + rng.gauss(0, 2) > 4)
                table.writerow([country, rng.randint(18, 90), visits, "closed" if bound else "open", bought])
    return overhear(
        [
            f"workspace={place / 'w'}",
            "dataset=table",
            "dataset.name=people",
            f"dataset.path={place / 'people.csv'}",
            "dataset.jurisdiction=country",
            "dataset.target=bought",
            "dataset.restrictions=[{column:contract,equals:closed,restriction:contract}]",
            "federation.regions=auto",
            "federation.rounds=2",
            "strategy.federated.min_rows=400",
            "strategy.synthetic.min_donor_rows=1000",
            "border=none",
        ]
    )


def _entries(run: Overheard, owner: str) -> list[dict]:
    return [dict(entry.body) for entry in Ledger.read(run.result.ledger[owner]).entries()]


def test_a_region_whose_rows_are_all_restricted_does_not_federate_and_is_told_why(run: Overheard) -> None:
    strategies = {one.region: one.strategy for one in run.result.regions}
    assert strategies == {"DE": "federated", "AT": "federated", "FR": "local", "IE": "local"}
    assert "shareable" in " ".join(run.result.plan.region("FR").reasons)


def test_restricted_rows_stay_out_of_updates_and_statistics(run: Overheard) -> None:
    sent = [entry for entry in _entries(run, "DE") if entry["act"] == "cross" and entry["kind"] == "update"]
    assert sent
    assert all(not entry["restrictions"] for entry in sent)
    assert all(entry["count"] < ROWS["DE"] * 2 / 3 for entry in sent)


def test_what_all_rows_went_into_carries_their_restriction_home(run: Overheard) -> None:
    finished = [entry for entry in _entries(run, "DE") if entry.get("name") == "metrics" and entry["round"] is None]
    assert finished
    assert all(entry["restrictions"] == ["contract"] for entry in finished)


def test_a_region_too_small_to_report_keeps_its_model_at_home(run: Overheard) -> None:
    ireland = run.result.results["IE"]
    assert ireland.score is None
    assert "holds back its scores" in ireland.note
    assert [name for name, _ in run.result.models["IE"]] == ["people-ie"]


def test_refusals_are_told_without_what_they_would_let_one_guess(run: Overheard) -> None:
    assert run.result.refusals
    for refusal in run.result.refusals:
        assert not {"count", "bytes", "digest", "tensors", "pool", "salt"} & set(refusal)
