"""What three modules of fedsov lean on of Flower's non-public parts, as digests of source, fields and signatures.

    python -m tests.runtimes.deployment.flower_contract           # what differs from flower_contract.json
    python -m tests.runtimes.deployment.flower_contract --write   # after a review: what is leaned on now

A digest tells of a harmless edit as well as of a harmful one: somebody reads the difference between the two versions
of what is named, runs the fault tests and the timing test, and then writes the file anew.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor

from tests.world import ROOT

PATH = Path(__file__).with_suffix(".json")
HOMES = (
    "fedsov/protocol/flower_messages.py",
    "fedsov/runtimes/deployment/flower_clients.py",
    "fedsov/runtimes/deployment/hub/flower_server.py",
)
"""The modules that may import what is not public, and no others."""
PUBLIC = ("flwr.app", "flwr.clientapp", "flwr.serverapp")
STATES = (
    "flwr.server.superlink.linkstate.in_memory_linkstate:InMemoryLinkState",
    "flwr.server.superlink.linkstate.sql_linkstate:SqlLinkState",
)
STATE_METHODS = (
    "acknowledge_node_heartbeat",
    "acknowledge_task_heartbeat",
    "activate_task",
    "claim_task",
    "create_node",
    "create_run",
    "deactivate_node",
    "delete_messages",
    "delete_node",
    "finish_task",
    "get_message_ins",
    "get_message_res",
    "get_node_id_by_public_key",
    "get_node_info",
    "get_object",
    "get_run_info",
    "get_task_by_token",
    "start_session",
    "store_message_and_object_tree",
    "store_message_ins",
    "store_message_res",
    "store_object",
)
"""Those that the coordinator calls, and every way by which a message or an object comes into the state."""
FURTHER = (
    "flwr.app.message.message:Message",
    "flwr.app.metadata:Metadata",
    "flwr.supercore.corestate.sql_corestate:SqlCoreState._cleanup_push_session",
    "flwr.supercore.object_store.in_memory_object_store:InMemoryObjectStore",
    "flwr.supercore.object_store.sql_object_store:SqlObjectStore",
    "flwr.supercore.state.schema.corestate_models:ObjectPushSession",
    "flwr.supercore.state.schema.linkstate_models:MessageIns",
    "flwr.supercore.state.schema.linkstate_models:MessageRes",
    "flwr.superlink.main:_get_middleware",
)
"""What is leaned on and not imported: attributes that are written, tables that are put right."""


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """The names that a module imports of flwr's non-public modules when it runs, each with its module."""
    for node in _running(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and _is_private(node.module or ""):
            yield from ((node.module or "", alias.name) for alias in node.names)
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if _is_private(alias.name))


def _is_private(module: str) -> bool:
    return module.partition(".")[0] == "flwr" and not any(f"{module}.".startswith(f"{each}.") for each in PUBLIC)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All below a node but what stands under TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _running(child)


def leaned_on() -> dict[str, str]:
    """By name, what is leaned on now; "missing" for what is not there any more."""
    found = {f"{module}:{name}": _told(module, name) for home in HOMES for module, name in imported(ROOT / home)}
    for state in STATES:
        module, _, name = state.partition(":")
        found |= {f"{state}.{method}": _told(module, f"{name}.{method}") for method in STATE_METHODS}
    found |= {each: _told(*each.split(":")) for each in FURTHER}
    return dict(sorted({**found, **_messages(found)}.items()))


def _told(module: str, name: str) -> str:
    """The digest of a source, before it the signature; a value as it is."""
    try:
        value: Any = importlib.import_module(module)
        for part in filter(None, name.split(".")):
            value = getattr(value, part)
    except (ImportError, AttributeError):
        return "missing"
    if isinstance(value, str | int | float):
        return repr(value)
    if hasattr(value, "DESCRIPTOR"):
        return "a message: its fields"
    digest = hashlib.sha256(inspect.getsource(value).encode()).hexdigest()[:16]
    return f"{digest} {inspect.signature(value)}" if inspect.isroutine(value) else digest


def _messages(names: Mapping[str, str]) -> Iterator[tuple[str, str]] | dict[str, str]:
    """The fields of each protobuf message that is imported, and of those in them."""
    waiting = [getattr(importlib.import_module(m), n).DESCRIPTOR for m, n in map(_split, names) if _is_message(m, n)]
    found: dict[str, str] = {}
    while waiting:
        each: Descriptor = waiting.pop()
        if each.full_name not in found:
            found[each.full_name] = ", ".join(f"{one.number} {one.name}: {one.type}" for one in each.fields)
            waiting += [one.message_type for one in each.fields if one.message_type is not None]
    return found


def _split(name: str) -> tuple[str, str]:
    module, _, attribute = name.partition(":")
    return module, attribute


def _is_message(module: str, name: str) -> bool:
    return module.startswith("flwr.proto.") and bool(name)


def differences() -> list[str]:
    """What differs from the file, one a line: its name, how it was and how it is."""
    before, now = json.loads(PATH.read_text())["leaned_on"], leaned_on()
    return [
        f"{name}: was {before.get(name, 'not leaned on')}, is {now.get(name, 'not leaned on')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def main() -> None:
    if "--write" in sys.argv[1:]:
        from importlib.metadata import version

        PATH.write_text(json.dumps({"flwr": version("flwr"), "leaned_on": leaned_on()}, indent=1) + "\n")
    print("\n".join(differences()) or "nothing differs")


if __name__ == "__main__":
    main()
