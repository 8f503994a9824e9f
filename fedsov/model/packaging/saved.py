"""A model that rests in a folder: what it is in ``model.json``, its parameters in ``model.safetensors`` beside it.

The description says all that an answer takes: the network, how columns become its inputs, what its outputs mean; and
where the model comes from: its run, whose it is, and the label that binds it and whatever it answers. Both files are
data: reading them runs no code that is in them (a network of one's own is code of an installed package, found by its
name). The description holds the digest of the parameters, so that one is never read with another's.

    write(folder, saved, parameters)
    saved, parameters = read(folder)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fedsov.errors import CheckpointDamaged, ConfigurationError
from fedsov.label import Label
from fedsov.model import network
from fedsov.model.embeddings import Embedding
from fedsov.model.features import Features
from fedsov.model.network import NetworkSpec, Parameters
from fedsov.model.packaging.signature import DESCRIPTION, WEIGHTS, Signature
from fedsov.model.targets import TargetRule
from fedsov.storage.atomic_files import read_arrays, sha256_hex, write_file
from fedsov.storage.bounded_files import parsed_json, read_bounded

FORMAT = 1
AGAIN = "train it again, or load a version that was registered since models could be loaded"


@dataclass(frozen=True, slots=True)
class SavedModel:
    """What a model is, without its parameters.

    Attributes:
        name: of the registered model.
        label: what binds it: the join over everything that it was computed from.
        run: in which it was trained.
        region: whose it is: a region's name, or ``hub``.
        dataset: that it was trained on.
        version: of the registered model, where one was given.
        absent: parameters that stay in the regions (`model.private`); a model with some is not whole.
        weights_sha256: of ``model.safetensors``.
    """

    name: str
    network: NetworkSpec
    features: Features
    target: TargetRule
    label: Label
    run: str
    region: str
    dataset: str = ""
    version: int | None = None
    absent: tuple[str, ...] = ()
    weights_sha256: str = ""

    @property
    def signature(self) -> Signature:
        """What it is asked, and what its answers are called."""
        return Signature(self.features, self.target)

    def check_whole(self) -> None:
        """Raises ConfigurationError, naming what it lacks, where private parameters stay in the regions."""
        if self.absent:
            raise ConfigurationError(
                f"{self.name} of the {self.region} is not whole: {', '.join(self.absent)} stay in the regions "
                "(model.private), each of which has a model of its own; load that one: "
                f"fedsov.load(REGION, '{self.name}-REGION')"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives an equal one."""
        return {
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "run": self.run,
            "region": self.region,
            "dataset": self.dataset,
            "label": self.label.to_json(),
            "network": {**asdict(self.network), "embeddings": [list(each) for each in self.network.embeddings]},
            "features": self.features.to_json(),
            "target": asdict(self.target),
            "outputs": list(self.signature.words),
            "meaning": self.signature.meaning,
            "absent": list(self.absent),
            "weights_sha256": self.weights_sha256,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> SavedModel:
        """The inverse of `to_json`. Raises ConfigurationError for a network that is not known here, LookupError,
        TypeError, ValueError."""
        if value["format"] != FORMAT:
            raise ConfigurationError(
                f"the model is described in format {value['format']}, and {FORMAT} is read here; install a newer fedsov"
            )
        spec = dict(value["network"])
        spec |= {"hidden": tuple(spec["hidden"]), "embeddings": tuple(Embedding(*each) for each in spec["embeddings"])}
        return SavedModel(
            name=str(value["name"]),
            network=NetworkSpec(**spec),
            features=Features.from_json(value["features"]),
            target=TargetRule.from_json(value["target"]),
            label=Label.from_json(value["label"]),
            run=str(value["run"]),
            region=str(value["region"]),
            dataset=str(value.get("dataset", "")),
            version=None if value["version"] is None else int(value["version"]),
            absent=tuple(value["absent"]),
            weights_sha256=str(value["weights_sha256"]),
        )


def write(folder: Path, saved: SavedModel, parameters: Parameters) -> Path:
    """Writes both files, the parameters first, with the label in their file's own metadata too; their path.

    Raises WorkspaceUnusable where one cannot be written.
    """
    from safetensors.numpy import save

    content = save(dict(parameters), metadata={"label": json.dumps(saved.label.to_json())})
    write_file(folder / WEIGHTS, content)
    described = replace(saved, weights_sha256=sha256_hex(content))
    write_file(folder / DESCRIPTION, json.dumps(described.to_json(), indent=1).encode())
    return folder / WEIGHTS


def read(folder: Path) -> tuple[SavedModel, Parameters]:
    """The model of a folder: its description and its parameters.

    Raises:
        ConfigurationError: it has no description, as of old, or its network is not known here.
        CheckpointDamaged: the parameters are not those that the description names, or not the network's.
    """
    saved = read_description(folder)
    parameters = read_arrays(folder / WEIGHTS, saved.weights_sha256)
    _check(folder, saved, parameters)
    return saved, parameters


def read_description(folder: Path) -> SavedModel:
    """The description alone. Raises ConfigurationError, CheckpointDamaged as `read`."""
    path = folder / DESCRIPTION
    try:
        return SavedModel.from_json(parsed_json(read_bounded(path)))
    except FileNotFoundError:
        raise ConfigurationError(f"{folder} holds no {DESCRIPTION}, which says what the model is; {AGAIN}") from None
    except (LookupError, TypeError, ValueError, OSError) as error:
        raise CheckpointDamaged(f"{path} was changed or cut: {error}; {AGAIN}") from error


def _check(folder: Path, saved: SavedModel, parameters: Parameters) -> None:
    expected = network.shapes(saved.network, saved.features.inputs)
    shaped = {name: array.shape for name, array in parameters.items()}
    if shaped != {name: shape for name, shape in expected.items() if name not in saved.absent}:
        raise CheckpointDamaged(f"{folder / WEIGHTS} does not hold the parameters of {DESCRIPTION}; {AGAIN}")
