"""A synthetic table of people's rows: one a version, whatever seed, size or run it is asked for with, and encrypted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.api.lifecycle.erasure import erase
from fedsov.artifact import Party
from fedsov.keys.sealing import opened, public_half
from fedsov.label import PUBLIC
from fedsov.partition.records import Records
from fedsov.protocol.flower_messages import identify, new_id, pack, unpack, with_version
from fedsov.protocol.message_types import SYNTHESISE, VERSION
from fedsov.region.strategies import synthetic
from fedsov.region.worker import OpenRegion, answer, open_region
from tests.hostile.people_region import PeopleRegion, drawn
from tests.own_settings import VERIFY, signed

PEER = Party("SAXONY", "DE", "operator in Saxony")
PRIVATE = b"s" * 32
"""The private sealing key of a peer in the same country, to which the shipped law permits the crossing."""
PEOPLE = 400


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[PeopleRegion, bytes]:
    """A region of 400 people, and the table that it gave its peer."""
    region = PeopleRegion(tmp_path_factory.mktemp("donor"))
    region.ingest(drawn(range(PEOPLE)))
    place = (f"parties.peers.{PEER.name}.location=DE", f"parties.peers.{PEER.name}.entity={PEER.entity}")
    region.set(f"keys.{PEER.name}={VERIFY}", *place)
    return region, _table(region)


@pytest.fixture
def region(made_once: tuple[PeopleRegion, bytes], tmp_path: Path) -> PeopleRegion:
    """The same in a workspace that a test may change."""
    return made_once[0].copied(tmp_path / "copy")


@pytest.fixture(scope="module")
def table(made_once: tuple[PeopleRegion, bytes]) -> bytes:
    return made_once[1]


def _asked(region: PeopleRegion, *more: str, run: str = "r") -> Message:
    """The region's answer to a hub that asks for a synthetic table for its peer."""
    keys = {PEER.name: public_half(PRIVATE).hex()}
    start = replace(region.start(*more, run=run), peers={PEER.name: PEER}, peer_keys=keys)
    home = open_region(replace(start, peer_signatures=signed(keys)))
    assert isinstance(home, OpenRegion), home
    config = ConfigRecord({"recipients": json.dumps([PEER.name])})
    message = Message(RecordDict({"config": config}), 2, SYNTHESISE)
    with_version(message, VERSION)
    identify(message, new_id())
    try:
        return answer(home, unpack(pack(message)), PUBLIC)[0]
    finally:
        home.close()


def _table(region: PeopleRegion, *more: str, run: str = "r") -> bytes:
    """The table as the peer opens it."""
    reply = _asked(region, *more, run=run)
    assert not reply.has_error(), reply.error.reason
    (record,) = reply.content.config_records.values()
    sealed = record[PEER.name]
    assert isinstance(sealed, bytes)
    labelled = opened(PRIVATE, sealed, PEER.name)
    return labelled[4 + int.from_bytes(labelled[:4], "big") :]


def _rows(table: bytes) -> Records:
    return synthetic.from_bytes(table, region="DE", label=PUBLIC)


@pytest.mark.parametrize(
    "more", [("seed=7",), ("strategy.synthetic.rows=300",)], ids=["another seed", "another number of rows"]
)
def test_one_table_is_given_whatever_a_job_says_and_no_second_sample_of_the_same_people(
    region: PeopleRegion, table: bytes, more: tuple[str, ...]
) -> None:
    assert len(_rows(table)) == 1000
    assert _table(region, *more, run="another") == table


def test_one_newcomer_is_not_the_difference_of_two_tables(region: PeopleRegion, table: bytes) -> None:
    region.ingest(drawn(range(PEOPLE + 9)))
    assert _table(region, run="after") == table
    home = region.opened()
    incomes = set(home.outbound.session.training_records("shareable").columns["income"].tolist())
    home.close()
    learned_from = next(row for row in drawn(range(PEOPLE)) if row[1] in incomes)
    region.ingest([row for row in drawn(range(PEOPLE)) if row != learned_from])
    assert _asked(region, run="gone").error.reason.startswith("AnswerWithheld")


def test_once_enough_people_changed_there_is_another_table_and_the_first_again_for_the_first_people(
    region: PeopleRegion, table: bytes
) -> None:
    region.ingest(drawn(range(PEOPLE + 60)))
    other = _table(region, run="more")
    assert other != table
    region.ingest(drawn(range(PEOPLE)))
    assert _table(region, run="back") == table


def test_a_table_is_kept_encrypted_and_the_ledger_knows_its_answer(region: PeopleRegion, table: bytes) -> None:
    (file,) = (region.folder / "answers").glob("table-*.bin")
    content = file.read_bytes()
    assert table[:64] not in content and b"income" not in content and b"column" not in content
    home = region.opened()
    answers = [entry.body["note"]["answer"] for entry in home.outbound.gate.ledger.notes("answer")]
    home.close()
    tables = [one["question"]["scope"] for one in answers if one["question"]["what"] == "synthetic rows"]
    assert tables == ["shareable"]


@pytest.mark.parametrize("change", ["lost", "a byte", "another's"])
def test_a_table_that_was_lost_or_changed_is_not_made_anew(region: PeopleRegion, table: bytes, change: str) -> None:
    (file,) = (region.folder / "answers").glob("table-*.bin")
    content = file.read_bytes()
    file.unlink()
    if change != "lost":
        file.write_bytes(content[:-1] + b"x" if change == "a byte" else table)
    assert _asked(region, run="again").error.reason == "AnswersBroken"


def test_a_table_leaves_the_region_with_a_person_whose_rows_it_was_made_from(region: PeopleRegion) -> None:
    (before,) = (region.folder / "answers").glob("table-*.bin")
    done = erase(region.place / "w", "DE", "p1", by="A. Person", why="a request")
    assert done.removed["synthetic tables"] == [f"{before.name} of people"]
    assert not list((region.folder / "answers").glob("table-*.bin"))
    assert _asked(region, run="s").has_error()
