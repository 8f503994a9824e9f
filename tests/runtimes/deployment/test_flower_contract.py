"""A new version of Flower that changes what fedsov leans on is told by name, and how to go on after a review."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from tests.runtimes.deployment import flower_contract
from tests.runtimes.deployment.flower_contract import HOMES, PATH, differences, imported, leaned_on
from tests.world import ROOT

REVIEW = """
flwr {now} differs from the one that was reviewed, in what fedsov leans on:

  {lines}

Read what changed there, run `scripts/test --long tests/runtimes/deployment`, and then write down what is leaned on now:

  python -m tests.runtimes.deployment.flower_contract --write"""


def test_flower_is_the_one_whose_non_public_parts_were_reviewed() -> None:
    found = differences()
    assert not found, REVIEW.format(now=version("flwr"), lines="\n  ".join(found))


def test_a_source_that_changes_and_a_name_that_goes_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
    from flwr.superlink import main

    def store_object(self: object, run_id: int, session_id: str, object_id: str) -> bool:
        return True

    monkeypatch.setattr(InMemoryLinkState, "store_object", store_object)
    monkeypatch.delattr(main, "create_app")
    found = differences()
    assert len(found) == 2
    assert "InMemoryLinkState.store_object: was" in found[0] and "object_content" in found[0]
    assert found[1].startswith("flwr.superlink.main:create_app: was") and found[1].endswith("is missing")


def test_nothing_that_is_leaned_on_is_missing_and_messages_have_their_fields() -> None:
    now = leaned_on()
    assert "missing" not in now.values()
    assert "object_id" in now["flwr.proto.ObjectTree"] and "reply_to_message_id" in now["flwr.proto.Metadata"]
    assert PATH.exists()


def test_three_modules_alone_import_what_is_not_public_of_flower() -> None:
    paths = (path for path in (ROOT / "fedsov").rglob("*.py") if any(imported(path)))
    assert sorted(path.relative_to(ROOT).as_posix() for path in paths) == sorted(HOMES)


def test_an_import_within_a_function_is_seen_and_one_for_types_is_not(tmp_path: object) -> None:
    from pathlib import Path

    module = Path(str(tmp_path)) / "module.py"
    module.write_text(
        "from typing import TYPE_CHECKING\n"
        "from flwr.serverapp.strategy import FedAvg\n"
        "if TYPE_CHECKING:\n    from flwr.proto.node_pb2 import NodeInfo\n"
        "def late():\n    from flwr.supercore.run import Run\n    import flwr.common\n"
    )
    assert list(flower_contract.imported(module)) == [("flwr.supercore.run", "Run"), ("flwr.common", "")]
