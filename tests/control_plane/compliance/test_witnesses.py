"""The hub believes no region about another, keeps what verifies alone, and a spoiled proof or share is found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedsov.control_plane.compliance import witness_tables as tables
from fedsov.control_plane.compliance.witnesses import HubWitness, open_alarms
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.database.place import SCHEME
from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.shared_entries import Part, parts
from fedsov.ledger.witnessing import UNPROVEN, Alarm, Announcement, announce, proof_between, take
from fedsov.protocol.witness_messages import SharedParts, WitnessAnswer, WitnessQuestion
from tests.ledger.test_witnessing import ledger_of
from tests.postgresql_server import postgresql_server

NOW = datetime.now(UTC)


class World:
    """A hub, and the ledgers of DE and US."""

    def __init__(self, folder: Path, url: str) -> None:
        self.hub = ledger_of(folder / "hub", "hub", 1)
        self.regions = {name: ledger_of(folder / name, name, 5) for name in ("DE", "US")}
        self.database = Database.open(url)
        self.keys = {name: ledger.key for name, ledger in self.regions.items()}
        self.witness = HubWitness(self.database, self.hub, keys=lambda: self.keys, every=timedelta())

    def ask(self, region: str, *, now: datetime = NOW, **words: object) -> WitnessAnswer:
        """One question of a region, as bytes, and the answer."""
        question = WitnessQuestion.from_bytes(WitnessQuestion(**words).to_bytes())  # type: ignore[arg-type]
        return WitnessAnswer.from_bytes(self.witness.answer(region, question, now=now).to_bytes())

    def alarms(self) -> set[tuple[str, str, str]]:
        with self.database.reading() as connection:
            return {(each.kind, each.party, each.noter) for each in open_alarms(connection)}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    server = postgresql_server()
    try:
        yield SCHEME + server.get_uri().split("://", 1)[1]
    finally:
        server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    is_file = request.param == "sqlite"
    world = World(tmp_path, f"sqlite:///{tmp_path}/c.sqlite" if is_file else request.getfixturevalue("postgresql"))
    with closing(world.database):
        yield world


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, f"sqlite:///{tmp_path}/c.sqlite")
    with closing(world.database):
        yield world


def test_an_announcement_is_noted_countersigned_and_handed_to_the_others_with_the_proof_that_each_needs(
    world: World,
) -> None:
    states = world.regions["US"]
    first = announce(states, ["hub"])
    world.ask("US", announcement=first)
    (forwarded,) = (each for each in world.ask("DE").announcements if each.announcement.head.owner == "US")
    assert forwarded.announcement == first and forwarded.path is None
    (signed,) = take(world.regions["DE"], [first])
    world.ask("DE", noted={"US": first.head.short}, countersignatures=(signed,))
    states.note({"more": 1})
    second = announce(states, ["hub"])
    answer = world.ask("US", announcement=second)
    assert answer.prove == (first.head.size,) and set(answer.countersigned) == {"hub", "DE"}
    path = tuple(proof_between(states, first.head.size, second.head))
    assert not world.ask("US", paths={first.head.size: path}).prove
    (forwarded,) = (
        each for each in world.ask("DE", noted={"US": first.head.short}).announcements if each.announcement == second
    )
    assert forwarded.path == path and not world.alarms()


def test_a_region_speaks_for_no_other(quick: World) -> None:
    of_states = announce(quick.regions["US"], ["hub"])
    (signed,) = take(quick.regions["US"], [announce(quick.regions["DE"], ["hub"])])
    alarm = Alarm(UNPROVEN, "DE", "US", of_states, None)
    for words in ({"announcement": of_states}, {"countersignatures": (signed,)}, {"alarms": (alarm,)}):
        with pytest.raises(ConfigurationError, match="DE brought what US would have to say"):
            quick.ask("DE", **words)
    with pytest.raises(ConfigurationError, match="no member"):
        quick.ask("FR")
    with pytest.raises(LedgerBroken, match="not signed by key"):
        quick.ask("US", countersignatures=(replace(signed, key=quick.regions["DE"].key),))


def test_a_head_of_another_key_than_the_members_list_has_is_an_alarm(quick: World, tmp_path: Path) -> None:
    quick.ask("US", announcement=announce(ledger_of(tmp_path / "other", "US", 9), ["hub"]))
    assert quick.alarms() == {("replaced", "US", "hub")}


def test_a_proof_that_never_comes_is_an_alarm_after_an_hour_and_closed_by_the_proof(quick: World) -> None:
    states = quick.regions["US"]
    first = announce(states, ["hub"])
    quick.ask("US", announcement=first)
    states.note({"more": 1})
    second = announce(states, ["hub"])
    quick.ask("US", announcement=second)
    assert not quick.alarms()
    quick.ask("US", now=NOW + timedelta(hours=2))
    assert quick.alarms() == {("unproven", "US", "hub")}
    quick.ask("US", paths={first.head.size: tuple(proof_between(states, first.head.size, second.head))})
    assert not quick.alarms()


def test_shared_entries_that_do_not_verify_are_not_kept_and_asked_for_again(quick: World) -> None:
    states = quick.regions["US"]
    said = announce(states, ["hub"])
    given = parts(states, since=0, size=said.head.size, is_shared=lambda body: "n" in body.get("note", {}))
    forged = [Part(1, 1, "00" * 32, '{"act":"note"}'), *given[1:]]
    quick.ask("US", announcement=said)
    for several in (forged, given[1:], given[::-1], [replace(given[0], digest="00" * 32), *given[1:]][:0] + given[:-1]):
        share = SharedParts("everything", 0, tuple(several), ())
        assert quick.ask("US", share=share).shared == (0, "nothing")
    assert quick.ask("US", share=SharedParts("everything", 0, tuple(given), ())).shared == (
        said.head.size,
        "everything",
    )
    with quick.database.reading() as connection:
        assert tables.parts_of(connection, "US") == given


def test_what_is_no_message_is_refused_whole(quick: World) -> None:
    good = WitnessQuestion(announcement=announce(quick.regions["US"], ["hub"])).to_bytes()
    for content in (b"", b"[]", b"{}", good[:-1], good.replace(b'"share":null', b'"share":{}'), b"{" * 200):
        with pytest.raises(ConfigurationError, match="message of witnesses"):
            WitnessQuestion.from_bytes(content)
    with pytest.raises(ConfigurationError, match="the most is"):
        WitnessQuestion.from_bytes(b" " * (2**22 + 1))


def test_a_hub_that_lost_its_database_announces_its_head_again(quick: World) -> None:
    quick.ask("DE")
    with quick.database.changing() as connection:
        connection.execute(tables.ANNOUNCEMENTS.delete())
    quick.witness = HubWitness(quick.database, quick.hub, keys=lambda: quick.keys)
    answer = quick.ask("DE")
    assert [each.announcement.head.owner for each in answer.announcements] == ["hub"]
    assert isinstance(answer.announcements[0].announcement.check(), Announcement)


def test_two_services_on_one_database_note_one_announcement_once(quick: World) -> None:
    other = HubWitness(quick.database, Ledger(quick.hub._path, "hub"), keys=lambda: quick.keys, every=timedelta())
    said = announce(quick.regions["US"], ["hub"])
    for witness in (quick.witness, other, quick.witness):
        witness.answer("US", WitnessQuestion(announcement=said), now=NOW)
    assert len(quick.hub.notes("witnessed")) == 1
