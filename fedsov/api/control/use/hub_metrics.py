"""Reports of use at the hub: what answers a region that sends one."""

from __future__ import annotations

import time
from collections.abc import Callable

from fedsov.api.control.control_hub import ControlHub
from fedsov.control_plane.metrics.use_reports import Signed, take_use_report
from fedsov.keys.members import read_members
from fedsov.protocol.control import control_pb2 as control
from fedsov.protocol.use_report import UseReportRefused
from fedsov.runtimes.deployment.hub.access import Caller, NotAllowed
from fedsov.storage.deployment_folder import DeploymentFolder


def metrics_taken(hub: ControlHub) -> Callable[[Caller, control.MetricsRelease], control.Receipt]:
    """The function that keeps what regions release; it raises NotAllowed for what is no report of the caller's."""

    def take(who: Caller, release: control.MetricsRelease) -> control.Receipt:
        """Keeps one."""
        member = read_members(DeploymentFolder(hub.home).members).get(who.name)
        if member is None:
            raise NotAllowed(f"{who.name} is no member of {hub.name} any more")
        signed = Signed(who.name, release.document, release.signature)
        try:
            with hub.database.changing() as connection:
                is_new = take_use_report(connection, signed, member.verify_key, now=time.time())
        except UseReportRefused as refused:
            raise NotAllowed(str(refused)) from None
        return control.Receipt(number=signed.sha256, sentences=[] if is_new else ["it was here already"])

    return take
