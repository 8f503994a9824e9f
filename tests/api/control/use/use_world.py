"""Windows of use as a region's workers put them down, for tests: so many people, each asking so often."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fedsov.api.region_settings import set_settings
from fedsov.inference.use.cells import CellKey, UseFrame
from fedsov.inference.use.spool import UseSpool, Window
from fedsov.ledger.ledger import Ledger
from fedsov.region.admission import Place, open_region
from fedsov.region.settings import RegionSettings
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace, ledger_of
from tests.api.inference.world import workspace_of

HOUR = 3600
FIRST = Window(1_790_000_000 // HOUR * HOUR, HOUR)
SECOND = Window(FIRST.ends, HOUR)
AFTER = float(SECOND.ends + HOUR)


def sharing(root: Path, *words: str) -> Workspace:
    """A hub, and region DE that lets the hub know of its use."""
    workspace = workspace_of(root, "DE")
    set_settings(root, ["DE"], ["metrics.share=true", *words])
    return workspace


def spool_of(workspace: Workspace) -> UseSpool:
    return UseSpool(ServingFolder(workspace.region("DE")).use)


def asked(workspace: Workspace, window: Window, people: int, *, code: str = "DE", version: int = 1, often: int = 3,
          outcome: str = "answered") -> None:  # fmt: skip
    """Puts down what one worker counted of people 1 to N."""
    spool = spool_of(workspace)
    spool.secret(window)
    key = CellKey("people-de", version, "champion", outcome, code, 0, 3)
    persons = dict.fromkeys(range(1, people + 1), often)
    assert spool.append(UseFrame(window.begins, {key: persons}, {("people-de", version): ("personal",)}), window)


@contextmanager
def opened(workspace: Workspace) -> Iterator[tuple[Place, RegionSettings]]:
    with open_region(workspace.region("DE"), "DE") as (place, own):
        yield place, own


def crossings_of_metrics(workspace: Workspace) -> list[tuple[str, int, str]]:
    """Verdict, count and digest of each crossing of metrics in the region's ledger."""
    with closing(Ledger.read(ledger_of(workspace.region("DE")))) as ledger:
        bodies = [entry.body for entry in ledger.entries() if entry.body["act"] == "cross"]
    return [(body["verdict"], body["count"], body["digest"]) for body in bodies if body["kind"] == "metrics"]
