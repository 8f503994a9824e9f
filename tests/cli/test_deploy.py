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
        "request-anna.json": "anna/deployment/request-anna.json",
        "package-anna.json": "deployment/hub/deployment/packages/package-anna.json",
    }
    for line in lines:
        words = [carried.get(word, word) if line[1] != "revoke" else word for word in line]
        asked = ["--yes"] if line[1] in ("join", "approve") else []
        ended = call(*words, *asked)
        assert ended.code == (2 if line[0] == "doctor" else 0), (line, ended.err)  # no hub runs
    assert [line[1] if line[0] == "deploy" else line[0] for line in lines] == [
        *("init", "join", "approve", "accept", "show"),
        *("doctor", "files", "files"),
        *("request", "approve", "accept"),
        *("renew", "renew", "revoke", "show"),
    ]
    states = {party["name"]: party["state"] for party in ended.json["parties"]}
    assert states == {"hub": "valid", "operator": "valid", "anna": "valid", "DE": "revoked", "US": "invited"}


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


def _operator(name: str, *words: str) -> Ended:
    """An operator who asked; their request is in their home of the same name."""
    place = ("--hub", "hub.example.org:9092", "--workspace", name, "--fingerprint", _fingerprint())
    return call("deploy", "request", name, *place, *words)


def test_an_operator_asks_accepts_and_renews_and_is_told_each_step(folder: Path) -> None:
    asked = _operator("anna")
    key = re.search(r"read to the authority's owner: the key's SHA-256 (\w{64})", asked.out)
    assert key is not None and "request-anna.json: send it to the authority; it holds no secret" in asked.out
    assert _operator("anna", "--json").json["key"] != key[1], "asked again before the answer, by a new key"
    assert "package-anna.json: send it to the owner of anna" in _approve("anna", "--yes").out
    accepted = _accept("anna")
    assert "to submit a job: `fedsov train runtime=deployment runtime.hub=hub.example.org:9092" in accepted.out
    assert "pinned" not in accepted.out
    assert "anna: operator, valid, 364 days left" in call("deploy", "show", "--workspace", "anna").out
    renewed = call("deploy", "renew", "--workspace", "anna", "--why", "yearly")
    assert "an operator's home has no ledger: --by and --why are noted nowhere" in renewed.err
    assert "is revoked" in _approve("anna", "--yes").out
    assert set(_accept("anna", "--json").json) == {"name", "serial", "not_after", "pinned", "said"}
    assert "anna: revoked; list number" in call(
        "deploy", "revoke", "anna", "--workspace", "deployment/hub", "--why", "left"
    ).out  # fmt: skip


def test_an_operator_without_an_answer_is_told_to_wait_when_they_submit(folder: Path) -> None:
    _operator("anna")
    assert "deployment/request-anna.json waits for the authority's answer" in call("status", "--workspace", "anna").line
    words = ("deploy", "request", "anna", "--hub", "hub.example.org:0", "--workspace", "x", "--fingerprint", "3A")
    assert "expected HOST:PORT" in call(*words).line


def test_the_papers_of_an_operator_are_examined_by_the_doctor(folder: Path) -> None:
    _operator("anna"), _approve("anna", "--yes"), _accept("anna")
    ended = call("doctor", "--workspace", "anna", "--json")
    assert ended.code == 2  # no hub runs
    checks = {each["check"]: each for each in json.loads(ended.out)}
    assert all(not checks[name]["problem"] for name in ("party file", "key file", "certificate", "certificate and key"))
    assert "ledger" not in checks
