"""The calls as both ends know them, and that the code of the protocol is that of its source."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from fedsov.runtimes.deployment.control.answers import ControlAnswers
from fedsov.runtimes.deployment.control.calls import CALLS
from fedsov.runtimes.deployment.control.service import _snake
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from tests.world import ROOT


def test_the_code_of_the_protocol_is_that_of_its_source(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "control_protocol.py", tmp_path], check=True, timeout=120)
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.py*"))
    assert [path.name for path in written] == ["control_pb2.py", "control_pb2.pyi"]
    assert [path for path in written if (ROOT / path).read_bytes() != (tmp_path / path).read_bytes()] == []


def test_every_call_has_an_answer_and_a_way_to_ask_it() -> None:
    own = {"hello", "watch", "report"}
    answered = {field.name for field in fields(ControlAnswers)}
    assert {_snake(name) for name in CALLS} == own | answered
    assert [name for name in CALLS if not hasattr(ControlClient, _snake(name))] == []
