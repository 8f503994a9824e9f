"""Whoever submits a job cannot loosen what protects a region: attacks on region.yaml and on what a region is told."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.artifact import Party
from fedsov.border.law.law_owner import make_owner_key, sign_rules
from fedsov.config.hub_settings import training_job
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.job import Asked, RegionStart
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from fedsov.storage.workspace import Workspace
from tests.world import answered, called

REGIONS = ("DE", "FR")
PERMIT = "rules:\n- {id: own-1, effect: permit, when: [[kind, in, [update, metrics, model]]], reason: r, cite: c}\n"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Real people's rows, as far as fedsov is told: two regions, ingested under a closed border."""
    place, rng = tmp_path_factory.mktemp("hostile"), random.Random(0)
    with (place / "people.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["country", "person", "visits", "agreed", "bought"])
        for row in range(600):
            visits = rng.randint(0, 9)
            agreed = rng.choice(["yes", "no"])
            table.writerow([REGIONS[row % 2], f"p{row}", visits, agreed, int(visits + rng.gauss(0, 2) > 4)])
    told = [
        f"workspace={place / 'w'}", "dataset=table", "dataset.name=people", f"dataset.path={place / 'people.csv'}",
        "dataset.jurisdiction=country", "dataset.subject=person", "dataset.target=bought", "dataset.drop=[agreed]",
        "federation.regions=auto", "federation.rounds=1", "strategy.federated.min_rows=100", "border=none",
    ]  # fmt: skip
    assert answered(called("ingest", *told, "--json", "--quiet"))["settled"] == list(REGIONS)
    return told


def _workspace(words: list[str]) -> Workspace:
    return Workspace(Path(words[0].partition("=")[2]))


def _start(words: list[str], asked: Asked, *more: str) -> RegionStart:
    chosen = settings(compose([*words, *more]))
    party = Party("DE", "DE", "operator in DE")
    return RegionStart(party, chosen.federation.hub, _workspace(words).region("DE"), "r", training_job(chosen), asked)


@contextmanager
def _opened(start: RegionStart) -> Iterator[OpenRegion | ClosedRegion]:
    """The region's own worker, opened as a runtime opens it."""
    region = open_region(start)
    try:
        yield region
    finally:
        region.close()


def _refused_jobs(words: list[str], name: str) -> list[dict[str, Any]]:
    with closing(Ledger.read(_workspace(words).region(name) / "ledger.sqlite")) as ledger:
        notes = [entry.body["note"] for entry in ledger.entries() if entry.body["act"] == "note"]
    return [note["refused_job"] for note in notes if "refused_job" in note]


@pytest.mark.parametrize(
    ("asked", "command"),
    [
        (Asked(unsafe_open=True), "law.unsafe_open=true"),
        (Asked(days_per_round=30), "rehearsal=true"),
        (Asked(examples="said by the hub"), "datasets.people.examples=true"),
        (Asked(consent={"share": 1.0, "document": "d", "column": None, "equals": None}), "never asked"),
    ],
    ids=["open border", "another day", "examples", "consent"],
)
def test_a_region_s_worker_refuses_a_job_that_protects_less_and_records_it(
    words: list[str], asked: Asked, command: str
) -> None:
    before = len(_refused_jobs(words, "DE"))
    with _opened(_start(words, asked)) as region:
        assert isinstance(region, ClosedRegion)
        assert region.failure.startswith("JobRefused: region DE") and command in region.failure
    assert len(_refused_jobs(words, "DE")) == before + 1
    assert command in _refused_jobs(words, "DE")[-1]["why"][0]


def test_a_job_s_open_border_is_refused_by_each_region_in_one_line(words: list[str]) -> None:
    done = called("train", *words, "border.unsafe_open=true", "--quiet")
    assert done.returncode == 9 and done.stderr.count("fedsov: region") == 1
    assert "region DE keeps its border closed" in done.stderr and "likewise FR" in done.stderr
    assert all("closed" in _refused_jobs(words, name)[-1]["why"][0] for name in REGIONS)


def test_the_hub_s_own_open_border_opens_no_region_s(words: list[str]) -> None:
    """What a hub decides by is not what a region is told: the worker's gate stays closed."""
    with _opened(_start(words, Asked())) as region:
        assert isinstance(region, OpenRegion)
        gate = region.outbound.gate
        assert not gate.bundle.unsafe and gate.marks == ()


def test_a_rule_that_permits_is_unsafe_open_without_its_marks_and_is_refused_unsigned(
    words: list[str], tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(PERMIT)
    done = called("plan", *words, f"border.rules={rules}")
    assert done.returncode == 2 and "own-1 would open the border" in done.stderr
    make_owner_key(tmp_path / "somebody.pem")
    sign_rules(rules, tmp_path / "somebody.pem")
    done = called("plan", *words, f"border.rules={rules}")
    assert done.returncode == 9 and f"law.rules={rules}" in done.stderr
    place = words[0]
    done = called("region", "set", "--all", f"law.rules={rules}", "--yes", place)
    assert done.returncode == 2 and "the law owner is nobody" in done.stderr


def test_people_s_rows_are_divided_by_the_region_s_secret_whatever_seed_a_job_names(words: list[str]) -> None:
    divisions, ids = [], set[str]()
    for seed in (0, 1, 80):
        with _opened(_start(words, Asked(), f"seed={seed}")) as region:
            assert isinstance(region, OpenRegion)
            divisions.append(region.outbound.session.division.train)
            ids.add(region.outbound.session.split_id)
    assert len(ids) == 1 and all(np.array_equal(divisions[0], other) for other in divisions[1:])


def test_a_job_that_calls_people_s_rows_examples_does_not_get_to_divide_them(words: list[str]) -> None:
    """Not by the job's own word either: the work alone says it, what the region is asked does not."""
    start = _start(words, Asked())
    with _opened(replace(start, job=replace(start.job, calls_examples=True))) as region:
        assert isinstance(region, OpenRegion) and not region.outbound.session.examples


def test_the_same_rows_under_another_name_are_no_examples_and_a_failed_ingestion_says_nothing_of_them(
    words: list[str],
) -> None:
    copy = [word.replace("dataset.name=people", "dataset.name=copy") for word in words]
    done = called("ingest", *copy, "dataset.examples=said so")
    assert done.returncode == 9 and "datasets.copy.examples=true" in done.stderr
    failed = [word.replace("dataset.target=bought", "dataset.target=nosuch") for word in copy]
    assert called("ingest", *failed).returncode == 3
    shown = answered(called("region", "show", "DE", "--json", words[0]))
    assert list(shown["datasets"]) == ["people"]


def test_region_yaml_edited_by_hand_closes_the_region(words: list[str]) -> None:
    path = _workspace(words).region("DE") / "region.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("unsafe_open: false", "unsafe_open: true"))
        done = called("plan", *words, "border.unsafe_open=true")
        assert done.returncode == 6 and "edited" in done.stderr and "region.yaml" in done.stderr
        with _opened(_start(words, Asked(unsafe_open=True))) as region:
            assert region == ClosedRegion("SettingsBroken")
    finally:
        path.write_text(text)


def test_consent_of_everybody_by_one_override_makes_no_row_public(words: list[str]) -> None:
    done = called("ingest", *words, "dataset.consent={share: 1.0, document: d}")
    assert done.returncode == 9 and "people who were never asked" in done.stderr
    with _opened(_start(words, Asked())) as region:
        assert isinstance(region, OpenRegion) and not region.outbound.session.records.public.any()
