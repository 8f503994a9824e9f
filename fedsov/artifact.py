"""Whatever is stored, released or moved, and the act of moving it over a border.

An `Artifact` is bytes with a kind, a label and the number of people's records it was made from. A `Crossing` is an
artifact on its way from one party to another, for a purpose, on a day. Both are values: deciding about a crossing
(`fedsov.border.policy.decide`) looks at them and at nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from fedsov.checks import section
from fedsov.jurisdiction import Atlas, party_settings
from fedsov.label import Label

TRAINING, BASE_MODEL, INGESTION, INFERENCE = "training", "base_model", "ingestion", "inference"
"""Purposes of crossings: of all of a run, of a base model of rows whose people consented to one, of rows on their way
from a mixed source to their regions, and of what serves people's requests."""


class Kind(StrEnum):
    """What an artifact is; the border's rules are written in these words."""

    RECORDS = "records"
    UPDATE = "update"
    MODEL = "model"
    SYNTHETIC = "synthetic"
    METRICS = "metrics"
    REPORT = "report"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Artifact:
    """Content bound by a label.

    Attributes:
        kind: what it is.
        label: what binds it, the join of the labels of everything it was computed from.
        content: the bytes that would move; empty while a crossing is only planned.
        count: records it was computed from (0 where none, as for a type name).
        name: a short technical name for people ("global model, round 3"); never a value from a record.
        evidence: ids of documents about this artifact (a privacy assessment, an attack test).
        pool, pool_people: name and size of the store that the people were drawn from, where that is known: rounds
            over the same people are not counted again.
    """

    kind: Kind
    label: Label
    content: bytes = b""
    count: int = 0
    name: str = ""
    evidence: tuple[str, ...] = ()
    pool: str = ""
    pool_people: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Party:
    """A legal entity at a place: ``Party("eu", "DE", "Example Bank AG")``; the place is where its machines are.

    `owners` are countries whose persons own half of it or more, or by whose law it is organised, where that is
    another country than its place. `role` is its part in data-protection law: controller or processor.
    """

    name: str
    location: str
    entity: str
    owners: frozenset[str] = frozenset()
    role: str = "controller"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        words = {"name": self.name, "location": self.location, "entity": self.entity, "role": self.role}
        return {**words, "owners": sorted(self.owners)}

    @staticmethod
    def from_settings(group: str, plain: Any, atlas: Atlas) -> Party:
        """A hub as the settings describe it; the keys of the group are these fields.

        Raises:
            ConfigurationError: a key that nobody reads or that is not set, or a value that cannot be.
        """
        given = section(group, plain, Party)
        return Party(**{**given, **party_settings(group, given, atlas)})

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Party:
        """The inverse of `to_json`."""
        owners, role = frozenset(value.get("owners", ())), value.get("role", "controller")
        return Party(value["name"], value["location"], value["entity"], owners, role)


@dataclass(frozen=True, slots=True)
class Crossing:
    """An artifact on its way from one party to another.

    Attributes:
        flow: how it crosses, a value of the fact `flow`; "broadcast" is a global model on its way back.
        count_12m, count_year: people in crossings of the same way within twelve months and since 1 January,
            this one included; 0 where nobody counted.
    """

    artifact: Artifact
    source: Party
    target: Party
    purpose: str
    on: date
    flow: str = "transfer"
    count_12m: int = 0
    count_year: int = 0
