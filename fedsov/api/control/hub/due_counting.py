"""What is due, put where the hub's page reads it: computed by `fedsov audit status` in a process of its own.

It opens registers and the regions' settings, which the hub's process does not load.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from fedsov.api.control.control_hub import ControlHub
from fedsov.control_plane.compliance.due_table import due, put_due
from fedsov.errors import FedsovError, LedgerBroken

SECONDS = 600


def count_due(hub: ControlHub) -> None:
    """Writes what is due now, where it is other than before. Raises FedsovError where the command gave no answer."""
    found = _asked(hub)
    shown = [each for each in found if each["day"] is not None and each["status"] in ("overdue", "soon")]
    with hub.database.reading() as connection:
        is_known = due(connection) == shown
    if not is_known:
        with hub.database.changing() as connection:
            put_due(connection, shown)


def _asked(hub: ControlHub) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "fedsov", "audit", "status", "--workspace", str(hub.home), "--json"]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False
        )
        if ended.returncode not in (0, LedgerBroken.exit_code):  # 5: an alarm is open, and the answer is there
            raise ValueError(f"it ended with {ended.returncode}")
        deadlines: list[dict[str, Any]] = json.loads(ended.stdout)["deadlines"]
        return deadlines
    except (subprocess.TimeoutExpired, ValueError, KeyError) as problem:
        raise FedsovError(
            f"what is due could not be computed ({problem}); run `fedsov audit status --workspace {hub.home}`"
        ) from None
