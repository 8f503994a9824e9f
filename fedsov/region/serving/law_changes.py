"""What another law would decide otherwise of what a region permits today: its standing permissions, asked under both.

    for line in law_changes(place, own, own.changed([f"law.bundle='{digest}'"]), categories): print(line)

A standing permission is the one by which an endpoint takes a jurisdiction's requests (`fedsov.region.serving.hosting`).
Nothing is recorded here: the endpoint decides each anew, in the ledger, as soon as the settings are in force.
"""

from __future__ import annotations

from collections.abc import Iterable

from fedsov.border.decisions import Decision, Permit
from fedsov.region.admission import Place
from fedsov.region.serving.hosting import decided, own_jurisdictions, serving_gate
from fedsov.region.settings import RegionSettings


def law_changes(
    place: Place, before: RegionSettings, after: RegionSettings, categories: Iterable[str]
) -> tuple[str, ...]:
    """A sentence for each jurisdiction about whose requests both laws do not decide alike; none where all stays.

    Args:
        before: the settings in force; after: the same with another law.
        categories: what requests hold.

    Raises ConfigurationError where the region has not pinned where it is; JobRefused where a law is not at hand.
    """
    asked = frozenset(categories)
    old, new = serving_gate(place, before), serving_gate(place, after)
    sentences = []
    for code in (*own_jurisdictions(before), *before.serving.hosts):
        first, then = (decided(gate, before, code, asked)[1] for gate in (old, new))
        if (first.verdict, first.rules) != (then.verdict, then.rules):
            sentences.append(f"requests of people of {code}: {_words(first)} before, {_words(then)} by the new law")
    return tuple(sentences)


def _words(decision: Decision) -> str:
    rules = ", ".join(decision.rules) or "no rule"
    return f"permitted ({rules})" if isinstance(decision, Permit) else f"{decision.verdict} ({rules})"
