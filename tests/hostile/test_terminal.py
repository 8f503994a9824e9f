"""Words of data, of documents and of other parties cannot steer the terminal of who runs a command.

A column's name, a document's id, a label in a ledger or a register's error may hold escape sequences: cleared screens,
changed titles, text that runs backwards. Each is printed so that it is seen.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from fedsov.api.report import plan_table
from fedsov.cli import main
from fedsov.cli.arguments import console, progress
from fedsov.errors import printable
from fedsov.hub.planning.plan_values import Plan, RegionPlan
from fedsov.ledger.ledger import Ledger
from tests.world import fedsov, people

CLEARS, TITLE, BACKWARDS, C1 = "\x1b[2J", "\x1b]0;owned\x07", "\u202e", "\x9b31m"
STEERS = tuple("\x1b\x07\x9b\u202e\x7f\x08\r")


def _steering(text: str) -> list[str]:
    return [letter for letter in STEERS if letter in text]


@pytest.mark.parametrize("word", [CLEARS, TITLE, BACKWARDS, C1, "\nlines", "\x7f", "\u2028"])
def test_a_word_that_steers_a_terminal_is_made_visible_in_one_line(word: str) -> None:
    shown = printable(f"age{word}x")
    assert shown.isprintable() and shown.startswith("age\\") and "\n" not in shown


@pytest.mark.long
def test_a_column_s_name_reaches_the_terminal_visibly_in_every_line_of_a_run(tmp_path: Path) -> None:
    names = ("country", f"age{CLEARS}", f"free{TITLE}text", "bought")
    lines = [
        ",".join(names),
        *(f"{'DE' if row % 2 else 'FR'},{row % 60},w{row},{row % 3 == 0:d}" for row in range(300)),
    ]
    words = [*people(tmp_path, lines, target="bought"), "strategy.federated.min_rows=100", "federation.rounds=1"]
    for command in ("plan", "train"):
        done = fedsov(command, *words)
        assert done.returncode == 0, done.stderr
        assert not _steering(done.stdout + done.stderr)
        assert "\\x1b[2J" in done.stdout + done.stderr or "\\x1b]0;owned\\x07" in done.stdout + done.stderr


def test_a_line_of_progress_cannot_steer(capsys: pytest.CaptureFixture[str]) -> None:
    progress(False)(f"columns: {CLEARS}{TITLE}{BACKWARDS}")
    assert not _steering(capsys.readouterr().err)


def test_a_plan_s_reasons_cannot_steer_and_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    region = RegionPlan("DE", 100, "none", (f"document '{CLEARS}[red]d1[/red]' is missing",))
    console().print(plan_table(Plan((region,))))
    out = capsys.readouterr().out
    assert not _steering(out) and "[red]d1[/red]" in out


def _ledger(root: Path) -> Sequence[str]:
    party = {"name": f"DE{CLEARS}", "location": "DE", "entity": f"x{TITLE}"}
    body = {
        "act": "cross", "at": "2026-11-23T10:00:00.000+00:00", "run": f"r{CLEARS}", "exporter": party,
        "importer": party, "kind": "update", "name": f"n{TITLE}", "origins": [f"DE{BACKWARDS}"], "verdict": "refuse",
        "rules": [f"r{C1}"], "documents": [f"d{CLEARS}"], "reason": CLEARS, "remedy": TITLE, "destination": "US",
    }  # fmt: skip
    with closing(Ledger(root / "hub" / "ledger.sqlite", "hub")) as ledger:
        ledger.append(body)
    return [f"workspace={root}"]


@pytest.mark.parametrize(
    "command",
    [["ledger", "show"], ["ledger", "show", "--json"], ["ledger", "verify"], ["report", "--json"], ["report"]],
)
def test_an_entry_of_a_ledger_cannot_steer(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main.run([*command, *_ledger(tmp_path)])
    said = capsys.readouterr()
    assert said.out and not _steering(said.out + said.err)


@pytest.mark.parametrize("command", [["evidence", "list"], ["evidence", "check"], ["evidence", "list", "--json"]])
def test_a_document_s_words_cannot_steer(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    document = {
        "id": f"d1{CLEARS}", "kind": "scc_eu", "exporter": ["DE"], "importer": ["US"], "categories": [f"p{BACKWARDS}"],
        "signed": "2026-01-01", "owner": f"A{TITLE}", "note": CLEARS,
    }  # fmt: skip
    text = yaml.safe_dump({"documents": [document]}).replace("'2026-01-01'", "2026-01-01")
    (tmp_path / "documents.yaml").write_text(text)
    main.run([*command, "--evidence", str(tmp_path / "documents.yaml")])
    said = capsys.readouterr()
    assert said.out and not _steering(said.out + said.err)


def test_what_a_warning_quotes_of_a_register_cannot_steer(tmp_path: Path) -> None:
    """A register that cannot be read any more is warned of by the border's log, in the hub's process."""
    code = (
        "import logging, sys; from fedsov.cli import main; main.run(['--version']); "
        "logging.getLogger('fedsov.border').warning('no document counts: %s', sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, f"x{CLEARS}"], capture_output=True, text=True, check=True)
    assert "\\x1b[2J" in done.stderr and not _steering(done.stderr)
