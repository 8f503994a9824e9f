"""From a crossing to what its decision looks at: the facts of each origin, and what the evidence is asked.

Facts have the names of law/facts.yaml. What one origin, two parties, a kind and a day settle is a `Route`, worked out
once; the rest (categories, counts, purpose, content) comes with each crossing. A release is a crossing to anyone, for
any purpose (`as_release`), which meets the rules for releases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from fedsov.artifact import Crossing, Kind, Party
from fedsov.border.evidence.claims import Claim, Evidence, Question
from fedsov.border.law.bundle import UNKNOWN, Bundle, Route
from fedsov.border.law.vocabulary import ANY

ANYONE = Party("anyone", "*", "")
"""The importer of a release: a public artifact may go to anyone, anywhere."""
LONGEST_TYPE_NAME = 80
_REMEMBERED = 256
_ROLES = {"controller": "C", "processor": "P"}
_TOTALS = {"count": ("count", "count_12m", "count_year"), "n_12m": ("count_12m",), "n_year": ("count_year",)}


def asked_origins(crossing: Crossing, bundle: Bundle, at: date) -> list[str]:
    """The origins whose law is asked: those of the label, and the place that sends, whose law binds the exporter.

    A label without any origin is asked about as one that nobody knows. What a party keeps to itself is sent by nobody.
    """
    origins, place = crossing.artifact.label.origins, crossing.source.location
    if not origins:
        return [""]
    if place in origins or _is_same_party(crossing):
        return sorted(origins)
    if crossing.flow == "onward_transfer" or bundle.binds_exporters(place, at):
        return sorted((*origins, place))
    return sorted(origins)


def _is_same_party(crossing: Crossing) -> bool:
    source, target = crossing.source, crossing.target
    is_named_so = source.name == target.name and source.entity == target.entity
    return is_named_so and source.location == target.location


def _flow(crossing: Crossing, regime: str, exporting_regime: str) -> str:
    """How one origin's data cross: those of another law than the sender's are passed on, whatever the caller says."""
    return crossing.flow if regime == exporting_regime else "onward_transfer"


def as_release(crossing: Crossing) -> Crossing:
    """The crossing that a release amounts to: to anyone, for any purpose, of this artifact's people alone."""
    return replace(crossing, target=ANYONE, purpose=ANY, flow="transfer", count_12m=0, count_year=0)


def route_of(origin: str, crossing: Crossing, bundle: Bundle, at: date, *, release: bool = False) -> Route:
    """What the origin, the two parties, the kind and the day settle, under the rules for crossings or for releases."""
    source, target, kind = crossing.source, crossing.target, crossing.artifact.kind
    label = crossing.artifact.label
    key = (
        origin,
        label.is_public,
        origin in label.origins,
        *(source.name, source.location, source.entity),
        *(target.name, target.location, target.entity),
        target.owners,
        kind,
        crossing.flow,
        at,
    )
    return bundle.route(key, lambda: _settled(origin, crossing, bundle, at), release=release)


def _settled(origin: str, crossing: Crossing, bundle: Bundle, at: date) -> dict[str, Any]:
    source, target = crossing.source, crossing.target
    is_place = bundle.is_place(target.location)
    destination_regime = (bundle.regime(target.location, at) if is_place else None) or UNKNOWN
    regime, exporting_regime = regime_of(origin, bundle, at), regime_of(source.location, bundle, at)
    same_party = _is_same_party(crossing)
    country = target.location.partition("-")[0]
    return {
        "day": at,
        "law_until": bundle.law_until(regime),
        "kind": str(crossing.artifact.kind),
        "flow": _flow(crossing, regime, exporting_regime),
        "public": crossing.artifact.label.is_public,
        "origin": origin,
        "origin_country": origin.partition("-")[0],
        "origin_regime": regime,
        "exporter": source.location,
        "as_exporter": bool(origin) and origin not in crossing.artifact.label.origins,
        "destination": target.location,
        "destination_country": country,
        "destination_known": is_place,
        "destination_regime": destination_regime,
        "same_party": same_party,
        "stays_home": regime != UNKNOWN and (regime == destination_regime or same_party),
        "recipient_name": target.entity,
        "exporter_name": source.entity,
        "owners": target.owners,
        "owners_known": all(map(bundle.is_place, target.owners)),
        "controlled_by": frozenset(owner.partition("-")[0] for owner in target.owners) | {country},
        "adequacy": bundle.scopes(regime, target.location, at),
        "exporter_adequacy": bundle.scopes(regime, source.location, at),
    }


def is_sent_at_home(facts: Mapping[str, Any]) -> bool:
    """True where the party that sends is in the origin's country, or a part of it: then its documents are that party's.

    Else they are of an earlier exporter, whom a crossing does not name.
    """
    country = facts["exporter"].partition("-")[0]
    return bool(facts["origin_country"] == country)


def regime_of(origin: str, bundle: Bundle, at: date) -> str:
    """The regime that governs an origin on a day; unknown where none does."""
    return (bundle.regime(origin, at) if bundle.is_place(origin) else None) or UNKNOWN


def crossing_facts(crossing: Crossing, evidence: Evidence) -> dict[str, Any]:
    """What comes with this very crossing, the same for every origin."""
    artifact = crossing.artifact
    counts = (artifact.count, crossing.count_12m, crossing.count_year)
    readable = all(map(is_count, counts))
    count, twelve_months, year = counts if readable else (0, 0, 0)
    return {
        "purpose": crossing.purpose,
        "categories": artifact.label.categories,
        "restrictions": artifact.label.restrictions,
        "count": count,
        "count_12m": max(count, twelve_months),
        "count_year": max(count, year),
        "error_type_only": artifact.kind is Kind.ERROR and _is_type_name(artifact.content),
        "evidence_unknown": not all(map(evidence.knows, artifact.evidence)),
        "unreadable": not readable,
        "unknown_fact": False,
    }


def is_count(number: object) -> bool:
    """True for a whole number from 0 on: how many people there are. Of anything else no rule could tell."""
    return type(number) is int and number >= 0


def _is_type_name(content: bytes) -> bool:
    """True for nothing at all (a planned crossing) or one ASCII identifier of at most 80 characters."""
    if not content:
        return True
    return len(content) <= LONGEST_TYPE_NAME and content.isascii() and content.decode("ascii").isidentifier()


def question(route: Route, crossing: Crossing, bundle: Bundle) -> Question:
    """What the evidence is asked for one origin; the same value for the same question."""
    artifact, target = crossing.artifact, crossing.target
    source = crossing.source
    key = target.entity, crossing.purpose, artifact.label.categories, artifact.evidence, source.role, target.role
    remembered: Question | None = route.questions.get(key)
    if remembered is None:
        if len(route.questions) >= _REMEMBERED:
            route.questions.clear()
        sends = bool(source.entity) and is_sent_at_home(route.facts)
        remembered = route.questions[key] = Question(
            origin=route.facts["origin"],
            destination=target.location,
            entity=ANY if target.location == ANY else target.entity,
            purpose=crossing.purpose,
            categories=artifact.label.categories,
            day=route.facts["day"],
            standing=route.standing,
            reads=route.reads,
            weigh=route.weigh,
            evidence=artifact.evidence,
            exporter_entity=source.entity if sends else "",
            exporter_role=_ROLES.get(source.role, "?") if sends else "",
            importer_role=_ROLES.get(target.role, "?") if target.entity else "",
        )
    return remembered


def claimed(facts: Mapping[str, Any], claim: Claim) -> dict[str, Any]:
    """The facts of an origin with those that a claim states; totals are the larger of what both say."""
    combined = {**facts, **claim.facts, "mechanism": claim.mechanism, "count": facts["count"]}
    if _TOTALS.keys().isdisjoint(claim.facts):
        return combined
    for stated, totals in _TOTALS.items():
        if (number := claim.facts.get(stated)) is not None:
            combined |= {total: max(combined[total], number) for total in totals}
    return combined
