"""The ingestion process: what it tells of a source are counts, kinds and public keys, or one line of an error."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import InputError
from fedsov.hub.runtime import IngestRequest
from fedsov.runtimes import ingestion_process
from fedsov.runtimes.framed_socket import Frame, FramedSocket
from fedsov.runtimes.ingestion_process import ingest_source
from fedsov.runtimes.ingestion_request import report_from_json, request_to_json
from fedsov.storage.workspace import Workspace
from tests.world import people

ROWS = ["country,age,ill", *(f"{('DE', 'FR')[row % 2]},{40 + row % 30},{row % 2}" for row in range(60)), "ZZ,33,1"]


def request_of(place: Path, *more: str, lines: list[str] = ROWS, rebuild: bool = False) -> dict[str, Any]:
    chosen = settings(compose([*people(place, lines, target="ill"), "today=2026-11-23", *more]))
    workspace = Workspace(place / "w")
    workspace.hub.mkdir(parents=True, exist_ok=True)
    request = request_to_json(IngestRequest(chosen.plain, "r1", rebuild), workspace)
    return dict(json.loads(json.dumps(request)))


def test_the_report_is_counts_kinds_and_keys_and_travels_as_json(tmp_path: Path) -> None:
    plain = ingest_source(request_of(tmp_path))
    assert "33" not in json.dumps(plain["quarantined"])
    report = report_from_json(json.loads(json.dumps(plain)))
    assert (report.rows_in, report.stored, sum(report.quarantined.values())) == (61, 60, 1)
    assert set(report.regions) == set(report.public_keys) == set(report.stores) == {"DE", "FR"}
    assert report.kinds["age"] == "numeric" and not report.up_to_date
    assert all(len(key) == 64 for key in report.public_keys.values())


def test_what_is_up_to_date_is_not_written_again_unless_it_is_asked_for(tmp_path: Path) -> None:
    first, second = ingest_source(request_of(tmp_path)), ingest_source(request_of(tmp_path))
    assert second["up_to_date"] and second["stores"] == first["stores"]
    assert not ingest_source(request_of(tmp_path, rebuild=True))["up_to_date"]


def test_a_source_that_cannot_be_read_is_one_line_and_nothing_is_stored(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ill"):
        ingest_source(request_of(tmp_path, lines=["country,age", "DE,4"]))
    assert not list((tmp_path / "w").glob("regions/*/store"))


def test_a_surprise_is_named_by_its_type_and_place_and_no_value_of_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion_process, "_discard_output", lambda: None)
    ours, theirs = (FramedSocket(end) for end in socket.socketpair())
    with closing(ours), closing(theirs):
        ours.send(Frame({"config": {"dataset": "Jane Canary"}}))
        ingestion_process.run(theirs)
        answer = ours.receive().header
    assert answer["type"] == "ConfigurationError" or "nobody foresaw" in answer["error"]
    assert "memory" not in answer["error"]


def appended(place: Path, lines: list[str], key: str = "", *more: str) -> dict[str, Any]:
    return ingest_source(request_of(place, *more, lines=lines) | {"append": key})


MORE = [ROWS[0], "DE,44,1", "FR,45,0", "FR,45,0", "QQ,50,1"]


def test_further_rows_are_appended_once_and_the_first_source_is_up_to_date_with_them(tmp_path: Path) -> None:
    first = ingest_source(request_of(tmp_path))
    once, again = appended(tmp_path, MORE), appended(tmp_path, MORE)
    assert once["said"][0] == "appended 4 of 4 rows (DE 1, FR 2; 1 jurisdiction unknown)"
    assert again["said"][0].startswith("already stored: 4 rows") and again["stores"] == once["stores"]
    assert all(once["stores"][name] != first["stores"][name] for name in ("DE", "FR"))
    whole = ingest_source(request_of(tmp_path))
    assert whole["up_to_date"] and whole["stores"] == once["stores"] and whole["stored"] == once["stored"]
    assert appended(tmp_path, ROWS)["said"][0].startswith("already stored: this source")


def test_what_was_appended_is_replaced_only_where_that_is_said(tmp_path: Path) -> None:
    first = ingest_source(request_of(tmp_path))
    appended(tmp_path, MORE)
    with pytest.raises(InputError, match="--drop-appended"):
        ingest_source(request_of(tmp_path, rebuild=True))
    anew = ingest_source(request_of(tmp_path, rebuild=True) | {"drops_appended": True})
    assert anew["stores"] == first["stores"]
