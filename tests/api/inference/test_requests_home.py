"""Requests that a region answered for another's people go home sealed; both gates decide, nobody between reads them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fedsov.api.inference import requests_home
from fedsov.api.inference.request_logs import Wanted, opened, verify
from fedsov.api.inference.requests_home import receive, send_home
from fedsov.api.lifecycle import erasure, retention
from fedsov.errors import CertificateRefused, ConfigurationError, CrossingRefused, RequestLogBroken
from fedsov.inference.request_log import Line, LogSettings, RequestLog, place_in
from fedsov.inference.request_log import open_segment as segments
from fedsov.inference.request_log.settings import HomeRegion
from fedsov.keys import KeySettings, open_keys
from fedsov.ledger.ledger import Ledger
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import ledger_of
from tests.cli.world import call
from tests.world import settle

CANARY = "canary-7f3a"


@pytest.fixture(scope="module", autouse=True)
def warm(fork_servers: None) -> None:
    """Before the first test of this module that a process runs."""


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of the regions DE, AT and US, which have pinned each other."""
    place = tmp_path_factory.mktemp("regions")
    rows = [f"{code},{code.lower()}{n},{n}.5,{n % 2}" for code in ("DE", "AT", "US") for n in range(30)]
    (place / "people.csv").write_text("\n".join(["country,person,income,ill", *rows]) + "\n")
    ended = call(
        *("ingest", f"workspace={place / 'w'}", "dataset=table", "dataset.name=people"),
        *(f"dataset.path={place / 'people.csv'}", "dataset.jurisdiction=country", "dataset.subject=person"),
        *("dataset.target=ill", "federation.regions=auto", "federation.hub.location=DE", "border=none"),
        *("dataset.location=DE", "--json", "--quiet"),
    )
    assert ended.code == 0, ended.err
    settle(place / "w")
    return place / "w"


@pytest.fixture
def root(ingested: Path, tmp_path: Path) -> Path:
    """The same, which a test may change."""
    shutil.copytree(ingested, tmp_path / "w")
    return tmp_path / "w"


def line(number: int, jurisdiction: str) -> Line:
    body = json.dumps({"rows": [{"income": 1.5, "note": CANARY}]}).encode()
    answer = b'{"predictions": [0.25]}'
    return Line(f"r-{number}", 1.8e9 + number, jurisdiction, ("personal",), "people-de", 1, "champion",
                "application/json", "application/json", f"{jurisdiction.lower()}{number}", body, answer)  # fmt: skip


def asked(root: Path, numbers: range, home: str = "AT") -> None:
    """So many people of DE and of a home region ask DE."""
    sealing = open_keys(KeySettings(home, root / "regions" / home)).public.sealing
    log = RequestLog.open(
        place_in(root / "regions" / "DE", "DE", homes={home: HomeRegion(home, sealing)}), LogSettings()
    )
    for number in numbers:
        log.put(line(number, home if number % 2 else "DE"))
    log.close()


def entries(root: Path, region: str) -> list[dict[str, Any]]:
    with closing(Ledger.read(ledger_of(root / "regions" / region))) as ledger:
        return [entry.body for entry in ledger.entries()]


def everything(root: Path, region: str) -> Iterator[Any]:
    return iter(opened(root, region, Wanted(), purpose="inference"))


def test_another_region_s_people_s_requests_open_at_home_alone(root: Path) -> None:
    asked(root, range(6))
    assert [(read.withheld, read.home) for read in everything(root, "DE")] == [("", ""), ("home", "AT")] * 3
    (sent,) = send_home(root, "DE")
    assert (sent.home, sent.lines, sent.received, sent.path.exists()) == ("AT", 3, True, False)
    lines = [read.line for read in everything(root, "AT")]
    assert lines == [line(number, "AT")._replace(host="DE") for number in (1, 3, 5)]
    assert not verify(root, "AT").faults and not verify(root, "DE").faults
    assert send_home(root, "DE") == []
    asked(root, range(6, 8))
    assert [each.lines for each in send_home(root, "DE")] == [1]
    assert len(list(everything(root, "AT"))) == 4
    left = [body for body in entries(root, "DE") if body.get("name") == "requests of people of AT"]
    words = [(body["act"], body["kind"], body["purpose"], body["origins"], body["verdict"]) for body in left]
    assert words == [("cross", "records", "ingestion", ["AT"], "permit")] * 2
    arrived = [body for body in entries(root, "AT") if body["act"] == "arrive" and body["name"] == "rows of requests"]
    assert [(body["exporter"]["name"], body["verdict"]) for body in arrived] == [("DE", "permit")] * 2


def test_a_person_is_erased_at_home_and_no_key_of_theirs_is_at_the_host(root: Path) -> None:
    asked(root, range(4))
    assert erasure.erase(root, "DE", "at1", why="request 1").removed["log of requests"] == []
    send_home(root, "DE")
    assert erasure.erase(root, "AT", "at1", why="request 1").removed["log of requests"]
    assert [read.withheld for read in everything(root, "AT")] == ["erased", ""]


def test_a_parcel_is_read_by_nobody_else_taken_once_and_refused_where_a_byte_changed(root: Path) -> None:
    asked(root, range(4))
    away = root.parent / "away"
    shutil.move(root / "regions" / "AT", away)
    members = root / "regions" / "AT"
    with pytest.raises(ConfigurationError, match="no sealing key of region AT"):
        send_home(root, "DE")
    shutil.move(away, members)
    (sent,) = send_home_without_delivery(root)
    content = sent.read_bytes()
    assert CANARY.encode() not in content
    changed = root.parent / "changed.parcel"
    for place in (10, len(content) // 2, len(content) - 1):
        changed.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises((RequestLogBroken, CertificateRefused)):
            receive(root, "AT", changed)
    with pytest.raises(CertificateRefused, match="the parcel is for region AT, and this is US"):
        receive(root, "US", sent)
    assert receive(root, "AT", sent) == 2
    with pytest.raises(ConfigurationError, match="took this parcel of DE already"):
        receive(root, "AT", sent)


def test_a_parcel_that_was_half_taken_is_taken_whole_without_repeats(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(root, range(8))
    (sent,) = send_home_without_delivery(root)
    noted = Ledger.note

    def killed(self: Ledger, note: Any, **more: Any) -> Any:
        if "requests_arrived" in note:
            raise KeyboardInterrupt
        return noted(self, note, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "note", killed)
        with pytest.raises(KeyboardInterrupt):
            receive(root, "AT", sent)
    assert receive(root, "AT", sent) == 0
    assert len(list(everything(root, "AT"))) == 4


def test_what_the_border_does_not_let_leave_stays_and_is_in_the_ledger(root: Path) -> None:
    asked(root, range(4), home="US")
    with pytest.raises(CrossingRefused, match=r"records of US .* to US \(US\)"):
        send_home(root, "DE")
    (refused,) = [body for body in entries(root, "DE") if body.get("name") == "requests of people of US"]
    assert refused["verdict"] != "permit"
    assert not list((ServingFolder(root / "regions" / "DE").requests / "outbox").glob("*"))
    assert [read.withheld for read in everything(root, "DE")] == ["", "home", "", "home"]


def test_lines_that_wait_to_go_home_outlive_their_period(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    with monkeypatch.context() as earlier:
        earlier.setattr(segments.time, "time_ns", lambda: now - 40 * 86_400 * 10**9)
        asked(root, range(4))
    assert call("region", "set", "DE", "serving.retention_days=30", "--yes", "--workspace", root).code == 0
    (due,) = [due for due in retention.apply(root, "DE", why="monthly") if due.store == "requests"]
    assert (due.past, due.on_hold) == (4, 4)
    send_home(root, "DE")
    retention.apply(root, "DE", why="monthly")
    assert verify(root, "DE").removed_lines == 4


def send_home_without_delivery(root: Path) -> list[Path]:
    """What `send_home` packs where the home region is on another machine: its key is known by the members' list."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests_home, "_delivered", lambda root, sent: False)
        sent = send_home(root, "DE")
    assert all(ServingFolder(root / "regions" / "DE").requests in each.path.parents for each in sent)
    return [each.path for each in sent]
