"""fedsov: federated learning across jurisdictions. Records stay home, every crossing is decided and written down.

    import fedsov

    result = fedsov.train(["federation.rounds=5"])   # the whole pattern; shows itself as a table
    model = fedsov.load("DE", "stackoverflow-de@candidate")   # answers by model.predict(rows)
    fitted = fedsov.federate(model, {"DE": (X, y), "US": (X2, y2)}, rounds=10)   # arrays, as a simulation

Importing this package loads no torch, flwr, mlflow or sdv; a name loads what it needs when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedsov.algorithms.catalogue import Algorithm
    from fedsov.algorithms.compression import Compression
    from fedsov.algorithms.local_steps import LocalSteps
    from fedsov.api.inference.models import load
    from fedsov.api.resume import resume
    from fedsov.api.rows import rows
    from fedsov.api.train import train
    from fedsov.label import PUBLIC, Label
    from fedsov.model.embeddings import Embedding
    from fedsov.model.network import NetworkSpec, register
    from fedsov.simulation.federate import FederateOptions, Fitted, federate

__version__ = "0.1.0"
__all__ = [
    "PUBLIC",
    "Algorithm",
    "Compression",
    "Embedding",
    "FederateOptions",
    "Fitted",
    "Label",
    "LocalSteps",
    "NetworkSpec",
    "federate",
    "load",
    "register",
    "resume",
    "rows",
    "train",
]

_HOMES = {
    "train": "fedsov.api.train",
    "load": "fedsov.api.inference.models",
    "resume": "fedsov.api.resume",
    "rows": "fedsov.api.rows",
    "federate": "fedsov.simulation.federate",
    "Fitted": "fedsov.simulation.federate",
    "FederateOptions": "fedsov.simulation.federate",
    "Embedding": "fedsov.model.embeddings",
    "Algorithm": "fedsov.algorithms.catalogue",
    "Compression": "fedsov.algorithms.compression",
    "Label": "fedsov.label",
    "LocalSteps": "fedsov.algorithms.local_steps",
    "NetworkSpec": "fedsov.model.network",
    "register": "fedsov.model.network",
    "PUBLIC": "fedsov.label",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "Work":  # its name until 0.1; calling it warns
        return import_module("fedsov.simulation.federate").work_options
    if name not in _HOMES:
        raise AttributeError(f"module 'fedsov' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
