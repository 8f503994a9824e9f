"""What an ingestion would do, told before anything is written, and without a value of a row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from fedsov.partition.arrival import Conditions
from fedsov.partition.classify import ClassifyRules, ConsentRule, RestrictionRule
from fedsov.partition.preview import Preview, masked, preview
from fedsov.partition.sources.location import SentHome
from tests.partition.world import ATLAS, CANARY, people, run, spec_of, two_regions, written
from tests.world import ROOT


def test_a_preview_says_what_the_ingestion_then_does(tmp_path: Path) -> None:
    rules = ClassifyRules({"wage": ("financial",)}, restrictions=(RestrictionRule("contract", "closed", "contract"),))
    consent = ConsentRule(document="D", column="job", equals="nurse")
    spec = spec_of(written(tmp_path, people(200)), classify=rules, consent=consent)
    found = preview(spec, atlas=ATLAS, regions=two_regions())
    assert not list((tmp_path).glob("regions")), "nothing is written"
    report = run(spec, tmp_path / "w")
    assert {region.name: region.rows for region in found.regions} == report.stored
    assert found.quarantined == report.quarantined and found.rows_in == report.rows_in
    assert {column.name: column.kind for column in found.columns} == report.kinds
    table = people(200).to_pylist()
    assert sum(region.restricted["contract"] for region in found.regions) == sum(
        r["contract"] == "closed" for r in table
    )
    free = [row for row in table if row["job"] == "nurse" and row["contract"] != "closed"]
    assert sum(region.consenting for region in found.regions) == len(free)
    assert Preview.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_where_a_source_lies_is_said_where_somebody_said_it_and_counts_in_tens_are_said_to_be_so(
    tmp_path: Path,
) -> None:
    spec = spec_of(written(tmp_path, people()))
    for is_stated in (True, False):
        sent = Conditions(location="DE", send_home=lambda _, said=is_stated: SentHome(is_stated=said))
        lines = preview(spec, atlas=ATLAS, regions=two_regions(), conditions=sent).rounded().lines()
        assert ("the source lies in DE" in lines) is is_stated
        assert lines.count("counts are given in tens, rounded down: no row is lost") == 1


def test_each_column_has_a_reason_and_values_are_masked(tmp_path: Path) -> None:
    found = preview(spec_of(written(tmp_path, people(200))), atlas=ATLAS, regions=two_regions())
    lines = "\n".join(found.lines())
    reasons = {column.name: column.why for column in found.columns}
    assert all(reasons.values()) and reasons["passport"] == "dataset.subject" and reasons["age"] == "numbers"
    assert not any(value in lines for value in CANARY) and "Xxxx Xxxxxx" in lines
    assert masked("Jane 2x, 12.5") == "Xxxx 9x, 99.9" and len(masked("a" * 100)) < 30


def test_a_dry_run_of_the_command_makes_no_workspace(tmp_path: Path) -> None:
    pyarrow.csv.write_csv(
        pa.table({"country": ["DE", "FR"] * 30, "age": [row % 17 for row in range(60)], "y": [0, 1] * 30}),
        tmp_path / "a.csv",
    )
    words = [f"dataset.path={tmp_path / 'a.csv'}", "dataset=table", "dataset.jurisdiction=country", "dataset.target=y"]
    command = [sys.executable, "-m", "fedsov", "ingest", "--dry-run", "--quiet", *words, "federation.regions=auto"]
    command += ["border=none", f"workspace={tmp_path / 'w'}"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "60 rows in 2 columns" in done.stdout and "DE: 30 rows" in done.stdout and "age" in done.stdout
    assert not (tmp_path / "w").exists()
