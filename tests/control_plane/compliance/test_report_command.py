"""`report` writes the page and its JSON, also of a broken ledger."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from fedsov.errors import LedgerBroken
from tests.border.world import DEMO
from tests.control_plane.compliance.ledgers import (
    CLAIMS,
)
from tests.world import answered, called


def test_the_command_writes_both_files_and_says_where(workspace: Path, tmp_path: Path) -> None:
    done = called("report", f"workspace={workspace}", "--evidence", str(DEMO))
    assert done.returncode == 0 and done.stderr == ""
    page, sheet = workspace / "report" / "report.html", workspace / "report" / "report.json"
    assert str(page) in done.stdout and str(sheet) in done.stdout
    told = json.loads(sheet.read_text())
    assert told["crossings"]["total"] == 11 and told["register_given"]
    assert "Example Holding Ltd" in page.read_text() and not CLAIMS.search(page.read_text())
    out = tmp_path / "elsewhere"
    assert answered(called("report", f"workspace={workspace}", "--out", str(out), "--json"))["matrix"] == told["matrix"]
    assert (out / "report.html").exists()


def test_the_command_writes_the_report_of_a_broken_ledger_and_ends_with_5(workspace: Path) -> None:
    with sqlite3.connect(workspace / "hub" / "ledger.sqlite") as book:
        book.execute("DROP TRIGGER no_delete")
        book.execute("DELETE FROM entries WHERE seq = 3")
    done = called("report", f"workspace={workspace}", "--json")
    assert done.returncode == LedgerBroken.exit_code and "hub does not verify" in done.stderr
    assert json.loads(done.stdout)["warnings"][0]["grave"]
    assert "hub does not verify" in (workspace / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("workspace=EMPTY",), "holds no run yet"),
        (("workspace=EMPTY", "evidence=x.yaml"), "unknown setting 'evidence'; did you mean --evidence?"),
        (("workspace=RUN", "--evidence", "/nowhere.yaml"), "cannot read the evidence register /nowhere.yaml"),
    ],
)
def test_the_command_tells_in_one_line_what_it_lacks(
    workspace: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    places = {"EMPTY": str(tmp_path / "empty"), "RUN": str(workspace)}
    done = called("report", *(word.replace("EMPTY", places["EMPTY"]).replace("RUN", places["RUN"]) for word in words))
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "empty").exists()
