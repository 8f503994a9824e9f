"""`deploy root`: until when the hub's repository holds, and a new root by two of three keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.deployment.trial import set_up_trial
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.party_file import HubAddress
from fedsov.storage.workspace import Workspace
from tests.api.inference.world import notes, workspace_of
from tests.cli.world import call


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of a trial."""
    workspace = workspace_of(tmp_path_factory.mktemp("root") / "w", "DE", "GB")
    set_up_trial(workspace.root, ["DE", "GB"], HubAddress("127.0.0.1", 9092))
    return workspace.root


def test_it_is_shown_and_renewed_and_the_ledger_says_by_whom(root: Path) -> None:
    lines = call("deploy", "root", f"workspace={root}").out.splitlines()
    assert lines[0].startswith("root 1, valid until ") and lines[-1] == "regions: DE, GB"
    assert sum("at hand" in line for line in lines) == 3
    words = ("deploy", "root", "--renew", "--replace", "snapshot,timestamp", "--by", "A. Person", "--why", "restored")
    told = call(*words, f"workspace={root}", "--json").json
    assert (told["version"], set(told["roles"])) == (2, {"configuration", "models", "snapshot", "targets", "timestamp"})
    assert notes(Workspace(root), "hub", "repository")[-1] == {
        "act": "new root", "replaced": ["snapshot", "timestamp"], "lost": "", "by": "A. Person", "why": "restored"
    }  # fmt: skip


def test_what_cannot_be_is_one_line_with_the_way_out(root: Path, tmp_path: Path) -> None:
    for words, code, said in (
        (("--lost", "ab"), 2, "add --renew"),
        (("--renew", "--replace", "models"), 2, "role with a key of the repository's own"),
        (("--renew", "--lost", "zz"), 2, "root key"),
    ):
        refused = call("deploy", "root", *words, f"workspace={root}")
        assert (refused.code, said in refused.line) == (code, True), refused.line
    files = sorted(HubControlFolder(root).root_keys.iterdir())
    for path in files[:2]:
        path.rename(tmp_path / path.name)
    refused = call("deploy", "root", "--renew", f"workspace={root}")
    assert (refused.code, "bring the others there" in refused.line) == (6, True)
    for path in files[:2]:
        (tmp_path / path.name).rename(path)
