"""`border explain`: the whole evaluation of one crossing as a tree. Nothing is written, nothing crosses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from click import get_current_context

from fedsov.cli.arguments import (
    Arguments,
    comma_list,
    console,
    count,
    day,
    near_place,
    note,
    print_json,
    today,
)
from fedsov.cli.declaration import command, command_app
from fedsov.errors import ConfigurationError, counted, printable, unknown

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from fedsov.artifact import Crossing
    from fedsov.border.evidence.register import Register
    from fedsov.border.explain import Explanation, RuleTrace
    from fedsov.border.law.bundle import Bundle

Rules = Annotated[
    Path | None, typer.Option("--rules", metavar="FILE", help="Additional rules, in the shape of border.rules.")
]
RUN_PURPOSE = "training"
BY_WORD = ("eq", "ne", "in", "not_in")
"""Operators of conditions that name words."""
"""What every run crosses borders for."""
app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainArguments(Arguments):
    """A crossing, described."""

    exporter: Annotated[str, typer.Option("--from", metavar="CODE", help="The exporter's place, an ISO code.")]
    importer: Annotated[str, typer.Option("--to", metavar="CODE", help="The recipient's place.")]
    kind: Annotated[
        str,
        typer.Option("--kind", metavar="KIND", help="records, update, model, synthetic, metrics, report or error."),
    ]
    categories: Annotated[
        Sequence[str] | None,
        typer.Option("--categories", metavar="A,B", help="Categories of data, as health,financial.", parser=comma_list),
    ] = None
    origins: Annotated[
        Sequence[str] | None,
        typer.Option("--origins", metavar="CODES", help="Origins of the label (default: --from).", parser=comma_list),
    ] = None
    people: Annotated[
        int, typer.Option("--count", metavar="N", help="How many people it was made from.", parser=count)
    ] = 1000
    entity: Annotated[str | None, typer.Option("--entity", metavar="NAME", help="The recipient's legal entity.")] = None
    sender: Annotated[str | None, typer.Option("--exporter", metavar="NAME", help="The exporter's legal entity.")] = (
        None
    )
    owners: Annotated[
        Sequence[str] | None,
        typer.Option("--owners", metavar="CODES", help="Countries that own half of the recipient.", parser=comma_list),
    ] = None
    purpose: Annotated[str, typer.Option("--purpose", metavar="WORD", help="What it is for.")] = RUN_PURPOSE
    flow: Annotated[str, typer.Option("--flow", metavar="WORD", help="How it moves.")] = "transfer"
    on: Annotated[
        date | None, typer.Option("--on", metavar="DATE", help="The day of the crossing (default: today).", parser=day)
    ] = None
    evidence: Annotated[
        Path | None, typer.Option("--evidence", metavar="FILE", help="The register of documents (default: none).")
    ] = None
    rules: Rules = None
    documents: Annotated[
        Sequence[str] | None,
        typer.Option("--documents", metavar="IDS", help="What the artifact names as evidence.", parser=comma_list),
    ] = None
    every: Annotated[bool, typer.Option("--all", help="Also rules that do not apply and would open nothing here.")] = (
        False
    )


@command(
    app,
    examples=(
        "fedsov border explain --from DE --to US --kind update --categories health",
        "fedsov border explain --from GB --to IN --kind model --categories personal --evidence documents.yaml --json",
    ),
)
def explain(arguments: ExplainArguments) -> None:
    """Prints the whole evaluation of one crossing as a tree.

    Every origin, every ground that could be claimed, every rule that was asked and each of its conditions; what was
    assumed, and how old the law is. Nothing is written, nothing crosses.
    """
    from fedsov.border import explain as evaluation
    from fedsov.border.evidence.register_file import load_register
    from fedsov.border.law.in_force import law_in_force

    bundle = law_in_force(arguments.law, arguments.rules, trial=True)
    register = load_register(arguments.evidence)
    _check_words(arguments, bundle)
    crossing, assumed = _crossing(arguments, bundle), list(_assumed(arguments))
    _note_purpose(arguments.purpose, bundle, register)
    explanation = evaluation.explain(crossing, bundle, register, crossing.on)
    age = (crossing.on - bundle.dated).days
    if arguments.json:
        law = {"digest": bundle.digest, "dated": bundle.dated, "age_days": age}
        print_json({**explanation.to_json(), "assumed": assumed, "bundle": law})
        return
    if arguments.evidence is None and explanation.decision.missing:
        note("no register was given (--evidence FILE), so no document is at hand")
    tree = _tree(explanation, bundle, every=arguments.every)
    branch = tree.add(_text("assumed, since it was not said"))
    for assumption in assumed:
        branch.add(_text(assumption))
    tree.add(_text(f"bundle {bundle.digest[:16]} of {bundle.dated}: {_age(age)} on the day of the crossing"))
    console().print(tree)


def _age(days: int) -> str:
    return f"{counted(days, 'day')} old" if days >= 0 else f"made {counted(-days, 'day')} after it, not"


def _crossing(arguments: ExplainArguments, bundle: Bundle) -> Crossing:
    """The crossing that the options describe. Raises ConfigurationError for a kind or flow that is none."""
    from fedsov.artifact import Artifact, Crossing, Kind, Party
    from fedsov.label import Label

    flows = bundle.facts["flow"].values
    for option, word, choices in (("--kind", arguments.kind, [*Kind]), ("--flow", arguments.flow, sorted(flows))):
        if word not in choices:
            raise ConfigurationError(unknown(option, word, choices))
    label = Label(
        frozenset(arguments.origins or (arguments.exporter,)),
        frozenset(arguments.categories or ()),
    )
    evidence = tuple(sorted(set(arguments.documents or ())))
    artifact = Artifact(Kind(arguments.kind), label, count=arguments.people, evidence=evidence)
    source = Party("exporter", arguments.exporter, arguments.sender or "")
    target = Party("importer", arguments.importer, arguments.entity or "", frozenset(arguments.owners or ()))
    return Crossing(artifact, source, target, arguments.purpose, arguments.on or today(), arguments.flow)


def _check_words(arguments: ExplainArguments, bundle: Bundle) -> None:
    """Raises ConfigurationError for a place or a category that is none, naming the one that it may mean."""
    from fedsov.border.law.bundle_loader import load_categories, unknown_category

    places = {
        "--from": (arguments.exporter,),
        "--to": (arguments.importer,),
        "--origins": arguments.origins or (),
        "--owners": arguments.owners or (),
    }
    for option, code in ((option, code) for option, codes in places.items() for code in codes):
        if not bundle.is_place(code):
            guess = near_place(code)
            meant = f"did you mean {guess}?" if guess else "write an ISO 3166 code, as DE or US-CA"
            raise ConfigurationError(f"{option} {code!r} is no code of a place; {meant}")
    for category in sorted(set(arguments.categories or ()) - load_categories()):
        raise ConfigurationError(unknown_category(category))


def _note_purpose(purpose: str, bundle: Bundle, register: Register) -> None:
    """Remarks that no rule and no document looks at a purpose; those of fedsov's own crossings need no remark."""
    from fedsov.artifact import BASE_MODEL, INGESTION
    from fedsov.border.law.vocabulary import ANY

    conditions = [each for rule in bundle.rules for each in rule.when if each.field == "purpose"]
    weighed = {word for each in conditions if each.operator in BY_WORD for word in _words(each.value)}
    weighed |= {word for document in register.documents for word in document.purposes}
    known = {RUN_PURPOSE, BASE_MODEL, INGESTION} | weighed - {"", ANY}
    if purpose not in known:
        note(f"no rule looks at this purpose: {unknown('purpose', purpose, sorted(known))}")


def _words(value: str | frozenset[str]) -> frozenset[str]:
    return frozenset({value}) if isinstance(value, str) else value


def _assumed(arguments: ExplainArguments) -> Iterator[str]:
    """What the options left open, in sentences, each with the option that says it."""
    given = get_current_context().params
    if arguments.origins is None:
        yield f"The people are of {arguments.exporter} (--origins)."
    if arguments.categories is None:
        yield "The categories of data are not known (--categories)."
    if given.get("people") is None:
        yield f"It was made from {arguments.people:,} people; how many is not known (--count)."
    if given.get("flow") is None:
        yield "The exporter collected the data; those of another law than its own it passes on (--flow)."
    if not arguments.entity:
        yield "The recipient is not named; a document counts as if it named it (--entity)."
    if not arguments.sender:
        yield "The exporter is not named; a document counts whichever exporter it names (--exporter)."
    if arguments.owners is None:
        yield f"The recipient belongs to persons in {arguments.importer} (--owners)."
    if given.get("purpose") is None:
        yield f"It is for {arguments.purpose} (--purpose)."
    if arguments.on is None:
        yield f"It crosses today, {today()} (--on)."
    yield "Both parties are controllers; a document that states their role is believed."


def _tree(explanation: Explanation, bundle: Bundle, *, every: bool) -> Tree:
    from rich.tree import Tree

    crossing, decision = explanation.crossing, explanation.decision
    artifact = f"{crossing.artifact.kind} of {crossing.artifact.label}, {crossing.artifact.count:,} people"
    route = f"{crossing.source.location} -> {crossing.target.location} on {crossing.on}"
    root = Tree(_text(f"{decision.verdict.upper()}: {artifact}, {route}"))
    for line in (decision.reason, decision.remedy):
        if line:
            root.add(_text(line))
    for origin in explanation.origins:
        branch = root.add(_text(f"origin {origin.origin or 'unnamed'} ({origin.regime}): {origin.verdict}"))
        for trace in origin.claims:
            documents = f" by {', '.join(trace.claim.documents)}" if trace.claim.documents else ""
            ground = trace.claim.mechanism
            named = f"{bundle.mechanisms[ground].name} ({ground})" if ground else "no ground claimed"
            leaf = branch.add(_text(f"{named}{documents}: {trace.weighed.verdict}"))
            for asked in trace.rules:
                if every or asked.holds or (asked.near and asked.rule.opens):
                    _add_rule(leaf, asked)
    return root


def _add_rule(leaf: Tree, asked: RuleTrace) -> None:
    rule = asked.rule
    applies = "applies" if asked.holds else "does not apply"
    node = leaf.add(_text(f"{applies}: {rule.id} ({rule.effect}, {rule.confidence} confidence) [{rule.cite}]"))
    for line in _conditions(asked):
        node.add(_text(line))


def _conditions(asked: RuleTrace) -> Iterator[str]:
    """Each condition of a rule that applies; of one that does not, what is lacking."""
    from fedsov.border.law.rules import shown

    for condition, value, met in asked.conditions:
        demand = condition.words.replace(" eq ", " = ")
        actual = "not stated" if value is None else f"it is {shown(value)}"
        if asked.holds:
            yield f"has {demand} ({actual})"
        elif not met:
            yield f"needs {demand}; {actual}"


def _text(line: str) -> Text:
    from rich.text import Text

    return Text(printable(line))
