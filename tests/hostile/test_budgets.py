"""Budgets that last: after a private release its people are not asked about without privacy, under whatever name.

The table is of 920 patients of four hospitals (../shared/data/heart_uci4), which nobody calls examples. California and
Ohio train together under privacy first; each attack begins in a copy of that workspace.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from fedsov.api import region_settings
from fedsov.api.budgets import account
from fedsov.errors import BudgetBroken, BudgetExceeded, ConfigurationError, JobRefused
from tests.cli.world import call
from tests.world import SHARED, fedsov, overhear

HEART = SHARED / "data" / "heart_uci4" / "data.parquet"
PRIVATE = "privacy=record"
BOUNDS = {
    "age": (20, 90),
    "trestbps": (0, 220),
    "chol": (0, 700),
    "thalach": (50, 220),
    "oldpeak": (-3, 7),
}
ALLOW = "fedsov region set US-{} privacy.require=none"


def words(workspace: Path, *more: str, path: Path = HEART) -> list[str]:
    """A run over the patients of California and Ohio."""
    bounds = ", ".join(f"{name}: [{low}, {high}]" for name, (low, high) in BOUNDS.items())
    return [
        f"workspace={workspace}",
        "dataset=table",
        f"dataset.path={path}",
        "dataset.jurisdiction=jurisdiction",
        "dataset.target=target",
        "dataset.drop=[center, num]",
        f"dataset.bounds={{{bounds}}}",
        "federation.regions=auto",
        "federation.rounds=2",
        "strategy.federated.min_rows=100",
        "federation.hub.location=US",
        "border=none",
        *more,
    ]


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after a private run, in which California and Ohio spent something."""
    workspace = tmp_path_factory.mktemp("heart")
    overhear(words(workspace, PRIVATE))
    for name in ("US-CA", "US-OH"):
        book = account(workspace / "regions" / name, name).book
        assert book is not None and 2.5 < book.spent().epsilon <= 3.0
    return workspace


@pytest.fixture
def workspace(spent: Path, tmp_path: Path) -> Path:
    shutil.copytree(spent, tmp_path / "w")
    return tmp_path / "w"


def refused(overrides: Sequence[str]) -> str:
    """The sentence of a run that is refused with exit code 9, before an update or a statistic left anybody."""
    with pytest.raises(JobRefused) as caught:
        overhear(overrides)
    assert caught.value.exit_code == 9
    if told := re.search(r"`fedsov region set \S+ ('?datasets\.\S+\.same_people.*?)`", str(caught.value)):
        workspace = Path(overrides[0].partition("=")[2])
        names = region_settings.names_of(workspace, None, every=True)
        region_settings.set_settings(workspace, names, shlex.split(told[1].partition(" --workspace")[0]))
        return refused(overrides)
    return str(caught.value)


def test_without_privacy_nobody_is_asked_about_the_people_of_a_private_release(workspace: Path) -> None:
    ended = fedsov("train", *words(workspace))
    assert ended.returncode == 9 and "under privacy on" in ended.stderr
    assert ALLOW.format("CA") in ended.stderr or ALLOW.format("OH") in ended.stderr


@pytest.mark.parametrize(
    "more",
    [
        ("dataset.name=cohort",),
        ("dataset.name=cohort", "dataset.drop=[center, num, ca, thal, slope]", "dataset.kinds={sex: categorical}"),
        ("dataset.name=cohort", "dataset.subject=chol"),
    ],
)
def test_another_name_other_columns_or_another_subject_make_nobody_else(workspace: Path, more: tuple[str, ...]) -> None:
    assert "under privacy on" in refused(words(workspace, *more))


def test_the_word_example_makes_nobody_else_not_even_the_owner_s(workspace: Path) -> None:
    said = words(workspace, "dataset.name=cohort", "dataset.examples=a demonstration")
    assert "does not call the rows of cohort examples" in refused(said)
    names = region_settings.names_of(workspace, None, every=True)
    region_settings.set_settings(
        workspace, names, ["datasets.cohort.document=a demonstration", "datasets.cohort.examples=true"]
    )
    assert "under privacy on" in refused(said)


def test_the_same_patients_in_another_file_are_the_same_people(workspace: Path, tmp_path: Path) -> None:
    table, copy = pq.read_table(HEART), tmp_path / "patients.csv"
    csv.write_csv(table.take(np.arange(table.num_rows)[::-1]), copy)
    assert "under privacy on" in refused(words(workspace, "dataset.name=cohort", path=copy))


def test_another_region_does_not_get_the_rows_of_a_region_with_a_budget(workspace: Path) -> None:
    west = (
        "+federation.catalogue.WEST={name: WEST, jurisdictions: [US-CA, US-OH], location: US, entity: Example West, "
        "owners: [], role: controller, key_id: west, retention_days: 30}"
    )
    sentence = refused(words(workspace, PRIVATE, west, "federation.regions=[WEST]", "dataset.name=cohort"))
    assert "region WEST would hold rows that region US-" in sentence and "workspace=DIR" in sentence
    assert not (workspace / "regions" / "WEST" / "store" / "cohort").exists()


def test_all_data_sets_of_a_region_draw_on_one_budget(workspace: Path) -> None:
    before = account(workspace / "regions" / "US-CA", "US-CA").to_json()
    names = region_settings.names_of(workspace, None, every=True)
    region_settings.set_settings(workspace, names, ["datasets.cohort.same_people=[table]"])
    overhear(words(workspace, PRIVATE, "dataset.name=cohort", "privacy.epsilon=1"))
    after = account(workspace / "regions" / "US-CA", "US-CA").to_json()
    assert [run["dataset"] for run in after["runs"]] == ["table", "cohort"]
    assert before["spent"] < after["spent"] and before["left"] > after["left"]


def test_other_people_of_the_same_region_are_asked_about_without_privacy(workspace: Path, tmp_path: Path) -> None:
    table = pq.read_table(HEART)
    ages = table.column("age").to_numpy() + 0.5
    others = table.set_column(table.column_names.index("age"), "age", pa.array(ages))
    pq.write_table(others, tmp_path / "others.parquet")
    asked = words(workspace, "dataset.name=others", path=tmp_path / "others.parquet")
    with pytest.raises(
        JobRefused, match=r"nothing tells whether .* `fedsov region set \S+ datasets\.others\.same_people=\[\]"
    ):
        overhear(asked)
    names = region_settings.names_of(workspace, None, every=True)
    region_settings.set_settings(workspace, names, ["datasets.others.same_people=[]"])
    result = overhear(asked).result
    assert not any("unbounded" in line for line in result.privacy)
    assert not account(workspace / "regions" / "US-CA", "US-CA").to_json()["unbounded_since"]


def put(workspace: Path, name: str, word: str) -> None:
    """The region's owner sets something."""
    ended = call("region", "set", name, word, "--yes", "--why", "a test", f"workspace={workspace}")
    assert ended.code == 0, ended.err


def test_an_owner_who_allows_it_ends_the_guarantee_and_everybody_reads_since_when(workspace: Path) -> None:
    for name in ("US-CA", "US-OH"):
        put(workspace, name, "privacy.require=none")
    heard = overhear(words(workspace))
    told = account(workspace / "regions" / "US-CA", "US-CA")
    day = told.to_json()["unbounded_since"]
    assert day and any(f"unbounded since {day}" in line for line in told.lines())
    assert any(line.startswith("US-CA: unbounded since") for line in heard.result.privacy)
    assert f"unbounded since {day}" in str(heard.result)


@pytest.mark.long
def test_a_private_release_after_others_says_that_those_stand_in_the_ledger(tmp_path: Path) -> None:
    overhear(words(tmp_path))
    heard = overhear(words(tmp_path, PRIVATE))
    told = account(tmp_path / "regions" / "US-CA", "US-CA")
    assert told.to_json()["unprotected_before"] and told.to_json()["unbounded_since"] is None
    assert any("before the first private release" in line for line in told.lines())
    assert any("stand in the ledger" in line for line in heard.result.privacy)


@pytest.mark.parametrize("delta", [0.5, 0.1])
def test_a_delta_that_gives_a_record_away_is_refused_at_once(tmp_path: Path, delta: float) -> None:
    with pytest.raises(ConfigurationError, match=r"privacy\.delta must be .* below 0\.1"):
        overhear(words(tmp_path, PRIVATE, f"privacy.delta={delta}"))


def test_a_region_refuses_a_delta_of_one_in_its_rows_and_does_not_say_how_many_they_are(tmp_path: Path) -> None:
    sentence = refused(words(tmp_path, PRIVATE, "privacy.delta=0.05"))
    assert "privacy.delta=0.05 is 1 / rows or more" in sentence and "privacy.delta=null" in sentence


@pytest.mark.parametrize("setting", ["privacy.lifetime_epsilon=1e6", "privacy.epsilon=100"])
def test_an_epsilon_that_protects_nobody_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigurationError, match="at most 20"):
        overhear(words(tmp_path, PRIVATE, setting))


def test_a_lost_file_of_people_is_no_way_out(workspace: Path) -> None:
    (file,) = (workspace / "regions" / "US-CA").glob("privacy-people-*.safetensors")
    file.unlink()
    for overrides in (words(workspace), words(workspace, PRIVATE)):
        with pytest.raises(BudgetBroken):
            overhear(overrides)
    with pytest.raises(BudgetBroken, match="the people of this region's privacy budget"):
        account(workspace / "regions" / "US-CA", "US-CA")


def test_a_region_that_asks_every_job_for_privacy_answers_none_without_it(tmp_path: Path) -> None:
    assert call("ingest", *words(tmp_path)).code == 0
    for name in ("US-CA", "US-OH"):
        put(tmp_path, name, "privacy.require=record")
    assert "answers under privacy only (privacy.require: record)" in refused(words(tmp_path))


def test_of_a_region_s_lifetime_and_a_job_s_the_smaller_holds(tmp_path: Path) -> None:
    assert call("ingest", *words(tmp_path)).code == 0
    put(tmp_path, "US-OH", "privacy.lifetime_epsilon=1")
    with pytest.raises(BudgetExceeded, match=r"US-OH: .* the lifetime budget is 1, of which 1 is left"):
        overhear(words(tmp_path, PRIVATE, "privacy.lifetime_epsilon=20"))
    assert not (tmp_path / "regions" / "US-OH" / "privacy.jsonl").exists()


def test_the_report_says_of_patients_what_the_budget_says_and_what_is_left(workspace: Path) -> None:
    budget = call("budget", f"workspace={workspace}", "--json").json
    assert call("report", f"workspace={workspace}").code == 0
    told = {
        region["region"]: region for region in json.loads((workspace / "report" / "report.json").read_text())["privacy"]
    }
    assert told.keys() == {"US-CA", "US-OH"}
    for name, region in told.items():
        assert (region["spent"], region["left"]) == (budget[name]["spent"], budget[name]["left"])
        assert {"epsilon": region["lifetime"], "delta": region["delta"]} == budget[name]["lifetime"]
        assert region["runs"][0]["epsilon"] == budget[name]["runs"][0]["epsilon"] > 2.5
        assert not region["examples"] and not region["fault"]
    page = (workspace / "report" / "report.html").read_text()
    assert f"{budget['US-CA']['left']:.3f}" in page and "EXAMPLE ROWS" not in page


@pytest.mark.long
def test_example_rows_are_covered_by_no_budget_and_marked(tmp_path: Path) -> None:
    examples = "dataset.examples='UCI 45, CC BY 4.0'"
    overhear(words(tmp_path, PRIVATE, examples))
    result = overhear(words(tmp_path, examples)).result
    assert any("UCI 45" in mark for mark in result.marks)
    assert account(tmp_path / "regions" / "US-CA", "US-CA").to_json()["unbounded_since"] is None
    told = call("report", f"workspace={tmp_path}", "--json").json["privacy"]
    assert [(region["region"], region["examples"], region["left"]) for region in told] == [
        ("US-CA", True, None),
        ("US-OH", True, None),
    ]
    assert all(2.5 < region["spent"] <= 3.0 and 0 < region["delta"] < 1e-4 for region in told)
    budget = call("budget", f"workspace={tmp_path}", "--json").json
    assert all(
        (region["spent"], region["left"], region["lifetime"], region["delta"])
        == (said["spent"], said["left"], said["lifetime"]["epsilon"], said["lifetime"]["delta"])
        for region in told
        for said in [budget[region["region"]]]
    )
    assert "example rows, so no lifetime applies" in call("budget", f"workspace={tmp_path}").out
