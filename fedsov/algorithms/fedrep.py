"""FedRep: every client keeps the head, trains it alone, and then the rest alone (Collins et al. 2021).

The hub's half is FedAvg's, of the shared parameters alone (https://arxiv.org/abs/2102.07078).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fedsov.algorithms.fedper import with_head
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.personalization import Personalization, PrivateParameters, private_only

HEAD_EPOCHS = 10
"""Passes of the head alone, as in the paper's experiments."""


def personalization(options: Mapping[str, float], private: PrivateParameters, update: LocalSteps) -> Personalization:
    """The head is private, or what else was asked for; it steps first and alone, then the others do.

    Args:
        options: `head_epochs`.

    Raises ConfigurationError as `private_only`.
    """
    steps = private.private_only_steps or head_steps(options, update)
    return private_only(replace(with_head(private), private_only_steps=steps, alternates=True), update)


def head_steps(options: Mapping[str, float], update: LocalSteps) -> LocalSteps:
    """The steps of the head alone: a round's, with `head_epochs` passes."""
    return replace(update, epochs=int(options.get("head_epochs", HEAD_EPOCHS)))
