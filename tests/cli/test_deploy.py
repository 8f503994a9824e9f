"""`fedsov deploy`: two regions join as docs/how-to/deploy.md says, and what is asked, printed and refused."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.world import Ended, call
from tests.world import ROOT

WORDS = "correct horse battery"
PAGE = ROOT / "docs" / "how-to" / "deploy.md"


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSOV_CA_PASSPHRASE", WORDS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment for DE and US that was set up in the current folder."""
    monkeypatch.chdir(tmp_path)
    assert not _init().code
    return tmp_path


def _init(*words: str) -> Ended:
    return call("deploy", "init", "deployment", "--host", "hub.example.org", "federation.regions=[DE,US]", *words)


def _fingerprint() -> str:
    return str(_init("--json").json["fingerprint"])


def _join(name: str, *words: str) -> Ended:
    invitation = f"deployment/invitations/{name}"
    return call("deploy", "join", invitation, "--workspace", name, "--fingerprint", _fingerprint(), *words)


def _approve(name: str, *words: str) -> Ended:
    request = f"{name}/deployment/request-{name}.json"
    place = ("--ca", "deployment/ca", "--workspace", "deployment/hub", "--why", "telephoned")
    return call("deploy", "approve", request, *place, *words)


def _accept(name: str, *words: str) -> Ended:
    return call(
        "deploy", "accept", f"deployment/hub/deployment/packages/package-{name}.json", "--workspace", name, *words
    )


def test_two_regions_join_by_the_commands_of_the_how_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the page's blocks, in its order; files and workspaces are where the owners would carry them."""
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line, comments=True)[1:] for line in "".join(blocks).splitlines()]
    carried = {
        "DE": "deployment/invitations/DE",
        "/srv/de": "de",
        "request-DE.json": "de/deployment/request-DE.json",
        "package-DE.json": "deployment/hub/deployment/packages/package-DE.json",
        "3A:F0:11": _fingerprint(),
    }
    for line in lines:
        words = [carried.get(word, word) if line[1] != "revoke" else word for word in line]
        asked = ["--yes"] if line[1] in ("join", "approve") else []
        ended = call(*words, *asked)
        assert ended.code == (2 if line[0] == "doctor" else 0), (line, ended.err)  # no hub runs
    assert [line[1] if line[0] == "deploy" else line[0] for line in lines] == [
        *("init", "join", "approve", "accept", "show"),
        *("doctor", "files", "files"),
        *("renew", "renew", "revoke", "show"),
    ]
    states = {party["name"]: party["state"] for party in ended.json["parties"]}
    assert states == {"hub": "valid", "operator": "valid", "DE": "revoked", "US": "invited"}


def test_each_step_says_what_to_do_next(folder: Path) -> None:
    made = _init()
    assert "take it off this machine when every region is approved" in made.out
    assert "deployment/invitations/DE: hand it to the owner of DE" in made.out
    assert "proposed to no region, since its owner decides: border.evidence" in made.out
    joined = _join("DE", "--yes")
    assert "request-DE.json: send it to the authority; it holds no secret" in joined.out
    key = re.search(r"ledger key (\w{64})", joined.out)
    assert key is not None
    approved = _approve("DE", "--yes")
    assert "package-DE.json: send it to the owner of DE" in approved.out
    assert "DE: pinned now: nobody new" in _accept("DE").out
    _join("US", "--yes")
    assert "package-DE.json: send it to the owner of DE; it tells DE of US" in _approve("US", "--yes").out
    assert "DE: pinned now: keys.US" in _accept("DE").out
    assert "DE: joined already" in _init().out
    shown = call("deploy", "show", "--workspace", "deployment/hub").out
    assert "DE: region, valid, 364 days left" in shown and "US: region, valid" in shown and "revoked: nobody" in shown


def test_answers_as_json(folder: Path) -> None:
    assert set(_init("--json").json) == {
        *("authority", "hub", "fingerprint", "invited"),
        *("joined", "revoked", "left_out"),
    }
    assert set(_join("DE", "--yes", "--json").json) == {"request", "ledger_key", "settings"}
    approved = _approve("DE", "--yes", "--json").json
    assert set(approved) == {"name", "serial", "not_after", "revoked", "package", "others"}
    assert _accept("DE", "--json").json["serial"] == approved["serial"]
    renewed = call("deploy", "renew", "--workspace", "deployment/hub", "--ca", "deployment/ca", "--json").json
    assert set(renewed) == {"hub", "operator"}
    words = ("deploy", "revoke", "DE", "--workspace", "deployment/hub", "--why", "stolen", "--json")
    assert approved["serial"] in call(*words).json["serials"]
    assert call("deploy", "show", "--workspace", "DE", "--json").json["parties"][0]["state"] == "valid"


def test_a_workspace_that_is_not_used_and_an_operator_that_was_revoked_are_said(folder: Path) -> None:
    assert "the hub's workspace is deployment/hub; elsewhere is not used" in _init("--workspace", "elsewhere").err
    call("deploy", "revoke", "operator", "--workspace", "deployment/hub", "--why", "left")
    assert "operator: revoked, and no member; `fedsov deploy renew" in _init().out


def test_parties_of_the_demonstration_are_said_where_rows_are_no_examples(folder: Path) -> None:
    own = ("dataset=table", "dataset.name=people", "dataset.path=people.csv", "dataset.jurisdiction=country")
    own = (*own, "dataset.target=y")
    assert "the hub is the demonstration's, Example Holding Ltd" in _init(*own).err
    assert "demonstration" not in _init(*own, "federation.hub.entity=Bank SE").err
    assert "demonstration" not in _init().err, "its own rows are examples"


def test_nothing_is_signed_where_nobody_says_yes(folder: Path) -> None:
    assert "nobody is there to say yes; add --yes" in _join("DE").err
    assert not (folder / "DE").exists()
    _join("DE", "--yes")
    refused = _approve("DE")
    assert refused.code == 2 and "Compare the ledger key and the digest" in refused.err
    assert "DE" not in json.loads((folder / "deployment/hub/deployment/members.json").read_text())


def test_a_join_needs_the_fingerprint_that_was_told(folder: Path) -> None:
    words = ("deploy", "join", "deployment/invitations/DE", "--workspace", "DE", "--yes")
    assert "deploy join needs --fingerprint" in call(*words).line
    other = ":".join(["AB"] * 32)
    ended = call(*words, "--fingerprint", other)
    assert ended.code == 6 and f"not {other}; do not join" in ended.line
    assert not (folder / "DE").exists()


def test_another_passphrase_approves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _join("DE", "--yes")
    monkeypatch.setenv("FEDSOV_CA_PASSPHRASE", "another passphrase")
    ended = _approve("DE", "--yes")
    assert ended.code == 6 and "the passphrase does not open the authority's key" in ended.line
    monkeypatch.delenv("FEDSOV_CA_PASSPHRASE")
    assert "no passphrase of the authority; name its file by --passphrase-file" in _approve("DE", "--yes").line


def test_a_region_that_is_here_is_renewed_and_one_that_never_joined_is_not(folder: Path) -> None:
    assert "party.yaml cannot be read" in call("deploy", "renew", "--workspace", "nowhere").line
    _join("DE", "--yes")
    _approve("DE", "--yes")
    _accept("DE")
    assert "send it to the authority" in call("deploy", "renew", "--workspace", "DE").out
    assert "its certificate before" in _approve("DE", "--yes").out
    assert not _accept("DE").code
