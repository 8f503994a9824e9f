"""The command line as its users meet it: help, JSON, exit codes, and what the README says about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fedsov as package
from fedsov import errors
from fedsov.cli.main import COMMANDS
from tests.world import ROOT, SHARED, answered, fedsov

README = (ROOT / "README.md").read_text()
SMALL = ("federation.rounds=1", "--quiet")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A workspace in which the demo has run once."""
    place = f"workspace={tmp_path_factory.mktemp('cli')}"
    done = fedsov("train", place, *SMALL)
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_and_a_place_in_the_readme(name: str) -> None:
    done = fedsov(name, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: fedsov {name} ") and done.stderr == ""
    assert f"python -m fedsov {name}" in README


def test_every_exit_code_is_documented() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.FedsovError)]
    codes = {one.exit_code for one in kinds}
    for code in codes | {0, 130}:
        assert re.search(rf"^\| {code} \|", README, re.MULTILINE), f"exit code {code} is not in the README's table"


def test_every_public_name_is_documented() -> None:
    for name in package.__all__:
        assert f"fedsov.{name}" in README, f"fedsov.{name} is not in the README"


def test_plan_names_the_missing_document_without_training(workspace: str) -> None:
    plan = answered(fedsov("plan", workspace, "--json"))
    regions = {one["region"]: one for one in plan["regions"]}
    assert {one["strategy"] for one in regions.values()} == {"federated", "transfer_learning", "synthetic"}
    (blocked,) = regions["IN"]["blocked"]
    assert "scc_uk_idta" in blocked["decision"]["missing"][0] and blocked["decision"]["remedy"]


def test_the_plan_is_mended_by_the_document_it_asked_for(workspace: str, tmp_path: Path) -> None:
    register = (ROOT / "configs" / "border" / "evidence_demo.yaml").read_text()
    added = """
- id: gb-in-idta
  kind: scc_uk_idta
  exporter: [GB]
  importer: [IN]
  categories: ["*"]
  signed: 2026-01-15
  expires: null
  sha256: "0000000000000000000000000000000000000000000000000000000000000000"
  owner: tests
  entities: ["Example India Pvt Ltd (fictional)"]
  terms: {onward_terms: "yes"}
"""
    (tmp_path / "register.yaml").write_text(register.rstrip() + "\n" + added)
    mended = f"border.evidence={tmp_path / 'register.yaml'}"
    refused = fedsov("plan", workspace, mended)
    assert refused.returncode == 9 and f"region set CA evidence={tmp_path / 'register.yaml'}" in refused.stderr
    evidence = f"evidence={tmp_path / 'register.yaml'}"
    demo = f"evidence={ROOT / 'configs' / 'border' / 'evidence_demo.yaml'}"
    assert fedsov("region", "set", "--all", evidence, "--yes", workspace).returncode == 0
    plan = answered(fedsov("plan", workspace, mended, "--json"))
    assert fedsov("region", "set", "--all", demo, "--yes", workspace).returncode == 0
    reasons = {one["region"]: one for one in plan["regions"]}["IN"]
    assert "scc_uk_idta" not in " ".join(reasons["reasons"]) or reasons["strategy"] != "federated"
    assert reasons["strategy"] == "federated", reasons["reasons"]


def test_without_any_document_nothing_that_needs_one_crosses(workspace: str) -> None:
    plan = answered(fedsov("plan", workspace, "border=none", "--json"))
    for region in plan["regions"]:
        for crossing in region["crossings"]:
            assert crossing["decision"]["verdict"] == "permit" and not crossing["decision"]["documents"]


def test_an_open_border_permits_everything_and_says_so(workspace: str) -> None:
    refused = fedsov("plan", workspace, "border=unsafe_open")
    assert refused.returncode == 9 and "fedsov region set CA law.unsafe_open=true" in refused.stderr
    assert fedsov("region", "set", "--all", "law.unsafe_open=true", "--yes", workspace).returncode == 0
    done = fedsov("plan", workspace, "border=unsafe_open")
    assert done.returncode == 0 and "UNSAFE" in done.stdout and "unsafe_open" in done.stderr
    assert answered(fedsov("plan", workspace, "border=unsafe_open", "--json"))["unsafe"] is True
    assert fedsov("region", "set", "--all", "law.unsafe_open=false", "--yes", workspace).returncode == 0


def test_ledger_verify_counts_entries_and_fails_on_a_changed_one(workspace: str) -> None:
    done = fedsov("ledger", "verify", workspace)
    assert done.returncode == 0 and re.search(r"\d+ entries verify in 6 ledgers", done.stdout)
    assert all(one["verifies"] for one in answered(fedsov("ledger", "verify", workspace, "--json")).values())


def test_ledger_show_tells_refusals_of_one_owner(workspace: str) -> None:
    refused = answered(fedsov("ledger", "show", "hub", workspace, "--refused", "--json"))
    assert {one["body"]["importer"]["name"] for one in refused} == {"IN"}
    assert "refuse by" in fedsov("ledger", "show", "hub", workspace, "--refused").stdout


@pytest.mark.long
def test_promote_gives_a_version_the_alias_and_lists_what_there_is(workspace: str) -> None:
    said = answered(fedsov("promote", "stackoverflow-gb", "1", "--why", "a trial", workspace, "--json"))
    assert {key: said[key] for key in ("model", "version", "alias", "registry", "verdict", "refused", "remarks")} == {
        **{"model": "stackoverflow-gb", "version": 1, "alias": "champion", "registry": "GB"},
        **{"verdict": "undecided", "refused": {}, "remarks": []},
    }
    assert "reference.json" in said["approved"]["GB"]["files"], "of its own rows, which drift is measured by"
    unknown = fedsov("promote", "nothing", "1", workspace)
    assert unknown.returncode == 2 and "stackoverflow-us" in unknown.stderr


def test_a_second_ingest_changes_nothing_and_again_writes_anew(workspace: str) -> None:
    answered(fedsov("ingest", workspace, "--json"))
    assert answered(fedsov("ingest", workspace, "--json"))["up_to_date"] is True
    assert answered(fedsov("ingest", workspace, "--json", "--again"))["up_to_date"] is False


def test_hydra_shows_the_configuration_of_a_job_without_running_it(tmp_path: Path) -> None:
    done = fedsov("train", "--cfg", "job", "algorithm=krum", f"workspace={tmp_path / 'w'}")
    assert done.returncode == 0 and "name: krum" in done.stdout
    assert not (tmp_path / "w" / "regions").exists()


@pytest.mark.long
def test_multirun_runs_each_choice_and_answers_with_a_list(workspace: str) -> None:
    done = fedsov(
        "train", workspace, "--multirun", "algorithm=fedadam,krum", "strategy.order=[federated]", *SMALL, "--json"
    )
    results = answered(done)
    assert [one["regions"]["US"]["strategy"] for one in results] == ["federated", "federated"]
    assert results[0]["run"] != results[1]["run"]
    used = [Path(one["workspace"]) / "hub" / "models" / one["run"] / "stackoverflow" for one in results]
    assert used[0].joinpath("model.safetensors").read_bytes() != used[1].joinpath("model.safetensors").read_bytes()


def test_a_region_without_a_home_for_its_rows_leaves_them_in_quarantine(tmp_path: Path) -> None:
    said = answered(fedsov("ingest", f"workspace={tmp_path}", "federation.regions=[US,GB]", "--json"))
    assert said["stored"] == 2791 + 1023 and sum(said["quarantined"].values()) == 757 + 538 + 485


def test_a_table_of_ones_own_runs_to_the_end(tmp_path: Path) -> None:
    said = answered(
        fedsov(
            "train",
            "dataset=table",
            "dataset.name=heart",
            f"dataset.path={SHARED / 'data' / 'heart_uci4' / 'data.parquet'}",
            "dataset.jurisdiction=jurisdiction",
            "dataset.target=target",
            "dataset.drop=[center,num]",
            "dataset.default_categories=[health]",
            "dataset.examples=UCI 45 under CC BY 4.0",
            "federation.regions=auto",
            f"workspace={tmp_path}",
            "--quiet",
            "--json",
        )
    )
    assert {name: one["rows"] for name, one in said["regions"].items()} == {
        "US-OH": 303,
        "HU": 294,
        "US-CA": 200,
        "CH": 123,
    }
    assert said["ingested"]["rows_in"] == 920


@pytest.mark.long
def test_unsafe_results_are_marked_in_table_plan_and_ledger(tmp_path: Path) -> None:
    path = SHARED / "data" / "heart_uci4" / "data.csv"
    words = ("dataset=table", f"dataset.path={path}", "dataset.jurisdiction=jurisdiction", "dataset.target=target")
    place = f"workspace={tmp_path}"
    done = fedsov(
        "train", *words, "dataset.drop=[center,num]", "federation.regions=auto", "border=unsafe_open", place, *SMALL
    )
    assert done.returncode == 0 and "UNSAFE" in done.stdout and "ROUNDED SCORES" in done.stdout
    entries = answered(fedsov("ledger", "show", place, "--json"))
    assert all(one["body"]["unsafe"] for one in entries if one["body"]["act"] == "cross")
