"""The near end of the registry's process: names and versions as values, failures as one line."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fedsov.errors import WorkspaceUnusable
from fedsov.registry.values import RunRecord
from fedsov.runtimes.framed_socket import Frame, FramedSocket
from fedsov.runtimes.registry_connection import RegistryConnection

Reply = Mapping[str, Any] | None


def _asked(act: Callable[[RegistryConnection], Any], reply: Reply) -> tuple[Any, Mapping[str, Any]]:
    """What the near end makes of a reply (None: the process ends), and what it asked."""
    ours, theirs = socket.socketpair()
    far, requests = FramedSocket(theirs), list[Mapping[str, Any]]()

    def serve() -> None:
        requests.append(far.receive().header)
        if reply is not None:
            far.send(Frame(reply))
        far.close()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        return act(RegistryConnection(FramedSocket(ours))), requests[0]
    finally:
        serving.join()
        ours.close()


def test_a_region_s_record_is_not_sent_and_the_hub_s_is() -> None:
    models = {"models": [["people-de", 3]]}
    versions, request = _asked(lambda registry: registry.record(Path("/w/DE"), "r1"), models)
    assert versions == [("people-de", 3)] and request == {"act": "record", "folder": "/w/DE", "run": "r1"}
    record = RunRecord("r1", "people")
    _, request = _asked(lambda registry: registry.record(Path("/w/hub"), "r1", record), models)
    assert RunRecord.from_json(request["record"]) == record


def test_models_and_promotion() -> None:
    versions, _ = _asked(lambda registry: registry.models(Path("/w")), {"models": []})
    assert versions == []
    _, request = _asked(lambda registry: registry.promote(Path("/w"), "m", 2), {"promoted": ["m", 2]})
    assert request == {"act": "promote", "folder": "/w", "model": "m", "version": 2}


def test_a_version_s_tags() -> None:
    _, request = _asked(lambda registry: registry.tag(Path("/w"), "m", 2, "verdict", "pass"), {"tagged": "verdict"})
    assert request["act"] == "tag" and (request["key"], request["value"]) == ("verdict", "pass")


@pytest.mark.parametrize(
    ("reply", "line"), [({"error": "mlflow.db is damaged"}, "mlflow.db is damaged"), (None, "ended early")]
)
def test_what_goes_wrong_is_one_line(reply: Reply, line: str) -> None:
    with pytest.raises(WorkspaceUnusable, match=line):
        _asked(lambda registry: registry.models(Path("/w")), reply)
