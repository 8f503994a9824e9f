"""The newest plan, as the hub recorded it for people: `hub/plan.json`, signed with the key of the hub's ledger.

It decides nothing: each crossing is decided when it happens. A file that was changed is none (`read_own`).
"""

from __future__ import annotations

from typing import Any

from fedsov.hub.planning.plan_values import Plan, RegionPlan
from fedsov.hub.run import HubRun
from fedsov.ledger.ledger import entry_time
from fedsov.ledger.signed_files import write_own

FILE = "plan.json"


def record_plan(run: HubRun, plan: Plan) -> None:
    """Records the plan of a run in the place of the one before. Raises WorkspaceUnusable."""
    body = {
        "run": run.name,
        "at": entry_time(),
        "contributors": list(plan.contributors),
        "marks": list(plan.marks),
        "unsafe": plan.unsafe,
        "regions": [_told(region) for region in plan.regions],
    }
    write_own(run.workspace.hub / FILE, body, run.gate.ledger)


def _told(region: RegionPlan) -> dict[str, Any]:
    """What people are shown of a region's plan; `rows` is None for fewer than the minimum count."""
    return {
        "name": region.region,
        "rows": region.rows,
        "strategy": region.strategy,
        "reason": region.reasons[-1] if region.reasons else "",
        "donor": region.donor or "",
        "blocked": [[crossing.source, crossing.target, crossing.why()] for crossing in region.blocked],
        "amendments": [amendment.sentence() for amendment in region.amendments],
    }
