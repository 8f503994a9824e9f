"""The small world of the border's tests: the packaged law, the demo's register, six fictional parties.

Also the papers that make a rule hold (`papers_for`), and generated crossings and registers (`askings`) that come near
the law's rules, so that permits, reviews and refusals all occur.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fedsov.artifact import Artifact, Crossing, Kind, Party
from fedsov.border.decisions import Decision
from fedsov.border.evidence.approvals import Approval
from fedsov.border.evidence.register import Document, Register
from fedsov.border.evidence.register_file import load_register
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.border.law.mechanism import Mechanism
from fedsov.border.law.rules import FOR, Condition, Rule
from fedsov.border.law.vocabulary import DENYING, Duration, Term
from fedsov.border.policy import decide
from fedsov.border.questions import as_release, asked_origins, route_of
from fedsov.label import PUBLIC, Label

DAY = date(2026, 11, 23)
CATEGORIES = frozenset({"personal", "financial", "employment"})
DEMO = Path(__file__).parents[2] / "configs" / "border" / "evidence_demo.yaml"
DECISIONS = Path(__file__).parents[3] / "shared" / "law" / "decisions.csv"
STRICTNESS = {"permit": 0, "review": 1, "refuse": 2}
ENTITIES = {
    "IE": "Example Holding Ltd (fictional)",
    "US": "Example US Inc. (fictional)",
    "GB": "Example UK Ltd (fictional)",
    "DE": "Example Deutschland GmbH (fictional)",
    "IN": "Example India Pvt Ltd (fictional)",
    "CA": "Example Canada Corp. (fictional)",
}
_EVERYBODY = frozenset("*")


@cache
def law() -> Bundle:
    return load_bundle()


@cache
def demo_register() -> Register:
    return load_register(DEMO)


def register(*documents: Document, approvals: tuple[Approval, ...] = ()) -> Register:
    """A register of these documents, which knows the law's mechanisms."""
    return Register(documents, law().mechanisms, approvals)


EMPTY = register()


def with_rules(*own: Rule) -> Bundle:
    """The law and these rules of a tenant's."""
    return replace(law(), rules=(*law().rules, *own))


def party(code: str, owners: Iterable[str] = ()) -> Party:
    return Party(code, code, ENTITIES.get(code, f"Example {code}"), frozenset(owners))


@cache
def everybody_by_name() -> frozenset[str]:
    """The names of the parties of every place, and of those that `parties` draws."""
    return frozenset({"Example", *(party(code).entity for code in {*law().places, *CODES, "CA-NS"})})


def label(*origins: str, categories: frozenset[str] = CATEGORIES, restrictions: frozenset[str] = frozenset()) -> Label:
    return Label(frozenset(origins), categories, restrictions)


def artifact(kind: Kind, *origins: str, count: int = 500, content: bytes = b"") -> Artifact:
    return Artifact(kind, label(*origins), content, count)


def of(kind: Kind, origin: str, *categories: str, count: int = 500, evidence: tuple[str, ...] = ()) -> Artifact:
    """An artifact of one origin and these categories."""
    return Artifact(kind, Label(frozenset({origin}), frozenset(categories)), b"", count, evidence=evidence)


def document(kind: str, document_id: str = "", **other: Any) -> Document:
    """A document of this kind, by whom, for whatever and with whom is not said otherwise, its terms as given."""
    parts = {
        "exporter": _EVERYBODY,
        "importer": _EVERYBODY,
        "categories": _EVERYBODY,
        "signed": date(2026, 1, 1),
        "expires": None,
        "sha256": "",
        "owner": "Example (fictional)",
        "entities": everybody_by_name() if law().mechanisms[kind].names_recipient else frozenset(),
        "exporters": everybody_by_name() if law().mechanisms[kind].names_exporter else frozenset(),
    }
    return Document(document_id or f"d-{kind}", kind, **(parts | other))


def ask(
    thing: Artifact,
    source: str | Party,
    target: str | Party,
    *,
    register: Register | None = None,
    bundle: Bundle | None = None,
    on: date = DAY,
    flow: str = "transfer",
    count_12m: int = 0,
    purpose: str = "training",
) -> Decision:
    here, there = (one if isinstance(one, Party) else party(one) for one in (source, target))
    crossing = Crossing(thing, here, there, purpose, on, flow, count_12m)
    return decide(crossing, bundle or law(), demo_register() if register is None else register, on)


# ------------------------------------------------------------------ papers that make a rule hold


def demo_papers_of(exporter: str, place: Path) -> Path:
    """The demo's register in a folder, no longer called made up, its German papers those of this exporter."""
    path, text = place / "own_documents.yaml", DEMO.read_text().replace("example: true", "example: false")
    path.write_text(text.replace(f'  exporters:\n  - "{ENTITIES["DE"]}"', f'  exporters:\n  - "{exporter}"'))
    return path


@dataclass(frozen=True)
class Papers:
    """Documents that state what a rule asks for, and those of them that an artifact must name as its evidence."""

    documents: tuple[Document, ...]
    evidence: tuple[str, ...]


def papers_for(rule: Rule, ground: str, on: date) -> Papers:
    """The papers under which every condition of the rule about a claim holds, made for the day `on`."""
    stated: dict[str, Any] = {}
    for one in sorted(rule.when, key=lambda one: not isinstance(one.value, Term)):
        stated = _satisfying(one, stated, on) | stated
    known = law().mechanisms
    shown = {one.supports.partition("=")[0]: kind for kind, one in known.items() if one.supports}
    dates = {name: stated.pop(name, None) for name in ("signed", "effective", "expires")}
    documents = [document(shown[name], signed=on) for name in sorted(stated) if name in shown]
    claimed = {name: value for name, value in stated.items() if law().facts[name].claimed}  # no paper states the day
    terms = {name: value for name, value in claimed.items() if name not in shown and name != "tia_date"}
    found = {name: terms.pop(name) for name in list(terms) if law().facts[name].of_artifact}
    if ground and not known[ground].standing:
        if known[ground].about == "artifact":
            terms, found = terms | found, {}
        signed, expires = dates["signed"] or on, on + timedelta(days=365)
        documents.append(document(ground, signed=signed, effective=dates["effective"], expires=expires, terms=terms))
    elif terms:
        documents.append(document("recipient", signed=on, terms=terms))
    if found:
        documents.append(document("attack_test", signed=on, terms=found))
    evidence = tuple(one.id for one in documents if known[one.kind].about == "artifact")
    return Papers(tuple(documents), evidence)


def _satisfying(one: Condition, stated: Mapping[str, Any], on: date) -> dict[str, Any]:
    """Facts under which one condition holds, given what is already stated."""
    if isinstance(one.value, Term):
        begin = on - timedelta(days=40) if one.operator == "later_than" else on
        other = {one.value.of: stated.get(one.value.of, begin)}
        return other | ({one.field: other[one.value.of]} if one.claimed else {})
    if not one.claimed or one.operator in ("ne", "not_in", "missing"):
        return {}
    if one.operator == "matches":
        key = stated.get(one.value.field) or min(one.value.table)
        return {one.value.field: key, one.field: one.value.table[key]}
    return {one.field: _value(one, on)}


def _value(one: Condition, on: date) -> Any:
    if one.operator in ("eq", "at_least", "at_most"):
        return one.value
    if one.operator == "in":
        return "present" if "present" in one.value else min(one.value)
    if one.operator == "before":
        return one.value - timedelta(days=1)
    if one.shape == "words":
        return frozenset({min(one.value)}) if one.operator == "within" else frozenset({"cpu"})
    if one.shape in ("day", "number"):
        return on if one.shape == "day" else 10.0
    closed = law().facts[one.field].values
    return min(closed) if closed else "stated"


def regime_codes(regime: str) -> list[str]:
    """The codes that a regime governs at some time."""
    return sorted(code for code, reigns in law().regimes.items() if any(one.id == regime for one in reigns))


def regimes_of(rule: Rule) -> list[str]:
    """The regimes that a rule speaks of; all of them where it says none."""
    every = {one.id for reigns in law().regimes.values() for one in reigns}
    for one in rule.when:
        if one.field == "origin_regime" and one.operator in ("eq", "in"):
            return sorted({one.value} if one.operator == "eq" else one.value)
        if one.field == "origin_regime" and one.operator == "not_in":
            every -= one.value
    return sorted(every)


def openers(regime: str) -> list[Rule]:
    """The rules that open for one regime by name."""
    return [rule for rule in law().rules if rule.opens and _names(rule, regime)]


def _names(rule: Rule, regime: str) -> bool:
    named = [one for one in rule.when if one.field == "origin_regime" and one.operator in ("eq", "in")]
    return any(regime == one.value or (one.operator == "in" and regime in one.value) for one in named)


# ------------------------------------------------------------------ generated crossings and registers

CODES = sorted(
    {*law().regimes, "HK", "MO", "CU", "IR", "KP", "VE", "AO", "ZZ", "US-OH", "CN-BJ", "GL", "FO", "MC", "UY"}
)
WORDS = sorted(
    {word for rule in law().rules for one in rule.when if one.field == "categories" for word in one.value}
    | {"personal", "unknown", "employment"}
)
BOUNDS = ("contract", "court_order")
COUNTS = (
    0,
    1,
    9,
    10,
    11,
    100,
    101,
    1_000,
    1_001,
    9_999,
    10_000,
    10_001,
    99_999,
    100_000,
    100_001,
    1_000_000,
    2_000_000,
)
EDGES = (
    date(2025, 4, 7), date(2025, 4, 8), date(2026, 11, 30), date(2026, 12, 1), date(2027, 5, 12), date(2027, 5, 13),
    date(2031, 12, 27), date(2031, 12, 28), DAY,
)  # fmt: skip
CONTENTS = (b"", b"ValueError", b"no such row: Jane")
FLOWS = sorted(law().facts["flow"].values)
PURPOSES = ("training", "", "missionary", "security", "immigration_control", "marketing")
_VALUED = sorted(name for name, fact in law().facts.items() if fact.claimed)
_FIELDS = {"signed", "expires", "effective", "covers", "covers_purposes", "importer_match", "n_12m", "n_year"}
_SHOWN = {
    one.supports.partition("=")[0] for one in law().mechanisms.values() if one.supports and one.about == "crossing"
}
TERMS = [name for name in _VALUED if name not in _FIELDS | _SHOWN]
KINDS_OF_DOCUMENT = sorted(name for name, one in law().mechanisms.items() if not one.standing or name == "adequacy")


def _harvested() -> dict[str, list[Any]]:
    """Values of each term that some rule looks for, and of each closed set."""
    found: dict[str, set[Any]] = {name: set(law().facts[name].values) for name in TERMS}
    for one in (one for rule in (*law().rules, *law().releases) for one in rule.when if one.field in found):
        if one.operator in ("eq", "ne", "at_least", "above", "at_most", "below"):
            found[one.field].add(one.value)
        elif one.operator in ("in", "not_in", "matches"):
            found[one.field] |= set(one.value.table.values() if one.operator == "matches" else one.value)
    return {name: sorted(values) for name, values in found.items()}


HARVESTED = _harvested()
days = st.one_of(st.sampled_from(EDGES), st.dates(date(2018, 1, 1), date(2033, 12, 31)))


def values_of(name: str) -> st.SearchStrategy[Any]:
    shape = law().facts[name].shape
    known = st.sampled_from(HARVESTED[name]) if HARVESTED[name] else st.nothing()
    if shape == "word":
        return known if law().facts[name].values else st.one_of(known, st.just("stated"))
    if shape == "number":
        return st.one_of(known, st.sampled_from([0.0, 1e-9, 0.5, 1.0, 3.0, 9.0, 10.0, 11.0, 100.0, 9_999.0, 10_000.0]))
    if shape == "words":
        return st.frozensets(st.sampled_from(["cpu", "loss", "ip", "email", "CN", "RU", "US"]), max_size=2)
    return days if shape == "day" else st.just("stated")


@cache
def terms_of(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """A few terms that a document of this kind may state."""
    fit = [name for name in TERMS if not law().facts[name].of_artifact or law().mechanisms[kind].about == "artifact"]
    pairs = st.sampled_from(fit).flatmap(lambda name: st.tuples(st.just(name), values_of(name)))
    return st.lists(pairs, max_size=4).map(dict)


sides = st.one_of(st.just(_EVERYBODY), st.frozensets(st.sampled_from(CODES), min_size=1, max_size=3))
covers = st.one_of(st.just(_EVERYBODY), st.frozensets(st.sampled_from(WORDS), min_size=1, max_size=4))
labels = st.builds(
    Label,
    st.frozensets(st.sampled_from(CODES), min_size=1, max_size=3),
    st.frozensets(st.sampled_from(WORDS), max_size=3),
    st.frozensets(st.sampled_from(BOUNDS), max_size=1),
)
kinds = st.sampled_from(list(Kind))
places = st.sampled_from(CODES)
parties = st.builds(
    Party,
    st.sampled_from(["a", "b"]),
    places,
    st.sampled_from(["Example", "Example Stranger", ""]),
    st.frozensets(st.sampled_from(["CN", "RU", "US", "DE", "JP"]), max_size=1),
)


@st.composite
def stray_documents(draw: st.DrawFn) -> Document:
    """Any document at all."""
    kind = draw(st.sampled_from(KINDS_OF_DOCUMENT))
    return document(
        kind,
        "s",
        exporter=draw(sides),
        importer=draw(sides),
        categories=draw(covers),
        signed=draw(days),
        expires=draw(st.one_of(st.none(), days)),
        effective=draw(st.one_of(st.none(), st.none(), days)),
        purposes=draw(st.sampled_from([frozenset(), frozenset(), frozenset({"training"}), frozenset({"marketing"})])),
        entities=draw(st.sampled_from([frozenset(), everybody_by_name(), frozenset({"Example"})])),
        exporters=draw(st.sampled_from([frozenset(), frozenset(), frozenset({"Example"})])),
        terms=draw(terms_of(kind)),
    )


@dataclass(frozen=True)
class Asking:
    """A crossing and the documents at hand."""

    crossing: Crossing
    documents: tuple[Document, ...]

    def answer(self, bundle: Bundle | None = None) -> Decision:
        return decide(self.crossing, bundle or law(), register(*self.documents), self.crossing.on)

    def strictness(self, bundle: Bundle | None = None) -> int:
        return STRICTNESS[self.answer(bundle).verdict]

    def speaks_against(self, paper: Document, bundle: Bundle | None = None, *, release: bool = False) -> bool:
        """Whether a paper states what rules weigh against this crossing, or release; only a newer one can lift that."""
        law_asked, known = bundle or law(), law().mechanisms[paper.kind]
        crossing = as_release(self.crossing) if release else self.crossing
        if known.supports is None or known.about == "artifact":
            return False
        shown = known.supports.partition("=")[0]
        stated = {**paper.terms, **({shown: "present", f"{shown}_date": paper.signed} if shown else {})}
        origins = asked_origins(crossing, law_asked, crossing.on)
        routes = [route_of(origin, crossing, law_asked, crossing.on, release=release) for origin in origins]
        return any(route.weigh(name, value) > FOR for route in routes for name, value in stated.items())

    def labelled(self, new: Label) -> Asking:
        return replace(self, crossing=replace(self.crossing, artifact=replace(self.crossing.artifact, label=new)))


SUPPORTING = sorted(
    name for name, one in law().mechanisms.items() if one.supports is not None and one.about == "crossing"
)
PROFILES = ("recipient", "exporter", "storage")
OPENING = sorted((rule for rule in law().rules if rule.opens), key=lambda rule: rule.id)


@st.composite
def askings(draw: st.DrawFn) -> Asking:
    """A crossing near some rule that opens, with that rule's papers, some of them spoilt, and stray ones beside."""
    rule = draw(st.sampled_from(OPENING))
    regime = draw(st.sampled_from(regimes_of(rule)))
    begin, end = rule.valid_from or date(2018, 1, 1), rule.valid_until or date(2033, 12, 31)
    near = st.dates(max(begin, date(2018, 1, 1)), min(end, date(2033, 12, 31)))
    on = draw(st.one_of(near, st.just(min(max(DAY, begin), end)), days))
    ground = draw(st.sampled_from(sorted(rule.mechanisms() or {""})))
    papers = papers_for(rule, ground, on)
    documents = [draw(_spoilt(one)) for one in draw(_parted(papers.documents))]
    strays = draw(st.lists(st.one_of(stray_documents(), _rivals(papers.documents)), max_size=3))
    documents += [replace(one, id=f"stray-{number}") for number, one in enumerate(strays)]
    demo = draw(st.sampled_from([(), (), demo_register().documents]))
    evidence = [*papers.evidence, *(one.id for one in documents if draw(_rarely(one, law().mechanisms)))]
    wanted = {one.field: one for one in rule.when}
    kind = draw(kinds)
    if "kind" in wanted and draw(st.integers(0, 4)):
        fit = wanted["kind"].value
        kind = Kind(draw(st.sampled_from(sorted({fit} if isinstance(fit, str) else fit))))
    named = frozenset({draw(st.sampled_from(regime_codes(regime)))})
    some = wanted.get("categories")
    usual = sorted(some.value) if some and some.operator == "within" and some.value else ["personal"]
    words = draw(
        st.one_of(st.frozensets(st.sampled_from(usual), max_size=2), st.frozensets(st.sampled_from(WORDS), max_size=2))
    )
    chance = draw(st.integers(0, 9))
    one_label = PUBLIC if chance == 9 else draw(labels) if chance > 5 else Label(named, words)
    flow = wanted["flow"].value if "flow" in wanted and draw(st.booleans()) else draw(st.sampled_from(FLOWS))
    number = draw(st.sampled_from(COUNTS))
    thing = Artifact(kind, one_label, draw(st.sampled_from(CONTENTS)), number, evidence=tuple(dict.fromkeys(evidence)))
    crossing = Crossing(
        thing,
        draw(st.one_of(st.just(party(min(named))), parties)),
        draw(parties),
        draw(st.sampled_from(PURPOSES)),
        on,
        flow,
        draw(st.sampled_from((0, *COUNTS))),
        draw(st.sampled_from((0, *COUNTS))),
    )
    return Asking(crossing, (*documents, *demo))


def _rarely(one: Document, known: Mapping[str, Mechanism]) -> st.SearchStrategy[bool]:
    """Whether an artifact names a document: every second one about an artifact, one in ten of the others."""
    return st.integers(0, 1 if known[one.kind].about == "artifact" else 9).map(lambda number: number == 0)


@st.composite
def _parted(draw: st.DrawFn, papers: tuple[Document, ...]) -> tuple[Document, ...]:
    """The same papers, with some of what they state moved to a profile, which may state it as well."""
    if draw(st.booleans()) or not papers:
        return papers
    whole = papers[-1]
    fit = sorted(name for name in whole.terms if not law().facts[name].of_artifact)
    moved = draw(st.frozensets(st.sampled_from(fit))) if fit else frozenset()
    rest = replace(whole, terms={name: value for name, value in whole.terms.items() if name not in moved})
    profile = document(
        draw(st.sampled_from(PROFILES)),
        "profile",
        signed=whole.signed,
        terms={name: whole.terms[name] for name in moved},
    )
    return (*papers[:-1], rest, *([profile] if moved else []))


@st.composite
def _rivals(draw: st.DrawFn, papers: tuple[Document, ...]) -> Document:
    """A paper beside these that covers everything and states a fact or two of theirs, often otherwise."""
    kind = draw(st.sampled_from([*PROFILES, *(one.kind for one in papers), *SUPPORTING]))
    about_artifact = law().mechanisms[kind].about == "artifact"
    fit = sorted({name for one in papers for name in one.terms if about_artifact or not law().facts[name].of_artifact})
    names = draw(st.frozensets(st.sampled_from(fit), max_size=2)) if fit else frozenset()
    stated = {name: draw(values_of(name)) for name in sorted(names)}
    return document(kind, "rival", signed=date(2018, 1, 1), terms=stated)


@st.composite
def _spoilt(draw: st.DrawFn, one: Document) -> Document:
    """The document as it is in most draws, else with other terms, dates or parties."""
    if draw(st.integers(0, 2)):
        return one
    return replace(
        one,
        terms={**one.terms, **draw(terms_of(one.kind))},
        expires=draw(st.one_of(st.just(one.expires), days)),
        categories=draw(covers),
        importer=draw(sides),
    )


@dataclass(frozen=True)
class Carried:
    """A crossing with the papers of a rule that may carry it, and more papers about the same way."""

    asking: Asking
    more: tuple[Document, ...]


@st.composite
def carried(draw: st.DrawFn) -> Carried:
    """A crossing made to meet a rule under its papers; and papers that speak for or against the same way."""
    rule = draw(st.sampled_from(OPENING))
    regime = draw(st.sampled_from(regimes_of(rule)))
    ground = draw(st.sampled_from(sorted(rule.mechanisms() or {""})))
    on = max(min(DAY, rule.valid_until or DAY), rule.valid_from or date(2018, 1, 1))
    papers = papers_for(rule, ground, on)
    documents = draw(_parted(papers.documents))
    wanted = {one.field: one for one in rule.when}
    fit = wanted["kind"].value if "kind" in wanted else "update"
    words = wanted["categories"].value if "categories" in wanted and wanted["categories"].operator == "within" else ()
    origin = draw(st.sampled_from(regime_codes(regime)))
    thing = Artifact(
        Kind(fit if isinstance(fit, str) else min(fit)),
        Label(
            frozenset({origin}), frozenset({min(words)} if words else {draw(st.sampled_from(["personal", "health"]))})
        ),
        b"",
        draw(st.sampled_from([60, 500, 20_000])),
        evidence=papers.evidence,
    )
    target = draw(st.sampled_from(["US", "VU", "CN", "GB", "KR", "FR", "IL"]))
    flow = wanted["flow"].value if "flow" in wanted else "transfer"
    asking = Asking(Crossing(thing, party(origin), party(target), "training", on, flow), documents)
    more = draw(st.lists(st.one_of(_against(regime), _for(regime), _rivals(papers.documents)), min_size=1, max_size=3))
    return Carried(asking, tuple(replace(one, id=f"more-{place}") for place, one in enumerate(more)))


@st.composite
def _against(draw: st.DrawFn, regime: str) -> Document:
    """A profile that states what some prohibition or brake of this regime looks for."""
    rule = draw(st.sampled_from([one for one in CLOSING if one.speaks_of(regime)]))
    stated = {name: value for one in papers_for(rule, "", DAY).documents for name, value in one.terms.items()}
    fit = {name: value for name, value in stated.items() if not law().facts[name].of_artifact}
    return document(draw(st.sampled_from([*PROFILES, *SUPPORTING])), "against", signed=date(2018, 1, 1), terms=fit)


@st.composite
def _for(draw: st.DrawFn, regime: str) -> Document:
    """A profile that denies what some prohibition or brake of this regime reads into silence."""
    rule = draw(st.sampled_from([one for one in DENYING_RULES if one.speaks_of(regime)]))
    stated = {}
    for one in rule.when:
        if one.claimed and one.operator in DENYING and not law().facts[one.field].of_artifact:
            wanted = one.value if one.operator == "ne" else min(one.value) if one.value else None
            stated[one.field] = wanted or draw(values_of(one.field))
    return document(draw(st.sampled_from(PROFILES)), "for", signed=date(2018, 1, 1), terms=stated)


DENYING_RULES = sorted(
    (rule for rule in law().rules if not rule.opens and any(c.claimed and c.operator in DENYING for c in rule.when)),
    key=lambda rule: rule.id,
)
CLOSING = sorted(
    (rule for rule in law().rules if not rule.opens and any(one.needs_a_statement for one in rule.when)),
    key=lambda rule: rule.id,
)


def _may_close(one: Condition) -> bool:
    if one.field in ("categories", "restrictions"):
        return one.operator in ("overlaps", "exceeds", "beyond")
    return one.field != "public" or one.value is False


def _closing_conditions() -> list[Condition]:
    """Every condition of the law that may close, and some that look at what a paper states from the other side."""
    found = {one.notation: one for rule in law().rules for one in rule.when if _may_close(one)}
    for name in TERMS:
        shape = law().facts[name].shape
        own = [Condition(name, shape, bare, None, True, f"{name} {bare}") for bare in ("present", "missing")]
        if shape == "day":
            own.append(Condition("day", "day", "later_than", Term(name, Duration(5, "D")), False, f"day after {name}"))
        if shape == "word":
            own.append(Condition("destination", "word", "differs_from", name, False, f"destination not {name}"))
        if shape == "words":
            own.append(Condition("purpose", "word", "outside", name, False, f"purpose outside {name}"))
        found |= {one.notation: one for one in own}
    return [found[said] for said in sorted(found)]


CLOSING_CONDITIONS = _closing_conditions()


@st.composite
def closers(draw: st.DrawFn) -> Rule:
    """A prohibition or a brake made of any conditions that may stand in one."""
    when = tuple(draw(st.lists(st.sampled_from(CLOSING_CONDITIONS), min_size=1, max_size=3)))
    effect = draw(st.sampled_from(["forbid", "review"]))
    return Rule("own.rule", effect, when, "A reason.", "A text.", remedy="Do not.")


# ------------------------------------------------------------------ texts that a reader must survive

BOMB = "[&a0 [x, x, x, x, x, x, x, x, x], " + ", ".join(
    f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)
) + "]"  # fmt: skip
"""Eleven times nine aliases: a few hundred bytes that would be written out as many gigabytes."""

BROKEN: Mapping[str, str | bytes] = {
    "nothing": "",
    "a word": "rules",
    "a list": "[]",
    "a bomb": BOMB,
    "itself": "&a [*a]",
    "itself as a key's value": "&a {rules: *a, documents: *a}",
    "deep lists": "[" * 100_000,
    "deep lists that end": "rules: " + "[" * 3_000 + "]" * 3_000,
    "deep mappings": "{a: " * 50_000,
    "deep keys": "? " * 50_000,
    "deep indents": "\n".join(" " * n + "a:" for n in range(2_000)),
    "a NUL": b"rules: \0",
    "no UTF-8": b"rules: \xff\xfe",
    "half UTF-16": b"\xff\xfe\0",
    "a lone surrogate": b"rules: \xed\xa0\x80",
    "two texts": "rules: []\n---\nrules: []",
    "an object": "rules: !!python/object/apply:os.getcwd []",
    "a huge number": f"rules: 0x{'F' * 5000}",
    "a huge decimal": f"rules: {'9' * 5000}",
    "no day": "rules: 2026-99-99",
    "a tab": "rules:\n\t- id: x",
    "an anchor nowhere": "rules: *nowhere",
}


@contextmanager
def broken_yaml(text: str | bytes) -> Iterator[bytes]:
    """The text as bytes, to be refused within ten seconds; else the test fails."""

    def late(*_: object) -> None:
        raise AssertionError("the reader took longer than ten seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    try:
        yield text if isinstance(text, bytes) else text.encode()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def yaml_texts(words: Iterable[str]) -> st.SearchStrategy[bytes]:
    """Bytes of any kind, and texts of these words with YAML's own signs between them."""
    days = ["2026-01-01", "9999-12-31", "0001-01-01"]
    own = [*"[]{}',#%|~\0", ": ", "- ", ", ", "\n", "\n  ", "&a ", "*a", "<<: ", "? ", "!!", f"0x{'F' * 99}"]
    signs = st.sampled_from([*words, *own, *days])
    made = st.lists(signs, max_size=25).map("".join)
    text = st.one_of(
        made,
        st.text(max_size=60),
        made.map(lambda one: f"rules:\n- {one}"),
        made.map(lambda one: f"documents:\n- {one}"),
    )
    return st.one_of(st.binary(max_size=60), text.map(lambda one: one.encode()))
