"""What the border costs on this machine: a decision, the same decision by Cedar, and the gates' share of a round.

Each question is decided by the packaged law with the demo's register; a figure is the median over questions of the
median over repeats. *Warm* is a route that was asked about before, as in every round but the first; *the first time*
has a bundle and a register that remember nothing. `decide` gathers its facts and claims within its time.

Cedar (cedarpy) answers the same questions. Every rule that bears on a permit is translated: what permits to `permit`,
prohibitions and brakes to `forbid`; reviews that stand alone are left out, since they permit nothing. The policies are
parsed once, and facts and claims reach Cedar as JSON made beforehand, outside its time. What Cedar cannot say
(calendar years, working days, products of fractions) comes as a computed fact, and is named in the output. Its permits
must be exactly ours on every question, else this says which differ and ends with 1.

A round's share comes from a run of the demo: how long its rounds took, by the ledgers, beside what it takes to decide
about the same crossings again and to write them into new ledgers on a real disk, one after another.

The loop is a fixed piece of Python, timed right after each question: where it varies, the machine was busy, and the
column `loops` (a time as a multiple of the loop beside it) says more than microseconds do. Loads are those of the last
minute.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from fedsov.artifact import Artifact, Crossing, Kind, Party
from fedsov.border import cases
from fedsov.border.bundle import load_bundle
from fedsov.border.claims import Evidence
from fedsov.border.evidence import Register
from fedsov.border.explain import traces
from fedsov.border.facts import ANY, By, Duration, Facts, Term
from fedsov.border.gate import Gate, Refused
from fedsov.border.lawbook import Bundle
from fedsov.border.ledger import Ledger
from fedsov.border.policy import Decision, Permit, decide
from fedsov.border.register import load_register
from fedsov.border.rules import Condition, Rule
from fedsov.border.standing import Standing
from fedsov.border.tally import Tally
from fedsov.config import config_dir
from fedsov.federation.workspace import Workspace
from fedsov.label import Label

ROOT = Path(__file__).parents[1]
DAY = date(2026, 11, 23)
REGISTER = config_dir() / "border" / "evidence_demo.yaml"
CASES = ROOT.parent / "shared" / "law" / "decisions.csv"
QUESTIONS, SEED, TIMES = 200, 20261123, 10
ASKED_MICROSECONDS, ASKED_SHARE = 50.0, 0.05
ENTITIES = {
    "IE": "Example Holding Ltd (fictional)",
    "US": "Example US Inc. (fictional)",
    "GB": "Example UK Ltd (fictional)",
    "DE": "Example Deutschland GmbH (fictional)",
    "IN": "Example India Pvt Ltd (fictional)",
    "CA": "Example Canada Corp. (fictional)",
}
MIX: Sequence[tuple[int, Kind, str, str, str, int]] = (
    # how often, what, made of whose data, from, to, at most so many people
    (8, Kind.UPDATE, "DE", "DE", "US", 5_000),
    (8, Kind.UPDATE, "GB", "GB", "US", 5_000),
    (6, Kind.UPDATE, "US", "US", "IE", 5_000),
    (4, Kind.UPDATE, "CA", "CA", "IE", 5_000),
    (4, Kind.UPDATE, "IN", "IN", "IE", 5_000),
    (3, Kind.RECORDS, "DE", "DE", "US", 5_000),
    (3, Kind.SYNTHETIC, "US", "US", "CA", 5_000),
    (8, Kind.UPDATE, "DE GB US", "DE", "IE", 5_000),
    (8, Kind.MODEL, "DE GB US", "IE", "US", 5_000),
    (8, Kind.MODEL, "DE GB US", "IE", "GB", 5_000),
    (8, Kind.MODEL, "DE GB US", "IE", "DE", 5_000),
    (4, Kind.MODEL, "", "IE", "IN", 500),
    (4, Kind.METRICS, "GB", "GB", "IE", 5_000),
    (4, Kind.METRICS, "DE GB US", "DE", "IE", 5_000),
    (2, Kind.METRICS, "US", "US", "IE", 9),
    (2, Kind.ERROR, "DE", "DE", "IE", 5_000),
    (2, Kind.ERROR, "DE GB US", "GB", "IE", 5_000),
    (4, Kind.UPDATE, "GB", "GB", "IN", 5_000),
    (3, Kind.MODEL, "DE GB IN US", "IE", "IN", 5_000),
    (3, Kind.UPDATE, "BR", "BR", "US", 5_000),
    (2, Kind.UPDATE, "US", "US", "CN", 90_000),
    (3, Kind.UPDATE, "US", "US", "CN", 5_000),
    (2, Kind.METRICS, "US", "US", "CN", 5_000),
)


# ------------------------------------------------------------------ questions


@dataclass(frozen=True, slots=True)
class Asked:
    """A crossing, the evidence for it, and the day: what `decide` is asked."""

    crossing: Crossing
    evidence: Evidence
    on: date

    def answer(self, bundle: Bundle) -> Decision:
        """What the bundle says."""
        return decide(self.crossing, bundle, self.evidence, self.on)


def mix(register: Register, count: int = QUESTIONS, seed: int = SEED) -> list[Asked]:
    """The fixed mix of questions: every line of `MIX` once, then as often as it says, with so many people or fewer."""
    chance = random.Random(seed)
    lines = [*MIX, *chance.choices(MIX, weights=[line[0] for line in MIX], k=max(0, count - len(MIX)))]
    return [Asked(_crossing(*line[1:], chance), register, DAY) for line in lines]


def _crossing(kind: Kind, origins: str, source: str, target: str, most: int, chance: random.Random) -> Crossing:
    categories = frozenset({"personal", "financial", "employment"}) if origins else frozenset[str]()
    label = Label(frozenset(origins.split()), categories)
    content = b"ValueError" if kind is Kind.ERROR else b""
    artifact = Artifact(kind, label, content, chance.randint(min(most, 20), most))
    here, there = (Party(code, code, ENTITIES.get(code, f"Example {code}")) for code in (source, target))
    return Crossing(artifact, here, there, "training", DAY)


def read_cases(bundle: Bundle) -> list[Asked]:
    """The register-free cases, where they lie beside the project and can be asked about at all."""
    found = []
    for case in cases.read_cases(CASES.read_bytes(), str(CASES)) if CASES.is_file() else ():
        if cases.answer(case, bundle).rules[:1] in (("case.date",), ("case.payload",), ("case.flow",)):
            continue
        on, stated = date.fromisoformat(case.date), cases.read_facts(case.facts, bundle)
        # private, and yet better than a second reader of cases here
        crossing = cases._crossing(case, cases.PAYLOADS[case.payload], on, stated)
        found.append(Asked(crossing, cases.CaseEvidence(case, stated, bundle), on))
    return found


def sort_of(asked: Asked, decision: Decision) -> str:
    """The line of the output that a question belongs to."""
    if not isinstance(decision, Permit):
        return {"refuse": "refusal", "review": "review"}[decision.verdict]
    origins = len(asked.crossing.artifact.label.origins)
    return {0: "permit of what is public", 1: "permit of one origin"}.get(origins, f"permit of {origins} origins")


# ------------------------------------------------------------------ time


@contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage collection, which would count for whoever is being timed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def microseconds(act: Callable[[], object], times: int = 1) -> float:
    """Of one act, over so many in a row."""
    started = time.perf_counter_ns()
    for _ in range(times):
        act()
    return (time.perf_counter_ns() - started) / times / 1_000


def loop() -> int:
    """The fixed piece of Python."""
    total = 0
    for number in range(1_000):
        total += number % 7
    return total


@dataclass(frozen=True, slots=True)
class Timed:
    """One act: its microseconds, and how often the loop, timed right after it, would fit into them."""

    microseconds: float
    loops: float


def timed(act: Callable[[], object], times: int = 1) -> Timed:
    """One act beside the loop, so that a machine that slows down for a while slows down both."""
    took = microseconds(act, times)
    return Timed(took, took / microseconds(loop))


def middle(figures: Sequence[Timed]) -> Timed:
    """The median of each measure."""
    median = statistics.median
    return Timed(median(one.microseconds for one in figures), median(one.loops for one in figures))


def sample(
    asked: Sequence[Asked], judged: Sequence[Asked], bundle: Bundle, cedar: Cedar | None
) -> dict[str, list[Timed]]:
    """One repeat of everything but rounds: by name, a figure for each question."""
    with undisturbed():
        found = {
            "warm": [timed(partial(one.answer, bundle), TIMES) for one in asked],
            "first": [timed(_unasked(one, bundle)) for one in asked],
            "cases": [timed(partial(one.answer, bundle), TIMES) for one in judged],
        }
        if cedar is not None:
            found |= {name: [timed(partial(ask, cedar, one)) for one in cedar.questions] for name, ask in FORMS.items()}
    return found


def _unasked(one: Asked, bundle: Bundle) -> Callable[[], object]:
    """The question to a bundle and a register that remember nothing."""
    evidence = replace(one.evidence) if isinstance(one.evidence, Register) else one.evidence
    return partial(replace(one, evidence=evidence).answer, replace(bundle))


# ------------------------------------------------------------------ Cedar

SCALE = 1_000_000  # Cedar has whole numbers only
SAID: Mapping[str, str] = {
    "present": "true",
    "eq": "{it} == {value}",
    "ne": "{it} != {value}",
    "is": "{it} == {value}",
    "in": "{value}.contains({it})",
    "not_in": "!{value}.contains({it})",
    "overlaps": "{it}.containsAny({value})",
    "excludes": "!{it}.containsAny({value})",
    "within": "{value}.containsAll({it})",
    "exceeds": "!{value}.containsAll({it})",
    "at_least": "{it} >= {value}",
    "above": "{it} > {value}",
    "at_most": "{it} <= {value}",
    "below": "{it} < {value}",
    "on_or_after": "{it} >= {value}",
    "before": "{it} < {value}",
    "on_or_before_crossing": "{it} <= context.day",
    "before_crossing": "{it} < context.day",
    "after_crossing": "{it} > context.day",
    "same_as": "{it} == {other}",
    "differs_from": "{it} != {other}",
    "outside": f'!{{other}}.contains("{ANY}") && !{{other}}.contains({{it}})',
    "beyond": f'!{{other}}.contains("{ANY}") && !{{other}}.containsAll({{it}})',
}
SAID_OF_TERMS: Mapping[str, str] = {
    "within": "{other} <= {it} && {it} <= {other} + {days}",
    "no_later_than": "{it} <= {other} + {days}",
    "later_than": "{it} > {other} + {days}",
    "older_than": "{it} + {days} < context.day",
    "not_older_than": "{it} + {days} >= context.day",
}


def plain(value: Any) -> Any:
    """A fact as Cedar knows it: words, sets, flags; numbers in millionths, days counted. Raises ValueError."""
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, date):
        return value.toordinal()
    scaled = Fraction(str(value)) * SCALE
    if scaled.denominator != 1:
        raise ValueError(f"{value} has more than six decimals; raise SCALE in scripts/benchmark_border.py")
    return int(scaled)


def condition(one: Condition) -> str | None:
    """A condition as Cedar says it of `context`; None where Cedar cannot."""
    has, it = f"context has {one.field}", f"context.{one.field}"
    if one.operator == "missing":
        return f"!({has})"
    span = one.value.span if isinstance(one.value, Term) else one.value if isinstance(one.value, Duration) else None
    if span is not None and span.unit != "D":
        return None
    if isinstance(one.value, By):
        by, table = f"context.{one.value.field}", one.value.table.items()
        said: str | None = " || ".join(f'({by} == "{key}" && {it} == "{wanted}")' for key, wanted in table)
    else:
        said = (SAID if span is None else SAID_OF_TERMS).get(one.operator)
    if said is None:
        return None
    if not isinstance(one.value, By):
        # a text of JSON is one of Cedar, as long as what is not ASCII stays as it is
        value = "" if one.value is None or span else json.dumps(plain(one.value), ensure_ascii=False)
        said = said.format(it=it, value=value, other=f"context.{one.other}", days=span.count if span else 0)
    if one.operator in ("ne", "not_in"):
        return f"(!({has}) || {said})"
    return f"({' && '.join([has, *([f'context has {one.other}'] if one.other else []), f'({said})'])})"


def bears_on_permits(rule: Rule) -> bool:
    """False for a review that stands alone: it opens, and yet permits nothing."""
    return rule.effect == "permit" or not rule.opens


def beyond_cedar(rules: Sequence[Rule]) -> dict[str, Condition]:
    """The conditions that Cedar cannot say, by the name of the fact that stands for each."""
    cannot = {one.said: one for rule in rules for one in rule.when if condition(one) is None}
    return {f"computed_{number}": cannot[said] for number, said in enumerate(sorted(cannot))}


def policy(rule: Rule, names: Mapping[str, str]) -> str:
    """A rule as a policy; `names` are those of computed facts, by what a condition says."""
    days = [
        f"context.day {sign} {day.toordinal()}"
        for sign, day in ((">=", rule.valid_from), ("<=", rule.valid_until))
        if day
    ]
    said = [condition(one) or f"context.{names[one.said]}" for one in rule.when]
    effect = "permit" if rule.effect == "permit" else "forbid"
    return f'@id("{rule.id}")\n{effect} (principal, action, resource)\nwhen {{ {" && ".join([*said, *days])} }};'


@dataclass(frozen=True, slots=True)
class Put:
    """A question as put to Cedar: for each origin its regime, and a request for each of its claims."""

    origins: tuple[tuple[str, tuple[Mapping[str, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class Cedar:
    """Cedar's side: the policies as one set and by the regime they speak of, parsed; no entities; and the questions."""

    package: Any
    nothing: Any
    policies: Any
    of_regime: Mapping[str, Any]
    questions: tuple[Put, ...]
    computed: Mapping[str, Condition]
    translated: tuple[Rule, ...]

    def permits(self, requests: Sequence[Mapping[str, str]], policies: Any) -> list[bool]:
        """Whether each request is allowed, all asked in one call."""
        return [found.allowed for found in self.package.is_authorized_batch(requests, policies, self.nothing)]


def one_by_one(cedar: Cedar, question: Put) -> bool:
    """A call for each claim, until one is allowed; all policies."""
    return all(any(cedar.permits([one], cedar.policies)[0] for one in requests) for _, requests in question.origins)


def at_once(cedar: Cedar, question: Put) -> bool:
    """One call for a question; all policies."""
    answers = cedar.permits([one for _, requests in question.origins for one in requests], cedar.policies)
    whose = [place for place, (_, requests) in enumerate(question.origins) for _ in requests]
    return {place for place, allowed in zip(whose, answers, strict=True) if allowed} == set(
        range(len(question.origins))
    )


def by_regime(cedar: Cedar, question: Put) -> bool:
    """A call for each claim, with the policies of its origin's regime alone, which Cedar is handed ready."""
    return all(
        any(cedar.permits([one], cedar.of_regime[regime])[0] for one in requests)
        for regime, requests in question.origins
    )


FORMS: Mapping[str, Callable[[Cedar, Put], bool]] = {
    "a call for each claim": one_by_one,
    "the same, its regime's policies only": by_regime,
    "a call for each question, all claims": at_once,
}


def put_to_cedar(asked: Asked, bundle: Bundle, read: frozenset[str], computed: Mapping[str, Condition]) -> Put:
    """A question with the facts that policies read, those of each claim as `decide` weighs them."""
    origins = []
    for origin in traces(asked.crossing, bundle, asked.evidence, asked.on):
        contexts = [_context(one.weighed.facts, read, computed) for one in origin.claims]
        request = {"principal": 'Party::"exporter"', "action": 'Action::"cross"', "resource": 'Artifact::"artifact"'}
        origins.append((origin.regime, tuple({**request, "context": text} for text in contexts)))
    return Put(tuple(origins))


def _context(facts: Facts, read: frozenset[str], computed: Mapping[str, Condition]) -> str:
    said = {name: plain(value) for name, value in facts.items() if name in read and value is not None}
    return json.dumps(said | {name: one.holds_for(facts) for name, one in computed.items()})


def cedar_for(package: Any, asked: Sequence[Asked], bundle: Bundle) -> Cedar:
    """Cedar with the bundle's rules and these questions. Raises ValueError for a policy that it cannot read."""
    rules = tuple(rule for rule in bundle.rules if bears_on_permits(rule))
    facts = beyond_cedar(rules)
    names = {one.said: name for name, one in facts.items()}
    texts = [(rule, policy(rule, names)) for rule in rules]
    said = [one for rule in rules for one in rule.when if one.said not in names]
    read = frozenset({"day", *(one.field for one in said), *(one.other for one in said if one.other)})
    questions = tuple(put_to_cedar(one, bundle, read, facts) for one in asked)

    def parsed(some: Sequence[str]) -> Any:
        return package.PolicySet.from_str("\n".join(some))

    regimes = {regime for one in questions for regime, _ in one.origins}
    of_regime = {regime: parsed([text for rule, text in texts if rule.speaks_of(regime)]) for regime in regimes}
    nothing = package.Entities.from_json_str("[]")
    return Cedar(package, nothing, parsed([text for _, text in texts]), of_regime, questions, facts, rules)


def differences(cedar: Cedar, asked: Sequence[Asked], bundle: Bundle) -> list[str]:
    """Where Cedar's permits are not ours, in whatever form it is asked, and where it could not evaluate a policy."""
    found = []
    for one, question in zip(asked, cedar.questions, strict=True):
        ours = isinstance(one.answer(bundle), Permit)
        wrong = [name for name, ask in FORMS.items() if ask(cedar, question) is not ours]
        for _, requests in question.origins:
            for result in cedar.package.is_authorized_batch(requests, cedar.policies, cedar.nothing):
                wrong += result.diagnostics.errors
        if wrong:
            crossing = one.crossing
            what = f"{crossing.artifact.kind} of {crossing.artifact.label} to {crossing.target.location}"
            found.append(f"{what}: ours {'permits' if ours else 'does not permit'}; Cedar differs: {'; '.join(wrong)}")
    return found


# ------------------------------------------------------------------ a round's share


@dataclass(frozen=True, slots=True)
class Round:
    """One round as the ledgers show it: the model it trained, its crossings (their places among all), its seconds."""

    model: str
    crossings: tuple[int, ...]
    seconds: float


def rounds_of(bodies: Sequence[Mapping[str, Any]]) -> list[Round]:
    """The rounds in a run's crossings, given in the order of their time; a last one has no end and is left out."""
    model, found = "", dict[tuple[str, int], list[int]]()
    for place, body in enumerate(bodies):
        if body["round"] is not None and body["verdict"] == "permit":
            model = body["name"] if body["kind"] == "model" else model
            found.setdefault((model, body["round"]), []).append(place)
    rounds = []
    for (model, number), places in found.items():
        if following := found.get((model, number + 1)):
            begins, ends = (datetime.fromisoformat(bodies[one[0]]["at"]) for one in (places, following))
            rounds.append(Round(model, tuple(places), (ends - begins).total_seconds()))
    return rounds


def demo_crossings(workspace: Path) -> list[dict[str, Any]]:
    """Runs the demo in a new workspace: every crossing in its ledgers, by the time it was decided."""
    command = [sys.executable, "-m", "fedsov", "train", f"workspace={workspace}", "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    found = [entry.body for path in Workspace(workspace).ledgers().values() for entry in Ledger.read(path).entries()]
    return sorted((body for body in found if body["act"] == "cross"), key=lambda body: body["at"])


def replayed(bodies: Sequence[Mapping[str, Any]], folder: Path, bundle: Bundle) -> list[float]:
    """Microseconds of each crossing at its party's gate: counting, deciding, and the entry on the disk."""
    with ExitStack() as opened, undisturbed():
        gates = {name: opened.enter_context(_gate(name, party, folder, bundle)) for name, party in _parties(bodies)}
        return [microseconds(_passing(gates[body["exporter"]["name"]], body)) for body in bodies]


def _parties(bodies: Sequence[Mapping[str, Any]]) -> list[tuple[str, Party]]:
    return list({body["exporter"]["name"]: Party.from_json(body["exporter"]) for body in bodies}.items())


@contextmanager
def _gate(name: str, party: Party, folder: Path, bundle: Bundle) -> Iterator[Gate]:
    with closing(Ledger(folder / name / "ledger.sqlite", name)) as ledger:
        evidence = Standing(REGISTER, ledger)
        yield Gate(
            party, bundle=bundle, evidence=evidence, ledger=ledger, run="r", today=lambda: DAY, tally=Tally(ledger)
        )


def _passing(gate: Gate, body: Mapping[str, Any]) -> Callable[[], object]:
    """The crossing of an entry once more, with other content of the same size."""
    day, target, pool = date.fromisoformat(body["day"]), Party.from_json(body["importer"]), body["pool"]
    artifact = Artifact(
        Kind(body["kind"]),
        Label.from_json(body),
        b"a" * body["bytes"],
        body["count"],
        body["name"],
        tuple(body["evidence"]),
        pool["name"],
        pool["people"],
    )
    gate = replace(gate, today=lambda: day)

    def act() -> None:
        verdict = "permit"
        try:
            gate.cross(artifact, target, round=body["round"], tensors=body["tensors"])
        except Refused as refused:
            verdict = refused.decision.verdict
        if verdict != body["verdict"]:
            raise SystemExit(f"{artifact.kind} to {target.name}: the run says {body['verdict']}, now it is {verdict}")

    return act


def fsync_milliseconds(folder: Path, times: int = 50) -> float:
    """The median of writing a kibibyte and waiting for the disk, which every entry of a ledger does too."""
    with (folder / "fsync").open("wb", buffering=0) as file:

        def write() -> None:
            file.write(bytes(1024))
            os.fsync(file.fileno())

        return statistics.median(microseconds(write) for _ in range(times)) / 1_000


def shares(folder: Path, bundle: Bundle, repeats: int) -> dict[str, dict[str, Any]]:
    """By model: rounds, crossings, and the median milliseconds of gates and of a whole round."""
    bodies = demo_crossings(folder / "demo")
    replays = [replayed(bodies, folder / str(repeat), bundle) for repeat in range(repeats)]
    each, found = [statistics.median(column) for column in zip(*replays, strict=True)], dict[str, list[Any]]()
    for one in rounds_of(bodies):
        spent = sum(each[place] for place in one.crossings) / 1_000
        found.setdefault(one.model, []).append((spent, one.seconds * 1_000, len(one.crossings)))
    return {model: _share(measured) for model, measured in found.items()}


def _share(measured: Sequence[tuple[float, float, int]]) -> dict[str, Any]:
    gates, whole, crossings = (statistics.median(column) for column in zip(*measured, strict=True))
    return {
        "rounds": len(measured),
        "crossings": crossings,
        "gates_milliseconds": gates,
        "round_milliseconds": whole,
        "share": gates / whole,
    }


# ------------------------------------------------------------------ the answer


def measure(repeats: int, folder: Path, package: Any, bundle: Bundle) -> dict[str, Any]:
    """Everything, as plain values; `differences` is empty where Cedar permits what we permit."""
    register = load_register(REGISTER)
    asked, judged = mix(register), read_cases(bundle)
    cedar = cedar_for(package, asked, bundle) if package else None
    strange = differences(cedar, asked, bundle) if cedar else []
    if package and judged:
        strange += differences(cedar_for(package, judged, bundle), judged, bundle)
    repeated = [sample(asked, judged, bundle, cedar) for _ in range(repeats)]
    each = {
        name: [middle(column) for column in zip(*(one[name] for one in repeated), strict=True)] for name in repeated[0]
    }
    sorts = [sort_of(one, one.answer(bundle)) for one in asked]
    return {
        "cores": os.cpu_count(),
        "load_of_decisions": os.getloadavg()[0],
        "loop": _loop([one for sampled in repeated for figures in sampled.values() for one in figures]),
        "questions": len(asked),
        "decide": {"warm": _by_sort(sorts, each["warm"]), "the first time": _by_sort(sorts, each["first"])},
        "cases": {"count": len(judged), **asdict(middle(each["cases"]))} if judged else None,
        "cedar": _cedar(cedar, bundle, each) if cedar else None,
        "differences": strange,
        "round": shares(folder, bundle, repeats),
        "fsync_milliseconds": fsync_milliseconds(folder),
        "load_of_rounds": os.getloadavg()[0],
        "asked": {"warm microseconds": ASKED_MICROSECONDS, "share": ASKED_SHARE},
    }


def _loop(figures: Sequence[Timed]) -> dict[str, float]:
    times = sorted(one.microseconds / one.loops for one in figures)
    tenth = len(times) // 10
    return {"microseconds": statistics.median(times), "slow_by_fast": times[-1 - tenth] / times[tenth]}


def _by_sort(sorts: Sequence[str], figures: Sequence[Timed]) -> dict[str, dict[str, float]]:
    chosen = {
        name: [one for sort, one in zip(sorts, figures, strict=True) if sort == name] for name in sorted(set(sorts))
    }
    return {name: asdict(middle(some)) for name, some in {"all questions": figures, **chosen}.items()}


def _cedar(cedar: Cedar, bundle: Bundle, each: Mapping[str, Sequence[Timed]]) -> dict[str, Any]:
    ours, found = middle(each["warm"]), {name: middle(each[name]) for name in FORMS}
    leaning = [rule.id for rule in cedar.translated if any(condition(one) is None for one in rule.when)]
    return {
        "policies": len(cedar.translated),
        "left_out": len(bundle.rules) - len(cedar.translated),
        "computed": sorted(one.said for one in cedar.computed.values()),
        "rules_with_computed": leaning,
        "requests_per_question": statistics.mean(sum(len(one) for _, one in put.origins) for put in cedar.questions),
        "forms": {name: {**asdict(one), "times_ours": one.loops / ours.loops} for name, one in found.items()},
    }


def shown(found: Mapping[str, Any]) -> Iterator[str]:
    """The answer in lines."""
    loads, loops = (found["load_of_decisions"], found["load_of_rounds"]), found["loop"]
    yield f"{found['cores']} cores; load {loads[0]:.1f} while deciding, {loads[1]:.1f} after the rounds"
    yield f"the loop: {loops['microseconds']:.1f} µs; slowest tenth {loops['slow_by_fast']:.2f} times the fastest"
    head = f"microseconds, medians over {found['questions']} questions"
    yield f"\n{head:<50}{'measured':>10}{'loops':>8}{'asked':>9}"
    for when, figures in found["decide"].items():
        for name, figure in figures.items():
            asked = f"<= {ASKED_MICROSECONDS:g}" if (when, name) == ("warm", "all questions") else ""
            yield _line(f"decide, {when}: {name}", figure, asked)
    if found["cases"]:
        yield _line(f"decide, warm: {found['cases']['count']} cases without a register", found["cases"])
    yield from (
        _shown_cedar(found["cedar"]) if found["cedar"] else ["Cedar: not measured, since cedarpy is not installed"]
    )
    yield from (f"DIFFERENT: {one}" for one in found["differences"])
    yield f"\n{'milliseconds of a round of the demo, medians':<50}{'gates':>10}{'round':>8}{'share':>9}{'asked':>9}"
    for model, one in found["round"].items():
        name = f"{model}: {one['crossings']:g} crossings, {one['rounds']} rounds"
        figures = f"{one['gates_milliseconds']:>10.1f}{one['round_milliseconds']:>8.0f}{one['share']:>9.1%}"
        yield f"{name:<50}{figures}{'<= ' + format(ASKED_SHARE, '.0%'):>9}"
    yield f"one kibibyte written, and waited for until it is on the disk: {found['fsync_milliseconds']:.2f}"


def _line(name: str, figure: Mapping[str, float], asked: str = "") -> str:
    return f"{name:<50}{figure['microseconds']:>10,.1f}{figure['loops']:>8.1f}{asked:>9}"


def _shown_cedar(cedar: Mapping[str, Any]) -> Iterator[str]:
    yield f"Cedar: {cedar['policies']} policies, parsed once; {cedar['requests_per_question']:.1f} claims a question"
    for name, figure in cedar["forms"].items():
        yield f"{_line('  ' + name, figure)}  {figure['times_ours']:.1f} times our loops"
    yield f"  left out: {cedar['left_out']} reviews that stand alone, which permit nothing"
    leaning = cedar["rules_with_computed"]
    yield f"  computed beforehand, since Cedar cannot say it: {'; '.join(cedar['computed']) or 'nothing'}"
    yield f"  in {len(leaning)} rules: {', '.join(leaning)}"


def cedarpy() -> Any:
    """The package, or None: it is no part of what the demo or the tests install."""
    try:
        import cedarpy as package
    except ImportError:
        return None
    return package


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--folder", type=Path, help="on the disk to be measured; the system's temporary one if not given"
    )
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=said.folder) as folder:
        found = measure(max(1, said.repeats), Path(folder), cedarpy(), load_bundle())
    print(json.dumps(found, indent=1) if said.json else "\n".join(shown(found)))
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
