"""`report`: a page for people and JSON for machines, also of a ledger that does not verify."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.test_ledger_audit import append, history
from tests.cli.world import call
from tests.ledger.test_ledger_tampering import tamper


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    append(tmp_path / "hub", "hub", *history(2))
    append(tmp_path / "regions" / "DE", "DE", *history(1))
    return tmp_path


def test_both_reports_are_written_and_their_places_are_printed(workspace: Path) -> None:
    ended = call("report", "--workspace", workspace)
    page, sheet = (workspace / "report" / name for name in ("report.html", "report.json"))
    assert ended.code == 0
    assert ended.out == f"report for people:   {page}\nreport for machines: {sheet}\n"
    assert page.read_text().startswith("<!doctype html>") or "<html" in page.read_text()
    out = workspace / "elsewhere"
    assert call("report", f"workspace={workspace}", "--out", out, "--json").json == json.loads(
        (out / "report.json").read_text()
    )


def test_a_ledger_that_does_not_verify_is_reported_and_ends_with_5(workspace: Path) -> None:
    tamper(workspace / "regions" / "DE" / "ledger.sqlite", "UPDATE entries SET body = x'7b7d' WHERE seq = 1")
    ended = call("report", "--workspace", workspace)
    assert ended.code == 5 and "DE does not verify" in ended.err
    assert (workspace / "report" / "report.html").is_file()


def test_a_workspace_without_a_run_and_an_absent_register_are_refused(workspace: Path) -> None:
    assert call("report", "--workspace", workspace / "none").code == 2
    assert "/absent.yaml" in call("report", "--workspace", workspace, "--evidence", "/absent.yaml").line
