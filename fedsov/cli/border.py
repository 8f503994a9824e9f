"""`border ...`: what the law answers, and why; what waits for a person, and the person's answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.cli.words import CODES, Command, Words, console, print_json, print_line, printable, progress, words_of
from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from fedsov.artifact import Crossing
    from fedsov.border.case_table import Checked
    from fedsov.border.explain import Asked, Explanation
    from fedsov.border.law.bundle import Bundle

HELP = f"""usage: python -m fedsov border explain --from CODE --to CODE --kind KIND --categories A,B [...] [--json]
       python -m fedsov border why REGION [KEY=VALUE ...] [--json]
       python -m fedsov border check CASES.csv [--rules FILE] [--json]
       python -m fedsov border rules [REGIME] [--rules FILE] [--json]
       python -m fedsov border reviews [workspace=DIR] [--json]
       python -m fedsov border approve ID --by NAME --why TEXT --until DATE [workspace=DIR] [--json]
       python -m fedsov border withdraw ID --by NAME --why TEXT [workspace=DIR] [--json]

explain   prints the whole evaluation of one crossing as a tree: every origin, every ground that could be claimed, every
          rule that was asked and each of its conditions. Nothing is written, nothing crosses.
            --kind        records, update, model, synthetic, metrics, report, error
            --categories  categories of data, as health,financial
            --origins     origins of the label (default: --from)      --count     people (default 1000)
            --entity      the recipient's legal entity                --owners    countries that own half of it
            --purpose     (default training)                          --on        the day (default today)
            --evidence    the register of documents                   --rules     additional rules
            --documents   ids that the artifact names as its evidence
            --all         also rules that did not hold and would have opened nothing here
why       explains the plan's choice for a REGION: each strategy in order, and what the law said of each crossing.
check     answers the cases of a CSV file (the columns of a decision table: case_id, date, origin, destination, flow,
          payload, data_category, mechanism, facts) and, where it has a column `expected`, compares.
rules     lists the rules, of one REGIME (such as EU-GDPR) or all: effect, id, reason, citation.
reviews   lists crossings that wait for a person, and those that were approved.
approve   records that a person approves a review, until a day; the next decision may rely on it.
withdraw  takes back an approval (its ID, or the review's).
{CODES}
"""
_EXPLAIN = (
    "--from", "--to", "--kind", "--categories", "--origins", "--count", "--entity", "--owners", "--purpose", "--on",
    "--evidence", "--rules", "--documents", "--flow",
)  # fmt: skip


def _border(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in _ACTS:
        raise ConfigurationError(f"border takes {', '.join(_ACTS)}; see `python -m fedsov border --help`")
    return _ACTS[arguments[0]](arguments[1:])


def _explain(arguments: list[str]) -> int:
    from fedsov.border.evidence.register_file import load_register
    from fedsov.border.explain import explain

    words = words_of(arguments, flags=("--json", "--all"), values=_EXPLAIN)
    bundle, file = _bundle(words), words.value("--evidence")
    crossing = _crossing(words, bundle)
    found = explain(crossing, bundle, load_register(Path(file) if file else None), crossing.on)
    if words.json:
        print_json(found.to_json())
    else:
        console().print(_tree(found, every="--all" in words.flags))
    return 0


def _bundle(words: Words) -> Bundle:
    from fedsov.border.law.bundle_loader import load_bundle

    rules = words.value("--rules")
    return load_bundle(Path(rules) if rules else None)


def _crossing(words: Words, bundle: Bundle) -> Crossing:
    """The crossing that the words describe. Raises ConfigurationError for a kind, flow, number or day that is none."""
    from fedsov.artifact import Artifact, Crossing, Kind, Party
    from fedsov.label import Label

    start, end, kind = words.required("--from"), words.required("--to"), words.required("--kind")
    if kind not in [*Kind]:
        raise ConfigurationError(f"--kind is {kind!r}; it is one of {', '.join(Kind)}")
    flow, flows = words.value("--flow") or "transfer", bundle.facts["flow"].values
    if flow not in flows:
        raise ConfigurationError(f"--flow is {flow!r}; it is one of {', '.join(sorted(flows))}")
    label = Label(_several(words, "--origins") or frozenset({start}), _several(words, "--categories"))
    artifact = Artifact(Kind(kind), label, count=_number(words), evidence=tuple(sorted(_several(words, "--documents"))))
    target = Party("importer", end, words.value("--entity") or "", _several(words, "--owners"))
    purpose = words.value("--purpose") or "training"
    return Crossing(artifact, Party("exporter", start, ""), target, purpose, _day(words, "--on"), flow)


def _several(words: Words, option: str) -> frozenset[str]:
    return frozenset(part.strip() for part in (words.value(option) or "").split(",") if part.strip())


def _number(words: Words) -> int:
    given = words.value("--count") or "1000"
    if not given.isdecimal():
        raise ConfigurationError(f"--count is {given!r}; write a whole number")
    return int(given)


def _day(words: Words, option: str) -> date:
    given = words.value(option)
    if given is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(given)
    except ValueError as problem:
        raise ConfigurationError(f"{option} is {given!r}; write a day as 2026-11-22") from problem


def _tree(found: Explanation, *, every: bool) -> Tree:
    from rich.tree import Tree

    crossing = found.crossing
    what = f"{crossing.artifact.kind} of {crossing.artifact.label}, {crossing.artifact.count:,} people"
    route = f"{crossing.source.location} -> {crossing.target.location} on {crossing.on}"
    root = Tree(_text(f"{found.decision.verdict.upper()}: {what}, {route}"))
    for line in (found.decision.reason, found.decision.remedy):
        if line:
            root.add(_text(line))
    for origin in found.origins:
        branch = root.add(_text(f"origin {origin.origin or 'unnamed'} ({origin.regime}): {origin.verdict}"))
        for claim in origin.claims:
            papers = f" by {', '.join(claim.claim.papers)}" if claim.claim.papers else ""
            ground = claim.claim.mechanism or "no ground claimed"
            leaf = branch.add(_text(f"{ground}{papers}: {claim.weighed.verdict}"))
            for asked in claim.asked:
                if every or asked.held or (asked.near and asked.rule.opens):
                    _add_rule(leaf, asked)
    root.add(_text(f"bundle {found.decision.bundle_digest[:16]}"))
    return root


def _add_rule(leaf: Tree, asked: Asked) -> None:
    from fedsov.border.law.rules import shown

    rule = asked.rule
    node = leaf.add(_text(f"{'holds' if asked.held else 'fails'}: {rule.effect} {rule.id} [{rule.cite}]"))
    for one, found, held in asked.conditions:
        if not asked.held and held:
            continue  # of a rule that fails, what fails is enough
        node.add(_text(f"{'yes' if held else 'no '} {one.said} (it is {shown(found)})"))


def _text(line: str) -> Text:
    from rich.text import Text

    return Text(printable(line))


def _why(arguments: list[str]) -> int:
    from fedsov.runtimes import kind_in, warm_up

    words = words_of(arguments, flags=("--json", "--quiet"), names=1)
    if not words.names:
        raise ConfigurationError("border why takes a region: python -m fedsov border why IN")
    with warm_up(kind_in(words.overrides), trains=False):
        from fedsov.api import train
        from fedsov.config.hydra_compose import compose
        from fedsov.config.settings import settings

        found, _ = train.plan_settings(settings(compose(words.overrides)), progress=progress(words.quiet))
    region = found.of(words.names[0])
    if words.json:
        print_json(region.to_json())
        return 0
    print_line(f"{region.region}: {region.strategy}")
    for reason in region.reasons:
        print_line(f"  {reason}")
    for title, crossings in (("stood in the way", region.blocked), ("relies on", region.crossings)):
        for one in crossings:
            said = one.decision
            print_line(f"{title}: {one.kind} of {one.label} {one.source} -> {one.target}: {said.verdict}")
            lines = {"why": said.reason, "rules": ", ".join(said.rules), "law": "; ".join(said.citations),
                     "documents": ", ".join(said.documents), "remedy": said.remedy}  # fmt: skip
            for name, line in lines.items():
                if line:
                    print_line(f"    {name}: {line}")
    return 0


def _check(arguments: list[str]) -> int:
    from fedsov.border.case_table import check_cases, read_cases

    words = words_of(arguments, flags=("--json",), values=("--rules",), names=1)
    if not words.names:
        raise ConfigurationError("border check takes a file of cases: python -m fedsov border check CASES.csv")
    path = Path(words.names[0])
    try:
        text = path.read_bytes()
    except OSError as problem:
        raise ConfigurationError(f"cannot read the cases in {path}: {problem.strerror}") from problem
    found = check_cases(read_cases(text, str(path)), _bundle(words))
    if words.json:
        print_json([one.to_json() for one in found])
    else:
        _show_cases(found)
    return 0


def _show_cases(found: list[Checked]) -> None:
    for one in found:
        if one.standing != "exact":
            beside = f" (expected {one.case.expected}: {one.standing})" if one.standing else ""
            print_line(f"{one.case.id}: {one.decided}{beside} by {', '.join(one.decision.rules)}: {one.reason}")
    counts, sure = Counter(one.standing for one in found), [one for one in found if one.case.confidence == "high"]
    compared = sum(counts[name] for name in ("exact", "stricter", "looser"))
    print_line(f"{len(found)} cases, {compared} compared: {counts['exact']} exact, {counts['stricter']} stricter, "
          f"{counts['looser']} looser")  # fmt: skip
    if sure:
        exact = sum(one.standing == "exact" for one in sure)
        print_line(f"of {len(sure)} with high confidence: {exact} exact ({exact / len(sure):.1%})")


def _rules(arguments: list[str]) -> int:
    words = words_of(arguments, flags=("--json",), values=("--rules",), names=1)
    bundle = _bundle(words)
    wanted = words.names[0] if words.names else None
    regimes = {reign.id for reigns in bundle.regimes.values() for reign in reigns}
    if wanted is not None and wanted not in regimes:
        raise ConfigurationError(f"no regime {wanted!r}; there are {', '.join(sorted(regimes))}")
    listed = [rule for rule in (*bundle.rules, *bundle.releases) if wanted is None or rule.speaks_of(wanted)]
    if words.json:
        print_json([rule.to_json() for rule in listed])
        return 0
    for rule in listed:
        print_line(f"{rule.effect:7} {rule.id}: {rule.reason} [{rule.cite}; {rule.confidence} confidence]")
        print_line("        when " + "; ".join(one.said for one in rule.when))
    print_line(f"{len(listed)} rules; bundle {bundle.digest[:16]} of {bundle.dated}")
    return 0


def _reviews(arguments: list[str]) -> int:
    from fedsov.api.reviews import reviews

    words, today = words_of(arguments, flags=("--json",), keys=("workspace",)), datetime.now(UTC).date()
    found = reviews(words.workspace)
    if words.json:
        print_json([one.to_json(today) for one in found])
        return 0
    for one in found:
        body, answered = one.body, one.standing(today)
        said = f"approved by {answered.by} until {answered.until} ({answered.id})" if answered else "waits"
        route = f"{body['exporter']['name']} -> {body['importer']['name']} ({body['destination']})"
        print_line(f"{one.id}: {said}: {body['kind']} of {'+'.join(body['origins'])}, {route}: {body['reason']}")
    print_line(f"{len(found)} reviews, {sum(one.standing(today) is None for one in found)} wait for a person")
    return 0


def _approve(arguments: list[str]) -> int:
    from fedsov.api.reviews import approve

    words = _person(arguments, ("--until",))
    until, today = _day(words, "--until"), datetime.now(UTC).date()
    words.required("--until")
    by, why = words.required("--by"), words.required("--why")
    made = approve(words.workspace, words.names[0], by=by, why=why, until=until, today=today)
    if words.json:
        print_json(made.to_json())
    else:
        print_line(f"{made.id} approves {made.review} until {made.until}; `border withdraw {made.id}` takes it back")
    return 0


def _withdraw(arguments: list[str]) -> int:
    from fedsov.api.reviews import withdraw

    words = _person(arguments, ())
    gone = withdraw(words.workspace, words.names[0], by=words.required("--by"), why=words.required("--why"))
    if words.json:
        print_json([one.to_json() for one in gone])
    else:
        print_line(f"withdrawn: {', '.join(one.id for one in gone)}; no decision relies on it from now on")
    return 0


def _person(arguments: list[str], more: tuple[str, ...]) -> Words:
    words = words_of(arguments, flags=("--json",), values=("--by", "--why", *more), keys=("workspace",), names=1)
    if not words.names:
        raise ConfigurationError("name the review: python -m fedsov border approve ID; `border reviews` lists them")
    return words


_ACTS: dict[str, Callable[[list[str]], int]] = {
    "explain": _explain,
    "why": _why,
    "check": _check,
    "rules": _rules,
    "reviews": _reviews,
    "approve": _approve,
    "withdraw": _withdraw,
}
COMMANDS: dict[str, Any] = {"border": Command(_border, HELP)}
