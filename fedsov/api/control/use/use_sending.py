"""A region sends the reports of use that passed its gate, and forgets each once the hub has it.

What the hub refuses is set aside under ``.refused``, and said: it is not sent again, and nothing is made in its place.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from fedsov.api.control.use.closed_windows import waiting_reports
from fedsov.errors import FedsovError
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.region_agent.agent import RepeatedAct
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient, ControlRefused
from fedsov.storage.bounded_files import read_bounded
from fedsov.storage.workspace import Workspace, ledger_of

SECONDS = 5.0
"""Between two looks at what waits."""
_NOT_ALLOWED = "PERMISSION_DENIED"


def sends_reports(workspace: Path, name: str) -> RepeatedAct:
    """What the region's agent does from time to time."""
    folder = Workspace(workspace).region(name)
    return RepeatedAct(SECONDS, lambda client: send_reports(folder, client))


def send_reports(folder: Path, client: ControlClient) -> None:
    """Sends what waits, the oldest first. Raises FedsovError once all were tried and one was refused."""
    refusals: list[str] = []
    for path in waiting_reports(folder):
        document = read_bounded(path)
        with closing(Ledger.existing(ledger_of(folder))) as ledger:
            signature = ledger.sign(document)
        try:
            client.release_metrics(control.MetricsRelease(document=document, signature=signature))
        except ControlRefused as refused:
            if refused.code != _NOT_ALLOWED:
                raise
            os.replace(path, path.with_suffix(".refused"))
            refusals.append(f"{path.name}: {refused}")
        else:
            path.unlink()
    if refusals:
        raise FedsovError(f"the hub does not take a report of use, which is set aside: {'; '.join(refusals)}")
