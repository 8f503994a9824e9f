"""The log of a region by the region's folder: with the endpoint's keys, and its notes in the region's own ledger.

log = RequestLog.open(place_in(folder, "DE"), LogSettings())
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from fedsov.inference.request_log.settings import HomeRegion, LogPlace
from fedsov.keys import KeySettings, open_keys_as
from fedsov.keys.principals import ENDPOINT
from fedsov.ledger.ledger import Ledger
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import ledger_of


def place_in(folder: Path, region: str, *, homes: Mapping[str, HomeRegion] | None = None) -> LogPlace:
    """The log in a region's folder.

    Args:
        homes: by jurisdiction, the other region that holds its people.
    """
    owner = KeySettings(region, folder)

    def note(content: Mapping[str, Any]) -> None:
        with closing(Ledger(ledger_of(folder), region)) as ledger:
            ledger.note(content)

    return LogPlace(region, ServingFolder(folder).requests, lambda: open_keys_as(owner, ENDPOINT), note, homes or {})
