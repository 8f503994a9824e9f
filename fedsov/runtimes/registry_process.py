"""The process that writes registries: it alone imports mlflow, and forks once for each registry it writes.

A request names one folder and holds a run's record, or names a folder where the region's worker left one. The fork
that serves it sees that folder only in passing and ends; nothing of one region's model is in memory while another's
is written.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fedsov import registry
from fedsov.errors import FedsovError, WorkspaceUnusable
from fedsov.region.run_record import RECORD, model_folder
from fedsov.registry.values import RunRecord
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket


def run(connection: FramedSocket) -> None:
    """Serves requests until the socket closes."""
    while True:
        try:
            frame = connection.receive()
            connection.send(Frame(_in_a_fork(dict(frame.header))))
        except ConnectionClosed:
            return


def _in_a_fork(request: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            os.write(writing, json.dumps(_write(request)).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else {"error": "the registry's process ended without an answer"}


def _write(request: dict[str, Any]) -> dict[str, Any]:
    folder = Path(request["folder"])
    try:
        if request["act"] == "promote":
            registry.promote(folder, request["model"], request["version"])
            return {"promoted": [request["model"], request["version"]]}
        if request["act"] == "tag":
            registry.tag(folder, request["model"], request["version"], request["key"], request["value"])
            return {"tagged": request["key"]}
        if request["act"] == "models":
            return {"models": [[version.name, version.version] for version in registry.models(folder)]}
        record = request.get("record") or json.loads((model_folder(folder, request["run"]) / RECORD).read_text())
        return {"models": registry.record(folder, RunRecord.from_json(record))}
    except FedsovError as error:
        return {"error": str(error), "code": error.exit_code}
    except OSError as error:
        return {
            "error": f"registry under {folder} cannot be written ({error.strerror})",
            "code": WorkspaceUnusable.exit_code,
        }
