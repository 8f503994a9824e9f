"""Whole runs whose regions have model code run on benches: the same models, and the gate's answers alone leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsov.api import train
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.ledger.ledger import Ledger
from fedsov.model.network import NetworkSpec
from fedsov.protocol.flower_messages import flower_process
from fedsov.region.trust.applications import application
from fedsov.region.worker import OpenRegion, open_region
from fedsov.runtimes import RUNTIMES
from fedsov.runtimes.bench.process_bench import BenchServer, ProcessBench
from fedsov.storage.workspace import ledger_of
from tests.hostile.people_region import PeopleRegion, drawn, told
from tests.runtimes.bench import benched
from tests.runtimes.bench.conftest import Installed
from tests.world import people

KINDS = {"one_process": "tests.runtimes.one_process:OneProcess", "benched": "tests.runtimes.bench.benched:Benched"}


@pytest.fixture
def runtimes(server: BenchServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, place in KINDS.items():
        monkeypatch.setitem(RUNTIMES, name, place)
    monkeypatch.setattr(benched, "SERVERS", [server])
    yield
    for bench in benched.begun:
        assert bench._child is None, "a run that ended left a process behind"


def _models(place: Path, kind: str, *words: str) -> dict[str, bytes]:
    """Every model of a run over two regions, as bytes."""
    lines = ["country,age,visits,ill"]
    for row in range(400):
        age, visits = 20 + row * 7 % 60, row * 3 % 11
        lines.append(f"{('DE', 'FR')[row % 2]},{age},{visits},{int(age + 3 * visits + row % 5 > 60)}")
    place.mkdir()
    asked = [
        *people(place, lines, target="ill"), "federation.rounds=2", "strategy.federated.min_rows=50",
        "model.from_scratch.epochs=1", "model.fine_tune.epochs=1", "today=2026-11-23", f"runtime.kind={kind}", *words,
    ]  # fmt: skip
    result = train.train_settings(settings(compose(asked)), progress=lambda _: None)
    paths = sorted(result.workspace.glob(f"**/models/{result.run}/**/model.safetensors"))
    return {str(path.relative_to(result.workspace)).replace(result.run, "RUN"): path.read_bytes() for path in paths}


@pytest.mark.parametrize("words", [["algorithm=fedper"], ["algorithm=scaffold"], ["federation.compression=topk"]])
def test_a_run_ends_with_the_same_models_wherever_model_code_runs(
    words: list[str], runtimes: None, tmp_path: Path
) -> None:
    one, other = (_models(tmp_path / kind, kind, *words) for kind in KINDS)
    assert len(one) == 3 and one == other


def test_of_an_exception_that_holds_a_row_its_name_alone_leaves_the_region(
    server: BenchServer, installed: Installed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    region = PeopleRegion(tmp_path / "people")
    region.place.mkdir()
    region.ingest(drawn(range(60)))
    region.set(f"applications=[{application('with_a_row')[1]}]")
    bench = ProcessBench(server, keep_out=[region.place])
    start = region.start("model.name=logistic", "model.hidden=[]")
    own = replace(start.job.recipe, network=NetworkSpec("with_a_row"))
    start = replace(start, job=replace(start.job, recipe=own))
    opened = open_region(start, bench=bench)
    assert isinstance(opened, OpenRegion), opened
    with closing(opened), flower_process():
        capsys.readouterr()
        described = told(opened, "query.statistics", {"scope": "shareable"})["statistics"]
        features = {"numeric": [["income", 5e3, 2e3]], "levels": [["ward", ["A", "B"]]], "missing": []}
        said = {"scope": "shareable", "server-round": 1, "features": json.dumps(features)}
        model = {"last.weight": np.zeros((1, 3), np.float32), "last.bias": np.zeros(1, np.float32)}
        answered = told(opened, "train", said, model)
    assert described and answered == {"error": "TrainingFailed"}
    assert "ValueError: row [" in capsys.readouterr().err, "its text is in the region's own log"
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        assert "row [" not in str([entry.body for entry in ledger.entries()])
    assert bench._child is None
