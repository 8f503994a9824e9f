"""`evidence missing`, and what a document that is entered lacks: which rule asks for what, in plain words."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsov.cli.arguments import Arguments, Quiet, print_json, print_line, progress, run_settings
from fedsov.cli.declaration import command, command_app
from fedsov.errors import counted

if TYPE_CHECKING:
    from fedsov.api.border.missing_evidence import MissingEvidence
    from fedsov.border.evidence.register import Document

OWNER = "NAME OF WHO ANSWERS FOR IT"
WHO = {"exporters": 'no exporter (--exporters "A; B")', "entities": 'no recipient (--entities "A; B")'}
REGISTER = "documents.yaml"
"""The register that the lines name where a run has none."""
app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingArguments(Arguments):
    """The settings of a run, and the strategy that is asked for."""

    strategy: Annotated[
        str | None,
        typer.Option("--for", metavar="STRATEGY", help="For this strategy alone: federated, transfer_learning, ..."),
    ] = None
    quiet: Quiet = False


@command(
    app,
    examples=(
        "fedsov evidence missing",
        "fedsov evidence missing --for federated",
        "fedsov evidence missing border=own border.evidence=documents.yaml --json",
    ),
    reads="run settings",
)
def missing(arguments: MissingArguments) -> None:
    """Prints each document that would open a better plan, as a line that enters it.

    Each is tried before it is told: with all of them the plan is made again, and what it then says is printed below.
    Get the document first; a line names a day, a last day and a person that are yours to replace. Takes the same
    settings as `train`; ingests first if need be. Trains nothing, asks no region and adds no entry: answers from the
    profiles recorded at ingestion (where none are, the regions are asked, and their ledgers tell it).
    """
    from fedsov.api.border.missing_evidence import missing_settings, own_register, rule_of

    settings = run_settings(arguments.overrides)
    rule_of(settings.strategy, arguments.strategy)  # a strategy that nobody knows is refused before regions start
    answer = missing_settings(settings, progress=progress(arguments.quiet), strategy=arguments.strategy)
    register = own_register(settings, answer.registers.values()) or Path(REGISTER)
    lines = [entry_line(document, register) for document in answer.documents]
    if arguments.json:
        documents = [document.to_json() for document in answer.documents]
        plans = {"before": dict(answer.before), "after": dict(answer.after), "closed": list(answer.closed)}
        elsewhere = {name: path and str(path) for name, path in _elsewhere(answer, register).items()}
        print_json({"documents": documents, "lines": lines, **plans, "registers": elsewhere})
        return
    first = job_lines(register, settings.border.evidence) if lines else []
    told = answer_lines(answer, lines, arguments.strategy)
    for line in (*first, *told, *(region_lines(answer, register) if lines else ())):
        print_line(line)


def answer_lines(answer: MissingEvidence, lines: Sequence[str], strategy: str | None) -> list[str]:
    """The answer for people: the lines that enter the documents, what then changes, and what nothing opens."""
    aim = f"for {strategy}" if strategy else "for a better plan"
    if not lines:
        sentences = [f"No document is missing {aim}."]
    else:
        sentences = [f"Missing {aim}: {counted(len(lines), 'document')}. Get each, then enter it with its own dates:"]
        sentences += [f"  {line}" for line in lines]
    if answer.changed:
        sentences += [
            "With them:",
            *(
                f"  {region}: {_words(after)} (now {_words(answer.before[region])})"
                for region, after in answer.changed.items()
            ),
        ]
    elif lines:
        sentences += ["With them no region's strategy changes by itself; a person must also look at what waits:"]
    return [*sentences, *(["No document opens:"] if answer.closed else []), *(f"  {each}" for each in answer.closed)]


def job_lines(register: Path, of_job: Path | None) -> list[str]:
    """What has the job read the register that the documents are entered in, where it names none, or another one."""
    if of_job is not None and of_job.resolve() == register.resolve():
        return []
    names = "no register" if of_job is None else f"another register ({of_job})"
    return [f"The job names {names}; first let it read yours: border=own border.evidence={shlex.quote(str(register))}"]


def region_lines(answer: MissingEvidence, register: Path) -> list[str]:
    """What has each region read the register that the documents are entered in, where it does not.

    A region decides by the documents of its own settings alone.
    """
    sentences = []
    file = shlex.quote(str(register.absolute()))
    for name, own in _elsewhere(answer, register).items():
        reads = "no register" if own is None else f"another register ({own})"
        sentences.append(
            f"Region {name} reads {reads}: `fedsov region set {name} evidence={file}` has it read this one"
        )
    return sentences


def _elsewhere(answer: MissingEvidence, register: Path) -> dict[str, Path | None]:
    """The regions that read another register, or none."""
    return {
        name: own
        for name, own in answer.registers.items()
        if own is None or own.resolve() != register.absolute().resolve()
    }


def _words(strategy: str) -> str:
    return strategy.replace("_", " ")


def entry_line(document: Document, register: Path) -> str:
    """The command that enters a document, as it can be run."""
    from fedsov.api.report import program

    options: Mapping[str, str] = {
        "--evidence": str(register),
        "--id": document.id,
        "--kind": document.kind,
        "--exporter": ",".join(sorted(document.exporter)),
        "--importer": ",".join(sorted(document.importer)),
        "--categories": ",".join(sorted(document.categories)),
        "--signed": str(document.signed),
        "--expires": str(document.expires or ""),
        "--owner": document.owner or OWNER,
        "--exporters": "; ".join(sorted(document.exporters)),
        "--entities": "; ".join(sorted(document.entities)),
        "--terms": "; ".join(f"{name}={_shown(value)}" for name, value in document.terms.items()),
    }
    given = (f"{option} {shlex.quote(value)}" for option, value in options.items() if value)
    return f"{program('python')} -m fedsov evidence add {' '.join(given)}"


def _shown(value: Any) -> str:
    return ",".join(sorted(value)) if isinstance(value, frozenset) else str(value)


def lacks(document: Document, path: Path, on: date, *, law: Path) -> list[str]:
    """For each pair of places of a document that was entered, whether it carries, else which rule asks for what.

    First whom it does not name.

    Args:
        path: the register that it was entered in; law: where the workspace keeps an installed bundle.
    """
    from fedsov.border.evidence.register_file import load_register
    from fedsov.border.law.in_force import law_in_force
    from fedsov.border.proposals import carried, unnamed

    bundle = law_in_force(law)
    nobody = " and ".join(WHO[name] for name in unnamed(document, bundle))
    remarks = [f"names {nobody}: where a crossing names its parties, as each run does, a person must look"]
    lines: dict[str, list[str]] = {}
    for each in carried(document, load_register(path), bundle, on):
        decision, route = each.decision, f"{each.origin} -> {each.destination}"
        reason = decision.reason.removeprefix(f"{route}: ").rstrip(".")
        rules = f" (rule {', '.join(decision.rules)})" if decision.rules else ""
        if each.carries and decision.verdict == "permit":
            sentence = "carries"
        elif decision.verdict == "permit":
            sentence = f"is not needed: {', '.join(decision.basis) or 'nothing binds it'}{rules}"
        elif decision.verdict == "review":
            sentence = f"carries once a person approves: {reason}{rules}"
        else:
            sentence = f"does not carry yet: {reason}{rules}"
        lines.setdefault(sentence, []).append(route)
    told = [f"{', '.join(routes)}: {sentence}" for sentence, routes in lines.items()]
    return [*(remarks if nobody else ()), *told]
