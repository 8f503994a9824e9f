"""`border explain`: the whole evaluation of one crossing as a tree. Nothing is written, nothing crosses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from fedsov.errors import ConfigurationError, printable, unknown

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from fedsov.artifact import Crossing
    from fedsov.border.explain import Explanation, RuleTrace
    from fedsov.border.law.bundle import Bundle

Rules = Annotated[
    Path | None, typer.Option("--rules", metavar="FILE", help="Additional rules, in the shape of border.rules.")
]
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
    owners: Annotated[
        Sequence[str] | None,
        typer.Option("--owners", metavar="CODES", help="Countries that own half of the recipient.", parser=comma_list),
    ] = None
    purpose: Annotated[str, typer.Option("--purpose", metavar="WORD", help="What it is for.")] = "training"
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
    reads="nothing",
)
def explain(arguments: ExplainArguments) -> None:
    """Prints the whole evaluation of one crossing as a tree.

    Every origin, every ground that could be claimed, every rule that was asked and each of its conditions. Nothing is
    written, nothing crosses.
    """
    from fedsov.border import explain as evaluation
    from fedsov.border.evidence.register_file import load_register
    from fedsov.border.law.bundle_loader import load_bundle

    bundle = load_bundle(arguments.rules, trial=True)
    crossing = _crossing(arguments, bundle)
    _note_unknown(arguments, bundle)
    explanation = evaluation.explain(crossing, bundle, load_register(arguments.evidence), crossing.on)
    if arguments.json:
        print_json(explanation.to_json())
        return
    if arguments.evidence is None and explanation.decision.missing:
        note("no register was given (--evidence FILE), so no document is at hand")
    console().print(_tree(explanation, every=arguments.every))


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
    source = Party("exporter", arguments.exporter, "")
    target = Party("importer", arguments.importer, arguments.entity or "", frozenset(arguments.owners or ()))
    return Crossing(artifact, source, target, arguments.purpose, arguments.on or today(), arguments.flow)


def _note_unknown(arguments: ExplainArguments, bundle: Bundle) -> None:
    """Says which places and categories no rule knows: the answer is a refusal for that reason alone."""
    from fedsov.border.law.bundle_loader import load_categories

    places = {
        "--from": (arguments.exporter,),
        "--to": (arguments.importer,),
        "--origins": arguments.origins or (),
        "--owners": arguments.owners or (),
    }
    for option, code in ((option, code) for option, codes in places.items() for code in codes):
        if not bundle.is_place(code):
            guess = near_place(code)
            note(f"{option} {code!r} is no code of a place{f'; did you mean {guess}?' if guess else ''}")
    for category in sorted(set(arguments.categories or ()) - load_categories()):
        note(unknown("category", category, sorted(load_categories())))


def _tree(explanation: Explanation, *, every: bool) -> Tree:
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
            ground = trace.claim.mechanism or "no ground claimed"
            leaf = branch.add(_text(f"{ground}{documents}: {trace.weighed.verdict}"))
            for asked in trace.rules:
                if every or asked.holds or (asked.near and asked.rule.opens):
                    _add_rule(leaf, asked)
    root.add(_text(f"bundle {decision.bundle_digest[:16]}"))
    return root


def _add_rule(leaf: Tree, asked: RuleTrace) -> None:
    rule = asked.rule
    applies = "applies" if asked.holds else "does not apply"
    node = leaf.add(_text(f"{applies}: {rule.id} ({rule.effect}) [{rule.cite}]"))
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
