"""Whether a region tells of itself what the hub approved: where it lies, and the key that rows are sealed with.

What a region says of its place decides what the hub's gate lets go to it. So it counts only where it is the place of
the region's invitation, which the hub's ledger noted; its sealing key only where it is the one of its approved request.
A trial invites nobody: there the workspace is one owner's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from fedsov.ledger.ledger import Ledger
from fedsov.runtimes.deployment.noted import acts, members_in
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.workspace import Workspace, ledger_of


def contradiction(home: Path, region: Mapping[str, Any]) -> str:
    """What a region tells otherwise than it was approved, in a sentence; "" where it tells the same.

    Args:
        home: the hub's.
        region: what the region tells of itself: its party and its sealing key, in plain values.

    Raises KeyUnavailable, LedgerBroken.
    """
    name = str(region["name"])
    with closing(Ledger.read(ledger_of(Workspace(home).hub))) as ledger:
        noted = acts(ledger)
    place = _invited(noted).get(name)
    if place is not None and region["location"] != place:
        return f"{name} says that it lies in {region['location']}, and was invited as lying in {place}"
    member = members_in(DeploymentFolder(home), noted).get(name)
    if member is not None and member.sealing_key and region["public_key"] != member.sealing_key:
        return f"{name} tells another sealing key than it was approved with; `fedsov deploy renew` tells a new one"
    return ""


def _invited(noted: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The country of every region that was invited, as it was noted last."""
    return {str(act["name"]): str(act["party"]["location"]) for act in noted if act["act"] == "invited"}
