"""Documents are bound by content: what a decision leaned on cannot be rewritten afterwards without its id being said.

The register of a region is rewritten between a decision and an audit, or in place with the same size and time while a
run is open; a document's own file is exchanged for another.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedsov.api.ledger_audit import verify_all
from fedsov.artifact import Kind
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.evidence.register_file import load_register, read_register
from fedsov.border.gate import Refused
from fedsov.cli import main
from fedsov.keys import KeySettings, create_keys
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.flower_messages import flower_process
from fedsov.protocol.job import Asked
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import Change, write_settings
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from tests.border.world import DEMO, artifact, demo_papers_of, party
from tests.control_plane.compliance.ledgers import gate_of, record
from tests.hostile.people_region import PeopleRegion, drawn

PAPER = b"standard contractual clauses, as they were signed"


@pytest.fixture
def register(tmp_path: Path) -> Path:
    """The demo's register, in which one document states the digest of its file."""
    path = tmp_path / "documents.yaml"
    text = DEMO.read_text().replace('sha256: ""', f"sha256: {hashlib.sha256(PAPER).hexdigest()}", 1)
    path.write_text(text)
    return path


def _crosses(root: Path, register: Path) -> dict[str, Any]:
    """An update of Germany's goes to the United States, on the strength of that document; the entry."""
    with (
        closing(Ledger(root / "hub" / "ledger.sqlite", "IE")),
        closing(Ledger(root / "regions" / "DE" / "ledger.sqlite", "DE")) as ledger,
    ):
        gate = gate_of(root, "DE", evidence=LiveRegister(register, ledger))
        gate.cross(artifact(Kind.UPDATE, "DE"), party("US"))
        return ledger.entries()[-1].body


def _rewrite(register: Path) -> None:
    before = register.read_text()
    register.write_text(before.replace("expires: 2031-12-31", "expires: 2041-12-31", 1))
    assert register.read_text() != before


def test_an_entry_holds_the_digests_of_the_documents_and_files_that_it_leans_on(tmp_path: Path, register: Path) -> None:
    body = _crosses(tmp_path / "w", register)
    assert "demo-scc-de-us" in body["documents"] and set(body["contents"]) == set(body["documents"])
    document = load_register(register).get("demo-scc-de-us")
    assert document is not None
    assert body["contents"]["demo-scc-de-us"] == {"entry": document.digest, "file": hashlib.sha256(PAPER).hexdigest()}


def test_a_document_that_was_rewritten_after_a_decision_is_named_by_audit_and_report(
    tmp_path: Path, register: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "w"
    _crosses(root, register)
    documents = load_register(register).documents
    assert not any(each.remarks for each in verify_all(root, register=documents))
    _rewrite(register)
    now = load_register(register).documents
    (said,) = [remark for each in verify_all(root, register=now) for remark in each.remarks]
    assert said.startswith("'demo-scc-de-us' was rewritten: entry 1 of DE")
    warned = [warning for warning in record(root, register=now).warnings if warning.grave]
    assert len(warned) == 1 and "'demo-scc-de-us' was rewritten: entry 1 of DE" in warned[0].text
    place = f"workspace={root}"
    assert main.run(["ledger", "verify", "--evidence", str(register), place]) == 0
    assert "'demo-scc-de-us' was rewritten" in capsys.readouterr().out
    assert main.run(["report", "--evidence", str(register), place]) == 0
    assert "demo-scc-de-us&#39; was rewritten" in (root / "report" / "report.html").read_text()


def test_the_register_that_a_region_s_own_settings_name_is_compared_without_being_given(
    tmp_path: Path, register: Path
) -> None:
    root = tmp_path / "w"
    _crosses(root, register)
    folder = root / "regions" / "DE"
    with closing(Ledger(folder / "ledger.sqlite", "DE")) as ledger:
        settings = RegionSettings("DE", evidence=register)
        write_settings(folder, create_keys(KeySettings("DE", folder)), ledger, Change(settings, "A. Person", "a test"))
    assert not any(each.remarks for each in verify_all(root))
    _rewrite(register)
    (said,) = [remark for each in verify_all(root) for remark in each.remarks]
    assert said.startswith("'demo-scc-de-us' was rewritten")


def test_a_document_rewritten_between_two_decisions_is_named_without_any_register(
    tmp_path: Path, register: Path
) -> None:
    root = tmp_path / "w"
    _crosses(root, register)
    _rewrite(register)
    _crosses(root, register)
    (said,) = [remark for each in verify_all(root) for remark in each.remarks]
    assert said.startswith("'demo-scc-de-us' was rewritten: entry 1 of DE") and "entry 2" in said


def test_a_document_whose_own_file_was_exchanged_is_named_where_the_files_are_given(
    tmp_path: Path, register: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, papers = tmp_path / "w", tmp_path / "papers"
    _crosses(root, register)
    papers.mkdir()
    (papers / "clauses.pdf").write_bytes(PAPER)
    words = ["report", "--evidence", str(register), "--files", str(papers), f"workspace={root}", "--json"]
    assert main.run(words) == 0
    assert "demo-scc-de-us' has another file" not in capsys.readouterr().out
    (papers / "clauses.pdf").write_bytes(PAPER + b", and as they were never signed")
    assert main.run(words) == 0
    assert "demo-scc-de-us' has another file, or none" in capsys.readouterr().out


def test_an_in_place_edit_of_a_register_with_the_same_size_and_time_is_seen_by_the_next_decision(
    tmp_path: Path, register: Path
) -> None:
    with closing(Ledger(tmp_path / "ledger.sqlite", "DE")) as ledger:
        gate = gate_of(tmp_path / "w", "DE", evidence=LiveRegister(register, ledger))
        gate.cross(artifact(Kind.UPDATE, "DE"), party("US"))
        before, text = register.stat(), register.read_text()
        with register.open("r+") as file:  # in place: the same inode
            file.write(text.replace("kind: scc_eu", "kind: scc_ch"))
        os.utime(register, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = register.stat()
        assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
        with pytest.raises(Refused, match="scc_eu"):
            gate.cross(artifact(Kind.UPDATE, "DE"), party("US"))


def test_a_region_refuses_a_register_in_which_what_it_leaned_on_was_rewritten_in_place(
    tmp_path: Path,
) -> None:
    region = PeopleRegion(tmp_path / "people")
    region.place.mkdir()
    region.ingest(drawn(range(40)))
    register = demo_papers_of(region.start().region.entity, tmp_path)
    region.set(f"evidence={register}")
    start = replace(region.start(), asked=Asked(evidence=register))
    with flower_process():
        opened = open_region(start)
        assert isinstance(opened, OpenRegion), opened
        opened.outbound.gate.cross(artifact(Kind.UPDATE, "DE"), party("US"))
        opened.close()
        before = register.read_text()
        _rewrite(register)
        refused = open_region(start)
        assert isinstance(refused, ClosedRegion) and "'demo-scc-de-us' in" in refused.failure
        assert "JobRefused" in refused.failure
        line = shlex.split(refused.failure.split("`")[1])
        assert main.run(line[1:]) == 0
        anew = {document.id: document.to_json() for document in load_register(register).documents}
        assert anew["demo-scc-de-us-2"] == {**anew["demo-scc-de-us"], "id": "demo-scc-de-us-2"}
        with closing(Ledger.read(region.folder / "ledger.sqlite")) as ledger:
            assert "demo-scc-de-us" in str(ledger.entries()[-1].body["note"]["refused_job"]["why"])
        register.write_text(before + register.read_text()[len(before) :])
        again = open_region(start)
        assert isinstance(again, OpenRegion), again
        again.close()


def test_every_document_of_the_demo_has_a_digest_of_its_own_that_any_field_changes() -> None:
    documents = load_register(DEMO).documents
    assert len({each.digest for each in documents}) == len(documents)
    plain = yaml.safe_load(DEMO.read_text())["documents"][0]
    for field, value in (("note", "another"), ("owner", "another"), ("example", False), ("sha256", "00")):
        changed = yaml.safe_dump({"documents": [{**plain, field: value}]}).encode()
        assert read_register(changed, "r").documents[0].digest != documents[0].digest
