"""`account`: people are added, listed, changed, reset and removed in the hub's home, and its ledger notes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.control_plane.database.place import open_database
from fedsov.control_plane.people.accounts import Accounts, PersonAccount
from fedsov.control_plane.people.roles import Role
from fedsov.control_plane.repository.tables import REGIONS
from fedsov.ledger.ledger import Ledger
from fedsov.storage.party_file import HubAddress, PartyFile, write_party
from tests.cli.world import Ended, call

Run = Callable[..., Ended]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in a hub's home."""
    Ledger(tmp_path / "hub" / "ledger.sqlite", "IE").close()
    return lambda *words: call("account", *words, "--workspace", tmp_path)


def notes(home: Path, name: str) -> list[dict]:
    ledger = Ledger.read(home / "hub" / "ledger.sqlite")
    return [entry.body["note"][name] for entry in ledger.notes(name)]


def test_an_account_is_added_with_a_temporary_password_that_opens_it(run: Run, tmp_path: Path) -> None:
    added = run(
        "add", "anna", "--role", "approver,viewer", "--region=DE", "--by=O. Perator", "--why=joins", "--json"
    ).json
    assert added["roles"] == ["approver", "viewer"] and added["regions"] == ["DE"]
    database = open_database(tmp_path)
    assert Accounts(database, note=print).checked("anna", added["password"], now=0.0).is_temporary
    database.close()
    (note,) = notes(tmp_path, "account")
    assert (note["act"], note["by"], note["why"]) == ("added", "O. Perator", "joins")
    assert added["password"] not in str(note)
    listed = run("list", "--json").json
    assert [account["name"] for account in listed["accounts"]] == ["anna"] and added["password"] not in str(listed)
    assert "anna: approver, viewer for DE, signs in by a temporary password\n1 account\n" in run("list").out


def test_a_password_comes_from_a_file_and_is_printed_nowhere(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "anna.password"
    file.write_text("heather under glass\n")
    added = run("add", "anna", "--role=viewer", "--password-file", file)
    assert added.out == "anna: viewer for every region, signs in by password\n"
    file.write_text("short")
    weak = run("reset", "anna", "--password-file", file)
    assert weak.code == 2 and "at least 12" in weak.line
    assert "cannot be read" in run("reset", "anna", "--password-file", tmp_path / "nowhere").line


def test_an_account_for_a_region_that_is_none_of_the_hub_s_is_made_and_the_region_named(
    run: Run, tmp_path: Path
) -> None:
    assert not run("add", "early", "--role=viewer", "--region=XX").err, "no region belongs to the hub yet"
    with closing(open_database(tmp_path)) as database, database.changing() as connection:
        connection.execute(REGIONS.insert().values(region="DE", verify_key="ab", drafted=0))
    added = run("add", "dora", "--role=viewer", "--region=DEE")
    assert added.code == 0 and "unknown region 'DEE'; did you mean DE?" in added.err


def test_roles_and_regions_are_changed_whole_and_an_account_is_removed(run: Run, tmp_path: Path) -> None:
    run("add", "anna", "--role=viewer", "--region=DE")
    assert run("change", "anna", "--role=auditor", "--json").json["regions"] == ["DE"]
    assert run("change", "anna", "--all-regions", "--json").json == {
        "name": "anna",
        "roles": ["auditor"],
        "regions": [],
        "signs_in_by": "password",
        "temporary_password": True,
    }
    assert "temporary password, shown once: " in run("reset", "anna").out
    assert run("remove", "anna").out == "anna is removed, and signed out everywhere\n"
    assert [note["act"] for note in notes(tmp_path, "account")] == [
        "added",
        "changed",
        "changed",
        "password reset",
        "removed",
    ]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("add", "anna"), "an account needs a role: --role operator or approver or auditor or viewer"),
        (("add", "anna", "--role=aprover"), "unknown role 'aprover'; did you mean approver?"),
        (("add", "An na", "--role=viewer"), "is no account's name"),
        (("add", "otto", "--role=viewer"), "there is an account 'otto'"),
        (("change", "otto"), "nothing to change; give --role, --region or --all-regions"),
        (("change", "otto", "--all-regions", "--region=DE"), "exclude each other"),
        (("remove", "oto"), "unknown account 'oto'; did you mean otto?"),
        (("openid",), "this hub names no OpenID provider; give --issuer, --client and --secret-file"),
        (("openid", "--none"), "this hub names no OpenID provider"),
        (("openid", "--issuer=http://id.example", "--client=hub"), "is no provider's address; write https://HOST"),
        (("openid", "--issuer=https://id.example", "--client=hub"), "needs --client ID and --secret-file FILE"),
    ],
)
def test_what_cannot_be_is_one_line_with_what_mends_it_and_2(run: Run, words: tuple[str, ...], line: str) -> None:
    run("add", "otto", "--role=viewer")
    ended = run(*words)
    assert ended.code == 2 and line in ended.line


def test_an_account_that_was_written_into_the_database_is_named(run: Run, tmp_path: Path) -> None:
    run("add", "anna", "--role=viewer")
    with closing(open_database(tmp_path)) as database:
        unseen = Accounts(database, note=lambda note: None)
        unseen.add(PersonAccount("mallory", frozenset({Role.APPROVER})), password="heather under glass", by="", now=0.0)
        unseen.change("anna", roles=frozenset({Role.OPERATOR}), regions=frozenset(), by="")
    ended = run("list")
    assert ended.code == 5 and "notes no account mallory" in ended.err and "other rights of anna" in ended.err
    assert "`fedsov account remove mallory`" in ended.err
    run("change", "anna", "--role=viewer")
    run("remove", "mallory")
    assert run("list", "--json").json["unnoted"] == {}


def test_a_folder_that_is_no_hub_s_is_named(tmp_path: Path) -> None:
    ended = call("account", "list", "--workspace", tmp_path)
    assert ended.code == 2 and "is no hub's home" in ended.line and "--workspace DIR" in ended.line


def test_a_provider_is_named_with_the_address_to_register_there_and_removed(run: Run, tmp_path: Path) -> None:
    write_party(tmp_path / "deployment" / "party.yaml", PartyFile("IE", "hub", HubAddress("hub.example", 9092)))
    (tmp_path / "secret").write_text("of a test")
    words = ("--issuer=https://id.example", "--client=fedsov", "--secret-file", tmp_path / "secret", "--label=Staff ID")
    named = run("openid", *words, "--json").json
    assert named["redirect_uri"] == "https://hub.example:9094/openid/return"
    file = tmp_path / "control" / "openid.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "of a test" not in run("openid").out + run("list").out + str(notes(tmp_path, "openid_provider"))
    assert "OpenID provider: https://id.example (Staff ID)" in run("list").out
    run("openid", "--none")
    assert not file.exists()
    file.write_text("{}")
    broken = run("list")
    assert broken.code == 7 and "`fedsov account openid` writes it anew" in broken.line
