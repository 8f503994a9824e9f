"""FedPer: every client keeps the last layer of the network for itself (Arivazhagan et al. 2019, arXiv 1912.00818).

The hub's half is FedAvg's, of the shared parameters alone (https://arxiv.org/abs/1912.00818).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.personalization import Personalization, PrivateParameters, private_only


def personalization(options: Mapping[str, float], private: PrivateParameters, update: LocalSteps) -> Personalization:
    """The head is private, or what else was asked for. Raises ConfigurationError as `private_only`."""
    del options
    return private_only(with_head(private), update)


def with_head(private: PrivateParameters) -> PrivateParameters:
    """The same, of the last layer where no parameters are named."""
    return private if private.names else replace(private, names=("head",))
