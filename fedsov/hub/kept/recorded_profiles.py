"""What the regions told of themselves, as the hub recorded it: a plan is made of it, and no region is asked again.

    hub/profiles.json    by data set: the stores that the profiles are of, the day, the profiles

They are what passed the regions' gates when they were asked, and count only for the very stores that they are of. A
region's own settings may tell less by now: whoever wants its answer of today asks it (`fedsov plan --fresh`), and every
training does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from fedsov.hub.planning.plan_values import Profile
from fedsov.hub.run import HubRun
from fedsov.ledger.signed_files import read_own, write_own
from fedsov.serialization import Unserializable, from_plain, to_plain

FILE = "profiles.json"


def record(run: HubRun, profiles: Sequence[Profile]) -> None:
    """Records what the regions told now; where one of them was lost, nothing is recorded."""
    if run.ingested is None or any(profile.lost for profile in profiles):
        return
    told = {
        "stores": dict(run.ingested.stores),
        "day": run.gate.today().isoformat(),
        "profiles": to_plain(profiles),
    }
    write_own(run.workspace.hub / FILE, {**_all(run), run.settings.dataset: told}, run.gate.ledger)


def recorded(run: HubRun) -> tuple[list[Profile], date] | None:
    """The profiles of these very stores and the day on which they were told; None where none are recorded."""
    told = _all(run).get(run.settings.dataset)
    if told is None or run.ingested is None or told["stores"] != dict(run.ingested.stores):
        return None
    try:
        return from_plain(list[Profile], told["profiles"]), date.fromisoformat(told["day"])
    except (Unserializable, KeyError, ValueError):
        return None  # another version wrote it


def _all(run: HubRun) -> dict[str, Any]:
    """By data set; a file that was damaged or forged holds nothing, since the regions can be asked again."""
    return read_own(run.workspace.hub / FILE, run.gate.ledger) or {}
