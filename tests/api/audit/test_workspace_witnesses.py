"""Every party countersigns the others' ledgers; one that is rewritten, cut or put back is an alarm of each witness."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.api.audit.workspace_witnesses import Witnessed, witness_all
from fedsov.api.backups.accepting import accept_own, accept_statement
from fedsov.api.ledger_audit import verify_all
from fedsov.api.region_settings import set_settings
from fedsov.control_plane.compliance import witness_tables as tables
from fedsov.control_plane.database.place import open_database
from fedsov.errors import ConfigurationError, LedgerRestored
from fedsov.ledger import merkle
from fedsov.ledger.gaps import check_open
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.shared_entries import fold
from tests.api.audit.world import NAMES, crossing, federation, happen, note, path_of

EVERYBODY = {"hub", *NAMES}


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A federation whose parties witnessed each other once."""
    root = federation(tmp_path_factory.mktemp("federation"))
    witness_all(root)
    return root


@pytest.fixture
def root(quiet: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(quiet, tmp_path / "w"))


def sizes(root: Path) -> dict[str, int]:
    return {owner: Ledger.read(path_of(root, owner)).head().size for owner in sorted(EVERYBODY)}


def alarms(witnessed: Witnessed) -> set[tuple[str, str, str]]:
    return {(each.kind, each.party, each.noter) for each in witnessed.alarms}


def test_each_party_countersigns_the_heads_of_all_others_and_notes_them_in_its_own_ledger(root: Path) -> None:
    happen(root, "DE", note(1))
    witnessed = witness_all(root)
    pairs = {(each.head.owner, each.witness) for each in witnessed.countersignatures}
    assert pairs == {(party, witness) for party in EVERYBODY for witness in EVERYBODY - {party}}
    keys = {owner: Ledger.read(path_of(root, owner)).key for owner in EVERYBODY}
    for signed in witnessed.countersignatures:
        assert signed.check().key == keys[signed.witness] and signed.head.key == keys[signed.head.owner]
        ledger = Ledger.read(path_of(root, signed.witness))
        (entry,) = (each for each in ledger.notes("witnessed") if each.seq == signed.entry)
        assert entry.body["note"]["witnessed"][signed.head.owner]["head"] == signed.head.to_json()
    assert not witnessed.alarms and not [each for each in verify_all(root) if each.fault]


def test_where_nothing_happened_nothing_is_announced_and_no_ledger_grows(root: Path) -> None:
    witness_all(root)
    before = sizes(root)
    witness_all(root)
    assert sizes(root) == before


def test_what_one_party_does_reaches_every_other_in_one_round_and_then_there_is_rest(root: Path) -> None:
    happen(root, "DE", note(1), note(2))
    witnessed = witness_all(root)
    head = Ledger.read(path_of(root, "DE")).head()
    of_germany = {each.witness: each.head.size for each in witnessed.countersignatures if each.head.owner == "DE"}
    assert set(of_germany) == {"hub", "FR", "US"} and len(set(of_germany.values())) == 1
    assert head.size - 10 < of_germany["FR"] <= head.size


def forked(root: Path) -> None:
    """US goes on, is witnessed, and then goes on otherwise from where it was, longer and with the same key."""
    shutil.copytree(path_of(root, "US").parent, root.with_name("copy"))
    happen(root, "US", *(note(number) for number in range(8)))
    witness_all(root)
    shutil.rmtree(path_of(root, "US").parent)
    shutil.copytree(root.with_name("copy"), path_of(root, "US").parent)


def test_a_ledger_that_is_rewritten_and_longer_is_a_fork_of_which_each_witness_tells(root: Path) -> None:
    forked(root)
    happen(root, "US", *(note(number) for number in range(10, 30)))
    witnessed = witness_all(root)
    assert alarms(witnessed) == {("fork", "US", witness) for witness in ("hub", "DE", "FR")}
    line = witnessed.lines()[0]
    assert line.startswith("FORK: US") and "`fedsov ledger verify US --since HEAD`" in line
    assert alarms(witness_all(root)) == alarms(witnessed)
    noted = list(Ledger.read(path_of(root, "DE")).notes("alarm"))
    assert len(noted) == 1
    assert [each.owner for each in verify_all(root) if each.fault] == ["US"]


def test_a_ledger_that_was_put_back_is_a_gap_until_its_owner_and_the_witness_accept_it(root: Path) -> None:
    forked(root)
    witnessed = witness_all(root)
    assert alarms(witnessed) == {("shrunk", "US", witness) for witness in ("hub", "DE", "FR")}
    assert "accept-gap US" in witnessed.lines()[0]
    with pytest.raises(LedgerRestored, match="accept-gap US"):
        check_open(Ledger.read(path_of(root, "US")))
    statement = accept_own(root, "US", by="A. Person", why="disk of 3 March").statement
    for witness in ("hub", "DE", "FR"):
        accept_statement(root, witness, statement, by="B. Person", why="told by its owner")
    after = witness_all(root)
    assert not after.alarms
    assert {each.witness for each in after.countersignatures if each.head.owner == "US"} == {"hub", "DE", "FR"}
    assert not [each.fault for each in verify_all(root) if each.fault]


def test_by_default_no_entry_is_shared_and_the_others_know_how_many_there_are(root: Path) -> None:
    happen(root, "DE", crossing(1), note(1))
    witness_all(root)
    with closing(open_database(root)) as database, database.reading() as connection:
        parts, ledger = tables.parts_of(connection, "DE"), tables.shared_ledger(connection, "DE")
    assert parts and all(part.entry is None for part in parts) and parts[-1].last == ledger.size
    assert "secret act" not in (root / "control" / "control.sqlite").read_bytes().decode(errors="replace")


def test_crossings_are_shared_where_the_owner_says_so_and_the_rest_verifies_as_hashes(root: Path) -> None:
    happen(root, "DE", crossing(1), note(1))
    witness_all(root)
    set_settings(root, ["DE"], ["shared_entries=crossings"], by="A. Person", why="for the record")
    happen(root, "DE", note(2), crossing(2))
    witness_all(root)
    with closing(open_database(root)) as database, database.reading() as connection:
        parts, announced = tables.parts_of(connection, "DE"), tables.announced_by(connection, "DE")
    names = [json.loads(part.entry)["name"] for part in parts if part.entry is not None]
    assert [name for name in names if name.startswith("update")] == ["update 1", "update 2"]
    assert all(json.loads(part.entry)["act"] == "cross" for part in parts if part.entry is not None)
    frontier, size = fold([], 0, parts)
    assert announced is not None and announced.announcement.head.short == f"{size}:{merkle.root(frontier).hex()}"


def test_every_announcement_passes_the_region_s_gate_and_its_ledger_has_it(root: Path) -> None:
    before = len(Ledger.read(path_of(root, "DE")).entries())
    happen(root, "DE", note(1))
    witness_all(root)
    entries = Ledger.read(path_of(root, "DE")).entries(since=before)
    crossed = [each.body for each in entries if each.body["act"] == "cross"]
    assert crossed and {each["kind"] for each in crossed} == {"report"}
    assert {each["purpose"] for each in crossed} == {"audit"} and {each["importer"]["name"] for each in crossed} == {
        "hub"
    }


def test_a_workspace_without_a_hub_or_a_region_has_nobody_to_witness(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "hub" / "ledger.sqlite", "hub")):
        pass
    with pytest.raises(ConfigurationError, match="would witness each other"):
        witness_all(tmp_path)
