"""Whose requests a region may take: for each jurisdiction that it would serve, what its own gate says of a request.

A request is a record of a person of its jurisdiction, on its way to the region. So the region decides by its own law
and its own register, as the law of that person's place and its own ask, whether such a crossing is permitted (kind
RECORDS, purpose inference), and its ledger says so before anybody is served. It is decided when the owner names a
jurisdiction, at each start of the endpoint and every day: one whose permission lapsed is served no more.

The party that sends is whoever runs the gateway: taken to be the hub's entity, at the place of the people. A request
holds what the models here take: the categories of the region's stores and of its approved models, and at least
`personal`. How many people will ask nobody knows, so the law is asked as for `MANY`; the entry says so, and counts
nobody. Made-up documents count for nothing: requests are people's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.artifact import INFERENCE, Artifact, Crossing, Kind
from fedsov.border.decisions import Decision, Permit
from fedsov.border.gate import ARRIVE, Gate, Refused
from fedsov.border.policy import decide
from fedsov.errors import ConfigurationError
from fedsov.label import Label
from fedsov.partition.manifest import read_manifest
from fedsov.region.admission import Place, gate_outside_runs
from fedsov.region.lifecycle.rekeying import stores_of
from fedsov.region.settings import RegionSettings

GATEWAY = "gateway"
"""What the party is called that sends requests."""
MANY = 10_000_000
"""People that a standing permission is asked for: more than any law has a threshold of."""
REQUESTS = f"requests, decided as for {MANY:,} people"
"""What such a crossing's artifact is called."""
_SAME = ("verdict", "rules", "documents", "bundle", "categories", "importer", "exporter")
"""What of an entry makes it another decision than the one before."""


@dataclass(frozen=True, slots=True)
class Hosting:
    """Whose requests a region takes today.

    Attributes:
        own: of its own jurisdictions those that the border permits; `hosts`: of the others.
        refused: why not, in a sentence with the remedy, by jurisdiction.
        parts: of each country that is served, the parts of it that are served with it.
    """

    own: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def with_parts(self, codes: Iterable[str]) -> tuple[str, ...]:
        """These codes, each with its parts."""
        return tuple(dict.fromkeys(each for code in codes for each in (code, *self.parts.get(code, ()))))

    @property
    def served(self) -> tuple[str, ...]:
        """All whose requests are taken."""
        return (*self.own, *self.hosts)


def own_jurisdictions(own: RegionSettings) -> tuple[str, ...]:
    """The jurisdictions that a region serves as its own: those its owner names, else the place of its machines.

    Raises ConfigurationError where neither is said.
    """
    if own.serving.jurisdictions:
        return own.serving.jurisdictions
    if own.parties.region is None:
        raise ConfigurationError(
            f"region {own.region} has not pinned where it is (parties.region), so nobody knows whom it serves; "
            f"`fedsov ingest` pins it, or `fedsov region set {own.region} serving.jurisdictions=[CODE]` says it"
        )
    return (own.parties.region.location,)


def serving_gate(place: Place, own: RegionSettings) -> Gate:
    """The region's gate for requests, by its own law, register and clock. Raises ConfigurationError, JobRefused."""
    if own.parties.region is None or own.parties.hub is None:
        raise ConfigurationError(
            f"region {own.region} has not pinned where the hub and itself are (parties), so no border can be asked "
            "about requests; `fedsov ingest` pins them, and shows them"
        )
    return replace(gate_outside_runs(place, own, own.parties.region, ""), purpose=INFERENCE)


def categories_of_stores(folder: Path) -> frozenset[str]:
    """What requests hold, by what a region's stores hold: the categories of their labels, and `personal`.

    Raises StoreDamaged.
    """
    labels = [read_manifest(store).notes.get("label", {}) for store in stores_of(folder)]
    return frozenset({"personal"}).union(*(label.get("categories", ()) for label in labels))


def crossing_of(own: RegionSettings, code: str, categories: Iterable[str], on: date) -> Crossing:
    """A request of a jurisdiction's people on its way to the region, whose parties are pinned (`serving_gate`)."""
    hub, region = own.parties.hub, own.parties.region
    if hub is None or region is None:
        raise ConfigurationError(f"region {own.region} has not pinned where the hub and itself are (parties)")
    artifact = Artifact(Kind.RECORDS, Label(frozenset({code}), frozenset(categories)), name=REQUESTS)
    return Crossing(artifact, replace(hub, name=GATEWAY, location=code), region, INFERENCE, on)


def admit_hosts(gate: Gate, own: RegionSettings, codes: Sequence[str], categories: Iterable[str]) -> None:
    """Has the region's gate decide about further jurisdictions, and its ledger say so.

    Raises Refused for the first one that is not permitted, once all are in the ledger; LedgerBroken.
    """
    refused = []
    for code in codes:
        crossing, decision = decided(gate, own, code, categories)
        gate.record(crossing, decision, act=ARRIVE)
        if not isinstance(decision, Permit):
            refused.append(Refused(crossing, decision))
    if refused:
        raise refused[0]


def hosting(
    gate: Gate, own: RegionSettings, categories: Iterable[str], parts: Mapping[str, Sequence[str]] | None = None
) -> Hosting:
    """Decides again about every jurisdiction; the ledger says what is decided otherwise than before.

    Args:
        parts: of a country, the codes of its parts (ISO 3166-2) that it is served with. A part may have law of its own,
            so each is decided; one for which the answer is its country's has no entry of its own.

    Raises ConfigurationError, LedgerBroken.
    """
    mine, before, asked = own_jurisdictions(own), _before(gate), frozenset(categories)
    refused: dict[str, str] = {}
    served: dict[str, tuple[str, ...]] = {}

    def settle(code: str, *, beside: Decision | None = None) -> Decision:
        """Decides about a code; a part `beside` whose country's answer the same one is needs no entry."""
        crossing, decision = decided(gate, own, code, asked)
        is_news = _is_other(before.get(code), crossing, decision)
        if is_news and (beside is None or code in before or not _is_same(beside, decision)):
            gate.record(crossing, decision, act=ARRIVE, lapsed=_lapsed(before.get(code), decision))
        if not isinstance(decision, Permit):
            refused[code] = str(Refused(crossing, decision))
        return decision

    named = (*mine, *own.serving.hosts)
    for code in named:
        decision = settle(code)
        if isinstance(decision, Permit):
            within = [part for part in (parts or {}).get(code, ()) if part not in named]
            served[code] = tuple(part for part in within if isinstance(settle(part, beside=decision), Permit))
    own_codes, hosts = (tuple(code for code in codes if code not in refused) for codes in (mine, own.serving.hosts))
    return Hosting(own_codes, hosts, refused, served)


def _is_same(first: Decision, second: Decision) -> bool:
    """Whether two decisions answer the same, by the same rules and documents."""
    return (first.verdict, first.rules, first.documents) == (second.verdict, second.rules, second.documents)


def decided(gate: Gate, own: RegionSettings, code: str, categories: Iterable[str]) -> tuple[Crossing, Decision]:
    """What the gate would say of a jurisdiction's requests today; nothing is recorded."""
    crossing = crossing_of(own, code, categories, gate.today())
    asked = replace(crossing, artifact=replace(crossing.artifact, count=MANY), count_12m=MANY, count_year=MANY)
    return crossing, decide(asked, gate.bundle, gate.evidence, crossing.on)


def _before(gate: Gate) -> dict[str, Mapping[str, Any]]:
    """The last entry about the requests of each jurisdiction."""
    bodies = [entry.body for entry in gate.ledger.entries()]
    of_requests = [body for body in bodies if body.get("act") == ARRIVE and body.get("name") == REQUESTS]
    return {str(code): body for body in of_requests for code in body["origins"]}


def _is_other(before: Mapping[str, Any] | None, crossing: Crossing, decision: Decision) -> bool:
    now = {
        "verdict": decision.verdict,
        "rules": list(decision.rules),
        "documents": list(decision.documents),
        "bundle": decision.bundle_digest,
        "categories": sorted(crossing.artifact.label.categories),
        "importer": crossing.target.to_json(),
        "exporter": crossing.source.to_json(),
    }
    return before is None or any(before.get(key) != now[key] for key in _SAME)


def _lapsed(before: Mapping[str, Any] | None, decision: Decision) -> list[str]:
    """What became of a permission that there was before."""
    if before is None or before.get("verdict") != "permit" or isinstance(decision, Permit):
        return []
    return [f"permitted by {', '.join(before['rules'])} on {before['day']}, and no more"]
