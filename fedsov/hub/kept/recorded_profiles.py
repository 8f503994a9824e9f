"""What the regions told of themselves, as the hub recorded it: a plan is made of it, and no region is asked again.

    hub/profiles.json    by data set: the stores and settings that the profiles are of, the day, the profiles, and the
                         additional rules of regions' own

They are what passed the regions' gates when they were asked, and count only for the very stores and the regions' very
settings that they are of. Documents that came since, or a later day, may let a region tell more or less by now: whoever
wants its answer of today asks it (`fedsov plan --fresh`), and every training does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from fedsov.hub.planning.plan_values import Profile
from fedsov.hub.run import HubRun
from fedsov.ledger.signed_files import read_own, write_own
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.serialization import Unserializable, from_plain, to_plain

FILE = "profiles.json"


def record(run: HubRun, profiles: Sequence[Profile]) -> None:
    """Records what the regions told now; where one of them was lost, nothing is recorded."""
    if run.ingested is None or any(profile.lost for profile in profiles):
        return
    told = {
        **_of(run.ingested),
        "rules": {name: dict(rules) for name, rules in run.own_rules.items()},
        "day": run.gate.today().isoformat(),
        "profiles": to_plain(profiles),
    }
    write_own(run.workspace.hub / FILE, {**_all(run), run.settings.dataset: told}, run.gate.ledger)


def recorded(run: HubRun) -> tuple[list[Profile], date] | None:
    """The profiles of these very stores and settings and the day on which they were told; None where none are recorded.

    The run then knows of the regions' own rules what was told with them.
    """
    told = _all(run).get(run.settings.dataset)
    if told is None or run.ingested is None:
        return None
    try:
        if {name: told[name] for name in ("stores", "settings")} != _of(run.ingested):
            return None
        found = from_plain(list[Profile], told["profiles"]), date.fromisoformat(told["day"])
        run.own_rules.update(told["rules"])
    except (Unserializable, KeyError, ValueError):
        return None  # another version wrote it
    return found


def _of(ingested: IngestionReport) -> dict[str, dict[str, str]]:
    """What profiles are of: digests of each region's rows, and of its own settings."""
    return {"stores": dict(ingested.stores), "settings": dict(ingested.settings)}


def _all(run: HubRun) -> dict[str, Any]:
    """By data set; a file that was damaged or forged holds nothing, since the regions can be asked again."""
    return read_own(run.workspace.hub / FILE, run.gate.ledger) or {}
