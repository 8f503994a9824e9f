"""A run's result for people: one table, then every refusal with its way out, then where things are.

The functions here make text; printing is `fedsov.cli`'s.
"""

from __future__ import annotations

import io
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


TITLES = {measure.name: measure.title for measure in MEASURES.values()}


def columns(result: RunResult) -> tuple[str, ...]:
    """The heads of the run's table; what a score is called follows from what was learned."""
    score = TITLES[result.measure]
    return ("region", "rows", "strategy", "selected", score, "local", "gain ± s.e.", "crossings", "refused")


def number(value: float | None, digits: int = 3) -> str:
    """A number for a cell; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _cells(one: RegionResult) -> tuple[str, ...]:
    gain = "–" if one.gain is None else f"{one.gain:+.3f} ± {number(one.gain_se)}"
    return (
        one.region,
        "<10" if one.rows is None else f"{one.rows:,}",
        one.strategy.replace("_", " "),
        one.selected,
        number(one.score),
        number(one.local_score),
        gain,
        str(one.crossings["permitted"]),
        str(one.crossings["refused"]),
    )


def table(result: RunResult) -> Table:
    """The run's one table."""
    from rich.table import Table

    made = Table(title=f"run {result.run}{' — ' + MARK if result.unsafe else ''}", title_justify="left")
    for name in columns(result):
        made.add_column(name, justify="left" if name in ("region", "strategy", "selected", "gain ± s.e.") else "right")
    for one in result.regions:
        made.add_row(*_cells(one))
    return made


def plan_table(plan: Plan) -> Table:
    """What each region would do, and why."""
    from rich.table import Table

    made = Table(title=MARK if plan.unsafe else None, title_justify="left")
    for name in ("region", "rows", "strategy", "why"):
        made.add_column(name, justify="right" if name == "rows" else "left")
    for one in plan.regions:
        rows = "<10" if one.rows is None else f"{one.rows:,}"
        made.add_row(one.region, rows, one.strategy.replace("_", " "), "\n".join(one.reasons))
    return made


def refusal_lines(refusals: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each refusal in words: what, from whom to whom, why, on which rule and citation, and what would mend it."""
    lines: list[str] = []
    for one in refusals:
        origins = "+".join(one.get("origins", [])) or "public"
        lines.append(
            f"{one['kind']} ({one['name']}) of {origins}: {one['exporter']['name']} ({one['exporter']['location']}) → "
            f"{one['importer']['name']} ({one['importer']['location']}): {one['verdict']}"
        )
        said = {
            "why": one.get("reason", ""),
            "rule": ", ".join(one.get("rules", [])),
            "law": "; ".join(one.get("citations", [])),
            "missing": "; ".join(one.get("missing", [])),
            "remedy": one.get("remedy", ""),
        }
        lines += [f"    {key}: {value}" for key, value in said.items() if value]
    return lines


def notes(result: RunResult) -> list[str]:
    """Why each region has its strategy, and what became of it; with many regions, only the last reason of each."""
    lines = []
    for one in result.regions:
        reasons = [reason for reason in result.plan.region(one.region).reasons if reason not in one.amendments]
        told = reasons if len(result.regions) <= MANY else reasons[-1:]
        lines.append(f"{one.region}: {' '.join(told)}{f' {one.note}.' if one.note else ''}")
    return lines


def amendment_lines(plan: Plan) -> list[str]:
    """Each change of the plan during training in one sentence, in the order of the regions."""
    return [amendment.sentence() for region in plan.regions for amendment in region.amendments]


def whereabouts(result: RunResult) -> list[str]:
    """Ledger heads, where things were written, and what to do next."""
    root = result.workspace
    place = shlex.quote(f"workspace={root}")
    heads = [f"  {name}: {head['size']} entries, head {head['digest'][:16]}…" for name, head in result.heads.items()]
    models = [
        f"  {owner}: {', '.join(f'{name} v{version}' for name, version in found)}"
        for owner, found in result.models.items()
        if found
    ]
    return [
        "Ledger heads (keep them elsewhere; they show later whether a ledger was rewritten):",
        *heads,
        "Models registered as `candidate`:",
        *models,
        f"Written under {root}: hub/ and regions/NAME/ (store, keyring, ledger, models, registry).",
        "Next:",
        f"  {program('mlflow')} ui --backend-store-uri {shlex.quote(f'sqlite:///{root}/hub/mlflow.db')}",
        f"  {program('python')} -m fedsov plan {place}",
        f"  {program('python')} -m fedsov ledger verify {place}",
        f"  {program('python')} -m fedsov promote {result.plan_model} {place}",
    ]


def privacy_lines(result: RunResult) -> list[str]:
    """What was private, and what was not; empty for a run without privacy."""
    return [*result.privacy, *PRIVACY_SAYS] if result.privacy else []


def stopped_line(result: RunResult) -> str:
    """That the federated training ended early, and why."""
    return f"The federated training ended after {len(result.rounds)} of {result.planned} rounds: {result.stopped}."


def program(name: str) -> str:
    """How to call a program of this environment: by name where the shell finds it there, else by its path."""
    here = Path(sys.executable).parent / name
    found = shutil.which(name)
    if found is not None and Path(found) == here:
        return name
    inside = here.is_relative_to(Path.cwd())
    return shlex.quote(str(here.relative_to(Path.cwd()) if inside else here))


def everything(result: RunResult) -> list[RenderableType]:
    """The whole report, in order."""
    from rich.text import Text

    refused = refusal_lines(result.refusals)
    parts: list[RenderableType] = [table(result)]
    changed = amendment_lines(result.plan)
    blocks = {
        "Why:": notes(result),
        **({"Rounds:": [stopped_line(result)]} if result.stopped else {}),
        **({"Unused columns:": [unused_line(result.unused)]} if result.unused else {}),
        **({"Privacy:": privacy_lines(result)} if result.privacy else {}),
        **({"Amended during training:": changed} if changed else {}),
        "Refused:": refused or ["nothing was refused"],
    }
    for title, lines in blocks.items():
        parts.append(Text("\n".join([title, *(f"  {line}" for line in lines)])))
    parts.append(Text("\n".join(whereabouts(result))))
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
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(one)) + "</tr>" for one in result.regions
    )
    mark = f"<p><b>{escape(MARK)}</b></p>" if result.unsafe else ""
    unused = [f"Unused columns: {unused_line(result.unused)}"] if result.unused else []
    refused = refusal_lines(result.refusals) or ["nothing was refused"]
    below = "\n".join([*unused, *amendment_lines(result.plan), *refused])
    return f"{mark}<table><tr>{head}</tr>{rows}</table><pre>{escape(below)}</pre>"
