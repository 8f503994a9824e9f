"""Cases under test: one line of CSV each, answered by the same `decide` that guards a run.

A line says on which day what kind of thing made of whose data would go where, on which ground, with which
facts ("doc=2021/914;module=2;tia=present"). It becomes a crossing and the claims it states, and nothing else: a
case does not fall back on grounds it does not name. What a fact says is read by the vocabulary; a value that
cannot be read makes the claim unreadable, and a fact that no rule knows stops a permit for a person to look at.
Expected answers, reasons and evidence are never read as input.

    for case in read_cases(path.read_bytes(), str(path)): print(case.id, answer(case, bundle).verdict)
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from fedsov.artifact import Artifact, Crossing, Kind, Party
from fedsov.border.decisions import Decision, Refusal
from fedsov.border.evidence.claims import Claim, Question
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.vocabulary import Unreadable
from fedsov.border.policy import decide
from fedsov.errors import ConfigurationError, unknown
from fedsov.label import Label

COLUMNS = ("case_id", "date", "origin", "destination", "flow", "payload", "data_category", "mechanism", "facts")
PAYLOADS = {
    "raw_records": Kind.RECORDS,
    "telemetry": Kind.RECORDS,
    "model_update": Kind.UPDATE,
    "model_weights": Kind.MODEL,
    "model_artifact": Kind.MODEL,
    "synthetic_data": Kind.SYNTHETIC,
    "aggregate_metrics": Kind.METRICS,
    "report": Kind.REPORT,
}
STRICTNESS = ("permit", "review", "refuse")
CONFIDENCES = ("high", "medium", "low")
_EXPECTED = {"allow": "permit", "needs_review": "review", "deny": "refuse"}
"""Words for a decision that files of cases use beside ours."""
_CATEGORIES = {
    "biometric": "biometric_id", "hr": "employment", "precise_geolocation": "precise_location",
    "geolocation": "precise_location", "human_genomic": "genomic", "": "unknown",
}  # fmt: skip
_ALIASES = {
    "anon_expires": "expires", "data_broker": "data_brokerage", "decision_reference": "ref", "doc_version": "doc",
    "due_diligence_program": "due_diligence", "effective_from": "effective", "exporter": "exporter_type",
    "licence": "licence_no", "n": "count", "reason_code": "reason", "covers_categories": "covers",
    "scc_eu": "underlying", "sa_notified": "sa_informed", "authority_informed": "sa_informed",
    "flagged_sensitive": "sensitive_flagged", "sensitive_flag": "sensitive_flagged",
    "consent_separate": "separate_consent",
}  # fmt: skip
_FREE = ("us_no_restriction", "permitted_unless_restricted", "intra_jurisdiction")
_OF_ORIGIN = re.compile(r"(?P<code>[a-z]{2})_(?P<what>mechanism|contract|ref)|(?P<what2>n)_(?P<code2>[a-z]{2})")
_OWNER = re.compile(r"([A-Z]{2})(?:\s+(\d{1,3})\s*%)?")
_CONTROL = ("@CONCERN", 50)
_STAKE = ("@PADFA", 20)
"""Groups of countries, and from how many hundredths on together their shares count (28 CFR 202.211; PADFA s. 2)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One line: the plain columns as they stand, and what was expected, kept apart from the input.

    `expected` is permit, review or refuse; a word that is none stands as it was written (`check_expected`).
    """

    id: str
    date: str
    origin: str
    destination: str
    flow: str
    payload: str
    category: str
    mechanism: str
    facts: str
    expected: str = field(default="", compare=False)
    confidence: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a case states: facts by name, claims of single origins, and whether something could not be read.

    `owners` are countries that control the recipient by their shares.
    """

    facts: Mapping[str, Any]
    of_origin: Mapping[tuple[str, str], str]
    unreadable: tuple[str, ...]
    unknown: tuple[str, ...]
    owners: frozenset[str] = frozenset()


def read_cases(text: bytes, name: str) -> list[Case]:
    """The cases of a CSV file. Raises ConfigurationError for what is no such file, naming it and the line."""
    try:
        rows = csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True)
        absent = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
        if absent:
            raise ConfigurationError(f"{name}: no column {', '.join(absent)}; a case has {', '.join(COLUMNS)}")
        return [_case(row, f"{name}, line {rows.line_num}") for row in rows]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise ConfigurationError(f"{name} is no CSV file in UTF-8: {problem}") from problem


def _case(row: Mapping[str | None, Any], where: str) -> Case:
    if None in row or any(row[column] is None for column in COLUMNS):
        raise ConfigurationError(f"{where}: has more or fewer columns than the head")
    words = {column: str(row.get(column) or "").strip() for column in (*COLUMNS, "expected", "confidence")}
    return Case(*{**words, "expected": _EXPECTED.get(words["expected"], words["expected"])}.values())


def check_expected(cases: Iterable[Case], name: str) -> None:
    """Raises ConfigurationError for a case whose expected answer is no word for one; an empty one expects nothing."""
    for case in cases:
        if case.expected and case.expected not in STRICTNESS:
            problem = unknown("expected decision", case.expected[:40], (*STRICTNESS, *_EXPECTED))
            raise ConfigurationError(f"{name}, case {case.id}: {problem}")


def answer(case: Case, bundle: Bundle) -> Decision:
    """The bundle's answer to a case; a case whose day, payload or flow cannot be read is refused."""
    try:
        on = date.fromisoformat(case.date)
    except ValueError:
        return _unreadable("case.date", f"'{case.date[:40]}' is no day; write 2026-11-22.", bundle)
    kind = PAYLOADS.get(case.payload)
    if kind is None:
        return _unreadable("case.payload", f"{unknown('payload', case.payload[:40], PAYLOADS)}.", bundle)
    if case.flow not in (flows := bundle.facts["flow"].values):
        return _unreadable("case.flow", f"{unknown('flow', case.flow[:40], sorted(flows))}.", bundle)
    stated = read_facts(case.facts, bundle)
    return decide(crossing_of(case, kind, on, stated), bundle, CaseEvidence(case, stated, bundle), on)


def _unreadable(rule: str, reason: str, bundle: Bundle) -> Refusal:
    return Refusal((rule,), (), reason, (), "Correct the case.", bundle.digest)


def read_facts(text: str, bundle: Bundle) -> Stated:
    """The facts of a case ("name=value;name=value"), each read in its shape."""
    facts: dict[str, Any] = {}
    of_origin: dict[tuple[str, str], str] = {}
    unreadable, strange = [], []
    texts: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or texts.setdefault(name, value) != value:
            unreadable.append(name[:40])
            continue
        if name in ("origins", "purpose", "recipient_owner"):
            facts[name] = value.strip()
            continue
        fact = bundle.facts.get(_ALIASES.get(name, name))
        if fact is not None and (fact.claimed or fact.name == "count"):
            try:
                facts[fact.name] = _last_day(name, fact.read(value))
            except (Unreadable, OverflowError):
                unreadable.append(name)
        elif match := _OF_ORIGIN.fullmatch(name):
            code, what = match["code"] or match["code2"], match["what"] or match["what2"]
            of_origin[code.upper(), what] = value.strip()
        else:
            strange.append(name[:40])
    shares = str(facts.get("recipient_owner", ""))
    facts["part_owners"] = facts.get("part_owners", frozenset()) | _holders(shares, *_STAKE, bundle)
    return Stated(facts, of_origin, tuple(unreadable), tuple(strange), _holders(shares, *_CONTROL, bundle))


def _last_day(name: str, value: Any) -> Any:
    """A case's expiry is the first day without the document; ours is the last day with it."""
    return value - timedelta(days=1) if name in ("expires", "anon_expires") and value else value


def crossing_of(case: Case, kind: Kind, on: date, stated: Stated) -> Crossing:
    """The crossing that a case describes, of this kind on this day, with the facts read from it."""
    facts = stated.facts
    label = Label(_origins(case, facts), frozenset({_CATEGORIES.get(case.category, case.category)}))
    people = facts.get("count")
    count = facts.get("k") if people is None and kind in (Kind.METRICS, Kind.REPORT) else people
    return Crossing(
        Artifact(kind, label, count=int(count or 0)),
        Party("exporter", case.origin, ""),
        Party("importer", case.destination, "", stated.owners | _parent(facts)),
        str(facts.get("purpose", "")),
        on,
        flow=case.flow,
    )


def _origins(case: Case, facts: Mapping[str, Any]) -> frozenset[str]:
    """The origins of the label: those stated, else the place it leaves."""
    named = frozenset(word.strip() for word in str(facts.get("origins", "")).split(",") if word.strip())
    return named or frozenset({case.origin})


def _parent(facts: Mapping[str, Any]) -> frozenset[str]:
    """The country of the recipient's parent, where the case states one."""
    return frozenset({str(facts["importer_parent"])} if facts.get("importer_parent") else ())


def _holders(text: str, group: str, least: int, bundle: Bundle) -> frozenset[str]:
    """Countries that hold `least` hundredths of the recipient or more, alone or together with others of a group.

    Shares are stated as "CN 25%, RU 25%"; one that cannot be read counts; of a group that no law names, all do.
    """
    shares: dict[str, int] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        match = _OWNER.fullmatch(part)
        share = least if match is None or match[2] is None else int(match[2])
        shares[part[:2].upper()] = shares.get(part[:2].upper(), 0) + share
    together = shares.keys() & bundle.groups.get(group, bundle.places)
    jointly = together if sum(shares[country] for country in together) >= least else set()
    return frozenset(jointly) | {country for country, share in shares.items() if share >= least}


@dataclass(frozen=True, slots=True)
class CaseEvidence:
    """The claims that a case states, and no others."""

    case: Case
    stated: Stated
    bundle: Bundle

    def claims(self, question: Question) -> tuple[Claim, ...]:
        """The case's ground for this origin; for one origin of several, also grounds that need no document."""
        of_origin = self._of_origin(question)
        named = of_origin.get("mechanism", self.case.mechanism)
        facts = dict(self.stated.facts)
        if number := of_origin.get("n"):
            facts |= _number(number, self.bundle)
        if contract := of_origin.get("contract"):
            facts["doc"] = contract
        if named == "adequacy" and self.case.flow == "onward_transfer":
            facts.setdefault("received_under", named)  # a case that says "passed on, under adequacy" says this
        facts["unreadable"] = bool(self.stated.unreadable) or facts.pop("unreadable", False)
        facts["unknown_fact"] = bool(self.stated.unknown)
        mechanisms = ["" if named in ("", "none") else named]
        if "mechanism" not in of_origin and "origins" in facts:
            mechanisms += [name for name in _FREE if name in question.standing and name not in mechanisms]
        return tuple(Claim(name, facts, {}, named=bool(name) and name == named) for name in mechanisms)

    def _of_origin(self, question: Question) -> dict[str, str]:
        """What the case states for this origin alone, by its code, its country's, or "EU" for the Union's law."""
        codes = {question.origin, question.origin.partition("-")[0]}
        if self.bundle.regime(question.origin, question.day) == "EU-GDPR":
            codes.add("EU")
        return {what: value for (code, what), value in self.stated.of_origin.items() if code in codes}

    def knows(self, document_id: str) -> bool:
        """True: a case names no documents."""
        return True

    def absent(self, kinds: Sequence[str]) -> str:
        """A sentence that says what the case does not state, or states to be otherwise than there ("tia expired")."""
        otherwise = {kind: str(self.stated.facts[kind]) for kind in kinds if self.stated.facts.get(kind)}
        silent = [f"no {kind}" for kind in kinds if kind not in otherwise]
        return f"The case states {' and '.join([*silent, *(f'{kind} {word}' for kind, word in otherwise.items())])}."

    def contents(self, ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """Nothing: a case names no documents."""
        return {}

    def approval(self, review: str, on: date) -> str | None:
        """None: nobody approves a case."""
        return None


def _number(text: str, bundle: Bundle) -> dict[str, Any]:
    try:
        return {"count": bundle.facts["count"].read(text)}
    except Unreadable:
        return {"unreadable": True}


@dataclass(frozen=True, slots=True)
class Checked:
    """A case, the bundle's answer, and how it compares with what was expected."""

    case: Case
    decision: Decision
    stated: Stated

    @property
    def decided(self) -> str:
        """permit, review or refuse."""
        return self.decision.verdict

    @property
    def standing(self) -> str:
        """exact, stricter or looser than expected; "" where no answer was expected."""
        if self.case.expected not in STRICTNESS:
            return ""
        decided, expected = STRICTNESS.index(self.decided), STRICTNESS.index(self.case.expected)
        return "exact" if decided == expected else "stricter" if decided > expected else "looser"

    @property
    def reason(self) -> str:
        """Why, and which facts could not be read or are in no vocabulary."""
        sentences = [self.decision.reason or "; ".join(self.decision.basis)]
        sentences += [f"Unreadable: {', '.join(self.stated.unreadable)}."] if self.stated.unreadable else []
        sentences += [f"Unknown: {', '.join(self.stated.unknown)}."] if self.stated.unknown else []
        return " ".join(sentences)

    def to_json(self) -> dict[str, Any]:
        """For `border check --json`."""
        rules = list(self.decision.rules)
        return {"case_id": self.case.id, "decision": self.decided, "rules": rules, "reason": self.reason}


def check_cases(cases: Sequence[Case], bundle: Bundle) -> list[Checked]:
    """Every case with its answer."""
    return [Checked(case, answer(case, bundle), read_facts(case.facts, bundle)) for case in cases]
