"""The files of an approved version in a region's folder: what the endpoint computes with, and its reference.

    files = served_files(saved, parameters, weights)         # model.json, model.safetensors, model.onnx
    reference = reference_of(place, own, predictor, request)  # reference.json, of the region's own rows

`reference.json` tells what the model's inputs and scores were like on the region's own rows, in bins of ten people or
more. The store is opened for it with the purpose `inference`, which the region's ledger notes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedsov.artifact import INFERENCE
from fedsov.errors import InputError
from fedsov.inference.predictor import Predictor
from fedsov.inference.use.drift import Reference
from fedsov.model.network import Parameters
from fedsov.model.packaging.onnx_export import export
from fedsov.model.packaging.saved import SavedModel
from fedsov.model.packaging.signature import DESCRIPTION, GRAPH, WEIGHTS
from fedsov.partition.records import keyed_numbers
from fedsov.region.admission import Place
from fedsov.region.lifecycle.retention import in_use
from fedsov.region.settings import RegionSettings
from fedsov.region.trust.access import Opening, keys_for, open_store
from fedsov.storage.atomic_files import write_file
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import store_of

ENDPOINT = "endpoint"
"""The principal that opens a store for inference."""


@dataclass(frozen=True, slots=True)
class ReferenceRequest:
    """Of which data set's rows a reference is made, and who asked for it."""

    dataset: str
    by: str


def served_files(saved: SavedModel, parameters: Parameters, weights: bytes) -> dict[str, bytes]:
    """What the endpoint computes with, by file name. Raises ConfigurationError where it cannot be exported."""
    graph = export(saved, parameters)
    return {DESCRIPTION: json.dumps(saved.to_json(), indent=1).encode(), WEIGHTS: weights, GRAPH: graph}


def reference_of(
    place: Place, own: RegionSettings, saved: SavedModel, files: Mapping[str, bytes], asked: ReferenceRequest
) -> bytes:
    """``reference.json``: the model's inputs and scores on the region's rows that are in use.

    Raises InputError, in a sentence, where the region has no such rows or the model reads what they lack; JobRefused,
    KeyUnavailable, StoreDamaged as the region's own process.
    """
    if not asked.dataset or not store_of(place.folder, asked.dataset).is_dir():
        raise InputError(f"region {own.region} holds no rows of {asked.dataset or 'a data set that is named'}")
    keys = keys_for(place, own, ENDPOINT)
    store = open_store(place, keys, Opening(asked.dataset, INFERENCE, asked.by))
    records = in_use(store, own, on=place.ledger.today())
    if not len(records):
        raise InputError(f"region {own.region} has no row of {asked.dataset} in use")
    inputs = saved.features.encode(records.columns)
    predictor = Predictor(saved.to_json(), files[GRAPH])
    scores = predictor.run(np.asarray(inputs, np.float32))
    by_name = dict(zip(saved.features.names, np.asarray(inputs).T, strict=True))
    return json.dumps(Reference.of(by_name, scores, people=keyed_numbers(records.subjects)).to_json()).encode()


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Puts a version's files in their folder, each whole. Raises WorkspaceUnusable."""
    make_private_folder(folder)
    for name, content in files.items():
        write_file(folder / name, content)
