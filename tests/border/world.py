"""The small world of the border's tests: the packaged law, the demo's register, six fictional parties."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

from fedsov.artifact import Artifact, Crossing, Kind, Party
from fedsov.border.bundle import load_bundle
from fedsov.border.evidence import Register
from fedsov.border.lawbook import Bundle
from fedsov.border.policy import Decision, decide
from fedsov.border.register import load_register
from fedsov.label import Label

DAY = date(2026, 11, 23)
CATEGORIES = frozenset({"personal", "financial", "employment"})
DEMO = Path(__file__).parents[2] / "configs" / "border" / "evidence_demo.yaml"
ENTITIES = {
    "IE": "Example Holding Ltd (fictional)",
    "US": "Example US Inc. (fictional)",
    "GB": "Example UK Ltd (fictional)",
    "DE": "Example Deutschland GmbH (fictional)",
    "IN": "Example India Pvt Ltd (fictional)",
    "CA": "Example Canada Corp. (fictional)",
}


@cache
def law() -> Bundle:
    return load_bundle()


@cache
def demo_register() -> Register:
    return load_register(DEMO)


def party(code: str) -> Party:
    return Party(code, code, ENTITIES.get(code, f"Example {code}"))


def label(*origins: str, categories: frozenset[str] = CATEGORIES, restrictions: frozenset[str] = frozenset()) -> Label:
    return Label(frozenset(origins), categories, restrictions)


def artifact(kind: Kind, *origins: str, count: int = 500, content: bytes = b"") -> Artifact:
    return Artifact(kind, label(*origins), content, count)


def ask(
    thing: Artifact,
    source: str,
    target: str,
    *,
    register: Register | None = None,
    bundle: Bundle | None = None,
    on: date = DAY,
) -> Decision:
    crossing = Crossing(thing, party(source), party(target), "training", on)
    return decide(crossing, bundle or law(), demo_register() if register is None else register, on)
