"""A hub's database as it is after some weeks, written by the very functions that the service writes it with."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from fedsov.border.gate import ARRIVE
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.overview.collecting import PLANS, count_entries
from fedsov.control_plane.overview.counted_entries import counted_up_to
from fedsov.control_plane.regions.directory import put_report
from fedsov.control_plane.repository.tables import REGIONS
from fedsov.control_plane.rollouts import states, tables, wanted
from fedsov.control_plane.rollouts.proposal import Act, ProposedVersion
from fedsov.control_plane.rollouts.states import RegionStep, Rollout
from fedsov.control_plane.rollouts.tables import RolloutEvent
from fedsov.control_plane.rollouts.wanted import WantedList
from fedsov.label import Label
from fedsov.ledger.ledger import Entry

NOW = datetime(2026, 11, 30, 20, 30, tzinfo=UTC)
AT = "2026-11-30T20:{:02d}:00+00:00"
FIRST = AT.format(1)
NAMES = {"CA": "Canada", "DE": "Germany", "GB": "United Kingdom", "IN": "India", "US": "United States", "IE": "Ireland"}


def party(name, location=""):
    return {"name": name, "entity": f"Example {name} Ltd (fictional)", "location": location or name, "owners": []}


def crossing(exporter, importer, *, origins=("DE",), verdict="permit", at=FIRST, act="cross", **more):
    """An entry's body, as a gate writes it."""
    return {
        "act": act,
        "at": at,
        "kind": "model",
        "name": "global model",
        "origins": list(origins),
        "categories": ["personal"],
        "verdict": verdict,
        "exporter": party(exporter, "IE" if exporter == "hub" else ""),
        "importer": party(importer, "IE" if importer == "hub" else ""),
        "destination": "IE" if importer == "hub" else importer,
        "destination_name": NAMES.get("IE" if importer == "hub" else importer, ""),
        "basis": [f"{origin} scc" for origin in origins],
        **more,
    }


def refusal(exporter, importer, **more):
    return crossing(
        exporter,
        importer,
        **{
            "verdict": "refuse",
            "name": "planned model",
            "origins": ("DE", "GB"),
            "at_fault": ["GB"],
            "reason": "GB -> IN: needs an International Data Transfer Agreement. The register holds none for it.",
            "missing": ["an International Data Transfer Agreement (scc_uk_idta) for GB -> IN"],
            "remedy": "Obtain an International Data Transfer Agreement and enter it in the evidence register.",
            "citations": ["UK GDPR Art. 46(2)(d) and 46(1A)"],
            **more,
        },
    )


def review(exporter, importer, **more):
    return crossing(
        exporter,
        importer,
        **{
            "verdict": "review",
            "review": "rv-5f2c1a",
            "kind": "update",
            "name": "",
            "reason": "DE -> US: the transfer impact assessment is older than a year.",
            **more,
        },
    )


def entries(database, owner, bodies):
    """Has entries of a ledger counted, after those that are counted already."""
    with database.changing() as connection:
        first = counted_up_to(connection, owner) + 1
        listed = [Entry(number, f"{number:064x}", body) for number, body in enumerate(bodies, first)]
        count_entries(connection, owner, listed)


def report(connection, name, versions, *, counter=1, at=NOW, word="ok", **more):
    """What a region says of itself."""
    told = [{"model": m, "version": v, "mode": mode, "digest": "", "since": AT.format(2)} for m, v, mode in versions]
    verdicts = [{"model": m, "version": v, "verdict": word, "bands": {}} for m, v, _ in versions]
    plain = {"counter": counter, "versions": told, "verdicts": verdicts, "endpoint": "serving", **more}
    put_report(connection, name, plain, at=at)


def want(connection, region, versions, *, counter=1, rollout=0):
    wanted.put(
        connection,
        WantedList(
            region=region,
            counter=counter,
            versions=tuple(versions),
            rollout=rollout,
            direction="forward",
            at=AT.format(10),
        ),
    )


def enroll(connection, *names):
    for name in names:
        connection.execute(insert(REGIONS).values(region=name, verify_key="00" * 32, drafted=0))


def proposal(model, version, **more):
    about = {
        "digest": "ab" * 32,
        "label": Label(frozenset({"DE"})),
        "verdict": "undecided",
        "report": "",
        "registry": "hub",
        "dataset": "stackoverflow",
        "run": "r2",
        "files": {},
        "evaluation": {"test_auc": 0.811},
        "proposed": Act(by="A. Person", why="salaries moved in autumn", at=AT.format(8)),
        "approved": Act(by="H. Officer", why="evaluation is better by .02", at=AT.format(9)),
    }
    return ProposedVersion(model=model, version=version, **{**about, **more})


def add_rollout(connection, rollout, **more):
    """A rollout with the approvals of the regions that have signed; returns its number."""
    number = tables.add(connection, rollout, proposal(rollout.model, rollout.version, **more))
    for name in rollout.at(states.SIGNED, *states.SERVING):
        by = {"act": "showed its lists", "by": f"{name}'s approver", "why": "measured on own rows"}
        tables.note(connection, RolloutEvent(rollout=number, region=name, at=AT.format(11), **by))
    return number


def fill(database: Database) -> Database:
    """Five regions in every state, two rollouts, crossings, refusals and a review."""
    with database.changing() as connection:
        enroll(connection, "CA", "DE", "GB", "IN", "US")
        steps = {
            "DE": RegionStep("published", word="watching"),
            "GB": RegionStep("signed"),
            "IN": RegionStep("unsigned"),
        }
        gone = replace(Rollout(0, "stackoverflow", 3, canary="US"), state="stopped", why="US reported errors")
        add_rollout(connection, replace(gone, steps={"US": RegionStep("taken back", word="errors")}), verdict="pass")
        number = add_rollout(connection, Rollout(0, "stackoverflow-de", 2, "running", "DE", steps))
        champion = ("stackoverflow", 2, "champion")
        for name in ("CA", "GB", "US"):
            want(connection, name, [champion])
        want(connection, "DE", [("stackoverflow-de", 2, "champion")], counter=2, rollout=number)
        report(connection, "CA", [champion])
        report(connection, "DE", [("stackoverflow-de", 1, "champion")], counter=1, word="watching")
        report(connection, "GB", [champion], at=NOW - timedelta(minutes=39))
        report(connection, "IN", [], counter=0)
        report(connection, "US", [champion], word="drift")
    hub = [crossing("hub", name, origins=("DE", "GB", "US")) for name in ("DE", "GB", "US") for _ in range(3)]
    hub += [crossing("hub", name, origins=()) for name in NAMES if name != "IE"]
    entries(database, "hub", [*hub, refusal("hub", "IN"), refusal("hub", "IN", at=AT.format(5))])
    for name, times in (("CA", 2), ("DE", 17), ("GB", 17), ("US", 30)):
        updates = [crossing(name, "hub", origins=(name,), kind="update") for _ in range(times)]
        home = crossing("hub", name, origins=(name,), act=ARRIVE, kind="records")
        budget = {"report": {"epsilon": 1.2, "delta": 1e-5, "spent_with": times / 4, "lifetime_epsilon": 8.0}}
        entries(database, name, [home, *updates, {"act": "note", "at": AT.format(3), "note": {"privacy": budget}}])
    entries(database, "DE", [review("DE", "US"), review("DE", "US", at=AT.format(7))])
    return database


def many(database: Database, *, regions: int = 100, crossings: int = 100_000) -> Database:
    """A federation of so many regions that crossed so often, with a rollout to all of them."""
    names = [f"R{number:03d}" for number in range(regions)]
    champion = ("stackoverflow", 2, "champion")
    with database.changing() as connection:
        enroll(connection, *names)
        for name in names:
            want(connection, name, [champion])
            report(connection, name, [champion], word="watching" if name.endswith("7") else "ok")
        steps = {name: RegionStep("signed") for name in names}
        add_rollout(connection, Rollout(0, "stackoverflow", 3, "running", names[0], steps))
        put_plan(connection, names)

    def origins(number):
        return [names[(number // regions * step) % regions] for step in (1, 7, 31)]

    bodies = [crossing("hub", names[number % regions], origins=origins(number)) for number in range(crossings)]
    for start in range(0, crossings, 1_000):
        block = bodies[start : start + 1_000]
        entries(database, "hub", [*block[1:], refusal("hub", names[start % regions], reason=f"reason {start // 1000}")])
    return database


def put_plan(connection, names):
    """The newest plan, as `collect` takes it from the hub's folder."""
    strategies = ("federated", "transfer_learning", "synthetic", "local")
    planned = [
        {"name": name, "rows": 500 + number, "strategy": strategies[number % 7 % 4], "reason": "757 rows are enough"}
        | {"donor": "", "blocked": [], "amendments": []}
        for number, name in enumerate(names)
    ]
    about = {"run": "r1", "at": AT.format(2), "contributors": [], "marks": [], "unsafe": False, "regions": planned}
    connection.execute(insert(PLANS).values(id=1, hub="hub", body=json.dumps(about)))
