"""`attack`: known attacks on a region's training, their figures beside what is claimed, and a report to register."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.cli.words import CODES, Command, Words, console, print_json, print_line, progress, words_of
from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    from fedsov.api.attack import Size
    from fedsov.api.attack_rows import Attacked

HELP = f"""usage: python -m fedsov attack --region NAME [KEY=VALUE ...] [--attacks A,B] [--quick] [--json] [--quiet]
       python -m fedsov attack --data FILE dataset.target=COLUMN [KEY=VALUE ...] [--attacks A,B] [--quick] [--json]

Attacks the training that `train` with the same KEY=VALUE takes in a region (privacy=record included), on the region's
stored rows, which are opened with the region's keyring, or on the rows of a public table. Nothing leaves: the report
is written into the region's folder, and is about its rows.

  --attacks A,B   of loss, lira, art, inversion, canary (default: all; art needs: pip install 'fedsov[attack]')
                  loss, lira, art    was a row trained on? AUC, and TPR at 1% FPR, with 95% intervals
                  canary             a lower bound of epsilon at 95% confidence, beside the claimed one
                  inversion          rows found again from the update of one step
  --shadows N     shadow models, an even number (default 64)     --rows N   most rows (default 2000)
  --runs N        runs of the canary audit (default 500)         --quick    16 shadow models, 600 rows, 128 runs
  --out FILE      where the report is written (default: attack.json in the region's folder, or in the workspace)

The report's verdict is `pass` where the upper ends of all membership intervals are within AUC 0.55 and TPR 0.03 and
the audit shows no more than is claimed; `fail` where an estimate is above; else `undecided`: too few rows to tell. It
is about these attacks on these rows: one that fails here proves nothing about another. The command that registers the
report as evidence is printed, too.
{CODES}
"""


def _attack(arguments: list[str]) -> int:
    words = words_of(
        arguments,
        flags=("--json", "--quiet", "--quick"),
        values=("--region", "--data", "--attacks", "--shadows", "--rows", "--runs", "--out"),
    )
    from fedsov.api.attack import ATTACKS, check, examine, written

    attacks = tuple(one.strip() for one in (words.value("--attacks") or ",".join(ATTACKS)).split(",") if one.strip())
    check(attacks)
    size = _size(words)
    settings = _settings(words)
    rows = _rows(words, settings, size.rows)
    report = examine(settings, rows, attacks, size, say=progress(words.quiet))
    path = _path(words, settings)
    digest = written(report, path)
    register = _register(report, rows, path)
    if words.json:
        print_json({**report, "file": str(path), "sha256": digest, "register": register})
    else:
        _show(report, path, digest, register)
    return 0


def _size(words: Words) -> Size:
    from dataclasses import replace

    from fedsov.api.attack import QUICK, Size

    start = QUICK if "--quick" in words.flags else Size()
    return replace(
        start,
        shadows=_count(words, "--shadows", start.shadows),
        rows=_count(words, "--rows", start.rows),
        runs=_count(words, "--runs", start.runs),
    )


def _count(words: Words, option: str, otherwise: int) -> int:
    value = words.value(option) or str(otherwise)
    if not (value.isascii() and value.isdigit() and int(value)):
        raise ConfigurationError(f"{option} is {value!r}; give a whole number above 0")
    return int(value)


def _settings(words: Words) -> Any:
    from fedsov.config.hydra_compose import compose
    from fedsov.config.settings import settings

    if (words.value("--region") is None) == (words.value("--data") is None):
        raise ConfigurationError("give --region NAME for a region's stored rows, or --data FILE for a public table")
    overrides = list(words.overrides)
    if (file := words.value("--data")) is not None:
        own = [] if words.override("dataset.jurisdiction") else ["dataset.jurisdiction=''"]
        overrides = ["dataset=table", f"dataset.path={_quoted(file)}", *own, *overrides]
    return settings(compose(overrides))


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _rows(words: Words, settings: Any, most: int) -> Attacked:
    from fedsov.api.attack_rows import of_region, of_table

    region = words.value("--region")
    return of_table(settings, most=most) if region is None else of_region(settings, region, most=most)


def _path(words: Words, settings: Any) -> Path:
    if (out := words.value("--out")) is not None:
        return Path(out)
    region = words.value("--region")
    return Path(
        settings.workspace / "attack.json"
        if region is None
        else settings.workspace / "regions" / region / "attack.json"
    )


def _register(report: Mapping[str, Any], rows: Attacked, path: Path) -> str | None:
    """The command that enters the report in a register; None for a test that decided nothing."""
    if report["verdict"] == "undecided":
        return None
    day = str(report["at"])[:10]
    name = "".join(one if one.isalnum() else "-" for one in Path(rows.where).stem)
    said = {
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
    return "python -m fedsov evidence add " + " ".join(
        f"{option} {shlex.quote(value)}" for option, value in said.items()
    )


def _show(report: Mapping[str, Any], path: Path, digest: str, register: str | None) -> None:
    screen, rows = console(), report["rows"]
    print_line(
        f"{rows['where']}: {rows['attacked']:,} of {rows['held']:,} rows, {rows['inputs']} inputs; {_training(report)}"
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
    print_line(f"report: {path}, sha256 {digest}")
    print_line(f"to register it: {register}" if register else "nothing to register: the test decided nothing")


def _training(report: Mapping[str, Any]) -> str:
    claimed = report["claimed"]
    if claimed["epsilon"] is None:
        return "trained without noise, so no epsilon is claimed"
    return f"claimed: epsilon {claimed['epsilon']:.3f} at delta {claimed['delta']:.2g}, for one record more or less"


def _membership_table(report: Mapping[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title=f"was a row trained on? {report['shadow_models']} shadow models", title_justify="left")
    for column in ("attack", "AUC", "95% interval", "TPR at 1% FPR", "95% interval", "members", "others"):
        table.add_column(column, justify="left" if column == "attack" else "right")
    for name, one in report["membership"].items():
        auc, tpr = ("{:.3f} to {:.3f}".format(*one[which]) for which in ("auc_interval", "tpr_interval"))
        counts = (f"{one[who]:,}" for who in ("members", "others"))
        table.add_row(name.replace("_", " "), f"{one['auc']:.3f}", auc, f"{one['tpr']:.3f}", tpr, *counts)
    return table


def _audit_line(report: Mapping[str, Any]) -> str:
    one = report["audit"]
    claim = "none is claimed" if one["claimed"] is None else f"{one['claimed']:.3f} is claimed"
    other = "not installed" if one["jax_privacy"] is None else f"{one['jax_privacy']:.3f}"
    return (
        f"canary audit, {report['canary_runs']} runs: epsilon is at least {one['epsilon']:.3f} with "
        f"{one['confidence']:.0%} confidence ({claim}; so many runs can show {one['most']:.2f} at most; "
        f"jax_privacy's bound {other})"
    )


def _inversion_table(report: Mapping[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title="rows found again from one step's update (relative error)", title_justify="left")
    for column in ("batch", "clipped, noisy", "error", "a random row's", "recovered", "trials"):
        table.add_column(column, justify="right")
    for one in report["inversion"]:
        numbers = (f"{one['error']:.2g}", f"{one['guess']:.2g}", f"{one['recovered']:.0%}")
        table.add_row(str(one["batch"]), "yes" if one["noisy"] else "no", *numbers, str(one["trials"]))
    return table


COMMANDS = {"attack": Command(_attack, HELP)}
