"""`fedsov region set` where `serving` changes: the border first, and the table of issuers beside the endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.inference.endpoints.serving_settings import take_issuers
from fedsov.api.region_settings import init, set_settings, show
from fedsov.border.gate import Refused
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace, ledger_of

PARTIES = (
    *("parties.hub.name=hub", "parties.hub.location=IE", "parties.hub.entity=Example Holding"),
    *("parties.region.location=DE", "parties.region.entity=Example GmbH"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with a region DE that has pinned who it deals with, and where."""
    init(tmp_path / "w", "DE", PARTIES)
    return tmp_path / "w"


def _acts(root: Path) -> list[tuple[str, str]]:
    bodies = [entry.body for entry in Ledger.read(ledger_of(Workspace(root).region("DE"))).entries()]
    return [(body["act"], body.get("verdict", next(iter(body.get("note", {}) or {""})))) for body in bodies]


def test_a_host_is_decided_and_recorded_before_the_settings_are_in_force(root: Path) -> None:
    set_settings(root, ["DE"], ["serving.hosts=[FR]"])
    assert show(root, "DE").settings.serving.hosts == ("FR",)
    assert _acts(root)[-2:] == [("arrive", "permit"), ("note", "settings")]
    set_settings(root, ["DE"], ["serving.hosts=[]"])
    assert _acts(root)[-1] == ("note", "settings") and len(_acts(root)) == 4, "to serve fewer nobody is asked"


def test_a_refused_host_leaves_the_settings_as_they_were(root: Path) -> None:
    with pytest.raises(Refused, match=r"records of KP .* is refused: .*have a lawyer add its law"):
        set_settings(root, ["DE"], ["serving.hosts=[FR, KP]", "limits.rounds=3"])
    settings = show(root, "DE").settings
    assert (settings.serving.hosts, settings.limits.rounds) == ((), 1000)
    assert _acts(root)[-2:] == [("arrive", "permit"), ("arrive", "refuse")]


def test_without_pinned_parties_nobody_can_be_hosted(root: Path) -> None:
    init(root, "AT")
    with pytest.raises(ConfigurationError, match="region AT has not pinned"):
        set_settings(root, ["AT"], ["serving.hosts=[FR]"])


def test_the_table_of_issuers_lies_beside_the_endpoint_as_it_was_taken(root: Path, tmp_path: Path) -> None:
    table, folder = tmp_path / "issuers.yaml", Workspace(root).region("DE")
    table.write_text(ISSUERS)
    set_settings(root, ["DE"], [f"serving.issuers={table}"])
    beside = ServingFolder(folder).issuers
    assert beside.read_text() == ISSUERS
    table.write_text(ISSUERS.replace("fedsov", "other"))
    set_settings(root, ["DE"], ["limits.rounds=3"])
    assert beside.read_text() == ISSUERS, "a table that changed is not taken by the way"
    beside.unlink()
    with pytest.raises(ConfigurationError, match=r"changed since region DE took it; .*serving.issuers="):
        take_issuers(folder, show(root, "DE").settings)
    set_settings(root, ["DE"], [f"serving.issuers={table}"])
    assert "other" in beside.read_text()
    set_settings(root, ["DE"], ["serving.issuers=null"])
    assert not beside.exists()


def test_a_file_of_keys_that_lies_beside_the_table_is_taken_with_it(root: Path, tmp_path: Path) -> None:
    table, keys = tmp_path / "t" / "issuers.yaml", tmp_path / "t" / "jwks.json"
    table.parent.mkdir()
    table.write_text(ISSUERS.replace("https://idp.example/jwks.json", "jwks.json"))
    with pytest.raises(ConfigurationError, match=r"cannot read .*jwks.json"):
        set_settings(root, ["DE"], [f"serving.issuers={table}"])
    keys.write_text('{"keys": []}')
    set_settings(root, ["DE"], [f"serving.issuers={table}"])
    beside = ServingFolder(Workspace(root).region("DE"))
    assert (beside.root / "jwks.json").read_text() == '{"keys": []}'
    keys.write_text('{"keys": [1]}')
    take_issuers(beside.region, show(root, "DE").settings)
    assert "[1]" in (beside.root / "jwks.json").read_text()


@pytest.mark.parametrize("name", ["endpoint.json", "approved.json", "tls.key"])
def test_a_file_of_keys_takes_no_place_of_the_endpoint_s_own(root: Path, tmp_path: Path, name: str) -> None:
    table = tmp_path / "issuers.yaml"
    table.write_text(ISSUERS.replace("https://idp.example/jwks.json", name))
    (tmp_path / name).write_text('{"keys": []}')
    with pytest.raises(ConfigurationError, match="by its whole path, outside this folder"):
        set_settings(root, ["DE"], [f"serving.issuers={table}"])
    assert not (ServingFolder(Workspace(root).region("DE")).root / name).exists()


@pytest.mark.parametrize(
    ("word", "match"),
    [
        ("serving.limits.rows=0", "serving.limits.rows must be"),
        ("serving.limits.row=5", "row is not a setting; did you mean serving.limits.rows"),
        ("serving.guard.slower=1", "serving.guard.slower must be a number above 1"),
        ("serving.guard.request=5", "request is not a setting; did you mean serving.guard.requests"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_before_anything_is_written(root: Path, word: str, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        set_settings(root, ["DE"], [word])


def test_a_table_that_is_none_is_refused_before_anything_is_written(root: Path, tmp_path: Path) -> None:
    (tmp_path / "issuers.yaml").write_text("issuers: []\n")
    with pytest.raises(ConfigurationError, match="issuers must be a list with at least one issuer"):
        set_settings(root, ["DE"], [f"serving.issuers={tmp_path / 'issuers.yaml'}"])
    assert show(root, "DE").settings.serving.issuers is None


ISSUERS = """\
issuers:
  - {issuer: https://idp.example, jwks: https://idp.example/jwks.json, audience: fedsov, algorithms: [RS256]}
"""
