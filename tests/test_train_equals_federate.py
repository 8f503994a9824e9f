"""A run and `federate` give the same parameters for the same arrays, whatever the algorithm.

The run is real: processes of regions, messages, gates and ledgers, ended when the hub has written its model. The arrays
that `federate` is given are the training rows of the same stores, encoded by features that are agreed on alike.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import fedsov
from fedsov.api import train
from fedsov.config.hub_settings import training_job
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import Settings, settings
from fedsov.keys.local import LocalKeyring
from fedsov.model.features import Features, Statistics
from fedsov.partition.store import Store
from fedsov.region.session import Session
from fedsov.region.settings import OwnDataset, RegionSettings
from fedsov.storage.workspace import Workspace
from tests.each_algorithm import EACH_ALGORITHM
from tests.world import people

REGIONS = ("AT", "DE", "FR", "IT")
SETTINGS = (
    "dataset.consent=null",
    "federation.rounds=2",
    "model.hidden=[4]",
    "strategy.order=[federated]",
    "strategy.federated.min_rows=20",
)
TOLERANCE = 1e-6
Arrays = Mapping[str, tuple[np.ndarray, np.ndarray]]


class Enough(Exception):
    """The global model is written; what follows is not compared."""


@pytest.fixture(scope="module", autouse=True)
def warm(fork_servers: None) -> None:
    """The runs of this module share their fork servers."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words of a run over four countries of unequal size."""
    rng, lines = random.Random(0), ["country,age,visits,bought"]
    for place, country in enumerate(REGIONS):
        for _ in range(50 + 30 * place):
            visits = rng.randint(0, 9)
            lines.append(f"{country},{rng.randint(18, 90)},{visits},{int(visits + place + rng.gauss(0, 2) > 6)}")
    return [*people(tmp_path_factory.mktemp("equal"), lines, target="bought"), *SETTINGS]


def _run(chosen: Settings) -> Path:
    """The file of a run's global model."""
    models = f"hub/models/*/{chosen.dataset.name}/model.safetensors"
    before = set(chosen.workspace.glob(models))

    def hear(_: bytes) -> None:
        if set(chosen.workspace.glob(models)) - before:
            raise Enough

    with pytest.raises(Enough):
        train.train_settings(chosen, progress=lambda _: None, on_bytes=hear)
    (written,) = set(chosen.workspace.glob(models)) - before
    return written


def _of_region(model: Path, region: str, workspace: Path) -> dict[str, np.ndarray]:
    """What a region kept after a run's last round, by name."""
    kept = sorted((workspace / "regions" / region / "runs" / model.parts[-3]).glob("own-shareable-*"))
    return load_file(kept[-1]) if kept else {}


def _arrays(chosen: Settings) -> Arrays:
    """Each region's training rows, as its own process has them."""
    rows, workspace = {}, Workspace(chosen.workspace)
    for name in REGIONS:
        folder = workspace.region(name)
        keyring = LocalKeyring.open(folder / "keyring.json", name)
        records = Store.open(folder / "store" / chosen.dataset.name, keyring).read()
        examples = RegionSettings(name, datasets={chosen.dataset.name: OwnDataset(True, chosen.dataset.examples)})
        rows[name] = Session(records, training_job(chosen), folder, settings=examples).divided("shareable").train
    described = [Statistics.from_records(each.columns, each.kinds, persons=each.persons) for each in rows.values()]
    features = Features.fit(reduce(add, described))
    return {name: (features.encode(each.columns), each.y) for name, each in rows.items()}


@pytest.mark.parametrize("name", EACH_ALGORITHM)
def test_a_run_and_federate_give_the_same_parameters(name: str, table: list[str]) -> None:
    chosen = settings(compose([*table, f"algorithm={name}"]))
    model = _run(chosen)
    of_run = load_file(model)
    fitted = fedsov.federate(
        chosen.recipe.network,
        _arrays(chosen),
        rounds=chosen.federation.rounds,
        steps=chosen.recipe.round,
        algorithm=chosen.algorithm,
        seed=chosen.seed,
    )
    assert fitted.parameters.keys() == of_run.keys()
    for key, value in of_run.items():
        np.testing.assert_allclose(fitted.parameters[key], value, rtol=0, atol=TOLERANCE)
    for region in REGIONS:
        kept = _of_region(model, region, chosen.workspace)
        assert bool(kept) == chosen.training.keeps_state
        own = fitted.of(region)
        shown = {key: value for key, value in kept.items() if not key.startswith("algorithm/")}
        for key, value in shown.items():
            np.testing.assert_allclose(own[key.partition("/")[2]], value, rtol=0, atol=TOLERANCE)
    first = fedsov.federate(chosen.recipe.network, _arrays(chosen), rounds=1, algorithm=chosen.algorithm, seed=1)
    assert any(np.abs(first.parameters[key] - value).max() > 100 * TOLERANCE for key, value in of_run.items())
