"""The hub and two regions witness each other's ledgers over their real channel, each in a process of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.api.region_settings import set_settings
from fedsov.control_plane.compliance import witness_tables as tables
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.witnessing import recalled
from tests.api.audit.world import crossing, happen, note, path_of
from tests.api.control.processes import HUB, ControlProcesses, until

NAMES = ("DE", "FR")


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlProcesses]:
    """A hub and two regions that run, once each countersigned both others."""
    with ControlProcesses(tmp_path_factory.mktemp("trial"), NAMES) as running:
        pin(running.home)
        set_settings(running.home, ["FR"], ["shared_entries=crossings"], by="A. Person", why="for the record")
        happen(running.home, "FR", crossing(1), note(1))
        running.begin_hub()
        for name in NAMES:
            running.begin_region(name)
        everybody = {HUB, *NAMES}
        wanted = {(party, witness) for party in everybody for witness in everybody - {party}}
        until(lambda: signed(running) == wanted, "every party to countersign every other")
        yield running


def pin(home: Path) -> None:
    """Has each region know where itself and its hub are."""
    for name in NAMES:
        words = [f"parties.{group}.{word}" for group, word in (("region", f"location={name}"), ("hub", "location=IE"))]
        words += ["parties.region.entity=Example", "parties.hub.entity=Example", "parties.hub.name=hub"]
        set_settings(home, [name], words, by="A. Person", why="a test")


def signed(parties: ControlProcesses) -> set[tuple[str, str]]:
    with closing(parties.database()) as database, database.reading() as connection:
        return {(each.head.owner, each.witness) for each in tables.countersignatures(connection)}


def test_every_party_notes_the_heads_of_the_others_in_its_own_ledger(parties: ControlProcesses) -> None:
    for owner in (HUB, *NAMES):
        noted = recalled(Ledger.read(path_of(parties.home, owner))).noted
        assert set(noted) == {HUB, *NAMES} - {owner}


def test_what_a_region_shares_is_at_the_hub_and_the_rest_is_hashes(parties: ControlProcesses) -> None:
    def texts(name: str) -> list[str]:
        with closing(parties.database()) as database, database.reading() as connection:
            return [part.entry for part in tables.parts_of(connection, name) if part.entry is not None]

    until(lambda: any("update 1" in text for text in texts("FR")), "what FR shares")
    assert not texts("DE") and not any("secret act" in text for text in texts("FR"))


@pytest.mark.long
def test_a_ledger_that_was_put_back_while_its_region_was_away_is_an_alarm_of_hub_and_peer(
    parties: ControlProcesses, tmp_path: Path
) -> None:
    folder = path_of(parties.home, "FR").parent
    before = max(sizes(parties, "FR"))
    parties.kill("FR")
    shutil.copytree(folder, tmp_path / "copy")
    happen(parties.home, "FR", *(note(number) for number in range(9)))
    parties.begin_region("FR")
    until(lambda: min(sizes(parties, "FR")) > before, "FR's later head to be countersigned")
    parties.kill("FR")
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder)
    parties.begin_region("FR")
    until(lambda: {"hub", "DE"} <= alarms(parties), "both alarms")
    until(lambda: "accept-gap FR" in parties.log("DE").read_text(), "DE's agent to say it")
    assert {"hub", "DE"} <= alarms(parties), "both stay open"


def sizes(parties: ControlProcesses, party: str) -> list[int]:
    """The sizes of a party's heads that its witnesses countersigned last."""
    with closing(parties.database()) as database, database.reading() as connection:
        return [each.head.size for each in tables.countersignatures(connection, party)]


def alarms(parties: ControlProcesses) -> set[str]:
    """Who has an open alarm about FR."""
    with closing(parties.database()) as database, database.reading() as connection:
        told = {each.noter for each in tables.told_alarms(connection) if each.party == "FR"}
    return told | {each.noter for each in recalled(Ledger.read(path_of(parties.home, HUB))).alarms.values()}
