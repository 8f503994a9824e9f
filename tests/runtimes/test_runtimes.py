"""The seam: `runtime.kind` chooses, and the same seed gives the same bits through every runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov import load
from fedsov.api import train
from fedsov.api.result import RunResult
from fedsov.config.hydra_compose import compose, config_dir
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError
from fedsov.hub.gated_grid import GatedGrid
from fedsov.ledger.ledger import Ledger
from fedsov.model.packaging.loaded import LoadedModel
from fedsov.model.packaging.saved import read
from fedsov.region.outbound import Outbound
from fedsov.registry.lookup import listed
from fedsov.runtimes import DEFAULT, RUNTIMES, kind_in, open_runtime
from fedsov.storage.workspace import Workspace
from tests.runtimes.deployment.hub_side import trial_of
from tests.runtimes.deployment.world import Deployment
from tests.world import people

ONE_PROCESS = {"one_process": "tests.runtimes.one_process:OneProcess"}
KINDS = (*RUNTIMES, *ONE_PROCESS)
pytestmark = pytest.mark.usefixtures("fork_servers")


def _words(place: Path, kind: str) -> list[str]:
    lines = ["country,age,visits,ill"]
    for row in range(400):
        age, visits = 20 + row * 7 % 60, row * 3 % 11
        lines.append(f"{('DE', 'FR')[row % 2]},{age},{visits},{int(age + 3 * visits + row % 5 > 60)}")
    settings_of_run = [
        "federation.rounds=2",
        "strategy.federated.min_rows=50",
        "algorithm=ditto",
        "model.from_scratch.epochs=1",
        "model.fine_tune.epochs=1",
        "today=2026-11-23",
        f"runtime.kind={kind}",
    ]
    return [*people(place, lines, target="ill"), *settings_of_run]


@pytest.fixture(scope="module", params=KINDS)
def result(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RUNTIMES, *next(iter(ONE_PROCESS.items())))
        place = tmp_path_factory.mktemp(request.param)
        words = _words(place, request.param)
        if request.param == "deployment":
            return _deployed(place, words)
        return train.train_settings(settings(compose(words)), progress=lambda _: None)


def _deployed(place: Path, words: list[str]) -> RunResult:
    """The run over regions that ingested in process, and are deployed now."""
    ingesting = [word for word in words if not word.startswith("runtime.")]
    train.ingest_settings(settings(compose(ingesting)), progress=lambda _: None)
    deployment = Deployment(place / "deployed", place / "w", ["DE", "FR"])
    try:
        deployment.start()
        moved = [word for word in words if not word.startswith("workspace=")]
        chosen = settings(compose([*moved, f"workspace={deployment.workspace}"]))
        return train.train_settings(chosen, progress=lambda _: None)
    finally:
        deployment.end()


NAMES_OF_MODELS = "names of registered models"
"""A deployed region tells the hub these by a crossing of their own; in one workspace the registrar tells them."""
_first: dict[str, dict[str, bytes]] = {}


def _models(result: RunResult) -> dict[str, bytes]:
    """Every model of a run, the hub's and each region's, as bytes: parameters, and the label that binds them."""
    paths = sorted(result.workspace.glob(f"**/models/{result.run}/**/model.safetensors"))
    return {str(path.relative_to(result.workspace)).replace(result.run, "RUN"): path.read_bytes() for path in paths}


def _acts(result: RunResult) -> dict[str, list[tuple[str, ...]]]:
    """What each ledger says of the run, without times and digests."""
    told = ("act", "kind", "name", "verdict", "round", "origins", "count", "bytes", "day")
    bodies = {owner: [entry.body for entry in Ledger.read(path).entries()] for owner, path in result.ledger.items()}
    return {
        owner: [
            tuple(str(body.get(key)) for key in told)
            for body in several
            if body["act"] == "cross" and body["run"] == result.run and body["name"] != NAMES_OF_MODELS
        ]
        for owner, several in bodies.items()
    }


def test_the_same_seed_gives_the_same_bits_through_every_runtime(result: RunResult) -> None:
    models = _models(result)
    assert set(models) == {
        "hub/models/RUN/people/model.safetensors",
        "regions/DE/models/RUN/model.safetensors",
        "regions/FR/models/RUN/model.safetensors",
    }
    assert models == _first.setdefault("models", models)


def test_the_same_crossings_are_decided_by_the_same_parties_under_every_runtime(result: RunResult) -> None:
    acts = {owner: sorted(several) for owner, several in _acts(result).items()}
    assert any("update" in act for act in acts["DE"]) and any("model" in act for act in acts["hub"])
    assert acts == _first.setdefault("acts", acts)  # type: ignore[arg-type, comparison-overlap]


def test_every_runtime_registers_the_models_of_the_hub_and_of_each_region(result: RunResult) -> None:
    assert {owner: [tuple(model) for model in models] for owner, models in result.models.items()} == {
        "hub": [("people", 1)],
        "DE": [("people-de", 1)],
        "FR": [("people-fr", 1)],
    }


def test_every_registered_model_is_loaded_and_answers_the_same_under_every_runtime(result: RunResult) -> None:
    rows, answers = {"age": [30.0, None], "visits": [1.0, 9.0]}, {}
    for region in ("DE", "FR"):
        model = load(region, f"people-{region.lower()}@candidate", workspace=result.workspace)
        assert (model.version, model.saved.run, model.label.origins) == (1, result.run, {"DE", "FR"})
        answers[region] = model.predict(rows)["probability"].tolist()
    (hubs,) = listed(Workspace(result.workspace).hub)
    answers["hub"] = LoadedModel(*read(hubs.folder)).predict(rows)["probability"].tolist()
    for version in (hubs, *listed(Workspace(result.workspace).region("DE"))):
        assert (version.folder / "MLmodel").is_file() and "candidate" in version.aliases
    assert answers == _first.setdefault("answers", answers)  # type: ignore[arg-type, comparison-overlap]


def test_a_runtime_has_neither_gate() -> None:
    from tests.runtimes import one_process

    modules = [one_process, __import__(RUNTIMES[DEFAULT].partition(":")[0], fromlist=["x"])]
    for module in modules:
        assert not {"Gate", GatedGrid.__name__, Outbound.__name__} & set(vars(module)), module


def test_a_runtime_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="runtime.kind is 'in_proces'; expected in_process or deployment; did you mean in_p"
    ):
        open_runtime("in_proces", Workspace(tmp_path))
    chosen = settings(compose([f"workspace={tmp_path / 'w'}", "runtime.kind=ray"]))
    for act in (train.train_settings, train.plan_settings, train.ingest_settings):
        with pytest.raises(ConfigurationError, match="runtime.kind is 'ray'"):
            act(chosen, progress=lambda _: None)  # type: ignore[operator]
    assert not (tmp_path / "w").exists()


def test_a_runtime_is_told_its_own_options_and_others_are_refused_by_name(tmp_path: Path) -> None:
    words = [f"workspace={tmp_path / 'w'}", "runtime.options={address: host:9092}"]
    chosen = settings(compose([*words, "runtime.kind=one_process"])).runtime
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RUNTIMES, *next(iter(ONE_PROCESS.items())))
        runtime = open_runtime(chosen.kind, Workspace(tmp_path), options=chosen.options)
        assert vars(runtime)["address"] == "host:9092"
        with pytest.raises(
            ConfigurationError, match="unknown option of runtime.kind=one_process 'adress'; did you mean"
        ):
            open_runtime(chosen.kind, Workspace(tmp_path), options={"adress": "host"})
    with pytest.raises(ConfigurationError, match="unknown option of runtime.kind=in_process 'address'; there are none"):
        train.plan_settings(settings(compose(words)), progress=lambda _: None)


def test_each_runtime_has_a_file_of_settings_that_names_it() -> None:
    files = {path.stem: path.read_text() for path in (config_dir() / "runtime").glob("*.yaml")}
    assert set(files) == set(RUNTIMES)
    assert all(f"kind: {name}\n" in text for name, text in files.items())


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["seed=1"], DEFAULT),
        (["runtime=deployment", "seed=1"], "deployment"),
        (["runtime=deployment", "runtime.kind=in_process"], "in_process"),
        (["runtime.timeout=3"], DEFAULT),
        (["+runtime.kind=x"], "x"),
    ],
)
def test_the_runtime_that_words_choose_is_the_last_one_named(words: list[str], kind: str) -> None:
    assert kind_in(words) == kind


@pytest.mark.parametrize("kind", RUNTIMES)
def test_every_row_of_the_table_opens_and_closes(tmp_path: Path, kind: str) -> None:
    trial_of(tmp_path, "DE")  # what a deployment's hub has beside its workspace; nobody listens there
    runtime = open_runtime(kind, Workspace(tmp_path), trains=False)
    assert all(callable(getattr(runtime, act)) for act in ("ingest", "connect", "register", "close"))
    runtime.close()
    runtime.close()
