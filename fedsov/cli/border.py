"""`border ...`: what the law answers, and why; with `border_explain` and `border_reviews`, the whole group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from click.exceptions import Exit

from fedsov.cli import border_bundle, border_explain, border_reviewers, border_reviews
from fedsov.cli.arguments import Arguments, Fresh, Quiet, print_json, print_line, progress, run_settings
from fedsov.cli.declaration import command, group_app
from fedsov.cli.evidence_missing import REGISTER, job_lines
from fedsov.errors import ConfigurationError, CrossingRefused, counted, unknown
from fedsov.serialization import to_plain

if TYPE_CHECKING:
    from fedsov.border.case_table import Checked
    from fedsov.config.settings import Settings
    from fedsov.hub.planning.plan_values import RegionPlan

VERDICTS = {"permit": "is permitted", "review": "needs review", "refuse": "is refused"}
app = group_app(
    "What the law answers, and why; what waits for a person, and the person's answer.",
    examples=(
        "fedsov border explain --from DE --to US --kind update --categories health",
        "fedsov border why IN",
        "fedsov border reviews",
    ),
)
app.add_typer(border_explain.app)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyArguments(Arguments):
    """The region that is asked about."""

    region: Annotated[str, typer.Argument(metavar="REGION", help="The region, by its name.")]
    quiet: Quiet = False
    fresh: Fresh = False


@command(app, examples=("fedsov border why IN", "fedsov border why US border=none --json"), reads="run settings")
def why(arguments: WhyArguments) -> None:
    """Explains the plan's choice for a region.

    Each strategy in order, and what the law said of each crossing. No region is asked, but with --fresh. Takes the same
    settings as `train`; ingests nothing, and is refused where nothing was ingested.
    """
    say = progress(arguments.quiet)
    say("starting: loading Flower and Hydra")
    from fedsov.runtimes import kind_in, warm_up

    with warm_up(kind_in(arguments.overrides), trains=False):
        from fedsov.api import train

        settings = run_settings(arguments.overrides)
        _check_region(arguments.region, settings)
        _check_ingested(settings)
        plan, _ = train.plan_settings(settings, progress=say, fresh=arguments.fresh)
    region = plan.region(arguments.region)
    if arguments.json:
        print_json(to_plain(region))
        return
    for line in (*_reasons(region), *_register(region, settings)):
        print_line(line)


def _register(region: RegionPlan, settings: Settings) -> list[str]:
    """Which register is to be read, where a document is missing and the job does not read the own one of these rows."""
    from fedsov.api.border.missing_evidence import own_register, region_registers

    if not any(crossing.decision.remedy for crossing in region.blocked):
        return []
    registers = region_registers(settings, [region.region]).values()
    return job_lines(own_register(settings, registers) or Path(REGISTER), settings.border.evidence)


def _check_region(name: str, settings: Settings) -> None:
    """Refuses a region that is none before any region is asked anything."""
    names = [region.name for region in settings.federation.regions or ()]
    if names and name not in names:
        raise ConfigurationError(unknown("region", name, names))


def _check_ingested(settings: Settings) -> None:
    """Refuses a workspace in which nothing was ingested: a question stores nobody's rows."""
    from fedsov.storage.party_file import check_regions_here
    from fedsov.storage.workspace import Workspace

    if settings.runtime.kind == "deployment":  # the regions are elsewhere, and tell what they hold
        return
    check_regions_here(settings.workspace)
    if not Workspace(settings.workspace).region_names():
        raise ConfigurationError(
            f"workspace {settings.workspace} has no region, and a question ingests nothing; name another one by "
            "--workspace DIR, or run `fedsov ingest` with the same settings first"
        )


def _ground_names() -> dict[str, str]:
    """What each ground is called; a rule that opens without a document by its reason."""
    from fedsov.border.law.bundle_loader import document_names, load_bundle

    reasons = {rule.id: rule.reason.rstrip(".") for rule in load_bundle().rules if "{" not in rule.reason}
    return {**reasons, **document_names()}


def _reasons(region: RegionPlan) -> Iterator[str]:
    from fedsov.border.decisions import grounds_in_words

    names = _ground_names()
    yield f"{region.region}: {region.strategy}"
    for reason in region.reasons:
        yield f"  {reason}"
    for title, crossings in (("stood in the way", region.blocked), ("relies on", region.crossings)):
        for crossing in crossings:
            decision = crossing.decision
            route = f"{crossing.source} -> {crossing.target}"
            yield f"{title}: {crossing.kind} of {crossing.label} {route} {VERDICTS[decision.verdict]}"
            details = {
                "why": decision.reason,
                "on": "; ".join(grounds_in_words(decision, names)),
                "rules": ", ".join(decision.rules),
                "law": "; ".join(decision.citations),
                "remedy": decision.remedy,
            }
            yield from (f"    {name}: {detail}" for name, detail in details.items() if detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasesArguments(Arguments):
    """A file of cases."""

    cases: Annotated[Path, typer.Argument(metavar="CASES.csv", help="A decision table, one case a line.")]
    rules: border_explain.Rules = None


@command(app, examples=("fedsov border check cases.csv", "fedsov border check cases.csv --json"))
def check(arguments: CasesArguments) -> None:
    """Answers the cases of a CSV file.

    The columns are those of a decision table: case_id, date, origin, destination, flow, payload, data_category,
    mechanism, facts. Where there is a column `expected` (permit, review or refuse; also allow, needs_review or deny),
    the answers are compared with it: one that is looser than expected ends with 4, a stricter one is told.
    """
    from fedsov.border.case_table import check_cases, check_expected, read_cases
    from fedsov.border.law.in_force import law_in_force

    path = arguments.cases
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the cases in {path}: {error.strerror}") from error
    cases = read_cases(text, str(path))
    check_expected(cases, str(path))
    answers = check_cases(cases, law_in_force(arguments.law, arguments.rules, trial=True))
    if arguments.json:
        print_json([answer.to_json() for answer in answers])
    else:
        _show_cases(answers, path.name)
    if any(answer.standing == "looser" for answer in answers):
        raise Exit(CrossingRefused.exit_code)


def _show_cases(answers: Sequence[Checked], name: str) -> None:
    from fedsov.border.case_table import CONFIDENCES
    from fedsov.border.decisions import grounds_in_words

    names = _ground_names()
    for answer in answers:
        if answer.standing != "exact":
            expected = f" (expected {answer.case.expected}: {answer.standing})" if answer.standing else ""
            rules = ", ".join(answer.decision.rules)
            why = answer.reason if answer.decision.reason else "; ".join(grounds_in_words(answer.decision, names))
            print_line(f"{answer.case.id}: {answer.decided}{expected} by {rules}: {why}")
    compared = [answer for answer in answers if answer.standing]
    line = f"{name}: {counted(len(answers), 'case')}, {len(compared)} compared"
    print_line(f"{line}: {_counted_standings(compared)}" if compared else line)
    confidences = {answer.case.confidence for answer in compared}
    for confidence in (*CONFIDENCES, *sorted(confidences.difference(CONFIDENCES, {""}))):
        if group := [answer for answer in compared if answer.case.confidence == confidence]:
            print_line(f"  {confidence} confidence, {counted(len(group), 'case')}: {_counted_standings(group)}")


def _counted_standings(answers: Sequence[Checked]) -> str:
    """How many are exact, with their share, stricter and looser than expected."""
    counts = Counter(answer.standing for answer in answers)
    exact = f"{counts['exact']} exact ({counts['exact'] / len(answers):.1%})"
    return f"{exact}, {counts['stricter']} stricter, {counts['looser']} looser"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesArguments(Arguments):
    """Which rules."""

    regime: Annotated[str | None, typer.Argument(metavar="REGIME", help="Only of this regime, such as EU-GDPR.")] = None
    rules: border_explain.Rules = None


@command(app, examples=("fedsov border rules EU-GDPR", "fedsov border rules --json"))
def rules(arguments: RulesArguments) -> None:
    """Lists the rules: effect, id, reason, citation."""
    from fedsov.border.law.in_force import law_in_force

    bundle, regime = law_in_force(arguments.law, arguments.rules, trial=True), arguments.regime
    regimes = {reign.id for reigns in bundle.regimes.values() for reign in reigns}
    if regime is not None and regime not in regimes:
        raise ConfigurationError(unknown("regime", regime, sorted(regimes)))
    matching = [rule for rule in (*bundle.rules, *bundle.releases) if regime is None or rule.speaks_of(regime)]
    if arguments.json:
        print_json([rule.to_json() for rule in matching])
        return
    for rule in matching:
        print_line(f"{rule.effect:7} {rule.id}: {rule.reason} [{rule.cite}; {rule.confidence} confidence]")
        print_line("        when " + "; ".join(condition.words for condition in rule.when))
    print_line(f"{counted(len(matching), 'rule')}; bundle {bundle.digest[:16]} of {bundle.dated}")


app.add_typer(border_reviews.app)
app.add_typer(border_reviewers.app, name="reviewer")
app.add_typer(border_bundle.app, name="bundle")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignArguments(Arguments):
    """A file of rules, and the law owner's key."""

    rules: Annotated[Path, typer.Argument(metavar="RULES", help="The file of additional rules.")]
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The law owner's key.")]


@command(app, examples=("fedsov border sign rules.yaml --key owner.pem",), reads="nothing")
def sign(arguments: SignArguments) -> None:
    """Signs a file of additional rules as the law owner, so that its rules may permit.

    The rules are read first: what is not understood is not signed. The signature is written beside them, RULES.sig.
    """
    from fedsov.border.law.bundle_loader import load_bundle
    from fedsov.border.law.law_owner import sign_rules

    signer = sign_rules(arguments.rules, arguments.key)
    opening = load_bundle(arguments.rules, owner=signer).added
    if arguments.json:
        print_json({"rules": str(arguments.rules), "signed_by": signer, "ids": sorted(opening)})
    else:
        print_line(f"{arguments.rules}: {', '.join(sorted(opening))} signed by {signer}")
