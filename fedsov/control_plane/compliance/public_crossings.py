"""Crossings that nothing binds, and the records that they were made from before: whose they were, of which categories.

A public label names no origin. What was released in the same run does: its origins and categories stand beside such a
crossing, those of the very content where its digest was released, else those of all that was released in the run by
the party that sent it, or by anyone. So no origin is left out, and one may be named that had no part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedsov.control_plane.compliance.counts import grouped, union
from fedsov.control_plane.compliance.entries import PUBLIC, EntryView


@dataclass(frozen=True, slots=True)
class PublicCrossing:
    """Permitted crossings of one thing to one place that nothing binds.

    Attributes:
        origins, categories: of what was released; empty where nothing was.
        documents: what the releases rest on.
        traced: content (the very content was released), run (something was, in the same run), or none.
    """

    run: str
    exporter: str
    kind: str
    name: str
    destination: str
    origins: tuple[str, ...]
    categories: tuple[str, ...]
    documents: tuple[str, ...]
    traced: str
    count: int
    last: str


def public_crossings(lines: Sequence[EntryView]) -> tuple[PublicCrossing, ...]:
    """The crossings that nothing binds, in the order in which they first appear."""
    released = [line for line in lines if line.act == "release" and line.verdict == "permit"]
    public = [line for line in lines if line.act == "cross" and line.verdict == "permit" and line.bound_by == (PUBLIC,)]
    cases = grouped(public, lambda line: (line.run, line.exporter.name, line.kind, line.name, line.destination))
    return tuple(_crossing(case, released) for case in cases.values())


def _crossing(case: Sequence[EntryView], released: Sequence[EntryView]) -> PublicCrossing:
    latest = max(case, key=lambda line: line.at)
    traced, sources = _sources(case, released)
    return PublicCrossing(
        run=latest.run,
        exporter=latest.exporter.name,
        kind=latest.kind,
        name=latest.name,
        destination=latest.destination,
        origins=union(line.origins for line in sources),
        categories=union(line.categories for line in sources),
        documents=union(line.documents for line in sources),
        traced=traced,
        count=len(case),
        last=latest.at,
    )


def _sources(case: Sequence[EntryView], released: Sequence[EntryView]) -> tuple[str, Sequence[EntryView]]:
    digests = {line.digest for line in case if line.digest}
    same = [line for line in released if line.digest in digests]
    if same:
        return "content", same
    in_run = [line for line in released if line.run and line.run == case[0].run]
    own = [line for line in in_run if line.exporter.name == case[0].exporter.name]
    return ("run", own or in_run) if in_run else ("none", ())
