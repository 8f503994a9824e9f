"""The process that writes registries, asked in this process: each request in a fork that sees one folder."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fedsov.model.packaging import saved
from fedsov.region.run_record import RECORD, model_folder
from fedsov.registry import tracking  # noqa: F401  the slow import is paid once, not in every fork
from fedsov.registry.values import ModelRecord, RunRecord
from fedsov.runtimes import registry_process
from fedsov.runtimes.framed_socket import Frame, FramedSocket
from tests.model.world import parameters_of, saved_model


@pytest.fixture
def near() -> Iterator[FramedSocket]:
    ours, theirs = socket.socketpair()
    serving = threading.Thread(target=registry_process.run, args=(FramedSocket(theirs),))
    serving.start()
    yield FramedSocket(ours)
    ours.shutdown(socket.SHUT_RDWR)
    ours.close()
    serving.join()
    theirs.close()


def _ask(near: FramedSocket, **request: Any) -> Mapping[str, Any]:
    near.send(Frame(request))
    return near.receive().header


def _record(folder: Path) -> RunRecord:
    model = saved_model()
    path = saved.write(model_folder(folder, "r1"), model, parameters_of(model))
    return RunRecord("r1", "people", models=(ModelRecord("people-de", path),))


def test_a_record_of_the_hub_s_comes_with_the_request_and_a_region_s_waits_in_its_folder(
    tmp_path: Path, near: FramedSocket
) -> None:
    hub, region = tmp_path / "hub", tmp_path / "DE"
    assert _ask(near, act="record", folder=str(hub), record=_record(hub).to_json()) == {"models": [["people-de", 1]]}
    (model_folder(region, "r1")).mkdir(parents=True)
    (model_folder(region, "r1") / RECORD).write_text(json.dumps(_record(region).to_json()))
    assert _ask(near, act="record", folder=str(region), run="r1") == {"models": [["people-de", 1]]}
    assert _ask(near, act="models", folder=str(region)) == {"models": [["people-de", 1]]}
    promoted = _ask(near, act="promote", folder=str(region), model="people-de", version=1)
    assert promoted == {"promoted": ["people-de", 1]}


def test_what_goes_wrong_is_a_line_and_the_process_goes_on(tmp_path: Path, near: FramedSocket) -> None:
    unknown = _ask(near, act="promote", folder=str(tmp_path), model="nobody", version=1)
    assert "no model 'nobody' version 1" in unknown["error"] and unknown["code"] == 2
    missing = _ask(near, act="record", folder=str(tmp_path), run="r1")
    assert "cannot be written" in missing["error"]
    assert _ask(near, act="models", folder=str(tmp_path)) == {"models": []}


def test_a_fork_that_dies_is_told_and_the_process_goes_on(
    tmp_path: Path, near: FramedSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_process, "_write", lambda request: os._exit(9))
    assert "without an answer" in _ask(near, act="models", folder=str(tmp_path))["error"]
    monkeypatch.undo()
    assert _ask(near, act="models", folder=str(tmp_path)) == {"models": []}
