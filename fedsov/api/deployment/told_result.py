"""A run's result in plain values that travel from the hub to whoever submitted the run, and back into the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from fedsov.algorithms.rounds import RoundRecord
from fedsov.api.result import RunResult
from fedsov.serialization import fields_of, from_plain, to_plain

T = TypeVar("T")


def result_to_plain(result: RunResult) -> dict[str, Any]:
    """A result as plain values."""
    plain = {each.name: getattr(result, each.name) for each in fields(result)}
    ingested = None if result.ingested is None else fields_of(result.ingested)
    return {name: ingested if name == "ingested" else to_plain(value) for name, value in plain.items()}


def result_from_plain(plain: Mapping[str, Any]) -> RunResult:
    """The inverse of `result_to_plain`. Raises Unserializable."""
    result = from_plain(RunResult, plain)
    models = {owner: [tuple(version) for version in versions] for owner, versions in result.models.items()}
    return replace(result, rounds=tuple(map(_by_node, result.rounds)), models=models)


def _by_node(record: RoundRecord) -> RoundRecord:
    """A round whose nodes are numbers again: JSON has keys of text alone."""
    return replace(
        record,
        metrics=_numbered(record.metrics),
        failed=_numbered(record.failed),
        left_out=_numbered(record.left_out),
    )


def _numbered(by_node: Mapping[Any, T]) -> dict[Any, T]:
    return {int(node): value for node, value in by_node.items()}
