"""`attack`: known attacks on a region's training, their figures beside what is claimed, and a report to register."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsov.cli.arguments import (
    Arguments,
    By,
    Quiet,
    comma_list,
    console,
    positive,
    print_json,
    print_line,
    progress,
    quoted,
    run_settings,
)
from fedsov.cli.declaration import command, command_app
from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    from fedsov.api.attack import Size
    from fedsov.api.attack_rows import Attacked
    from fedsov.api.inference.approval.version_tests import TestedVersion
    from fedsov.config.settings import Settings

Number = int | None
app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackArguments(Arguments):
    """Whose rows are attacked, how, and where the report goes."""

    region: Annotated[
        str | None, typer.Option("--region", metavar="NAME", help="Attack the training on this region's stored rows.")
    ] = None
    table: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="Attack the training on a public table's rows.")
    ] = None
    attacks: Annotated[
        Sequence[str] | None,
        typer.Option(
            "--attacks", metavar="A,B", help="Of loss, lira, art, inversion, canary (default: all).", parser=comma_list
        ),
    ] = None
    shadows: Annotated[
        Number,
        typer.Option("--shadows", metavar="N", help="Shadow models, an even number (default 64).", parser=positive),
    ] = None
    rows: Annotated[Number, typer.Option("--rows", metavar="N", help="Most rows (default 2000).", parser=positive)] = (
        None
    )
    runs: Annotated[
        Number, typer.Option("--runs", metavar="N", help="Runs of the canary audit (default 500).", parser=positive)
    ] = None
    quick: Annotated[bool, typer.Option("--quick", help="Defaults of 16 shadow models, 600 rows, 128 runs.")] = False
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The report (default: attack.json, in the region or workspace)."),
    ] = None
    quiet: Quiet = False
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="Records the verdict for a version of this model.")
    ] = None
    version: Annotated[Number, typer.Option("--version", metavar="N", help="Which version of it.", parser=positive)] = (
        None
    )
    by: By = ""

    def __post_init__(self) -> None:
        Arguments.__post_init__(self)
        if (self.model is None) != (self.version is None):
            raise ConfigurationError("a verdict is recorded for --model MODEL and --version N; give both")
        if self.model is not None and self.table is not None:
            raise ConfigurationError(
                "--data attacks a public table; a model was trained on a region's rows: --region NAME"
            )
        if self.model is None and (self.region is None) == (self.table is None):
            raise ConfigurationError(
                "give --region NAME for a region's stored rows, or --data FILE for a public table; one of them"
            )


@command(
    app,
    examples=(
        "fedsov attack --region DE --quick",
        "fedsov attack --region DE privacy=record privacy.epsilon=3",
        "fedsov attack --model stackoverflow-de --version 1 --quick",
        "fedsov attack --data people.csv dataset.target=sick dataset.drop=[country] --attacks loss,lira",
    ),
    reads="run settings",
)
def attack(arguments: AttackArguments) -> None:
    """Attacks the training that `train` with the same settings takes in a region.

    The rows are the region's stored ones, which are opened with the region's keyring, or those of a public table.
    Nothing leaves: the report is written into the region's folder, and is about its rows.

    loss, lira and art ask whether a row was trained on: AUC, and TPR at 1% FPR, with 95% intervals (art needs: pip
    install 'fedsov[attack]'). canary is a lower bound of epsilon at 95% confidence, beside the claimed one. inversion
    finds rows again from the update of one step.

    The verdict is `pass` where the upper ends of all membership intervals are within AUC 0.55 and TPR 0.03 and the
    audit shows no more than is claimed; `fail` where an estimate is above; else `undecided`: too few rows to tell. It
    is about these attacks on these rows: one that fails here proves nothing about another. The command that registers
    the report as evidence is printed, too. With --model and --version the verdict is recorded for that version, where
    `promote` reads it; the settings must be those that it was trained with. One that fails is withdrawn from regions
    outside its label's origins.
    """
    say = progress(arguments.quiet)
    say("starting: loading PyTorch and Hydra")
    from fedsov.api.attack import ATTACKS, check, examine, written
    from fedsov.api.inference.approval.version_tests import check_rows, record_test
    from fedsov.api.promotion import VersionApproval, withdraw_failed
    from fedsov.api.region_settings import user

    attacks = ATTACKS if arguments.attacks is None else tuple(arguments.attacks)
    check(attacks)
    size, settings = _size(arguments), run_settings(_overrides(arguments))
    tested = _tested(arguments, settings)
    region = arguments.region if tested is None else tested.region
    rows = _rows(region, settings, size.rows)
    if tested is not None:
        check_rows(tested, rows.label)
    report = examine(settings, rows, attacks, size, progress=say)
    path = _path(arguments.out, region, settings)
    digest = written(report, path)
    withdrawn = list[str]()
    if tested is not None:
        by = arguments.by or user()
        verdict = record_test(settings, tested, report, digest, by=by)
        approval = VersionApproval(tested.model, tested.version, by=by, why="its attack test failed")
        withdrawn = withdraw_failed(settings.workspace, approval, verdict)
    register = _register(report, rows, path)
    if arguments.json:
        print_json({**report, "file": str(path), "sha256": digest, "register": register, "withdrawn": withdrawn})
        return
    _show(report)
    print_line(f"report: {path}, sha256 {digest}")
    if tested is not None:
        print_line(f"recorded for {tested.model} {tested.version}, in the registry and the ledger of {tested.owner}")
    for line in withdrawn:
        print_line(line)
    print_line(f"to register it: {register}" if register else "nothing to register: the test decided nothing")


def _size(arguments: AttackArguments) -> Size:
    from fedsov.api.attack import QUICK, Size

    size = QUICK if arguments.quick else Size()
    return replace(
        size,
        shadows=arguments.shadows or size.shadows,
        rows=arguments.rows or size.rows,
        runs=arguments.runs or size.runs,
    )


def _overrides(arguments: AttackArguments) -> tuple[str, ...]:
    if arguments.table is None:
        return arguments.overrides
    table = ["dataset=table", f"dataset.path={quoted(str(arguments.table))}"]
    if not arguments.setting("dataset.jurisdiction"):
        table.append("dataset.jurisdiction=''")
    return (*table, *arguments.overrides)


def _tested(arguments: AttackArguments, settings: Settings) -> TestedVersion | None:
    from fedsov.api.inference.approval.version_tests import version_under_test

    if arguments.model is None or arguments.version is None:
        return None
    return version_under_test(settings, arguments.model, arguments.version, region=arguments.region)


def _rows(region: str | None, settings: Settings, most: int) -> Attacked:
    from fedsov.api.attack_rows import of_region, of_table

    if region is None:
        return of_table(settings, most=most)
    return of_region(settings, region, most=most)


def _path(out: Path | None, region: str | None, settings: Settings) -> Path:
    """Where the report is written."""
    root = settings.workspace
    folder = root if region is None else root / "regions" / region
    return out or folder / "attack.json"


def _register(report: Mapping[str, Any], rows: Attacked, path: Path) -> str | None:
    """The command that enters the report in a register; None for a test that decided nothing."""
    from fedsov.api.report import program

    if report["verdict"] == "undecided":
        return None
    day = str(report["at"])[:10]
    name = "".join(letter if letter.isalnum() else "-" for letter in Path(rows.where).stem)
    options = {
        "--evidence": "documents.yaml",
        "--id": f"attack-{name}-{day}",
        "--kind": "attack_test",
        "--exporter": ",".join(sorted(rows.label.origins)) or "*",
        "--importer": "*",
        "--categories": ",".join(sorted(rows.label.categories)) or "*",
        "--signed": day,
        "--owner": "YOUR NAME",
        "--terms": f"attack_test={report['verdict']}",
        "--file": str(path),
    }
    words = " ".join(f"{option} {shlex.quote(value)}" for option, value in options.items())
    return f"{program('fedsov')} evidence add {words}"


def _show(report: Mapping[str, Any]) -> None:
    screen, rows = console(), report["rows"]
    print_line(
        f"{rows['where']}: {rows['attacked']:,} of {rows['held']:,} rows, {rows['inputs']} inputs; {_claim(report)}"
    )
    if report["membership"]:
        screen.print(_membership_table(report))
    if report["audit"]:
        print_line(_audit_line(report))
    if report["inversion"]:
        screen.print(_inversion_table(report))
    print_line(f"seconds: {', '.join(f'{name} {value:.1f}' for name, value in report['seconds'].items())}")
    print_line(f"verdict: {report['verdict']}{''.join(f'; {reason}' for reason in report['reasons'])}")
    print_line("not claimed: " + "; ".join(report["not_claimed"]))


def _claim(report: Mapping[str, Any]) -> str:
    claimed = report["claimed"]
    if claimed["epsilon"] is None:
        return "trained without noise, so no epsilon is claimed"
    guarantee = f"epsilon {claimed['epsilon']:.3f} at delta {claimed['delta']:.2g}"
    return f"claimed: {guarantee}, record-level, add-or-remove-one adjacency"


def _membership_table(report: Mapping[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title=f"was a row trained on? {report['shadow_models']} shadow models", title_justify="left")
    for column in ("attack", "AUC", "95% interval", "TPR at 1% FPR", "95% interval", "members", "others"):
        table.add_column(column, justify="left" if column == "attack" else "right")
    for name, figures in report["membership"].items():
        auc, tpr = ("{:.3f} to {:.3f}".format(*figures[which]) for which in ("auc_interval", "tpr_interval"))
        counts = (f"{figures[who]:,}" for who in ("members", "others"))
        table.add_row(name.replace("_", " "), f"{figures['auc']:.3f}", auc, f"{figures['tpr']:.3f}", tpr, *counts)
    return table


def _audit_line(report: Mapping[str, Any]) -> str:
    audit = report["audit"]
    claim = "none is claimed" if audit["claimed"] is None else f"{audit['claimed']:.3f} is claimed"
    other = "not installed" if audit["jax_privacy"] is None else f"{audit['jax_privacy']:.3f}"
    return (
        f"canary audit, {report['canary_runs']} runs: epsilon is at least {audit['epsilon']:.3f} with "
        f"{audit['confidence']:.0%} confidence ({claim}; so many runs can show {audit['most']:.2f} at most; "
        f"jax_privacy's bound {other})"
    )


def _inversion_table(report: Mapping[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title="rows found again from one step's update (relative error)", title_justify="left")
    for column in ("batch", "clipped, noisy", "error", "a random row's", "recovered", "trials"):
        table.add_column(column, justify="right")
    for trial in report["inversion"]:
        numbers = (f"{trial['error']:.2g}", f"{trial['guess']:.2g}", f"{trial['recovered']:.0%}")
        table.add_row(str(trial["batch"]), "yes" if trial["noisy"] else "no", *numbers, str(trial["trials"]))
    return table
