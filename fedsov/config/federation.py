"""The settings of a federation: who takes part, how many rounds, what is accepted of an update; and how it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedsov.algorithms.compression import COMPRESSION_SETTINGS, Compression
from fedsov.algorithms.local_steps import CONSTANT, Schedule
from fedsov.artifact import Party
from fedsov.checks import as_number, mapping, real, refused, section, shown, text, whole
from fedsov.errors import ConfigurationError
from fedsov.jurisdiction import Atlas, Region


@dataclass(frozen=True, slots=True)
class FederationSettings:
    """The group `federation`; its keys are these fields, ``catalogue`` and those of `Compression`.

    Attributes:
        regions: the federation's regions, or None for one per jurisdiction found in the data.
        hub: the hub's party.
        rounds: of federated training, at least 1.
        minimum_regions: a round with updates from fewer fails; at least 2.
        days_per_round: how many days pass with each round, in a rehearsal of a long training.
        schedule: what the regions' learning rate is multiplied by in each round.
        patience: rounds without a lesser validation loss after which the federated training ends; None: never.
        max_update_norm: the longest update (L2) of a region that is accepted.
        compression: how updates are sent up.
    """

    regions: tuple[Region, ...] | None
    hub: Party
    rounds: int
    minimum_regions: int
    days_per_round: int = 0
    schedule: Schedule = CONSTANT
    patience: int | None = None
    max_update_norm: float = math.inf
    compression: Compression = field(default_factory=Compression)

    @staticmethod
    def from_settings(plain: Any, atlas: Atlas) -> FederationSettings:
        """What the group says. Raises ConfigurationError, naming the key."""
        beside = ("catalogue", *COMPRESSION_SETTINGS)
        given = section("federation", plain, FederationSettings, beside=beside)
        patience, norm = given.get("patience"), given.get("max_update_norm")
        checked = {
            "hub": Party.from_settings("federation.hub", given["hub"], atlas),
            "regions": _regions(given["regions"], given.get("catalogue", {}), atlas),
            "rounds": whole("federation.rounds", given["rounds"], at_least=1),
            "minimum_regions": whole("federation.minimum_regions", given["minimum_regions"], at_least=2),
            "days_per_round": whole("federation.days_per_round", given.get("days_per_round", 0), at_least=0),
            "schedule": Schedule.from_settings(given.get("schedule", "constant")),
            "patience": None if patience is None else whole("federation.patience", patience, at_least=1),
            "max_update_norm": math.inf if norm is None else _norm(norm),
            "compression": Compression.from_settings(given),
        }
        own = {key: value for key, value in given.items() if key in FederationSettings.__slots__}
        return FederationSettings(**{**own, **checked})


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """The group `runtime`.

    Attributes:
        kind: how the hub reaches its regions, one of `fedsov.runtimes.RUNTIMES`, which checks it.
        timeout: seconds that a round may take.
        hub: where the hub's coordinator is, as HOST:PORT, of a runtime that has one; None for the one that is known.
        options: what that runtime is told beside, by name; it checks them.
    """

    kind: str
    timeout: float = 600.0
    hub: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_settings(plain: Any) -> RuntimeSettings:
        """What the group says. Raises ConfigurationError, naming the key."""
        settings = RuntimeSettings(**section("runtime", plain, RuntimeSettings))
        return RuntimeSettings(
            text("runtime.kind", settings.kind, "the name of a runtime"),
            real("runtime.timeout", settings.timeout, above=0.0, at_most=LONGEST, remedy="it is in seconds"),
            None if settings.hub is None else text("runtime.hub", settings.hub, "HOST:PORT, or null"),
            mapping("runtime.options", settings.options, "a mapping as {NAME: VALUE}"),
        )


LONGEST = 1e9
"""Seconds; clocks and sockets take no number much larger."""


def _norm(value: Any) -> float:
    number = as_number(value)
    if not 0.0 < number < math.inf:
        raise refused("federation.max_update_norm", "a number above 0, or null", value)
    return number


def _regions(wanted: Any, catalogue: Any, atlas: Atlas) -> tuple[Region, ...] | None:
    described = {
        name: Region.from_settings(f"federation.catalogue.{name}", plain, atlas)
        for name, plain in mapping("federation.catalogue", catalogue, "a mapping as {NAME: REGION}").items()
    }
    if wanted == "auto":
        return None
    if not isinstance(wanted, list) or not wanted:
        raise ConfigurationError(f"federation.regions must be a list of regions, or auto; got {shown(wanted)}")
    names = [text(f"federation.regions[{place}]", name, "the name of a region") for place, name in enumerate(wanted)]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"federation.regions names a region twice: {', '.join(names)}")
    return tuple(described.get(name) or _territory(name, described, atlas) for name in names)


def _territory(name: str, described: Mapping[str, Region], atlas: Atlas) -> Region:
    """The region of a country that the catalogue does not describe. Raises ConfigurationError where it is none."""
    code = atlas.code(name)
    if code is None:
        raise ConfigurationError(
            f"federation.regions: no region {name!r}; name one of the catalogue "
            f"({', '.join(described) or 'empty'}) or an ISO code of a country"
        )
    return Region.of_code(code)
