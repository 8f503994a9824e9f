"""The law as one value: facts and rules, read once, with what a decision looks up in them.

Deciding asks few questions again and again: the same origin, the same two parties, the same day. What such a `Route`
settles is worked out once: which rules can still speak of it, and which of their conditions are left to ask. A rule
that can only hold for something a paper states waits under that fact's name, so that a claim meets only the rules
that it touches. A property test holds this equal to asking every rule (`fedsov.border.explain`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as part
from datetime import date
from typing import Any

from fedsov.border.law.rules import Rule
from fedsov.border.law.vocabulary import DENYING, Fact, Facts, Test

UNKNOWN = "unknown"
_REMEMBERED = 4096
_OF_PAPERS = (
    "categories", "count", "count_12m", "evidence_unknown", "kind", "mechanism", "origin_regime", "purpose",
    "same_party", "unreadable",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Regime:
    """A body of law that governs the data of some places for some time."""

    id: str
    name: str
    codes: frozenset[str]
    cite: str
    valid_from: date
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """An authority's finding that a place protects personal data well enough, within a scope and a time."""

    scope: str
    cite: str
    valid_from: date
    valid_until: date | None
    confidence: str


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A ground for a crossing, or a paper that supports one.

    Attributes:
        name: with its article ("an International Data Transfer Agreement").
        effort: how hard it is to get (0 nothing to get, 1 a form, 5 an approval).
        standing: it needs no paper, so that everybody can claim it.
        supports: it is no ground itself; what a valid document of this kind states ("tia" for tia=present,
            "dp=yes"; "" for nothing but its terms).
        statement: it says what is the case, and cannot be obtained; a refusal does not propose it.
        about: "crossing", or "artifact" for a paper about one artifact, which counts only where that names it.
    """

    name: str
    effort: int
    standing: bool = False
    supports: str | None = None
    about: str = "crossing"
    statement: bool = False


Left = tuple[Rule, Test]
"""A rule, and one test of all its conditions that are still open."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules that can speak: always, or only where a paper states a fact."""

    always: tuple[Left, ...]
    stated: Mapping[str, tuple[Left, ...]]

    def touched_by(self, stated: Facts) -> bool:
        """False where none of these rules can hold for what a claim states."""
        return bool(self.always) or not self.stated.keys().isdisjoint(stated)

    def holding(self, stated: Facts, facts: Facts) -> list[Rule]:
        """Those that hold; `stated` are the facts that come from papers, `facts` all of them."""
        held = [rule for rule, holds in self.always if holds(facts)]
        for name in stated:
            if name in self.stated:
                held += [rule for rule, holds in self.stated[name] if holds(facts)]
        return held


Denial = tuple[frozenset[str], Test]
"""Facts whose silence a closing rule takes for a no, and the test of that rule."""


@dataclass(frozen=True, slots=True)
class Speaking:
    """The rules that can open for a claim, and those that can forbid it or stop it, some of them for silence alone."""

    openers: Rules
    closers: Rules
    denials: tuple[Denial, ...]

    def held_off(self, stated: Facts, facts: Facts) -> frozenset[str]:
        """The stated facts without which a rule would close: what opened relies on whoever states them."""
        found: frozenset[str] = frozenset()
        for denied, holds in self.denials:
            said = denied & stated.keys()
            if said and holds({name: fact for name, fact in facts.items() if name not in said}):
                found |= said
        return found


def sort_out(rules: Iterable[Rule], settled: Facts) -> Speaking:
    """The rules that settled facts do not rule out, with the tests they leave open."""
    left = [rule for rule in rules if _may_hold(rule, settled)]
    openers, closers = ([rule for rule in left if rule.opens is opens] for opens in (True, False))
    return Speaking(_waiting(openers, settled), _waiting(closers, settled), tuple(_denials(closers, settled)))


def _denials(closers: Iterable[Rule], settled: Facts) -> Iterator[Denial]:
    for rule in closers:
        open_ones = [one for one in rule.when if not one.is_settled_by(settled)]
        denied = frozenset(one.field for one in open_ones if one.claimed and one.operator in DENYING)
        if denied:
            yield denied, _all_of(tuple(one.test for one in open_ones))


def _waiting(rules: Iterable[Rule], settled: Facts) -> Rules:
    always: list[Left] = []
    stated: dict[str, list[Left]] = {}
    for rule in rules:
        open_ones = [one for one in rule.when if not one.is_settled_by(settled)]
        waits = next((one.field for one in open_ones if one.needs_a_statement), None)
        left = rule, _all_of(tuple(one.test for one in open_ones))
        (always if waits is None else stated.setdefault(waits, [])).append(left)
    return Rules(tuple(always), {name: tuple(several) for name, several in stated.items()})


def _all_of(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def holds(facts: Facts) -> bool:
        for test in tests:  # noqa: SIM110 (a loop, since `all` with a generator costs twice as much)
            if not test(facts):
                return False
        return True

    return holds


def _may_hold(rule: Rule, settled: Facts) -> bool:
    return all(one.test(settled) for one in rule.when if one.is_settled_by(settled))


@dataclass(frozen=True, slots=True)
class Route:
    """One origin's data from one party to another, as one kind of thing, on one day.

    Attributes:
        facts: all that is settled by that.
        rules: those in force that these facts do not rule out.
        standing: mechanisms that anybody can claim here; reads: facts that these rules look at.
        answers: permits given before, by rule, ground and papers: the same words, made once.
        asked: what the evidence was asked before, by what a crossing adds to the route.
    """

    facts: Mapping[str, Any]
    rules: tuple[Rule, ...]
    standing: tuple[str, ...]
    reads: frozenset[str]
    answers: dict[Any, Any] = part(init=False, repr=False, compare=False, default_factory=dict)
    asked: dict[Any, Any] = part(init=False, repr=False, compare=False, default_factory=dict)
    _speaking: dict[str, Speaking] = part(init=False, repr=False, compare=False, default_factory=dict)

    def speaking(self, mechanism: str) -> Speaking:
        """Every rule that could speak of a claim of this ground."""
        found = self._speaking.get(mechanism)
        if found is None:
            settled = {**self.facts, "mechanism": mechanism}
            found = self._speaking[mechanism] = sort_out(self.rules, settled)
        return found

    @property
    def openers(self) -> tuple[Rule, ...]:
        """The rules that open for it, under whatever ground."""
        return tuple(rule for rule in self.rules if rule.opens)


def scope_of(finding: Finding) -> str:
    """What a finding covers; one of low confidence is `unverified_`."""
    return f"unverified_{finding.scope}" if finding.confidence == "low" else finding.scope


@dataclass(frozen=True, slots=True)
class Bundle:
    """All facts of law and all rules, read once, with the hash that names them in every ledger entry.

    Attributes:
        rules: for crossings; releases: for shrinking a label (`Gate.release`).
        facts: the vocabulary, by name.
        regimes: code to the regimes that govern it, one after another in time.
        groups: "@EEA" and the like to codes; places: every code that is a place at all.
        adequacy: (regime id, code of the destination) to findings.
        mechanisms: grounds and supports, by name.
        digest: SHA-256 over the law files, hex; dated: the day the facts were last read.
        unsafe: permits everything (laboratory only); see `fedsov.border.law.bundle_loader.unsafe_open`.
    """

    rules: tuple[Rule, ...]
    releases: tuple[Rule, ...]
    facts: Mapping[str, Fact]
    regimes: Mapping[str, tuple[Regime, ...]]
    groups: Mapping[str, frozenset[str]]
    adequacy: Mapping[tuple[str, str], tuple[Finding, ...]]
    mechanisms: Mapping[str, Mechanism]
    places: frozenset[str]
    digest: str
    dated: date
    unsafe: bool = False
    _index: dict[Any, Any] = part(init=False, repr=False, compare=False, default_factory=dict)
    _joined: dict[Any, Any] = part(init=False, repr=False, compare=False, default_factory=dict)

    def regime(self, code: str, on: date) -> str | None:
        """The id of the regime that governs a code on a day; a part of a country falls under the whole."""
        reigns = self.regimes.get(code) or self.regimes.get(code.partition("-")[0], ())
        for reign in reigns:
            if reign.valid_from <= on <= (reign.valid_until or date.max):
                return reign.id
        return None

    def is_place(self, code: str) -> bool:
        """True for an ISO 3166-1 code, a code with law of its own, and a part of a known country."""
        country, _, part = code.partition("-")
        return code in self.places or (country in self.places and part.isalnum() and len(part) <= 3)

    def findings(self, regime: str, destination: str, on: date) -> tuple[Finding, ...]:
        """Adequacy findings of a regime for a place on a day, of whatever confidence."""
        codes = dict.fromkeys((destination, destination.partition("-")[0]))
        found = (one for code in codes for one in self.adequacy.get((regime, code), ()))
        return tuple(one for one in found if one.valid_from <= on <= (one.valid_until or date.max))

    def scopes(self, regime: str, place: str, on: date) -> frozenset[str]:
        """What a regime's findings say of a place on a day; one of low confidence counts as `unverified_` only."""
        key = ("scopes", regime, place, on)
        return self._remembered(key, lambda: frozenset(map(scope_of, self.findings(regime, place, on))))

    @property
    def closing(self) -> frozenset[str]:
        """The facts whose mention can close: looked at by a prohibition or a brake, or denied by what opens."""
        return self._remembered("closing", self._closing)

    def _closing(self) -> frozenset[str]:
        rules = (*self.rules, *self.releases)
        looked = (one for r in rules for one in r.when if not r.opens or one.operator in DENYING or one.other)
        return frozenset(name for one in looked for name in one.names if self.facts[name].claimed)

    @property
    def supports(self) -> Mapping[str, str]:
        """Fact to the kind of document that states it."""
        return self._remembered(
            "supports",
            lambda: {one.supports.partition("=")[0]: kind for kind, one in self.mechanisms.items() if one.supports},
        )

    def route(self, key: Any, settle: Callable[[], Mapping[str, Any]]) -> Route:
        """The route of a key; what it settles is asked for once."""
        return self._remembered(("route", key), lambda: self._route(settle()))

    def _route(self, facts: Mapping[str, Any]) -> Route:
        rules = tuple(rule for rule in self.rules if rule.in_force(facts["day"]) and _may_hold(rule, facts))
        free = (name for name, one in self.mechanisms.items() if one.standing)
        open_to_all = (name for name in free if any(r.opens and name in (r.mechanisms() or ()) for r in rules))
        reads = frozenset(name for rule in rules for one in rule.when for name in one.names)
        return Route(facts, rules, ("", *open_to_all), reads)

    def together(self, answers: tuple[Any, ...], join: Callable[[tuple[Any, ...]], Any]) -> Any:
        """What several answers make; remembered by the answers themselves, which are kept, so that no id is reused."""
        key = tuple(map(id, answers))
        kept = self._joined.get(key)
        if kept is None:
            if len(self._joined) >= _REMEMBERED:
                self._joined.clear()
            kept = self._joined[key] = answers, join(answers)
        return kept[1]

    def releasing(self, on: date) -> Speaking:
        """The release rules in force, and every prohibition that speaks of nothing but papers and categories."""
        return self._remembered(("releasing", on), lambda: sort_out(self._releasing(on), {"day": on}))

    def _releasing(self, on: date) -> list[Rule]:
        papers = [
            rule
            for rule in self.rules
            if rule.effect == "forbid" and all(one.claimed or one.field in _OF_PAPERS for one in rule.when)
        ]
        return [rule for rule in (*self.releases, *papers) if rule.in_force(on)]

    def _remembered(self, key: Any, make: Callable[[], Any]) -> Any:
        found = self._index.get(key)
        if found is None:
            if len(self._index) >= _REMEMBERED:
                self._index.clear()
            found = self._index[key] = make()
        return found
