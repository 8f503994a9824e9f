"""A clock that was turned back revives nothing: a region decides on the later of its clock and its ledger's last entry.

A document has expired; whoever holds the machine turns its clock back to when it was in force. An entry that was
written before that is of a later day, which is how the ledger knows: the tests write one that is of a day to come.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedsov.api.ledger_audit import verify_all
from fedsov.artifact import Kind
from fedsov.border.decisions import Decision
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.protocol.job import Asked
from fedsov.region.worker import OpenRegion, open_region
from fedsov.storage.workspace import ledger_of
from tests.border.world import artifact, demo_papers_of, party
from tests.hostile.people_region import PeopleRegion, drawn

AHEAD = timedelta(days=3000)


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    made = PeopleRegion(tmp_path_factory.mktemp("people"))
    made.ingest(drawn(range(40)))
    return made


@pytest.fixture
def region(ingested: PeopleRegion, tmp_path: Path) -> PeopleRegion:
    """The same region, in a place of its own."""
    return ingested.copied(tmp_path / "people")


def _goes_forward(region: PeopleRegion, ahead: timedelta = AHEAD) -> str:
    """The ledger has an entry of a day to come: since then the clock was turned back. Its time."""
    at = entry_time(datetime.now(UTC) + ahead)
    with closing(Ledger(ledger_of(region.folder), "DE")) as ledger:
        ledger.append({"at": at, "run": "", "act": "note", "owner": "DE", "note": {"opened": "on a later day"}})
    return at


def test_a_region_whose_clock_was_turned_back_goes_on_at_its_ledger_s_time_and_every_entry_says_so(
    region: PeopleRegion,
) -> None:
    at = _goes_forward(region, timedelta(days=30))
    told_of = region.asked("query.profile")
    assert told_of["profile"]["rows"] == 40
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        bodies = [entry.body for entry in ledger.entries("r")]
    crossed = [body for body in bodies if body["act"] == "cross"]
    assert crossed and {body["at"] for body in bodies} == {at}
    assert all(body["clock_behind"] > 29 * 86_400 for body in bodies)
    assert {body["day"] for body in crossed} == {at[:10]}


def test_an_expired_document_stays_expired_whatever_the_clock_says(region: PeopleRegion) -> None:
    start = region.start()
    papers = demo_papers_of(start.region.entity, region.place)
    region.set(f"evidence={papers}")
    start = replace(start, asked=Asked(evidence=papers))

    def decided() -> Decision:
        opened = open_region(start)
        assert isinstance(opened, OpenRegion), opened
        try:
            return opened.outbound.gate.consider(artifact(Kind.UPDATE, "DE"), party("US"))
        finally:
            opened.close()

    before = decided()
    _goes_forward(region)
    after = decided()
    assert before.verdict == "permit" and "demo-scc-de-us" in before.documents
    assert after.verdict == "refuse" and "expired on 2031-12-31" in f"{after.reason} {after.missing} {after.remedy}"


def test_verification_names_the_ledger_whose_clock_was_behind(region: PeopleRegion) -> None:
    assert not [remark for each in verify_all(region.place / "w") for remark in each.remarks]
    _goes_forward(region)
    region.asked("query.profile")
    (said,) = [each for each in verify_all(region.place / "w") if each.remarks]
    assert said.owner == "DE" and not said.fault
    assert "the clock was behind by up to" in said.sentence() and "set the machine's clock" in said.sentence()
