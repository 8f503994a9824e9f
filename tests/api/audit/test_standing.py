"""How the record across all parties stands: ledgers with their witnesses, alarms, silence, and what is due."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from fedsov.api.audit.standing import standing
from fedsov.api.audit.workspace_witnesses import witness_all
from fedsov.ledger.ledger import Ledger
from tests.api.audit.world import NAMES, as_hub_alone, crossing, federation, happen, note, path_of
from tests.cli.world import call

ON = date(2026, 12, 31)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = federation(tmp_path_factory.mktemp("federation"))
    happen(root, "DE", crossing(1))
    witness_all(root)
    return root


@pytest.fixture
def root(quiet: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(quiet, tmp_path / "w"))


def test_each_party_is_there_with_its_entries_and_who_countersigned_which_head(root: Path) -> None:
    stands = standing(root, on=ON)
    assert {each.party for each in stands.ledgers} == {"hub", *NAMES} and not stands.faults
    for each in stands.ledgers:
        assert set(each.witnesses) == {"hub", *NAMES} - {each.party}
        assert each.entries == Ledger.read(path_of(root, each.party)).head().size and each.place == "here"
    assert any("countersigned by DE at" in line for line in stands.lines() if line.startswith("hub:"))


def test_an_erasure_that_did_not_end_is_due_thirty_days_after_it_was_begun(root: Path) -> None:
    def erasure(state: str) -> dict[str, object]:
        return {"act": "note", "note": {"erasure": {"subject": "5a" * 16, "state": state}}}

    happen(root, "DE", erasure("begun"))
    begun = datetime.now(UTC).date()
    (due,) = (each for each in standing(root, on=ON).deadlines if each.kind == "erasure")
    assert due.party == "DE" and due.day == begun + timedelta(days=30) and "fedsov erase --region DE" in due.to_do
    happen(root, "DE", erasure("done"))
    assert not [each for each in standing(root, on=ON).deadlines if each.kind == "erasure"]


def test_the_hub_alone_tells_what_regions_share_and_who_was_not_heard_for_two_days(root: Path) -> None:
    as_hub_alone(root)
    stands = standing(root, on=ON)
    germany = next(each for each in stands.ledgers if each.party == "DE")
    assert germany.place == "shared" and germany.withheld == germany.entries and not germany.fault
    assert any(line.startswith("DE shares 0 of") and "shared_entries=crossings" in line for line in stands.to_do)
    assert not any("silent" in line for line in stands.to_do)
    later = standing(root, on=ON, now=datetime.now(UTC) + timedelta(days=3))
    assert {line.split()[0] for line in later.to_do if "silent" in line} == {"hub", *NAMES}


def test_a_workspace_whose_parties_never_witnessed_each_other_is_told_the_command(tmp_path: Path) -> None:
    federation(tmp_path)
    assert any("`fedsov audit witness`" in line for line in standing(tmp_path, on=ON).to_do)


def test_the_commands_tell_it_write_the_bundle_and_end_with_5_at_an_alarm(root: Path, tmp_path: Path) -> None:
    assert call("audit", "status", "--workspace", root, "--json").json["alarms"] == []
    happen(root, "US", note(1))
    lines = call("audit", "witness", "--workspace", root).out.splitlines()
    states = next(line for line in lines if line.startswith("US: "))
    assert all(f"{witness} countersigned entry" in states for witness in ("DE", "FR", "hub"))
    ended = call("audit", "export", tmp_path / "audit", "--workspace", root)
    assert ended.code == 0 and f"python {tmp_path}/audit/verify_audit.py {tmp_path}/audit --key hub=" in ended.out
    shutil.copytree(path_of(root, "US").parent, tmp_path / "copy")
    happen(root, "US", *(note(number) for number in range(9)))
    call("audit", "witness", "--workspace", root)
    shutil.rmtree(path_of(root, "US").parent)
    shutil.copytree(tmp_path / "copy", path_of(root, "US").parent)
    assert call("audit", "witness", "--workspace", root).code == 5
    ended = call("audit", "status", "--workspace", root)
    assert ended.code == 5 and "GAP: the ledger of US ends at entry" in ended.out and "accept-gap US" in ended.err
