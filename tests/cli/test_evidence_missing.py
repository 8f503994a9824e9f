"""`evidence missing`: ready lines, what the plan then is, and what no document opens."""

from __future__ import annotations

import shlex
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.api import train
from fedsov.api.border.missing_evidence import MissingEvidence, missing_settings, own_register
from fedsov.cli.evidence_missing import answer_lines, entry_line, job_lines, region_lines
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.ledger.ledger import Ledger
from fedsov.storage.workspace import ledger_of
from tests.border.world import DEMO, document
from tests.cli.world import call
from tests.world import people

PAPER = document("scc_uk_idta", "idta-1", terms={"doc": "A1.0"}, entities=frozenset({"Example's Ltd"}))


def test_an_unknown_strategy_is_refused_before_a_region_starts() -> None:
    ended = call("evidence", "missing", "--for", "federate")
    assert ended.code == 2 and "did you mean federated" in ended.line


def test_a_line_is_quoted_for_the_shell(tmp_path: Path) -> None:
    words = shlex.split(entry_line(PAPER, tmp_path / "my register.yaml"))
    options = dict(zip(words[5::2], words[6::2], strict=True))
    assert options["--entities"] == "Example's Ltd" and options["--evidence"] == str(tmp_path / "my register.yaml")
    assert options["--terms"] == "doc=A1.0" and "--expires" not in options


def test_people_read_how_many_documents_each_line_and_who_then_does_what() -> None:
    answer = MissingEvidence((PAPER,), {"IN": "local"}, {"IN": "federated"}, ())
    printed = answer_lines(answer, ["the line"], "federated")
    assert printed[0].startswith("Missing for federated: 1 document.") and printed[1] == "  the line"
    assert printed[2:] == ["With them:", "  IN: federated (now local)"]


def test_that_nothing_is_missing_and_what_no_document_opens_is_said() -> None:
    answer = MissingEvidence(
        (), {"IN": "local"}, {"IN": "local"}, ("model hub -> IN needs review: a person must look.",)
    )
    assert answer_lines(answer, [], None) == [
        "No document is missing for a better plan.",
        "No document opens:",
        "  model hub -> IN needs review: a person must look.",
    ]


def test_each_region_that_reads_another_register_is_told_the_command_that_names_this_one(tmp_path: Path) -> None:
    ours = tmp_path / "our papers.yaml"
    registers = {"DE": ours, "IN": None, "US": Path("/theirs.yaml")}
    assert region_lines(MissingEvidence((PAPER,), {}, {}, (), registers), ours) == [
        f"Region IN reads no register: `fedsov region set IN evidence='{ours}'` has it read this one",
        "Region US reads another register (/theirs.yaml): "
        f"`fedsov region set US evidence='{ours}'` has it read this one",
    ]


def test_a_job_without_a_register_of_its_own_is_told_first_the_setting_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "documents.yaml"
    first = f"; first let it read yours: border=own border.evidence={path}"
    assert job_lines(path, None) == [f"The job names no register{first}"]
    assert job_lines(path, DEMO) == [f"The job names another register ({DEMO}){first}"]
    assert job_lines(path, path) == []


def test_documents_for_people_are_entered_in_a_register_of_their_own_and_never_in_the_demonstrations(
    tmp_path: Path,
) -> None:
    ours = tmp_path / "documents.yaml"
    ours.write_text("documents: []\n")
    table = ["dataset=table", f"dataset.path={tmp_path / 'people.csv'}", "dataset.jurisdiction=country"]
    rows = settings(compose([*table, "dataset.target=ill", "federation.regions=auto", f"workspace={tmp_path / 'w'}"]))
    assert own_register(rows) is None and own_register(rows, [DEMO, None]) is None
    assert own_register(rows, [ours, DEMO]) == own_register(rows, [ours, ours]) == ours
    assert own_register(rows, [ours, tmp_path / "other.yaml"]) is None, "nobody can say which"
    named = replace(rows, border=replace(rows.border, evidence=ours))
    assert own_register(named, [tmp_path / "other.yaml"]) == ours
    assert own_register(settings(compose([f"workspace={tmp_path / 'w'}"]))) == DEMO


def test_a_worse_strategy_is_no_change_for_the_better() -> None:
    answer = MissingEvidence((), {"IN": "transfer_learning"}, {"IN": "local"}, ())
    assert answer.changed == {} and replace(answer, after={"IN": "federated"}).changed == {"IN": "federated"}


def test_once_the_rows_are_ingested_no_region_is_asked_and_no_ledger_gets_an_entry(tmp_path: Path) -> None:
    lines = ["country,age,ill", *(f"{('DE', 'US')[row % 2]},{20 + row % 60},{row % 3 % 2}" for row in range(200))]
    chosen = settings(compose([*people(tmp_path, lines, target="ill"), "today=2026-11-23"]))
    train.ingest_settings(chosen, progress=lambda _: None)
    before = entries(chosen.workspace)
    told: list[str] = []
    missing_settings(chosen, progress=told.append, strategy="federated")
    assert before == entries(chosen.workspace) and sum(before.values())
    assert any("no region is asked" in line for line in told)


def entries(folder: Path) -> dict[str, int]:
    """How many entries each region's ledger has."""
    counts = {}
    for region in sorted((folder / "regions").iterdir()):
        with closing(Ledger.read(ledger_of(region))) as ledger:
            counts[region.name] = len(ledger.entries())
    return counts


@pytest.mark.long
def test_the_demo_s_regions_are_asked_and_its_one_missing_document_is_told(tmp_path: Path) -> None:
    answer = call("evidence", "missing", "--for", "federated", "--json", f"workspace={tmp_path}").json
    assert [(each["kind"], each["exporter"], each["importer"]) for each in answer["documents"]] == [
        ("scc_uk_idta", ["GB"], ["IN"])
    ]
    assert answer["after"]["IN"] == "federated" != answer["before"]["IN"] and answer["closed"] == []
