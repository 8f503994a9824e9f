"""The gates' share of a round: a run of the demo, by its ledgers, beside its crossings decided and written once more.

How long a round took is what the ledgers say. What its gates took is measured at new gates with new ledgers on a real
disk, one transaction after another: what a party decided together in a round is decided together again.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from border_clock import microseconds, undisturbed
from border_questions import DAY, REGISTER, ROOT

from fedsov.artifact import Artifact, Kind, Party
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.gate import Gate, Outgoing, Refused
from fedsov.border.law.bundle import Bundle
from fedsov.border.people_counts import PeopleCounter
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.storage.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Round:
    """One round as the ledgers show it: the model it trained, its crossings (their places among all), its seconds."""

    model: str
    crossings: tuple[int, ...]
    seconds: float


def rounds_of(bodies: Sequence[Mapping[str, Any]]) -> list[Round]:
    """The rounds in a run's crossings, given in the order of their time; a last one has no end and is left out."""
    model, found = "", dict[tuple[str, int], list[int]]()
    for place, body in enumerate(bodies):
        if body["round"] is not None and body["verdict"] == "permit":
            model = body["name"] if body["kind"] == "model" else model
            found.setdefault((model, body["round"]), []).append(place)
    rounds = []
    for (model, number), places in found.items():
        if following := found.get((model, number + 1)):
            begins, ends = (datetime.fromisoformat(bodies[one[0]]["at"]) for one in (places, following))
            rounds.append(Round(model, tuple(places), (ends - begins).total_seconds()))
    return rounds


def demo_crossings(workspace: Path) -> list[dict[str, Any]]:
    """Runs the demo in a new workspace: every crossing in its ledgers, by the time it was decided."""
    command = [sys.executable, "-m", "fedsov", "train", f"workspace={workspace}", "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    found = [entry.body for path in Workspace(workspace).ledgers().values() for entry in Ledger.read(path).entries()]
    return sorted((body for body in found if body["act"] == "cross"), key=lambda body: body["at"])


def together(bodies: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """The places of what one party decided together: crossings of one round that follow each other in its ledger."""
    latest, found = dict[str, tuple[int | None, list[int]]](), list[list[int]]()
    for place, body in enumerate(bodies):
        name, round_number = body["exporter"]["name"], body["round"]
        before, places = latest.get(name, (None, []))
        if round_number is None or round_number != before:
            places = []
            found.append(places)
        places.append(place)
        latest[name] = round_number, places
    return found


def replayed(bodies: Sequence[Mapping[str, Any]], folder: Path, bundle: Bundle) -> list[float]:
    """Microseconds at the parties' gates, counting, deciding and writing to disk; all of them at the first place."""
    spent = [0.0] * len(bodies)
    with ExitStack() as opened, undisturbed():
        gates = {name: opened.enter_context(_gate(name, party, folder, bundle)) for name, party in _parties(bodies)}
        for places in together(bodies):
            group = [bodies[place] for place in places]
            spent[places[0]] = microseconds(_passing(gates[group[0]["exporter"]["name"]], group))
    return spent


def _parties(bodies: Sequence[Mapping[str, Any]]) -> list[tuple[str, Party]]:
    return list({body["exporter"]["name"]: Party.from_json(body["exporter"]) for body in bodies}.items())


@contextmanager
def _gate(name: str, party: Party, folder: Path, bundle: Bundle) -> Iterator[Gate]:
    with closing(Ledger(folder / name / "ledger.sqlite", name)) as ledger:
        evidence = LiveRegister(REGISTER, ledger)
        yield Gate(
            party,
            bundle=bundle,
            evidence=evidence,
            ledger=ledger,
            run="r",
            today=lambda: DAY,
            tally=PeopleCounter(ledger),
        )


def _leaving(body: Mapping[str, Any]) -> Outgoing:
    """What an entry is about once more, with other content of the same size."""
    pool = body["pool"]
    artifact = Artifact(
        Kind(body["kind"]),
        Label.from_json(body),
        b"a" * body["bytes"],
        body["count"],
        body["name"],
        tuple(body["evidence"]),
        pool["name"],
        pool["people"],
    )
    return Outgoing(artifact, Party.from_json(body["importer"]), body["tensors"])


def _passing(gate: Gate, group: Sequence[Mapping[str, Any]]) -> Callable[[], object]:
    """The crossings of these entries once more, on their day."""
    day, leaving = date.fromisoformat(group[0]["day"]), [_leaving(body) for body in group]
    gate = replace(gate, today=lambda: day)

    def act() -> None:
        for settled, body in zip(gate.cross_all(leaving, round_number=group[0]["round"]), group, strict=True):
            verdict = settled.decision.verdict if isinstance(settled, Refused) else "permit"
            if verdict != body["verdict"]:
                raise SystemExit(f"{body['kind']} to {body['importer']['name']}: {body['verdict']} is {verdict} now")

    return act


def fsync_milliseconds(folder: Path, times: int = 50) -> float:
    """The median of writing a kibibyte and waiting for the disk, which every entry of a ledger does too."""
    with (folder / "fsync").open("wb", buffering=0) as file:

        def write() -> None:
            file.write(bytes(1024))
            os.fsync(file.fileno())

        return statistics.median(microseconds(write) for _ in range(times)) / 1_000


def shares(folder: Path, bundle: Bundle, repeats: int) -> dict[str, dict[str, Any]]:
    """By model: rounds, crossings, and the median milliseconds of all gates, of what they add, and of a whole round.

    The regions' gates work beside each other, in processes of their own, as the regions' training does: of theirs a
    round waits for what one core has to do. The hub's it waits for whole.
    """
    bodies = demo_crossings(folder / "demo")
    replays = [replayed(bodies, folder / str(repeat), bundle) for repeat in range(repeats)]
    each, found = [statistics.median(column) for column in zip(*replays, strict=True)], dict[str, list[Any]]()
    for one in rounds_of(bodies):
        spent = dict[str, float]()
        for place in one.crossings:
            name = bodies[place]["exporter"]["name"]
            spent[name] = spent.get(name, 0.0) + each[place] / 1_000
        found.setdefault(one.model, []).append((*_added(spent), one.seconds * 1_000, len(one.crossings)))
    return {model: _share(measured) for model, measured in found.items()}


def _added(spent: Mapping[str, float]) -> tuple[float, float]:
    """Milliseconds of all gates in turn, and what a round waits for."""
    regions = [value for name, value in spent.items() if name != "hub"]
    cores = min(len(os.sched_getaffinity(0)), len(regions)) or 1
    return sum(spent.values()), spent.get("hub", 0.0) + max([sum(regions) / cores, *regions], default=0.0)


def _share(measured: Sequence[tuple[float, float, float, int]]) -> dict[str, Any]:
    gates, added, whole, crossings = (statistics.median(column) for column in zip(*measured, strict=True))
    return {
        "rounds": len(measured),
        "crossings": crossings,
        "gates_milliseconds": gates,
        "added_milliseconds": added,
        "round_milliseconds": whole,
        "share_in_turn": gates / whole,
        "share": added / whole,
    }
