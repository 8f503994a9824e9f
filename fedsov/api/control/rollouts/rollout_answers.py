"""What the hub answers a region about a rollout, and what it makes of what regions report: messages become values.

A region is who its certificate says it is: no message names another.
"""

from __future__ import annotations

import json

from fedsov.api.control.control_hub import ControlHub
from fedsov.control_plane.regions.directory import RegionState, directory
from fedsov.errors import ConfigurationError, FedsovError
from fedsov.protocol.control import control_pb2 as control
from fedsov.protocol.rollouts import WORDS, RoleSignatures, SignedLists, WindowReport, candidate_message
from fedsov.runtimes.deployment.hub.access import Caller


def candidate(hub: ControlHub, who: Caller, request: control.CandidateRequest) -> control.CandidateAnswer:
    """A version that waits for this region's approver, signed by the hub's ledger key; number 0 asks for the newest.

    Raises ConfigurationError where nothing waits for it.
    """
    number = request.rollout or max(hub.rollouts.waiting(who.name), default=0)
    if not number:
        raise ConfigurationError(f"no rollout waits for {who.name}")
    given = hub.rollouts.candidate(number, who.name)
    document = json.dumps(given.to_json(), sort_keys=True).encode()
    signature = hub.ledger.sign(candidate_message(document))
    return control.CandidateAnswer(document=document, signature=signature, artifacts=dict(given.files))


def sign_lists(hub: ControlHub, who: Caller, request: control.HalfSignedLists) -> control.RoleDrafts:
    """Takes this region's half of both lists."""
    lists = SignedLists(
        rollout=request.rollout,
        region=who.name,
        by=request.by,
        why=request.why,
        at=request.at,
        current=request.current,
        forward=request.forward,
        back=request.back,
        role_version=request.role_version,
        begins_after=request.begins_after,
    )
    roles = hub.rollouts.take_lists(lists)
    return control.RoleDrafts(
        forward=roles.forward_role, back=roles.back_role, forward_list=roles.forward, back_list=roles.back
    )


def sign_roles(hub: ControlHub, who: Caller, request: control.RoleSignatures) -> control.Receipt:
    """Takes this region's signatures of the metadata of both."""
    signatures = RoleSignatures(rollout=request.rollout, region=who.name, forward=request.forward, back=request.back)
    status = hub.rollouts.take_signatures(signatures)
    return control.Receipt(number=str(status.rollout.number), sentences=list(status.lines()))


def take_reports(hub: ControlHub) -> None:
    """Has open rollouts go on, or stop, by what the regions reported last.

    A report of which nothing can come holds up no other: another region's fault still takes a version back. Raises what
    the first of them raised.
    """
    rollouts = hub.rollouts
    watched = rollouts.watched()
    if not watched:
        return
    with hub.database.reading() as connection:
        states = directory(connection)
    problems: list[FedsovError] = []
    for report in (each for state in states for each in window_reports(state)):
        about = (report.region, report.model, report.version)
        if report.word in WORDS and watched.get(about, report.word) != report.word:
            try:
                rollouts.report(report)
            except FedsovError as problem:
                problems.append(problem)
    if problems:
        raise problems[0]


def window_reports(state: RegionState) -> list[WindowReport]:
    """What a region said last of the versions that it serves."""
    return [
        WindowReport(
            region=state.name,
            model=str(each["model"]),
            version=int(each["version"]),
            counter=state.counter,
            word=str(each["verdict"]),
        )
        for each in state.report.get("verdicts", ())
    ]
