"""A document that a region's ledger leaned on stays what it was, or is another document."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fedsov.artifact import Kind
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.evidence.register import Register
from fedsov.border.evidence.register_file import load_register
from fedsov.ledger.ledger import Ledger
from fedsov.region.trust.leaned_on import rewritten
from tests.border.world import DEMO, artifact, party
from tests.control_plane.compliance.ledgers import gate_of

LEANED = "demo-scc-de-us"


def _ledger(folder: Path) -> Ledger:
    """Of a region whose update once went to the United States, and whose records did not."""
    ledger = Ledger(folder / "regions" / "DE" / "ledger.sqlite", "DE")
    gate = replace(gate_of(folder, "DE", evidence=LiveRegister(DEMO, ledger)), ledger=ledger)
    gate.cross(artifact(Kind.UPDATE, "DE"), party("US"))
    gate.refuse(artifact(Kind.RECORDS, "DE"), party("CN"))
    return ledger


def test_a_register_that_is_as_it_was_or_lacks_a_document_or_has_more_is_taken(tmp_path: Path) -> None:
    register = load_register(DEMO)
    with closing(_ledger(tmp_path)) as ledger:
        fewer = replace(register, documents=tuple(each for each in register.documents if each.id != LEANED))
        another = replace(register.documents[0], id="another", note="a new version")
        more = replace(register, documents=(*register.documents, another))
        assert [rewritten(each, DEMO, ledger) for each in (register, fewer, more, Register(()))] == [[]] * 4


def test_any_other_word_or_file_of_a_document_that_was_leaned_on_is_named_with_its_entry(tmp_path: Path) -> None:
    register = load_register(DEMO)
    with closing(_ledger(tmp_path)) as ledger:
        for change in ({"note": "other words"}, {"sha256": "00" * 32}, {"expires": None}):
            documents = [replace(each, **change) if each.id == LEANED else each for each in register.documents]
            (said,) = rewritten(replace(register, documents=tuple(documents)), DEMO, ledger)
            assert f"'{LEANED}'" in said and "since entry 1 " in said and f"--id {LEANED}-2 --like {LEANED}`" in said


def test_a_document_that_nothing_leaned_on_may_be_rewritten(tmp_path: Path) -> None:
    with closing(_ledger(tmp_path)) as ledger:
        leaned = set(ledger.entries()[0].body["contents"])
        documents = [
            each if each.id in leaned else replace(each, note="other words") for each in load_register(DEMO).documents
        ]
        assert leaned and not rewritten(replace(load_register(DEMO), documents=tuple(documents)), DEMO, ledger)
