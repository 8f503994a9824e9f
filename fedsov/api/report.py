"""A run's result for people: one table, then every refusal with its way out, then where things are.

The functions here make text; printing is `fedsov.cli`'s.
"""

from __future__ import annotations

import io
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.errors import printable
from fedsov.model.metrics import MEASURES
from fedsov.protocol.ingestion_report import unused_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from fedsov.api.result import RegionResult, RunResult
    from fedsov.hub.planning.plan_values import Plan


MARK = "UNSAFE: decided by an open border (border=unsafe_open); for simulations only."


MANY = 12


PRIVACY_SAYS = (
    "This holds for records that are not public; a person with k records is protected k times less.",
    "Row counts were told and are taken as known; scores stayed in the regions; what a region keeps is not noisy.",
)
"""What the guarantee of a private run does not cover, said beside it."""
GUARANTEE = ": epsilon "
"""In a line about what a run guarantees (`fedsov.hub.progress_lines.privacy_line`)."""


TITLES = {measure.name: measure.title for measure in MEASURES.values()}


def columns(result: RunResult) -> tuple[str, ...]:
    """The heads of the run's table; what a score is called follows from what was learned."""
    score = TITLES[result.measure]
    return ("region", "rows", "strategy", "selected", score, "local", "gain ± s.e.", "crossings", "refused")


def number(value: float | None, digits: int = 3, *, is_rounded: bool = False) -> str:
    """A number for a cell, ~ before one that is told to its standard error; a dash where there is none."""
    return "–" if value is None else f"{'~' if is_rounded else ''}{value:.{digits}f}"


def _cells(region: RegionResult, *, is_rounded: bool) -> tuple[str, ...]:
    gain = "–" if region.gain is None else f"{region.gain:+.3f} ± {number(region.gain_se)}"
    return (
        region.region,
        "<10" if region.rows is None else f"{region.rows:,}",
        region.strategy.replace("_", " "),
        region.selected,
        number(region.score, is_rounded=is_rounded),
        number(region.local_score, is_rounded=is_rounded),
        gain,
        str(region.crossings["permitted"]),
        str(region.crossings["refused"]),
    )


def table(result: RunResult) -> Table:
    """The run's one table."""
    from rich.table import Table
    from rich.text import Text

    overview = Table(title=f"run {result.run}{' — ' + MARK if result.unsafe else ''}", title_justify="left")
    for name in columns(result):
        overview.add_column(
            name, justify="left" if name in ("region", "strategy", "selected", "gain ± s.e.") else "right"
        )
    for region in result.regions:
        overview.add_row(*(Text(printable(cell)) for cell in _cells(region, is_rounded=result.is_rounded)))
    return overview


def plan_table(plan: Plan) -> Table:
    """What each region would do, and why."""
    from rich.table import Table
    from rich.text import Text

    marks = [*([MARK] if plan.unsafe else []), *plan.marks]
    overview = Table(title=Text("\n".join(map(printable, marks))) if marks else None, title_justify="left")
    for name in ("region", "rows", "strategy", "why"):
        overview.add_column(name, justify="right" if name == "rows" else "left")
    for region in plan.regions:
        rows = "<10" if region.rows is None else f"{region.rows:,}"
        reasons = "\n".join(map(printable, region.reasons))
        overview.add_row(*map(Text, (region.region, rows, region.strategy.replace("_", " "), reasons)))
    return overview


def refusal_lines(refusals: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each refusal in words: what, from whom to whom, why, on which rule and citation, and what would mend it."""
    lines: list[str] = []
    for refusal in refusals:
        origins = "+".join(refusal.get("origins", [])) or "public"
        sender, receiver = (
            f"{refusal[party]['name']} ({refusal[party]['location']})" for party in ("exporter", "importer")
        )
        lines.append(f"{refusal['kind']} ({refusal['name']}) of {origins}: {sender} → {receiver}: {refusal['verdict']}")
        details = {
            "why": refusal.get("reason", ""),
            "rule": ", ".join(refusal.get("rules", [])),
            "law": "; ".join(refusal.get("citations", [])),
            "missing": "; ".join(refusal.get("missing", [])),
            "remedy": refusal.get("remedy", ""),
        }
        lines += [f"    {key}: {value}" for key, value in details.items() if value]
    return lines


def refused_ways_home(result: RunResult) -> list[str]:
    """Rows of the source that wait in quarantine since the border refused their way home, and where to see why."""
    ingested = result.ingested
    if ingested is None or not ingested.quarantined:
        return []
    from fedsov.partition.sources.location import NO_WAY_HOME

    about = "about " if ingested.rounded else ""
    lines = [
        f"records: {f'{about}{count:,}' if count else 'fewer than 10'} rows stay in quarantine: {reason}"
        for reason, count in sorted(ingested.quarantined.items())
        if reason.startswith(NO_WAY_HOME)
    ]
    why = "    why: at the ingestion, by the regions' gates; `fedsov report` and `fedsov quarantine list` have it whole"
    return [*lines, why] if lines else []


def refused_lines(result: RunResult) -> list[str]:
    """All that was refused, in the run and on the way home; that nothing was, where nothing was."""
    return [*refusal_lines(result.refusals), *refused_ways_home(result)] or ["nothing was refused"]


def notes(result: RunResult) -> list[str]:
    """Why each region has its strategy, and what became of it; with many regions, only the last reason of each."""
    lines = []
    for region in result.regions:
        reasons = [reason for reason in result.plan.region(region.region).reasons if reason not in region.amendments]
        shown = reasons if len(result.regions) <= MANY else reasons[-1:]
        lines.append(f"{region.region}: {' '.join(shown)}{f' {region.note}.' if region.note else ''}")
    return lines


def amendment_lines(plan: Plan) -> list[str]:
    """Each change of the plan during training in one sentence, in the order of the regions."""
    return [amendment.sentence() for region in plan.regions for amendment in region.amendments]


def whereabouts(result: RunResult, overrides: Sequence[str] = ()) -> list[str]:
    """Ledger heads, where things were written, and what to do next; `overrides` are what this run was asked for."""
    asked = "".join(f"{shlex.quote(word)} " for word in overrides if not word.startswith("workspace="))
    root = result.workspace
    place = shlex.quote(f"workspace={root}")
    heads = [f"  {name}: {head['size']} entries, head {head['digest'][:16]}…" for name, head in result.heads.items()]
    models = [
        f"  {owner}: {', '.join(f'{name} v{version}' for name, version in versions)}"
        for owner, versions in result.models.items()
        if versions
    ]
    here = any((root / "regions" / region.region).exists() for region in result.regions)
    hub_models = result.models.get("hub")
    act = "promote" if result.plan_model.endswith((" 1", " VERSION")) else "rollout propose"
    promotes = f"{program('python')} -m fedsov {act} {result.plan_model} --why REASON {place}"
    return [
        "Ledger heads (keep them elsewhere; they show later whether a ledger was rewritten):",
        *heads,
        "Models registered as `candidate`:",
        *models,
        f"Written under {root}: hub/ and regions/NAME/ (store, keyring, ledger, models, registry)."
        if here
        else f"Written under {root}: hub/ (ledger, registry, checkpoints); a region's things are in its own home.",
        "Next:",
        f"  {program('mlflow')} ui --backend-store-uri {shlex.quote(f'sqlite:///{root}/hub/mlflow.db')}",
        f"  {program('python')} -m fedsov plan {asked}{place}",
        f"  {program('python')} -m fedsov ledger verify {place}",
        *([f"  {promotes}"] if here or hub_models else []),
    ]


def privacy_lines(result: RunResult) -> list[str]:
    """What was private, and what was not; empty for a run without privacy."""
    is_private = any(GUARANTEE in line for line in result.privacy)
    return [*result.privacy, *(PRIVACY_SAYS if is_private else ())]


def stopped_line(result: RunResult) -> str:
    """That the federated training ended early, and why."""
    return f"The federated training ended after {len(result.rounds)} of {result.planned} rounds: {result.stopped}."


def program(name: str) -> str:
    """How to call a program of this environment: by name where the shell finds it there, else by its path."""
    here = Path(sys.executable).parent / name
    on_path = shutil.which(name)
    if on_path is not None and Path(on_path) == here:
        return name
    inside = here.is_relative_to(Path.cwd())
    return shlex.quote(str(here.relative_to(Path.cwd()) if inside else here))


def everything(result: RunResult, overrides: Sequence[str] = ()) -> list[RenderableType]:
    """The whole report, in order; `overrides` are what the run was asked for."""
    from rich.text import Text

    parts: list[RenderableType] = [table(result)]
    if result.marks:
        parts.insert(0, Text("\n".join(map(printable, result.marks))))
    changed = amendment_lines(result.plan)
    blocks = {
        "Why:": notes(result),
        **({"Rounds:": [stopped_line(result)]} if result.stopped else {}),
        **({"Unused columns:": [unused_line(result.unused)]} if result.unused else {}),
        **({"Privacy:": privacy_lines(result)} if result.privacy else {}),
        **({"Amended during training:": changed} if changed else {}),
        "Refused:": refused_lines(result),
    }
    for title, lines in blocks.items():
        parts.append(Text("\n".join([title, *(f"  {printable(line)}" for line in lines)])))
    parts.append(Text("\n".join(map(printable, whereabouts(result, overrides)))))
    return parts


def as_text(result: RunResult, width: int = 120) -> str:
    """The report as plain text."""
    from rich.console import Console

    out = io.StringIO()
    console: Console = Console(file=out, width=width, color_system=None)
    for part in everything(result):
        console.print(part, soft_wrap=True)
    return out.getvalue()


def as_html(result: RunResult) -> str:
    """The table and the refusals as HTML, for notebooks."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns(result))
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(region, is_rounded=result.is_rounded)) + "</tr>"
        for region in result.regions
    )
    marks = [*([MARK] if result.unsafe else []), *result.marks]
    mark = "".join(f"<p><b>{escape(each)}</b></p>" for each in marks)
    unused = [f"Unused columns: {unused_line(result.unused)}"] if result.unused else []
    refused = refused_lines(result)
    below = "\n".join([*unused, *amendment_lines(result.plan), *refused])
    return f"{mark}<table><tr>{head}</tr>{rows}</table><pre>{escape(below)}</pre>"
