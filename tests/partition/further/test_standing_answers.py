"""What regions are asked about rows that are sent: once, as long as the answer stands, and never from memory beyond."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from fedsov.api.lifecycle.erasure import erase
from fedsov.config.settings import settings_of
from fedsov.errors import FedsovError, JobRefused
from fedsov.ledger.ledger import Ledger
from fedsov.partition.arrival import Arrival, ArrivingRows
from fedsov.partition.further import standing_answers as module
from fedsov.partition.further.append import open_appendable
from fedsov.partition.further.requests import JSON, Answer, Door, Request
from fedsov.partition.further.standing_answers import StandingAnswers
from fedsov.partition.sources.location import SentHome, Share
from fedsov.runtimes.ingestion_process import ingest_source
from fedsov.runtimes.serve_rows import committing, standing_answers
from fedsov.storage.workspace import Workspace, ledger_of
from tests.runtimes.test_ingestion_process import request_of

OF_PEOPLE = ("dataset.subject=person", "dataset.examples=null", "border.unsafe_open=false", "dataset.location=US")
PEOPLE = [
    "country,person,age,ill",
    *(f"{('DE', 'CN')[row % 2]},p{row},{40 + row % 30},{row // 2 % 2}" for row in range(120)),
]
DAY = date(2026, 11, 23)


class Groups:
    """A door of a workspace; what its regions were asked for the last group."""

    def __init__(self, place: Path, *words: str) -> None:
        request = request_of(place, *OF_PEOPLE, *words, lines=PEOPLE)
        self.settings, self.workspace = settings_of(request["config"]), Workspace(place / "w")
        self.stores = open_appendable(self.settings.dataset, atlas=self.settings.atlas, workspace=self.workspace.root)
        self.standing = standing_answers(self.settings, self.workspace, self.stores)
        self.asked: list[str] = []
        real = self.standing.asked

        def check_rows(region: Any, rows: ArrivingRows) -> None:
            self.asked.append(f"rows {region.name}")
            real.check_rows(region, rows)

        def admitted(arrival: Arrival) -> None:
            self.asked.append("admitted")
            real.admitted(arrival)

        def send_home(shares: Sequence[Share]) -> SentHome:
            self.asked.append("home")
            return real.send_home(shares)

        asked = replace(real, check_rows=check_rows, admitted=admitted, send_home=send_home)
        self.standing = StandingAnswers(asked, self.standing.files, self.standing.bounded)
        self.count = 0

    def send(self, country: str, rows: int = 1, day: date = DAY) -> Answer | FedsovError:
        """Sends one request of new people."""
        self.asked.clear()
        people = [f"n{self.count + row}" for row in range(rows)]
        self.count += rows
        body = [{"country": country, "person": each, "age": 50, "ill": 1} for each in people]
        request = Request(people[0], json.dumps(body).encode(), JSON)
        door = Door(self.stores, self.standing.conditions())
        with self.standing.group(day):
            (answer,) = door.commit([request], today=day)
        return answer


@pytest.fixture
def ingested(tmp_path: Path) -> Path:
    """A workspace of people in Germany and China, whose source lay in the United States."""
    ingest_source(request_of(tmp_path, *OF_PEOPLE, lines=PEOPLE))
    return tmp_path


def crossings(place: Path, region: str) -> list[dict[str, Any]]:
    """The ways home in a region's ledger."""
    with closing(Ledger.read(ledger_of(Workspace(place / "w").region(region)))) as ledger:
        return [entry.body for entry in ledger.entries() if entry.body.get("purpose") == "ingestion"]


def test_a_region_is_asked_once_for_groups_that_are_alike_and_again_on_another_day(ingested: Path) -> None:
    groups = Groups(ingested)
    assert isinstance(groups.send("DE"), Answer) and groups.asked == ["rows DE", "admitted", "home"]
    assert isinstance(groups.send("DE"), Answer) and groups.asked == []
    assert isinstance(groups.send("CN"), Answer) and groups.asked == ["rows CN", "admitted", "home"]
    assert isinstance(groups.send("DE"), Answer) and groups.asked == []
    assert isinstance(groups.send("DE", day=DAY + timedelta(1)), Answer)
    assert groups.asked == ["rows DE", "admitted", "home"]


def _touched(place: Path) -> None:
    with closing(Ledger(ledger_of(Workspace(place / "w").region("CN")), "CN")) as ledger:
        ledger.note({"said": "something"})


def _set(place: Path) -> None:
    settings = Workspace(place / "w").region("DE") / "region.yaml"
    settings.write_bytes(settings.read_bytes())


def _confirmed(place: Path) -> None:
    (place / "w" / "law").mkdir(exist_ok=True)
    (place / "w" / "law" / "confirmed.json").write_text("[]")


@pytest.mark.parametrize("change", [_touched, _set, _confirmed])
def test_whatever_changed_in_a_workspace_makes_its_regions_be_asked_again(
    ingested: Path, change: Callable[[Path], None]
) -> None:
    groups = Groups(ingested)
    groups.send("DE")
    change(ingested)
    groups.send("DE")
    assert groups.asked == ["rows DE", "admitted", "home"]


def test_no_answer_stands_for_more_than_a_minute(ingested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = Groups(ingested)
    groups.send("DE")
    monkeypatch.setattr(module, "LONGEST", -1.0)
    groups.send("DE")
    assert groups.asked == ["rows DE", "admitted", "home"]


def test_where_a_region_looks_at_rows_it_is_asked_about_all_of_them(ingested: Path) -> None:
    erase(ingested / "w", "DE", "p4", by="A. Person", why="request 1")
    groups = Groups(ingested)
    for _ in range(3):
        groups.send("DE")
        assert "admitted" in groups.asked


def test_a_way_home_is_written_down_whenever_the_rows_have_doubled(ingested: Path) -> None:
    groups = Groups(ingested)
    before = len(crossings(ingested, "DE"))
    counts = []
    for rows in (1, 2, 3, 100, 5, 200):
        assert isinstance(groups.send("DE", rows), Answer)
        counts.append([body["count"] for body in crossings(ingested, "DE")][before:])
    assert [len(each) for each in counts] == [1, 1, 1, 2, 2, 3]
    assert counts[-1] == [128, 256, 512], "never fewer than the region then holds"


def test_rows_whose_way_home_is_refused_are_not_stored_and_others_sent_with_them_are(ingested: Path) -> None:
    request = request_of(ingested, *OF_PEOPLE, "dataset.location=CN", lines=PEOPLE)
    chosen = settings_of(request["config"])
    stores = open_appendable(chosen.dataset, atlas=chosen.atlas, workspace=chosen.workspace)
    commit = committing(chosen, stores, "")
    rows = [{"country": country, "person": country, "age": 50, "ill": 1} for country in ("DE", "CN")]
    for _ in range(2):  # a refusal is not kept
        refused, taken = commit([Request(row["country"], json.dumps(row).encode(), JSON) for row in rows])
        assert isinstance(refused, JobRefused) and "DE may not go home from CN" in str(refused)
        assert isinstance(taken, Answer) and taken.stored == {"CN": 1}
    assert [body["verdict"] for body in crossings(ingested, "DE")][-1] == "refuse"
