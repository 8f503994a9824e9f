"""A test of attacks on a region's training, and the report of it that evidence can be made of.

The training attacked is the one that a run with the same settings takes in a region: its network, the steps of all its
rounds and, under `privacy=record`, its clipping, sampling and noise, calibrated for as many rows. The attacked model is
trained on one region's rows alone; in a global model they are one part among several, so this is the harder case.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedsov.algorithms.local_steps import CONSTANT
from fedsov.api.attack_rows import Attacked
from fedsov.api.train import Progress
from fedsov.attacks import art_membership
from fedsov.attacks.gradient_inversion import Noise, invert
from fedsov.attacks.membership import Target, canary_audit, membership, observe
from fedsov.attacks.shadow_models import AttackedTraining
from fedsov.attacks.verdict import CONFIDENCE, AttackLimits, Figures, verdict
from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError, WorkspaceUnusable, unknown
from fedsov.privacy.accounting import calibrated, guarantee
from fedsov.runtimes import check_kind
from fedsov.storage.atomic_files import replace_file
from fedsov.storage.private_files import make_private_folder

FORMAT = "fedsov attack test 1"
MEMBERSHIP = {"loss": ("loss",), "lira": ("lira_online", "lira_offline"), "art": ("art",)}
"""Attacks on membership as they are asked for, and what each consists of."""
ATTACKS = (*MEMBERSHIP, "inversion", "canary")
NOT_CLAIMED = (
    "an attack that fails here proves nothing about another one, nor about this one with more shadow models",
    "nobody is anonymous because of this report",
    "the attacker here sees the final model alone; who sees each round's update can do better",
    "intervals hold for these rows and this one target model; a test repeated until it passes has not passed",
    "the audit's bound is from below: a small one shows no privacy; gradient inversion has no part in the verdict",
)
_ASSUMED = Noise(1.0, 1.0, AttackedTraining().generators)
"""Clipping and noise that inversion is compared with where the run has none."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much work a test is: shadow models, most rows, canary runs, and trials of inversion by batch."""

    shadows: int = 64
    rows: int = 2000
    runs: int = 500
    trials: Mapping[int, int] | None = None

    @property
    def inversions(self) -> Mapping[int, int]:
        return self.trials or {1: 20, 2: 3, 4: 3, 8: 3}


QUICK = Size(shadows=16, rows=600, runs=128, trials={1: 10, 4: 1})


@dataclass(frozen=True, slots=True)
class AttackClaim:
    """The training that is attacked, and the epsilon and delta claimed for it; None where nothing is."""

    training: AttackedTraining
    epsilon: float | None
    delta: float


def claimed(settings: Settings, rows: int) -> AttackClaim:
    """The training of a run with these settings in a region of so many training rows."""
    update, asked = settings.recipe.round, settings.privacy
    if asked is None:
        steps = replace(update, epochs=update.epochs * settings.federation.rounds)
        return AttackClaim(AttackedTraining(settings.recipe.network, steps), None, 1.0 / max(rows, 2) ** 2)
    delta = asked.delta_for(rows)
    mechanism = calibrated(
        (),
        asked.epsilon if asked.epsilon is not None else asked.lifetime_epsilon,
        delta,
        sampling_rate=asked.sampling_rate(rows),
        steps=asked.steps(rows, update.epochs) * settings.federation.rounds,
        clip=asked.clip,
    )
    spent = guarantee([mechanism.event], delta).epsilon
    return AttackClaim(AttackedTraining(settings.recipe.network, update, mechanism), spent, delta)


def check(attacks: tuple[str, ...]) -> None:
    """Raises ConfigurationError for an attack that there is not, none at all, or one whose package is missing."""
    for name in attacks:
        if name not in ATTACKS:
            raise ConfigurationError(unknown("attack", name, ATTACKS))
    if not attacks:
        raise ConfigurationError(f"no attack is named; the attacks are {', '.join(ATTACKS)}")
    if "art" in attacks:
        art_membership.require()


def _check_training(settings: Settings) -> None:
    """Raises ConfigurationError where what would be attacked is not the training that these settings ask for."""
    check_kind(settings.runtime.kind)
    if settings.dataset.target.task != "binary":
        task = settings.dataset.target.task
        raise ConfigurationError(f"attacks are made on outcomes of 0 and 1; dataset.task={task} has none")
    unlike = {
        "algorithm=fedrep or model.private_only_steps": settings.personalization.private.private_only_steps is not None,
        "federation.schedule": settings.federation.schedule != CONSTANT,
        "model.frozen": bool(settings.recipe.frozen),
    }
    if differing := [name for name, asked in unlike.items() if asked]:
        raise ConfigurationError(
            "attacks are made on a training in which all parameters step together at one rate; "
            f"with {differing[0]} what was attacked would be another training"
        )


def examine(
    settings: Settings, rows: Attacked, attacks: tuple[str, ...], size: Size, *, progress: Progress
) -> dict[str, Any]:
    """The report of a test, as plain values.

    Raises:
        ConfigurationError, InputError, TrainingFailed: nothing could be attacked.
    """
    check(attacks)
    _check_training(settings)
    claim, took = claimed(settings, len(rows.y) // 2), dict[str, float]()
    target = Target(rows.X, rows.y, claim.training, settings.seed)
    figures = _timed(took, "membership", lambda: _membership(target, attacks, size, progress))
    audit = _timed(took, "canary", lambda: _audit(target, claim, size, progress)) if "canary" in attacks else None
    inverted = _timed(took, "inversion", lambda: _inversion(target, size, progress)) if "inversion" in attacks else []
    shown = {} if audit is None or claim.epsilon is None else {"canary": (audit["epsilon"], claim.epsilon)}
    judged = verdict(figures, shown, AttackLimits())
    return {
        "format": FORMAT,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": {
            "where": rows.where,
            "held": rows.held,
            "attacked": len(rows.y),
            "inputs": len(rows.names),
            "unused": dict(rows.unused),
        },
        "training": _described(claim),
        "claimed": {
            "epsilon": claim.epsilon,
            "delta": claim.delta,
            "unit": "record",
            "neighbours": "add_or_remove_one",
        },
        "shadow_models": size.shadows if figures else 0,
        "canary_runs": size.runs if audit else 0,
        "seed": settings.seed,
        "membership": {name: figure.to_json() for name, figure in figures.items()},
        "audit": audit,
        "inversion": inverted,
        "confidence": CONFIDENCE,
        "limits": asdict(AttackLimits()),
        "verdict": judged.word,
        "reasons": list(judged.reasons),
        "not_claimed": list(NOT_CLAIMED),
        "seconds": took,
    }


def _timed(took: dict[str, float], name: str, act: Callable[[], Any]) -> Any:
    started = time.monotonic()
    outcome = act()
    took[name] = round(time.monotonic() - started, 2)
    return outcome


def _membership(target: Target, attacks: tuple[str, ...], size: Size, progress: Progress) -> dict[str, Figures]:
    wanted = tuple(part for name in attacks for part in MEMBERSHIP.get(name, ()))
    if not wanted:
        return {}
    progress(f"trains the target and {size.shadows} shadow models on halves of {len(target.y):,} rows")
    return membership(observe(target, size.shadows), wanted)


def _audit(target: Target, claim: AttackClaim, size: Size, progress: Progress) -> dict[str, Any]:
    progress(f"trains {size.runs} runs with or without a canary")
    shown, other = canary_audit(target, size.runs, delta=claim.delta)
    return {**shown.to_json(), "claimed": claim.epsilon, "jax_privacy": other}


def _inversion(target: Target, size: Size, progress: Progress) -> list[dict[str, Any]]:
    progress("inverts gradients")
    training, mechanism = target.training, target.training.mechanism
    noise = _ASSUMED if mechanism is None else Noise(mechanism.clip, mechanism.noise_multiplier, training.generators)
    return [
        invert(target.X, target.y, training.network, batch=batch, trials=trials, seed=target.seed, noise=each).to_json()
        for batch, trials in size.inversions.items()
        for each in (None, noise)
    ]


def _described(claim: AttackClaim) -> dict[str, Any]:
    mechanism = claim.training.mechanism
    return {
        "network": asdict(claim.training.network),
        "steps": asdict(claim.training.steps),
        "mechanism": None if mechanism is None else asdict(mechanism),
    }


def written(report: Mapping[str, Any], path: Path) -> str:
    """Writes the report, readable by its owner alone; returns its SHA-256, which a register keeps.

    Raises:
        WorkspaceUnusable: the file cannot be written.
    """
    content = (json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    try:
        make_private_folder(path.parent)
        replace_file(path, content)
    except OSError as error:
        raise WorkspaceUnusable(f"cannot write {path}: {error.strerror}; name another file with --out FILE") from None
    return hashlib.sha256(content).hexdigest()
