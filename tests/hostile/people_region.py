"""A region of people, ingested as a user's would be, and its own worker, which answers whatever a hub asks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from fedsov.artifact import Party
from fedsov.config.hub_settings import training_job
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.label import PUBLIC, Scope
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.protocol.flower_messages import identify, new_id, pack, unpack, with_version
from fedsov.protocol.job import Asked, RegionStart
from fedsov.protocol.message_types import VERSION
from fedsov.region.worker import OpenRegion, answer, open_region
from fedsov.storage.workspace import ledger_of
from tests.cli.world import call
from tests.world import settle

COLUMNS = ("country", "person", "income", "ward", "ill")
Row = tuple[str, float, str, int]
"""A person's name, a number, a level, and whether the person is ill."""


def drawn(people: Iterable[int], seed: int = 0) -> list[Row]:
    """A row for each of these people: an income that nobody else has, one of two wards, ill or not."""
    rng = np.random.default_rng(seed)
    incomes, wards, ill = rng.uniform(1e3, 9e3, 10_000), rng.integers(0, 2, 10_000), rng.integers(0, 2, 10_000)
    return [(f"p{one}", round(incomes[one], 2), "AB"[wards[one]], int(ill[one])) for one in people]


@dataclass(frozen=True)
class PeopleRegion:
    """A region of this code, in a workspace of its own."""

    place: Path
    code: str = "DE"

    def words(self, *more: str, name: str = "people") -> list[str]:
        """The settings of a run over its table."""
        return [
            f"workspace={self.place / 'w'}", "dataset=table", f"dataset.name={name}",
            f"dataset.path={self.place / 'people.csv'}", "dataset.jurisdiction=country", "dataset.subject=person",
            "dataset.target=ill", "federation.regions=auto", "federation.hub.location=DE", "border=none",
            "strategy.federated.min_rows=10", *more,
        ]  # fmt: skip

    @property
    def folder(self) -> Path:
        """The region's own."""
        return self.place / "w" / "regions" / self.code

    def ingest(self, rows: Sequence[Row], *more: str, name: str = "people") -> None:
        """Puts these people's rows in its store, in the place of those before."""
        lines = [",".join(map(str, (self.code, *row))) for row in rows]
        (self.place / "people.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
        ended = call("ingest", *self.words(*more, name=name), "--json", "--quiet")
        assert ended.json, ended.err
        settle(self.place / "w")

    def start(self, *more: str, name: str = "people", run: str = "r") -> RegionStart:
        """What its worker is told of a job."""
        chosen = settings(compose(self.words(*more, name=name)))
        party, hub = Party(self.code, self.code, f"operator in {self.code}"), chosen.federation.hub
        return RegionStart(party, hub, self.folder, run, training_job(chosen), Asked())

    def opened(self, *more: str, name: str = "people", run: str = "r") -> OpenRegion:
        """Its worker, as a runtime opens it for a job."""
        region = open_region(self.start(*more, name=name, run=run))
        assert isinstance(region, OpenRegion), region
        return region

    def asked(self, kind: str, *more: str, name: str = "people", run: str = "r", **config: Any) -> dict[str, Any]:
        """What it answers a question with, or {"error": why}."""
        region = self.opened(*more, name=name, run=run)
        try:
            return told(region, kind, config)
        finally:
            region.close()

    def pass_days(self, days: int) -> None:
        """Its ledger knows of a day so many days from now."""
        with closing(Ledger(ledger_of(self.folder), self.code)) as ledger:
            later = entry_time(datetime.now(UTC) + timedelta(days=days))
            ledger.append({"at": later, "run": "", "act": "note", "owner": self.code, "note": {"opened": "later"}})

    def copied(self, place: Path) -> PeopleRegion:
        """The same region in a new folder, which a test may change."""
        shutil.copytree(self.place, place)
        return PeopleRegion(place, self.code)

    def set(self, *words: str) -> None:
        """Changes its settings, as its owner."""
        ended = call("region", "set", self.code, *words, "--yes", "--why", "a test", f"workspace={self.place / 'w'}")
        assert ended.code == 0, ended.err


def answered_once(place: Path, people: int) -> PeopleRegion:
    """A region of so many people that answered both questions about them once."""
    region = PeopleRegion(place)
    region.ingest(drawn(range(people)))
    assert "profile" in region.asked("query.profile")
    assert "statistics" in region.asked("query.statistics", scope="shareable")
    return region


def told(
    region: OpenRegion,
    kind: str,
    config: Mapping[str, Any],
    model: Mapping[str, np.ndarray] | None = None,
    drift: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """The records of an answer: JSON, scores, or arrays by name; {"error": why} where there is none."""
    content = RecordDict({"config": ConfigRecord(dict(config))})
    if model is not None:
        content["arrays"] = ArrayRecord({name: Array(value) for name, value in model.items()})
    if drift is not None:
        content["drift"] = ArrayRecord({f"drift/{name}": Array(value) for name, value in drift.items()})
    message = Message(content, 2, kind)
    with_version(message, VERSION)
    identify(message, new_id())
    label = PUBLIC if model is None else region.outbound.session.label(str(config.get("scope", Scope.SHAREABLE)))
    reply, _ = answer(region, unpack(pack(message)), label)
    if reply.has_error():
        return {"error": reply.error.reason}
    found: dict[str, Any] = {}
    for name, record in reply.content.config_records.items():
        found[name] = json.loads(str(record["json"]))
    for name, scores in reply.content.metric_records.items():
        found[name] = dict(scores)
    for name, arrays in reply.content.array_records.items():
        found[name] = {key: array.numpy() for key, array in arrays.items()}
    return found
