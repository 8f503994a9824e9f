"""What the border costs on this machine: a decision, the same decision by Cedar, and the gates' share of a round.

Each question is decided by the packaged law with the demo's register; a figure is the median over questions of the
median over repeats. *Warm* is a question that was asked before, as in every round but the first (a permit of the same
claims and of all that rules read is remembered; reviews and refusals are worked out anew); *the first time*
has a bundle and a register that remember nothing. `decide` gathers its facts and claims within its time.

Cedar (cedarpy) answers the same questions. Every rule that bears on a permit is translated: what permits to `permit`,
prohibitions and brakes to `forbid`; reviews that stand alone are left out, since they permit nothing. The policies are
parsed once, and facts and claims reach Cedar as JSON made beforehand, outside its time. What Cedar cannot say
(calendar years, working days, products of fractions) comes as a computed fact, and is named in the output. Its permits
must be exactly ours on every question, else this says which differ and ends with 1.

A round's share comes from a run of the demo: how long its rounds took, by the ledgers, beside what it takes to decide
about the same crossings again and to write them into new ledgers on a real disk, one after another.

The loop is a fixed piece of Python, timed right after each question: where it varies, the machine was busy, and the
column `loops` (a time as a multiple of the loop beside it) says more than microseconds do. Loads are those of the last
minute.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from border_cedar import FORMS, Cedar, cedar_for, condition, differences
from border_clock import Timed, middle, timed, undisturbed
from border_questions import REGISTER, Asked, mix, read_cases, sort_of
from border_rounds import fsync_milliseconds, shares

from fedsov.border.evidence.register import Register
from fedsov.border.evidence.register_file import load_register
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.bundle_loader import load_bundle

TIMES = 10
ASKED_MICROSECONDS, ASKED_SHARE = 50.0, 0.05


def sample(
    asked: Sequence[Asked], judged: Sequence[Asked], bundle: Bundle, cedar: Cedar | None
) -> dict[str, list[Timed]]:
    """One repeat of everything but rounds: by name, a figure for each question."""
    with undisturbed():
        found = {
            "warm": [timed(partial(one.answer, bundle), TIMES) for one in asked],
            "first": [timed(_unasked(one, bundle)) for one in asked],
            "cases": [timed(partial(one.answer, bundle), TIMES) for one in judged],
        }
        if cedar is not None:
            found |= {name: [timed(partial(ask, cedar, one)) for one in cedar.questions] for name, ask in FORMS.items()}
    return found


def _unasked(one: Asked, bundle: Bundle) -> Callable[[], object]:
    """The question to a bundle and a register that remember nothing."""
    evidence = replace(one.evidence) if isinstance(one.evidence, Register) else one.evidence
    return partial(replace(one, evidence=evidence).answer, replace(bundle))


def measure(repeats: int, folder: Path, package: Any, bundle: Bundle) -> dict[str, Any]:
    """Everything, as plain values; `differences` is empty where Cedar permits what we permit."""
    register = load_register(REGISTER)
    asked, judged = mix(register), read_cases(bundle)
    cedar = cedar_for(package, asked, bundle) if package else None
    strange = differences(cedar, asked, bundle) if cedar else []
    if package and judged:
        strange += differences(cedar_for(package, judged, bundle), judged, bundle)
    repeated = [sample(asked, judged, bundle, cedar) for _ in range(repeats)]
    each = {
        name: [middle(column) for column in zip(*(one[name] for one in repeated), strict=True)] for name in repeated[0]
    }
    sorts = [sort_of(one, one.answer(bundle)) for one in asked]
    return {
        "cores": os.cpu_count(),
        "load_of_decisions": os.getloadavg()[0],
        "loop": _loop([one for sampled in repeated for figures in sampled.values() for one in figures]),
        "questions": len(asked),
        "decide": {"warm": _by_sort(sorts, each["warm"]), "the first time": _by_sort(sorts, each["first"])},
        "cases": {"count": len(judged), **asdict(middle(each["cases"]))} if judged else None,
        "cedar": _cedar(cedar, bundle, each) if cedar else None,
        "differences": strange,
        "round": shares(folder, bundle, repeats),
        "fsync_milliseconds": fsync_milliseconds(folder),
        "load_of_rounds": os.getloadavg()[0],
        "asked": {"warm microseconds": ASKED_MICROSECONDS, "share": ASKED_SHARE},
    }


def _loop(figures: Sequence[Timed]) -> dict[str, float]:
    times = sorted(one.microseconds / one.loops for one in figures)
    tenth = len(times) // 10
    return {"microseconds": statistics.median(times), "slow_by_fast": times[-1 - tenth] / times[tenth]}


def _by_sort(sorts: Sequence[str], figures: Sequence[Timed]) -> dict[str, dict[str, float]]:
    chosen = {
        name: [one for sort, one in zip(sorts, figures, strict=True) if sort == name] for name in sorted(set(sorts))
    }
    return {name: asdict(middle(some)) for name, some in {"all questions": figures, **chosen}.items()}


def _cedar(cedar: Cedar, bundle: Bundle, each: Mapping[str, Sequence[Timed]]) -> dict[str, Any]:
    ours, found = middle(each["warm"]), {name: middle(each[name]) for name in FORMS}
    leaning = [rule.id for rule in cedar.translated if any(condition(one) is None for one in rule.when)]
    return {
        "policies": len(cedar.translated),
        "left_out": len(bundle.rules) - len(cedar.translated),
        "computed": sorted(one.notation for one in cedar.computed.values()),
        "rules_with_computed": leaning,
        "requests_per_question": statistics.mean(sum(len(one) for _, one in put.origins) for put in cedar.questions),
        "forms": {name: {**asdict(one), "times_ours": one.loops / ours.loops} for name, one in found.items()},
    }


def shown(found: Mapping[str, Any]) -> Iterator[str]:
    """The answer in lines."""
    loads, loops = (found["load_of_decisions"], found["load_of_rounds"]), found["loop"]
    yield f"{found['cores']} cores; load {loads[0]:.1f} while deciding, {loads[1]:.1f} after the rounds"
    yield f"the loop: {loops['microseconds']:.1f} µs; slowest tenth {loops['slow_by_fast']:.2f} times the fastest"
    head = f"microseconds, medians over {found['questions']} questions"
    yield f"\n{head:<50}{'measured':>10}{'loops':>8}{'asked':>9}"
    for when, figures in found["decide"].items():
        for name, figure in figures.items():
            asked = f"<= {ASKED_MICROSECONDS:g}" if (when, name) == ("warm", "all questions") else ""
            yield _line(f"decide, {when}: {name}", figure, asked)
    if found["cases"]:
        yield _line(f"decide, warm: {found['cases']['count']} cases without a register", found["cases"])
    yield from (
        _shown_cedar(found["cedar"]) if found["cedar"] else ["Cedar: not measured, since cedarpy is not installed"]
    )
    yield from (f"DIFFERENT: {one}" for one in found["differences"])
    columns = f"{'gates':>8}{'added':>8}{'round':>8}{'share':>9}{'asked':>9}"
    yield f"\n{'milliseconds of a round of the demo, medians':<50}{columns}"
    for model, one in found["round"].items():
        name = f"{model}: {one['crossings']:g} crossings, {one['rounds']} rounds"
        took = f"{one['gates_milliseconds']:>8.1f}{one['added_milliseconds']:>8.1f}{one['round_milliseconds']:>8.0f}"
        figures = f"{took}{one['share']:>9.1%}"
        yield f"{name:<50}{figures}{'<= ' + format(ASKED_SHARE, '.0%'):>9}"
    yield f"one kibibyte written, and waited for until it is on the disk: {found['fsync_milliseconds']:.2f}"


def _line(name: str, figure: Mapping[str, float], asked: str = "") -> str:
    return f"{name:<50}{figure['microseconds']:>10,.1f}{figure['loops']:>8.1f}{asked:>9}"


def _shown_cedar(cedar: Mapping[str, Any]) -> Iterator[str]:
    yield f"Cedar: {cedar['policies']} policies, parsed once; {cedar['requests_per_question']:.1f} claims a question"
    for name, figure in cedar["forms"].items():
        yield f"{_line('  ' + name, figure)}  {figure['times_ours']:.1f} times our loops"
    yield f"  left out: {cedar['left_out']} reviews that stand alone, which permit nothing"
    leaning = cedar["rules_with_computed"]
    yield f"  computed beforehand, since Cedar cannot say it: {'; '.join(cedar['computed']) or 'nothing'}"
    yield f"  in {len(leaning)} rules: {', '.join(leaning)}"


def cedarpy() -> Any:
    """The package, or None: it is no part of what the demo or the tests install."""
    try:
        import cedarpy as package
    except ImportError:
        return None
    return package


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--folder", type=Path, help="on the disk to be measured; the system's temporary one if not given"
    )
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=said.folder) as folder:
        found = measure(max(1, said.repeats), Path(folder), cedarpy(), load_bundle())
    print(json.dumps(found, indent=1) if said.json else "\n".join(shown(found)))
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
