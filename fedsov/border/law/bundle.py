"""The law as one value: facts and rules, read once, with what a decision looks up in them.

Deciding asks few questions again and again: the same origin, the same two parties, the same day. What such a `Route`
settles is worked out once: which rules can still apply, and which of their conditions are left to ask. A rule that
can only hold for something a document states waits under that fact's name, so that a claim meets only the rules that
it touches. A property test holds this equal to asking every rule (`fedsov.border.explain`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as part
from datetime import date
from typing import Any, TypeVar

from fedsov.border.law.mechanism import Mechanism
from fedsov.border.law.rules import AGAINST, FOR, WANTING, Condition, Rule
from fedsov.border.law.vocabulary import DENYING, Duration, Fact, Facts, Test

UNKNOWN = "unknown"
HORIZON = Duration(1, "Y")
"""How long a bundle counts as the law after the day on which it was read, where nobody confirms it."""
_REMEMBERED = 4096
_PERMITS = 256
_NOTHING: tuple[None, None] = None, None
_OF_DOCUMENTS = (
    "categories", "count", "count_12m", "evidence_unknown", "kind", "mechanism", "origin_regime", "purpose",
    "same_party", "unreadable",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Regime:
    """A body of law that governs the data of some places for some time.

    `binds_exporters` is the text by which it binds whoever sends from its territory, whoever the people are; "" where
    it protects its own people alone; None where nobody has said, which is taken for yes. `read_until` is the last day
    before a change that is known to come; None where the bundle's own horizon is enough.
    """

    id: str
    name: str
    codes: frozenset[str]
    cite: str
    valid_from: date
    valid_until: date | None = None
    binds_exporters: str | None = None
    read_until: date | None = None


@dataclass(frozen=True, slots=True)
class AdequacyFinding:
    """An authority's finding that a place protects personal data well enough, within a scope and a time."""

    scope: str
    cite: str
    valid_from: date
    valid_until: date | None
    confidence: str


Unsettled = tuple[Rule, Test]
"""A rule, and one test of all its conditions that are not settled yet."""
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules that can apply: always, or only where a document states a fact."""

    always: tuple[Unsettled, ...]
    stated: Mapping[str, tuple[Unsettled, ...]]

    def touched_by(self, stated: Facts) -> bool:
        """False where none of these rules can hold for what a claim states."""
        return bool(self.always) or not self.stated.keys().isdisjoint(stated)

    def holding(self, stated: Facts, facts: Facts) -> list[Rule]:
        """Those that hold; `stated` are the facts that come from documents, `facts` all of them."""
        rules = [rule for rule, holds in self.always if holds(facts)]
        for name in stated:
            if name in self.stated:
                rules += [rule for rule, holds in self.stated[name] if holds(facts)]
        return rules


Denial = tuple[frozenset[str], Test]
"""Facts whose silence a closing rule takes for a no, and the test of that rule."""


@dataclass(frozen=True, slots=True)
class ApplicableRules:
    """The rules that can open for a claim, and those that can forbid it or stop it, some of them for silence alone."""

    openers: Rules
    closers: Rules
    denials: tuple[Denial, ...]

    def needed_against_denials(self, stated: Facts, facts: Facts) -> frozenset[str]:
        """The stated facts without which a rule would close: what opened relies on whoever states them."""
        needed: frozenset[str] = frozenset()
        for denied, holds in self.denials:
            spoken = denied & stated.keys()
            if spoken and holds({name: fact for name, fact in facts.items() if name not in spoken}):
                needed |= spoken
        return needed


def applicable(rules: Iterable[Rule], settled: Facts) -> ApplicableRules:
    """The rules that settled facts do not rule out, with the tests they leave open."""
    left = [rule for rule in rules if _may_hold(rule, settled)]
    openers, closers = ([rule for rule in left if rule.opens is opens] for opens in (True, False))
    return ApplicableRules(_waiting(openers, settled), _waiting(closers, settled), tuple(_denials(closers, settled)))


def _denials(closers: Iterable[Rule], settled: Facts) -> Iterator[Denial]:
    for rule in closers:
        conditions = _unsettled(rule, settled)
        denied = frozenset(each.field for each in conditions if each.claimed and each.operator in DENYING)
        if denied:
            yield denied, _all_of(conditions)


def _waiting(rules: Iterable[Rule], settled: Facts) -> Rules:
    always: list[Unsettled] = []
    stated: dict[str, list[Unsettled]] = {}
    for rule in rules:
        conditions = _unsettled(rule, settled)
        waits = next((condition.field for condition in conditions if condition.needs_a_statement), None)
        (always if waits is None else stated.setdefault(waits, [])).append((rule, _all_of(conditions)))
    return Rules(tuple(always), {name: tuple(several) for name, several in stated.items()})


def _unsettled(rule: Rule, settled: Facts) -> list[Condition]:
    return [condition for condition in rule.when if not condition.is_settled_by(settled)]


def _all_of(conditions: Iterable[Condition]) -> Test:
    """One test that all these conditions hold."""
    tests = tuple(condition.test for condition in conditions)
    if len(tests) == 1:
        return tests[0]

    def holds(facts: Facts) -> bool:
        for test in tests:  # noqa: SIM110 (a loop, since `all` with a generator costs twice as much)
            if not test(facts):
                return False
        return True

    return holds


def _may_hold(rule: Rule, settled: Facts) -> bool:
    return all(condition.test(settled) for condition in rule.when if condition.is_settled_by(settled))


@dataclass(frozen=True, slots=True)
class Route:
    """One origin's data from one party to another, as one kind of thing, on one day.

    Attributes:
        facts: all that is settled by that.
        rules: those in force that these facts do not rule out.
        standing: mechanisms that anybody can claim here; reads: facts that these rules look at.
        answers: permits given before, by rule, ground and documents: the same words, made once.
        questions: what the evidence was asked before, by what a crossing adds to the route.
    """

    facts: Mapping[str, Any]
    rules: tuple[Rule, ...]
    standing: tuple[str, ...]
    reads: frozenset[str]
    answers: dict[Any, Any] = part(init=False, repr=False, compare=False, default_factory=dict)
    questions: dict[Any, Any] = part(init=False, repr=False, compare=False, default_factory=dict)
    _permits: dict[Hashable, tuple[Any, Any]] = part(init=False, repr=False, compare=False, default_factory=dict)
    _applicable: dict[str, ApplicableRules] = part(init=False, repr=False, compare=False, default_factory=dict)
    _asking: dict[str, list[tuple[Condition, bool]]] = part(init=False, repr=False, compare=False, default_factory=dict)

    def weigh(self, name: str, value: Any) -> int:
        """How a fact that a document states speaks here: `FOR`, `WANTING` or `AGAINST`.

        A condition that compares it with what is not settled speaks against.
        """
        if not self._asking:
            for rule in self.rules:
                for condition in rule.when:
                    for field in condition.names:
                        self._asking.setdefault(field, []).append((condition, rule.opens))
        facts = {**self.facts, name: value}
        heaviest = FOR
        for condition, opens in self._asking.get(name, ()):
            meets = condition.test(facts) if condition.is_settled_by(facts) else not opens
            if meets is not opens:
                heaviest = max(heaviest, WANTING if opens else AGAINST)
        return heaviest

    def applicable(self, mechanism: str) -> ApplicableRules:
        """Every rule that could apply to a claim of this ground."""
        rules = self._applicable.get(mechanism)
        if rules is None:
            settled = {**self.facts, "mechanism": mechanism}
            rules = self._applicable[mechanism] = applicable(self.rules, settled)
        return rules

    def remembered(self, key: Hashable, claims: Sequence[Any]) -> Any:
        """The permit that `remember` was told for this key and these very claims, or None."""
        of, permit = self._permits.get(key, _NOTHING)
        return permit if of is claims else None

    def remember(self, key: Hashable, claims: Sequence[Any], permit: _Value) -> _Value:
        """Keeps the permit of these claims (and them, so that no others take their place), and returns it."""
        if len(self._permits) >= _PERMITS:
            self._permits.clear()
        self._permits[key] = claims, permit
        return permit

    @property
    def openers(self) -> tuple[Rule, ...]:
        """The rules that open for it, under whatever ground."""
        return tuple(rule for rule in self.rules if rule.opens)


def scope_of(finding: AdequacyFinding) -> str:
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
        confirmed_until: the last day for which a person confirmed the law as it was read; None where nobody did.
        added: the ids of rules that were not shipped, but added by a tenant.
        unsafe: permits everything (for simulations only); see `fedsov.border.law.bundle_loader.unsafe_open`.
    """

    rules: tuple[Rule, ...]
    releases: tuple[Rule, ...]
    facts: Mapping[str, Fact]
    regimes: Mapping[str, tuple[Regime, ...]]
    groups: Mapping[str, frozenset[str]]
    adequacy: Mapping[tuple[str, str], tuple[AdequacyFinding, ...]]
    mechanisms: Mapping[str, Mechanism]
    places: frozenset[str]
    digest: str
    dated: date
    confirmed_until: date | None = None
    added: frozenset[str] = frozenset()
    unsafe: bool = False
    _index: dict[Any, Any] = part(init=False, repr=False, compare=False, default_factory=dict)
    _joined: dict[Any, Any] = part(init=False, repr=False, compare=False, default_factory=dict)

    def regime(self, code: str, on: date) -> str | None:
        """The id of the regime that governs a code on a day; a part of a country falls under the whole."""
        reign = self._reign(code, on)
        return None if reign is None else reign.id

    def binds_exporters(self, code: str, on: date) -> bool:
        """False where the law of a place is known and protects its own people alone; True for any other place."""
        binds: bool | None = self._index.get(key := ("exporters", code, on))
        return self._remembered(key, lambda: self._binds(code, on)) if binds is None else binds

    def _binds(self, code: str, on: date) -> bool:
        reign = self._reign(code, on)
        return reign is None or reign.binds_exporters is None or bool(reign.binds_exporters)

    def _reign(self, code: str, on: date) -> Regime | None:
        reigns = self.regimes.get(code) or self.regimes.get(code.partition("-")[0], ())
        return next((reign for reign in reigns if reign.valid_from <= on <= (reign.valid_until or date.max)), None)

    def law_until(self, regime: str) -> date:
        """The last day on which a regime's law counts as known: a year after it was read, or until a change that is
        known to come, or as long as a person confirmed it. Later a permit is a review (rule floor.horizon).
        """
        known = self._remembered("read_until", self._read_until)
        return max(known.get(regime, HORIZON.after(self.dated)), self.confirmed_until or date.min)

    @property
    def horizon(self) -> date:
        """The last day on which the law of every regime counts as known."""
        regimes = self._remembered("read_until", self._read_until)
        return min(map(self.law_until, regimes), default=date.min)

    def _read_until(self) -> dict[str, date]:
        year = HORIZON.after(self.dated)
        reigns = (reign for several in self.regimes.values() for reign in several)
        return {reign.id: min(year, reign.read_until or year) for reign in reigns}

    def is_place(self, code: str) -> bool:
        """True for an ISO 3166-1 code, a code with law of its own, and a part of a known country."""
        country, _, part = code.partition("-")
        return code in self.places or (country in self.places and part.isalnum() and len(part) <= 3)

    def findings(self, regime: str, destination: str, on: date) -> tuple[AdequacyFinding, ...]:
        """Adequacy findings of a regime for a place on a day, of whatever confidence."""
        codes = dict.fromkeys((destination, destination.partition("-")[0]))
        findings = (finding for code in codes for finding in self.adequacy.get((regime, code), ()))
        return tuple(each for each in findings if each.valid_from <= on <= (each.valid_until or date.max))

    def scopes(self, regime: str, place: str, on: date) -> frozenset[str]:
        """What a regime's findings say of a place on a day; one of low confidence counts as `unverified_` only."""
        key = ("scopes", regime, place, on)
        return self._remembered(key, lambda: frozenset(map(scope_of, self.findings(regime, place, on))))

    @property
    def asked_of_flows(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """(Ground, flow) to the terms of its paper whose silence a person must look at."""
        return self._remembered("asked_of_flows", self._asked_of_flows)

    def _asked_of_flows(self) -> dict[tuple[str, str], frozenset[str]]:
        found: dict[tuple[str, str], frozenset[str]] = {}
        for rule in (rule for rule in self.rules if rule.effect == "review" and not rule.opens):
            flows = [each.value for each in rule.when if each.field == "flow" and each.operator == "eq"]
            silent = frozenset(each.field for each in rule.when if each.claimed and each.operator == "missing")
            for key in ((ground, flow) for flow in flows for ground in rule.mechanisms() or ()):
                found[key] = found.get(key, frozenset()) | silent
        return found

    @property
    def supports(self) -> Mapping[str, str]:
        """Fact to the kind of document that states it."""
        return self._remembered("supports", self._supports)

    def _supports(self) -> dict[str, str]:
        stating = ((kind, mechanism.supports) for kind, mechanism in self.mechanisms.items())
        return {statement.partition("=")[0]: kind for kind, statement in stating if statement}

    def route(self, key: Any, settle: Callable[[], Mapping[str, Any]], *, release: bool = False) -> Route:
        """The route of a key, for a crossing or for a release; what it settles is asked for once."""
        if release:
            return self._remembered(("release", key), lambda: self._route(self.release_rules, settle(), self.facts))
        return self._remembered(("route", key), lambda: self._route(self.rules, settle()))

    def _route(self, law: Iterable[Rule], facts: Mapping[str, Any], reads: Iterable[str] = ()) -> Route:
        """The route under the rules of `law`, which reads what they look at and these facts."""
        rules = tuple(rule for rule in law if rule.in_force(facts["day"]) and _may_hold(rule, facts))
        free = (name for name, mechanism in self.mechanisms.items() if mechanism.standing)
        open_to_all = (name for name in free if any(r.opens and name in (r.mechanisms() or ()) for r in rules))
        looked_at = frozenset(name for rule in rules for condition in rule.when for name in condition.names)
        return Route(facts, rules, ("", *open_to_all), looked_at.union(reads))

    def together(self, answers: tuple[_Value, ...], join: Callable[[tuple[_Value, ...]], _Value]) -> _Value:
        """What several answers make; remembered by the answers themselves, which are kept, so that no id is reused."""
        key = tuple(map(id, answers))
        remembered: tuple[Any, _Value] | None = self._joined.get(key)
        if remembered is None:
            if len(self._joined) >= _REMEMBERED:
                self._joined.clear()
            remembered = self._joined[key] = answers, join(answers)
        return remembered[1]

    @property
    def release_rules(self) -> tuple[Rule, ...]:
        """The rules for releases, and every prohibition that looks at nothing but documents and categories."""
        return self._remembered("release_rules", self._release_rules)

    def _release_rules(self) -> tuple[Rule, ...]:
        prohibitions = (rule for rule in self.rules if rule.effect == "forbid")
        return (*self.releases, *(rule for rule in prohibitions if _looks_at_documents_alone(rule)))

    def _remembered(self, key: Any, make: Callable[[], _Value]) -> _Value:
        value: _Value | None = self._index.get(key)
        if value is None:
            if len(self._index) >= _REMEMBERED:
                self._index.clear()
            value = self._index[key] = make()
        return value


def _looks_at_documents_alone(rule: Rule) -> bool:
    return all(condition.claimed or condition.field in _OF_DOCUMENTS for condition in rule.when)
