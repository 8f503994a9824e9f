"""Real MLflow on real SQLite files; the slow import is paid once, by this process."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from fedsov.errors import ConfigurationError, WorkspaceUnusable
from fedsov.model.packaging import saved
from fedsov.registry import QUIET, models, promote, record, tag
from fedsov.registry.lookup import listed, params_of
from fedsov.registry.values import ModelRecord, RunRecord
from tests.model.world import parameters_of, saved_model


@pytest.fixture
def run(tmp_path: Path) -> RunRecord:
    model = saved_model(name="global_model")
    weights = saved.write(tmp_path / "written", model, parameters_of(model))
    return RunRecord(
        run="r1",
        experiment="train",
        params={"strategy.name": "fedavg"},
        metrics=(("auc/GB", 0.5, 1), ("auc/GB", 0.75, 2)),
        tags={"unsafe": "false"},
        artifacts={"plan.json": '{"GB": "federated"}'},
        models=(ModelRecord("global_model", weights, {"digest": "ab"}),),
    )


words = st.text(max_size=5)


@given(
    words,
    st.dictionaries(words, words),
    st.lists(st.tuples(words, st.floats(allow_nan=False), st.integers())),
)
def test_a_record_survives_its_journey_as_json(name, texts, metrics):
    model = ModelRecord(name, Path("/somewhere") / "m", texts)
    sent = RunRecord(name, name, texts, tuple(metrics), texts, texts, (model, model))
    assert RunRecord.from_json(json.loads(json.dumps(sent.to_json()))) == sent


def test_an_unknown_part_of_a_record_is_refused():
    with pytest.raises(TypeError, match="colour"):
        RunRecord.from_json(RunRecord("r", "e").to_json() | {"colour": "red"})


def test_a_run_that_is_recorded_again_is_one_run_with_one_version(run, tmp_path):
    first = record(tmp_path, run)
    assert record(tmp_path, run) == first
    assert [(one.name, one.version) for one in models(tmp_path)] == [("global_model", 1)]


def test_a_run_that_was_half_recorded_gives_way_to_the_whole_one(run, tmp_path):
    from fedsov.registry import tracking

    record(tmp_path, run)
    with tracking.opened(tmp_path / "mlflow.db") as client:
        (old,) = client.search_runs(["1"])
        client.update_run(old.info.run_id, status="RUNNING")
    record(tmp_path, replace(run, run="another"))
    assert record(tmp_path, run) == (("global_model", 3),)
    assert [one.version for one in models(tmp_path)] == [2, 3]
    with tracking.opened(tmp_path / "mlflow.db") as client:
        assert sorted(one.info.run_name for one in client.search_runs(["1"])) == ["another", "r1"]


def test_a_recorded_run_is_found_again_by_mlflow(run, tmp_path):
    import mlflow

    assert record(tmp_path / "hub", run) == (("global_model", 1),)
    address = f"sqlite:///{tmp_path}/hub/mlflow.db"
    client = mlflow.MlflowClient(address, address)
    (found,) = client.search_runs([client.get_experiment_by_name("train").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params == {"strategy.name": "fedavg"}
    assert [(each.value, each.step) for each in client.get_metric_history(found.info.run_id, "auc/GB")] == [
        (0.5, 1),
        (0.75, 2),
    ]
    assert client.get_model_version_by_alias("global_model", "candidate").run_id == found.info.run_id
    plan = tmp_path / "hub" / "artifacts" / found.info.run_id / "artifacts" / "plan.json"
    assert plan.read_text() == '{"GB": "federated"}'


def test_weights_and_features_lie_under_the_registry_s_folder(run, tmp_path):
    record(tmp_path / "hub", run)
    assert models(tmp_path / "hub") == (("global_model", 1, ("candidate",), {"digest": "ab"}),)
    (weights,) = (tmp_path / "hub" / "artifacts").rglob("model.safetensors")
    written = run.models[0].path
    assert weights.read_bytes() == written.read_bytes() and load_file(weights).keys() == {"0.weight", "0.bias"}
    assert weights.with_name("model.json").read_bytes() == written.with_name("model.json").read_bytes()


def test_the_candidate_is_the_newest_version_and_the_champion_the_promoted_one(run, tmp_path):
    assert record(tmp_path, run) == (("global_model", 1),)
    assert record(tmp_path, replace(run, run="r2")) == (("global_model", 2),)
    promote(tmp_path, "global_model", 1)
    assert [each.aliases for each in models(tmp_path)] == [("champion",), ("candidate",)]
    promote(tmp_path, "global_model", 2)
    assert [each.aliases for each in models(tmp_path)] == [(), ("candidate", "champion")]


def test_more_numbers_than_one_call_takes_are_recorded(tmp_path):
    many = RunRecord("r", "e", {f"p{i}": "v" for i in range(230)}, tuple(("m", float(i), i) for i in range(2100)))
    assert record(tmp_path, many) == ()
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as file:
        assert file.execute("SELECT count(*) FROM params").fetchone() == (230,)
        assert file.execute("SELECT count(*) FROM metrics").fetchone() == (2100,)


def test_promoting_what_does_not_exist_says_what_does(run, tmp_path):
    with pytest.raises(
        ConfigurationError, match=r"no model 'global_model' version 1 .* no models yet; run train first"
    ):
        promote(tmp_path, "global_model", 1)
    assert not (tmp_path / "mlflow.db").exists()
    record(tmp_path, run)
    for name, version in (("global_model", 2), ("other", 1)):
        with pytest.raises(ConfigurationError, match=r"it holds global_model 1$"):
            promote(tmp_path, name, version)


def test_a_version_tells_its_files_its_run_s_settings_and_the_tags_it_was_given(run, tmp_path):
    record(tmp_path, run)
    (name, version), *_ = ((each.name, each.version) for each in models(tmp_path))
    tag(tmp_path, name, version, "attack_verdict", "pass")
    (known,) = listed(tmp_path)
    assert known.tags["attack_verdict"] == "pass" and params_of(tmp_path, known.run) == run.params
    assert (known.folder / "model.safetensors").read_bytes() == run.models[0].path.read_bytes()
    with pytest.raises(ConfigurationError, match="it holds"):
        tag(tmp_path, name, 99, "attack_verdict", "pass")


def test_a_key_that_mlflow_rejects_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigurationError, match="MLflow cannot store this run"):
        record(tmp_path, RunRecord("r", "e", metrics=(("a?b", 1.0, 0),)))


def test_a_model_s_name_may_hold_a_quote_but_no_slash(run, tmp_path):
    odd = replace(run.models[0], name="it's")
    with pytest.raises(ConfigurationError, match="MLflow cannot store"):
        record(tmp_path, replace(run, models=(replace(odd, name="a/b"),)))
    assert record(tmp_path, replace(run, models=(odd,))) == (("it's", 1),)
    assert record(tmp_path, replace(run, run="r2", models=(odd,))) == (("it's", 2),)


def test_missing_weights_are_named(run, tmp_path):
    run.models[0].path.unlink()
    with pytest.raises(WorkspaceUnusable, match=r"model\.safetensors"):
        record(tmp_path, run)


@pytest.mark.parametrize("content", [b"this is not a database, though long enough" * 20, b"SQLite format 3\0"])
def test_a_corrupt_registry_is_named(run, tmp_path, content):
    (tmp_path / "mlflow.db").write_bytes(content)
    for use in (
        lambda: record(tmp_path, run),
        lambda: models(tmp_path),
        lambda: promote(tmp_path, "global_model", 1),
    ):
        with pytest.raises(WorkspaceUnusable, match=r"mlflow\.db cannot be used"):
            use()
    assert (tmp_path / "mlflow.db").read_bytes() == content


def test_a_registry_damaged_in_the_middle_is_named(run, tmp_path):
    record(tmp_path, run)
    with (tmp_path / "mlflow.db").open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(400_000))
    with pytest.raises(WorkspaceUnusable, match=r"mlflow\.db cannot be used"):
        record(tmp_path, run)


def test_a_folder_that_cannot_be_made_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceUnusable, match="file/hub"):
        record(tmp_path / "file" / "hub", run)


FULL = """
import resource, sys
from pathlib import Path
from fedsov.errors import WorkspaceUnusable
from fedsov.registry import RunRecord, record, tracking
metrics = tuple(("m" * 200, 0.5, step) for step in range(4000))
for folder, limit in (("early", 200_000), ("late", 1_000_000)):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
    try:
        record(Path(sys.argv[1]) / folder, RunRecord("r", "e", metrics=metrics))
    except WorkspaceUnusable as error:
        print(error)
"""


def test_a_full_disk_is_named_and_leaves_no_half_made_registry(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=True)
    early, late = done.stdout.splitlines()
    assert early.startswith(f"the registry {tmp_path}/early/mlflow.db cannot be used (")
    assert late.startswith(f"the registry {tmp_path}/late/mlflow.db cannot be used (")
    assert not list((tmp_path / "early").iterdir())


@pytest.mark.parametrize("name", ["a b", "a=1,b=ü", "it's #1"])
def test_a_registry_s_folder_may_have_an_odd_name(run, tmp_path, name):
    assert record(tmp_path / name, run) == (("global_model", 1),)
    promote(tmp_path / name, "global_model", 1)
    assert models(tmp_path / name)[0].aliases == ("candidate", "champion")
    assert len(list((tmp_path / name / "artifacts").rglob("model.safetensors"))) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, "written"])


@pytest.mark.parametrize("name", ["a%20b", "what?"])
def test_a_folder_that_mlflow_would_mistake_for_another_is_refused(run, tmp_path, name):
    with pytest.raises(ConfigurationError, match=r"without % and \? in its path"):
        record(tmp_path / name, run)
    assert [each.name for each in tmp_path.iterdir()] == ["written"]


def test_importing_the_registry_imports_no_mlflow_and_recording_writes_nowhere_else(tmp_path):
    told = "import sys, fedsov.registry; print({'mlflow', 'sqlalchemy', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout == "set()\n"
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    wrote = "from pathlib import Path; from fedsov.registry import *; record(Path('../hub'), RunRecord('r', 'e'))"
    said = subprocess.run(
        [sys.executable, "-c", wrote],
        cwd=elsewhere,
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (said.stdout, said.stderr) == ("", "")
    assert not list(home.iterdir())
    assert not list(elsewhere.iterdir())


def test_a_registry_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        record(tmp_path / "hub", RunRecord("r1", "e", artifacts={"note.txt": "text"}))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "hub", *(tmp_path / "hub").iterdir()]}
    assert modes == {"hub": 0o700, "mlflow.db": 0o600, "artifacts": 0o700}


EFFECTS = """
import logging, os
import fedsov.registry.tracking
print("MLFLOW_LOGGING_LEVEL" in os.environ, logging.getLogger("alembic").level == logging.ERROR)
"""

PREPARED = """
import logging, os
import fedsov.registry
fedsov.registry.prepare()
from mlflow.telemetry.utils import is_telemetry_disabled
print(is_telemetry_disabled(), *(logging.getLogger(name).level for name in ("mlflow", "alembic")))
print(set(fedsov.registry.QUIET.items()) <= set(os.environ.items()))
"""


def test_importing_mlflow_s_module_changes_neither_the_environment_nor_a_logger() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_LOGGING_LEVEL"}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    done = subprocess.run([sys.executable, "-c", EFFECTS], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.long
def test_mlflow_is_imported_with_its_telemetry_off_and_its_log_quiet() -> None:
    of_tests = ("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "CI")  # telemetry is off where MLflow sees one of these
    environment = {name: value for name, value in os.environ.items() if name not in {*QUIET, *of_tests}}
    done = subprocess.run([sys.executable, "-c", PREPARED], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", str(logging.CRITICAL), str(logging.ERROR), "True"], done.stderr
