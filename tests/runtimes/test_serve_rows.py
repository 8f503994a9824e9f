"""What is sent over HTTP passes the regions' own gates: erased people, ledgers, the workspace's lock."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.api.lifecycle.erasure import erase
from fedsov.config.settings import settings_of
from fedsov.errors import ConfigurationError, JobRefused, WorkspaceUnusable
from fedsov.ledger.ledger import Ledger
from fedsov.partition.further.append import open_appendable
from fedsov.partition.further.requests import JSON, Answer, Request
from fedsov.runtimes.ingest_server import ServerLimits
from fedsov.runtimes.ingestion_process import ingest_source
from fedsov.runtimes.serve_rows import committing, serve
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace, ledger_of
from tests.runtimes.test_ingestion_process import request_of

OF_PEOPLE = ("dataset.subject=person", "dataset.examples=null")
PEOPLE = ["country,person,age,ill", *(f"DE,p{row},{40 + row % 30},{row % 2}" for row in range(60))]


def _sent(person: str, key: str) -> Request:
    return Request(key, json.dumps({"country": "DE", "person": person, "age": 50, "ill": 1}).encode(), JSON)


def test_rows_of_an_erased_person_are_refused_and_others_sent_with_them_are_stored(tmp_path: Path) -> None:
    request = request_of(tmp_path, *OF_PEOPLE, lines=PEOPLE)
    ingest_source(request)
    erase(tmp_path / "w", "DE", "p5", by="A. Person", why="request 1")
    chosen, workspace = settings_of(request["config"]), Workspace(tmp_path / "w")
    stores = open_appendable(chosen.dataset, atlas=chosen.atlas, workspace=workspace.root)
    commit = committing(chosen, stores, "DE")
    for again in (False, True):
        refused, taken = commit([_sent("p5", "1"), _sent("p70", "2")])
        assert isinstance(refused, JobRefused) and "p5" not in str(refused)
        assert isinstance(taken, Answer) and taken.stored == {"DE": 1} and taken.already is again
    with closing(Ledger.read(ledger_of(workspace.region("DE")))) as ledger:
        assert len(list(ledger.notes("source_arrived"))) == 2  # the first source, and the day of what was sent
    with hold_workspace(workspace):
        (busy,) = commit([_sent("p71", "3")])
    assert isinstance(busy, WorkspaceUnusable)


def test_a_region_that_there_is_not_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    request = request_of(tmp_path, *OF_PEOPLE, lines=PEOPLE)
    ingest_source(request)
    with pytest.raises(ConfigurationError, match="--region FR"):
        serve(settings_of(request["config"]), host="127.0.0.1", port=1, region="FR", limits=ServerLimits(), ready=print)


def test_an_address_that_is_taken_is_refused_by_name(tmp_path: Path) -> None:
    request = request_of(tmp_path, *OF_PEOPLE, lines=PEOPLE)
    ingest_source(request)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = settings_of(request["config"])
        with pytest.raises(ConfigurationError, match=f"--port {port} cannot be listened at: Address already in use"):
            serve(chosen, host="127.0.0.1", port=port, region="", limits=ServerLimits(), ready=print)
