"""`status` where no hub runs: one line, with the command that starts it."""

from __future__ import annotations

import socket
from pathlib import Path

from fedsov.api.deployment.trial import set_up_trial
from fedsov.storage.party_file import HubAddress
from tests.api.inference.world import workspace_of
from tests.cli.world import call


def test_a_hub_that_does_not_run_is_told_with_what_starts_it(tmp_path: Path) -> None:
    with socket.socket() as unused:  # bound and not listening: refused, and nobody else takes it
        unused.bind(("127.0.0.1", 0))
        workspace = workspace_of(tmp_path / "w", "DE")
        set_up_trial(workspace.root, ["DE"], HubAddress("127.0.0.1", unused.getsockname()[1]))
        ended = call("status", f"workspace={workspace.root}")
    assert ended.code == 1 and "cannot be reached" in ended.line
    assert ended.line.endswith("`fedsov hub` starts it, or `fedsov up` in a trial")
