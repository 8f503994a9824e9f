"""Parameters and settings in and out of Flower's records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message

from fedsov.model.network import Parameters
from fedsov.training.local import LocalSteps


def config_of(message: Message) -> Mapping[str, Any]:
    """What a message says beside parameters; empty where it says nothing."""
    return dict(message.content.config_records.get("config", ConfigRecord()))


def parameters_of(message: Message) -> Parameters:
    """The parameters a message carries, as copies that may be written to. Raises StopIteration where it has none."""
    record = next(iter(message.content.array_records.values()))
    return {name: np.array(array.numpy()) for name, array in record.items()}


def drift_of(message: Message) -> Parameters:
    """What a region is to add to its gradients (`fedsov.control_plane.corrected`); empty where nothing came."""
    record = message.content.array_records.get("drift", ArrayRecord())
    return {name.removeprefix("drift/"): np.array(array.numpy()) for name, array in record.items()}


def record_of(parameters: Parameters) -> ArrayRecord:
    """Parameters as Flower's record, in the same order."""
    return ArrayRecord({name: Array(np.asarray(value)) for name, value in parameters.items()})


def question_digest(message: Message) -> str:
    """SHA-256 of a message's parameters and settings, in hexadecimal: equal for the same question asked again."""
    records = message.content.array_records.values()
    arrays = {name: hashlib.sha256(one.data).hexdigest() for record in records for name, one in record.items()}
    text = json.dumps([arrays, config_of(message)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def with_proximal(steps: LocalSteps, config: Mapping[str, Any]) -> LocalSteps:
    """The steps under the proximal term that FedProx sends with a round, where it does."""
    return replace(steps, proximal_mu=float(config["proximal-mu"])) if "proximal-mu" in config else steps
