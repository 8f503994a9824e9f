"""`evidence missing`: the documents that would open a better plan, each tried before it is told.

The plan is made, each crossing that stands in its way gets the documents that would open it
(`fedsov.border.proposals`), and the plan is made again with these, until nothing more can be proposed. Nothing is
recorded and nothing is entered: the documents do not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from fedsov.artifact import BASE_MODEL, TRAINING, Artifact, Crossing, Kind, Party
from fedsov.border.decisions import Decision, Permit, Refusal
from fedsov.border.evidence.register import Document, Register
from fedsov.border.evidence.register_file import load_register
from fedsov.border.law.bundle import Bundle
from fedsov.border.policy import decide
from fedsov.border.proposals import PROPOSED, proposed
from fedsov.errors import ConfigurationError, unknown
from fedsov.hub.planning.plan import make_plan
from fedsov.hub.planning.plan_values import ORDER, Plan, PlannedCrossing, Profile, StrategyRule
from fedsov.label import Label
from fedsov.region.settings_file import FILE

if TYPE_CHECKING:
    from fedsov.config.settings import Settings

MOST_TURNS = 8
"""How often a plan is made anew; each turn opens at least one crossing that the one before did not."""


@dataclass(frozen=True, slots=True)
class MissingEvidence:
    """The documents that are missing, what the regions would do with them, and what no document opens.

    Attributes:
        documents: each told once for the same kind and places, with all terms that some crossing asks of it; in the
            order in which they are asked for.
        before, after: by region, the strategy without them, and that which is asked for or better with them.
        closed: sentences about the crossings that no document opens: a person must look, or the law forbids them.
        registers: by region of this workspace, the register that its own settings name; None for none.
    """

    documents: tuple[Document, ...]
    before: Mapping[str, str]
    after: Mapping[str, str]
    closed: tuple[str, ...]
    registers: Mapping[str, Path | None] = field(default_factory=dict)

    @property
    def changed(self) -> dict[str, str]:
        """By region, the strategy that only the documents allow."""
        return {
            region: strategy for region, strategy in self.after.items() if _rank(strategy) < _rank(self.before[region])
        }


@dataclass(frozen=True, slots=True)
class BorderView:
    """What a planned crossing is decided by: parties by name, the bundle, the register, the day."""

    parties: Callable[[str], Party]
    bundle: Bundle
    register: Register
    day: date
    purpose: str = TRAINING

    def crossing(self, planned: PlannedCrossing) -> Crossing:
        """The crossing itself, for its own purpose."""
        view = replace(self, purpose=planned.purpose)
        return view._crossing(planned.kind, planned.label, planned.source, planned.target, planned.count)

    def judge(self, kind: Kind, label: Label, source: str, target: str, count: int) -> Decision:
        """The border's answer to a planned crossing; nothing is recorded."""
        return decide(self._crossing(kind, label, source, target, count), self.bundle, self.register, self.day)

    def plan(self, profiles: Sequence[Profile], rule: StrategyRule, *, hub: str) -> Plan:
        """The plan for these profiles."""
        return make_plan(profiles, rule, hub=hub, judge=self.judge, base_judge=replace(self, purpose=BASE_MODEL).judge)

    def _crossing(self, kind: Kind, label: Label, source: str, target: str, count: int) -> Crossing:
        artifact = Artifact(kind, label, count=count, name=f"planned {kind}")
        return Crossing(artifact, self.parties(source), self.parties(target), self.purpose, self.day)


def missing_settings(
    settings: Settings, *, progress: Callable[[str], None], strategy: str | None = None
) -> MissingEvidence:
    """What is missing for a run with these settings; `strategy`: for this one alone.

    Raises ConfigurationError for a strategy that nobody knows.
    """
    from fedsov.api.train import recorded_plan

    rule = rule_of(settings.strategy, strategy)
    with recorded_plan(settings, progress=progress) as (run, plan, profiles, _):
        registers = region_registers(settings, [profile.region for profile in profiles])
        register = load_register(own_register(settings, registers.values()))
        view = BorderView(run.party, run.gate.bundle, register, run.gate.today(), run.gate.purpose)
        answer = missing(profiles, rule, hub=run.gate.owner.name, view=view)
        return replace(answer, before=_strategies(plan), registers=registers)


def own_register(settings: Settings, regions: Iterable[Path | None] = ()) -> Path | None:
    """The register that documents for these rows are entered in: the job's, else the one that all regions read.

    None where neither names one; for other rows than examples the demonstration's is none, as its documents are made
    up.

    Args:
        regions: the registers that the regions' own settings name.
    """
    from fedsov.config.hydra_compose import demo_register

    made_up = None if settings.dataset.examples is not None else demo_register().resolve()
    named = settings.border.evidence
    if named is not None and named.resolve() != made_up:
        return named
    others = {path.resolve() for path in regions if path is not None} - {made_up}
    return others.pop() if len(others) == 1 else None


def region_registers(settings: Settings, names: Iterable[str]) -> dict[str, Path | None]:
    """By region whose settings lie in this workspace, the register that they name; None for none."""
    from fedsov.api.region_settings import show
    from fedsov.storage.workspace import Workspace

    folders = Workspace(settings.workspace)
    settled = [name for name in sorted(names) if (folders.region(name) / FILE).exists()]
    return {name: show(settings.workspace, name).settings.evidence for name in settled}


def rule_of(rule: StrategyRule, strategy: str | None) -> StrategyRule:
    """The rule with this strategy alone. Raises ConfigurationError for a strategy that nobody knows."""
    if strategy is None:
        return rule
    if strategy not in ORDER:
        raise ConfigurationError(unknown("strategy", strategy, ORDER))
    return replace(rule, order=(strategy,))


def missing(profiles: Sequence[Profile], rule: StrategyRule, *, hub: str, view: BorderView) -> MissingEvidence:
    """The documents that would open a better plan for these profiles; see the module."""
    documents: dict[str, Document] = {}
    plan = before = view.plan(profiles, rule, hub=hub)
    for _ in range(MOST_TURNS):
        turn_before = dict(documents)
        for document in [each for planned in _blocked(plan) for each in _proposed(planned, view, documents)]:
            document = _of_exporter(document, [view.parties(profile.region) for profile in profiles], view.bundle)
            _merge(documents, document, taken={each.id for each in view.register.documents})
        if documents == turn_before:
            break
        plan = replace(view, register=_with(view.register, documents)).plan(profiles, rule, hub=hub)
    closed = tuple(dict.fromkeys(f"{planned.why()}." for planned in _blocked(plan)))
    return MissingEvidence(tuple(documents.values()), _strategies(before), _strategies(plan), closed)


def _rank(strategy: str) -> int:
    """The most private first; what trains on own rows alone, or not at all, last."""
    return ORDER.index(strategy) if strategy in ORDER else len(ORDER)


def _blocked(plan: Plan) -> list[PlannedCrossing]:
    return [planned for region in plan.regions for planned in region.blocked]


def _strategies(plan: Plan) -> dict[str, str]:
    return {region.region: region.strategy for region in plan.regions}


def _proposed(planned: PlannedCrossing, view: BorderView, documents: Mapping[str, Document]) -> list[Document]:
    """Documents for a crossing beside those that were proposed before, else those that have to state more."""
    crossing, known = view.crossing(planned), _with(view.register, documents)
    proposal = proposed(crossing, view.bundle, known, view.day)
    if not isinstance(proposal.decision, Permit):  # it may be what was proposed before that lacks a term
        anew = proposed(crossing, view.bundle, view.register, view.day)
        proposal = anew if isinstance(anew.decision, Permit) else proposal
    return [] if isinstance(proposal.decision, Refusal) else list(proposal.documents)


def _of_exporter(document: Document, regions: Sequence[Party], bundle: Bundle) -> Document:
    """A document of an earlier exporter, whom a crossing does not name, with the regions of its place."""
    if document.exporters or not bundle.mechanisms[document.kind].names_exporter:
        return document
    here = frozenset(party.entity for party in regions if party.location in document.exporter and party.entity)
    return replace(document, exporters=here)


def _with(register: Register, documents: Mapping[str, Document]) -> Register:
    return replace(register, documents=(*register.documents, *documents.values()))


def _merge(documents: dict[str, Document], new: Document, *, taken: Collection[str]) -> None:
    """Widens a document of the same kind, places and days with which it agrees, or enters it under a free id."""
    for name, old in documents.items():
        if _is_same_paper(old, new):
            documents[name] = replace(
                old,
                categories=old.categories | new.categories,
                entities=old.entities | new.entities,
                exporters=old.exporters | new.exporters,
                terms={**old.terms, **new.terms},
            )
            return
    name = plain = new.id.removeprefix(PROPOSED)
    count = 1
    while name in documents or name in taken:
        count += 1
        name = f"{plain}-{count}"
    documents[name] = replace(new, id=name)


def _is_same_paper(old: Document, new: Document) -> bool:
    """True where they differ only in what one paper can say for both: categories, parties, terms that agree."""
    wide = {name: getattr(new, name) for name in ("id", "categories", "entities", "exporters", "terms")}
    return replace(old, **wide) == new and all(new.terms.get(name, value) == value for name, value in old.terms.items())
