"""A run that is killed goes on to the bit-identical result: at each round, twice, at any instant, or not at all.

A hub is a child of this process that kills itself (SIGKILL, so that nothing is cleaned up) in the middle of saying a
progress line or right after a message, or that is killed from here after some time. Most runs are ended when every
model is written and before MLflow is asked to record them: importing it takes longer than all the rest.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fedsov.algorithms.rounds import RoundRecord
from fedsov.api import resume, train
from fedsov.api.budgets import account
from fedsov.api.ledger_audit import verify_all
from fedsov.api.result import RunResult
from fedsov.cli.main import run as command
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import CheckpointDamaged, ConfigurationError, FedsovError, InputError, SumRefused, WorkspaceUnusable
from fedsov.hub.kept.checkpoints import Checkpoint, Checkpoints, runs
from fedsov.hub.planning.plan_values import Plan
from fedsov.hub.server_app import TrainingState
from fedsov.label import PUBLIC
from fedsov.ledger.ledger import Ledger
from fedsov.model.features import Features
from fedsov.region.journal import Journal, hold_alone
from fedsov.serialization import from_plain
from tests.own_settings import SECRET
from tests.world import ROOT, fedsov, people

ROWS = {"AT": 150, "DE": 170, "FR": 60}


PRIVATE = (
    "privacy=record",
    "dataset.bounds={age:[18,90],visits:[0,9]}",
    "dataset.levels={consent:[none,global]}",
    "strategy.order=[federated]",
    "federation.rounds=2",
)


def _words(place: Path, *more: str) -> list[str]:
    """Austria and Germany train together, France starts from a model of the rows that are public."""
    rng, lines = random.Random(0), ["country,age,visits,consent,bought"]
    for country, count in ROWS.items():
        for _ in range(count):
            visits, consent = rng.randint(0, 9), "global" if rng.random() < 0.4 else "none"
            lines.append(f"{country},{rng.randint(18, 90)},{visits},{consent},{int(visits + rng.gauss(0, 2) > 4)}")
    return [
        *people(place, lines, target="bought"),
        "dataset.consent={column:consent,equals:global,document:leave}",
        "federation.rounds=3",
        "strategy.order=[federated,transfer_learning]",
        "strategy.federated.min_rows=100",
        "strategy.transfer_learning.min_rows=50",
        "strategy.transfer_learning.min_public_rows=20",
        *more,
    ]


def _resume(workspace: Path) -> RunResult:
    chosen, begun = resume.find_run(workspace, resume.LATEST)
    return train.train_settings(chosen, progress=lambda _: None, resumed=begun)


def _killed(words: Sequence[str], *, line: str = "", file: str = "", after: float = 0.0) -> None:
    """Begins a run, or goes on with one that was begun, and kills its hub: in a line, after a file or some seconds."""
    workspace = Path(words[0].partition("=")[2])
    hub = os.fork()
    if hub == 0:

        def die(now: bool) -> None:
            if now:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            begun = resume.find_run(workspace, resume.LATEST) if runs(workspace / "hub") else (None, None)
            train.train_settings(
                begun[0] or settings(compose(words)),
                progress=lambda said: die(bool(line) and line in said),
                on_bytes=lambda _: die(bool(file) and any(workspace.glob(file))),
                resumed=begun[1],
            )
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(0)
    if after:
        time.sleep(after)
        os.kill(hub, signal.SIGKILL)  # a child that has ended stays until it is waited for: it is no other process
    _, how = os.waitpid(hub, 0)
    assert after or (os.WIFSIGNALED(how) and os.WTERMSIG(how) == signal.SIGKILL), f"it was not killed in {line or file}"


def _to_the_end(words: Sequence[str]) -> Path:
    """Begins a run, or goes on with it, until every model is written; its workspace."""
    _killed(words, file="hub/models/*/*/model.safetensors")
    return Path(words[0].partition("=")[2])


def _models(workspace: Path) -> dict[str, bytes]:
    """Every model of its one run, the hub's and each region's, as bytes: parameters, and the label that binds them."""
    (run,) = runs(workspace / "hub")
    found = sorted(workspace.glob(f"**/models/{run}/**/model.safetensors"))
    return {str(path.relative_to(workspace)).replace(run, "RUN"): path.read_bytes() for path in found}


def _recorded(workspace: Path) -> dict[str, list]:
    """The scores of rounds and model that each region has for its own registry."""
    found = workspace.glob("regions/*/models/*/record.json")
    return {path.parts[-4]: sorted(json.loads(path.read_text())["metrics"]) for path in found}


def _assert_same(one: Path, other: Path, *, models: int = 5) -> None:
    assert _models(one) == _models(other) and len(_models(one)) == models
    assert _recorded(one) == _recorded(other)
    assert all(not finding.fault for finding in verify_all(one))


def _told(result: RunResult) -> dict:
    """What the run says of itself, but for its name, its seconds and its ledgers' entries."""
    said = result.to_json()
    regions = {name: {**one, "crossings": None} for name, one in said["regions"].items()}
    rounds = [(seen.number, seen.metrics, seen.left_out, seen.together) for seen in result.rounds]
    return {"regions": regions, "plan": said["plan"], "models": said["models"], "rounds": rounds}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    words = _words(tmp_path_factory.mktemp("undisturbed"))
    result = train.train_settings(settings(compose(words)), progress=lambda _: None)
    strategies = {one.region: one.strategy for one in result.regions}
    assert strategies == {"AT": "federated", "DE": "federated", "FR": "transfer_learning"}
    return result


@pytest.mark.long
def test_a_run_killed_in_every_round_ends_as_if_it_had_not_been(tmp_path: Path, undisturbed: RunResult) -> None:
    words = _words(tmp_path)
    _killed(words, line="plan: ")
    for training in ("pre-training on public rows", "global model"):
        for number in (1, 2, 3):  # said when the round has ended, before its checkpoint
            _killed(words, line=f"{training}, round {number}/3")
    _killed(words, line="finish: ")
    _killed(words, line="record: ")
    result = _resume(tmp_path / "w")
    _assert_same(result.workspace, undisturbed.workspace)
    assert _told(result) == _told(undisturbed)


@pytest.mark.parametrize("algorithm", ["fedadam", "fedavgm"])
def test_a_server_s_moments_survive_the_hub(tmp_path: Path, algorithm: str) -> None:
    beta = "algorithm.options={server_momentum:0.9}" if algorithm == "fedavgm" else "algorithm.options={beta_1:0.9}"
    more = (f"algorithm={algorithm}", beta) if algorithm == "fedadam" else (f"algorithm.name={algorithm}", beta)
    words = _words(tmp_path, *more)
    for number in (1, 2, 3):  # the first message after the checkpoint has just been sent
        _killed(words, file=f"hub/checkpoints/*/shareable-000{number}.json")
    _assert_same(_to_the_end(words), _to_the_end(_words(tmp_path / "again", *more)))


@pytest.mark.parametrize(
    "more",
    [
        ("algorithm=scaffold", "federation.schedule={name:step,every:1,by:0.5}"),
        ("algorithm=ditto", "model.private=[first.bias]", "federation.compression=topk"),
    ],
    ids=["scaffold", "ditto"],
)
def test_what_is_kept_from_round_to_round_survives_the_hub(tmp_path: Path, more: tuple[str, ...]) -> None:
    words = _words(tmp_path, *more)
    _killed(words, line="global model, round 2/3")  # the regions have answered, and the hub kept nothing of it
    for number in (2, 3):
        _killed(words, file=f"hub/checkpoints/*/shareable-000{number}.json")
    _assert_same(_to_the_end(words), _to_the_end(_words(tmp_path / "again", *more)))


def test_a_region_whose_own_state_was_put_back_does_not_go_on(tmp_path: Path) -> None:
    words = _words(tmp_path, "model.private=[intercept]")
    _killed(words, line="global model, round 3/3")
    for name in ("own-shareable-0003.safetensors", "journal.json"):
        (path,) = tmp_path.glob(f"w/regions/AT/runs/*/{name}")
        whole = path.read_bytes()
        path.unlink()
        with pytest.raises(FedsovError, match="AT.*CheckpointDamaged"):
            _resume(tmp_path / "w")
        path.write_bytes(whole)


def test_a_run_killed_before_its_first_round_begins_at_the_first(tmp_path: Path, undisturbed: RunResult) -> None:
    words = _words(tmp_path)
    _killed(words, line="ingest: ")
    _killed(words, line="pre-training on public rows, round 1/3")
    _assert_same(_to_the_end(words), undisturbed.workspace)


def test_a_run_killed_at_any_instant_ends_as_if_it_had_not_been(tmp_path: Path, undisturbed: RunResult) -> None:
    words = _words(tmp_path)
    _killed(words, line="columns: ")
    for step in range(8):
        if not _written(tmp_path / "w"):
            _killed(words, after=0.4 + 0.17 * step)
    _assert_same(_to_the_end(words) if not _has_ended(tmp_path / "w") else tmp_path / "w", undisturbed.workspace)


def _written(workspace: Path) -> bool:
    return len(_models(workspace)) == 5


def _has_ended(workspace: Path) -> bool:
    return Checkpoints(workspace / "hub", runs(workspace / "hub")[-1]).begun() is None


@pytest.mark.long
def test_the_command_goes_on_after_a_real_kill_and_leaves_nothing_behind(
    tmp_path: Path, undisturbed: RunResult
) -> None:
    words = [sys.executable, "-m", "fedsov", "train", *_words(tmp_path)]
    hub = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert hub.stderr is not None
    hint = ""
    for line in hub.stderr:
        hint = line.partition("to resume after an interruption: ")[2] or hint
        if "global model, round 2/3" in line:
            hub.kill()
            break
    hub.wait()
    program, *told = shlex.split(hint)
    assert program == "fedsov" and told[:2] == ["train", "--resume"]
    done = fedsov(*told, "--json")
    assert done.returncode == 0, done.stderr
    assert "resume: global model goes on after round" in done.stderr
    said = json.loads(done.stdout)
    assert {name: one["score"] for name, one in said["regions"].items()} == {
        one.region: one.score for one in undisturbed.regions
    }
    assert said["models"]["hub"] == [["people", 1], ["people-public", 1]]
    hub.stderr.close()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose run was killed after the second round of its global model."""
    place = tmp_path_factory.mktemp("killed")
    _killed(_words(place), line="global model, round 3/3")
    return place


def test_the_newest_two_checkpoints_of_each_training_are_kept_and_none_when_it_ended_well(
    killed: Path, undisturbed: RunResult
) -> None:
    (run,) = runs(killed / "w" / "hub")
    files = sorted(path.name for path in (killed / "w" / "hub" / "checkpoints" / run).iterdir())
    trained = ("public-0002", "public-0003", "shareable-0001", "shareable-0002")
    assert files == sorted(["run.json", *(f"{name}.{end}" for name in trained for end in ("json", "safetensors"))])
    ended = undisturbed.workspace / "hub" / "checkpoints" / undisturbed.run
    assert [path.name for path in ended.iterdir()] == ["run.json"]


def test_the_newest_checkpoint_is_that_of_the_highest_round_however_long_its_number(tmp_path: Path) -> None:
    ledger, features = Ledger(tmp_path / "ledger.sqlite", "hub"), Features((("age", 40.0, 10.0),))
    checkpoints = Checkpoints(tmp_path, "long", ledger)
    for count in (9999, 10_000, 10_001):
        rounds = tuple(RoundRecord(number, {}, {}) for number in range(1, count + 1))
        checkpoints.keep(
            Checkpoint("public", PUBLIC, 9, features, TrainingState({"w": np.zeros(1, np.float32)}, {}, rounds))
        )
    last = checkpoints.last("public")
    assert last is not None and last.round == 10_001
    assert sorted(path.stem for path in checkpoints.folder.glob("*.json")) == ["public-10000", "public-10001"]


def test_a_checkpoint_notes_what_binds_its_parameters(killed: Path) -> None:
    checkpoints = Checkpoints(killed / "w" / "hub", runs(killed / "w" / "hub")[0])
    global_model, public = checkpoints.last("shareable"), checkpoints.last("public")
    assert global_model is not None and public is not None
    assert global_model.label.origins == {"AT", "DE"} and public.label.is_public
    assert (global_model.round, public.round) == (2, 3)


def test_a_plan_is_read_as_it_was_written(undisturbed: RunResult) -> None:
    assert from_plain(Plan, json.loads(json.dumps(undisturbed.plan.to_json()))) == undisturbed.plan


def test_a_checkpoint_with_any_byte_flipped_is_refused_and_named(killed: Path) -> None:
    checkpoints = Checkpoints(killed / "w" / "hub", runs(killed / "w" / "hub")[0])
    for name, step in (("shareable-0002.json", 1), ("shareable-0002.safetensors", 97), ("run.json", 211)):
        path = checkpoints.folder / name
        whole = path.read_bytes()
        try:
            for place in range(0, len(whole), step):
                path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
                with pytest.raises(CheckpointDamaged, match=name):
                    checkpoints.begun() if name == "run.json" else checkpoints.last("shareable")
        finally:
            path.write_bytes(whole)
    assert checkpoints.last("shareable") is not None


def test_a_run_with_a_damaged_checkpoint_is_refused_in_one_line_and_goes_on_from_the_one_before(
    killed: Path, tmp_path: Path, undisturbed: RunResult
) -> None:
    shutil.copytree(killed, tmp_path / "copy")
    workspace = tmp_path / "copy" / "w"
    (newest,) = workspace.glob("hub/checkpoints/*/shareable-0002.json")
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.raises(CheckpointDamaged, match=r"shareable-0002\.json was changed.*delete .* from shareable-0001"):
        _resume(workspace)
    newest.unlink()
    _assert_same(_to_the_end([f"workspace={workspace}"]), undisturbed.workspace)


def test_a_run_goes_on_with_its_own_settings_only(killed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"workspace={killed / 'w'}"
    assert command(["train", "--resume", "latest", place, "federation.rounds=9"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "take away federation.rounds=9" in said
    assert command(["train", "--resume", "latest", place, "--multirun"]) == 2
    assert command(["train", "--resume"]) == 2


def test_unknown_and_finished_runs_are_refused_in_one_line(
    killed: Path, tmp_path: Path, undisturbed: RunResult, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["nothing", f"workspace={killed / 'w'}"], f"no run 'nothing' in workspace {killed / 'w'}; it has 2"),
        (["../x", f"workspace={killed / 'w'}"], "no run '../x'"),
        (["latest", f"workspace={tmp_path}"], "no run was begun there"),
        ([undisturbed.run, f"workspace={undisturbed.workspace}"], "has ended well; there is nothing to resume"),
        (["latest", f"workspace={undisturbed.workspace}"], "has ended well; there is nothing to resume"),
    ):
        assert command(["train", "--resume", *words]) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if "] starting: " not in line]
        assert len(lines) == 1 and said in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_was_carried_to_another_workspace_is_refused(killed: Path, tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    shutil.copytree(killed / "w" / "hub" / "checkpoints", tmp_path / "hub" / "checkpoints")
    with pytest.raises(ConfigurationError, match="begun by the hub of another workspace"):
        _resume(tmp_path)


def test_a_run_does_not_go_on_over_other_rows_and_does_once_they_are_back(
    tmp_path: Path, undisturbed: RunResult
) -> None:
    words = _words(tmp_path)
    _killed(words, line="global model, round 2/3")
    source = tmp_path / "people.csv"
    rows = source.read_text()
    source.write_text(rows.replace("AT,", "DE,", 1))
    with pytest.raises(InputError, match="began on other rows"):
        _resume(tmp_path / "w")
    source.write_text(rows)
    _assert_same(_to_the_end(words), undisturbed.workspace)


def test_a_workspace_in_use_is_not_resumed(killed: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(killed / "w")], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    try:
        assert other.stdout is not None and other.stdout.readline()
        with pytest.raises(WorkspaceUnusable, match=f"in use by the run with process id {other.pid}"):
            _resume(killed / "w")
    finally:
        other.communicate()


HOLD = """
import sys
from pathlib import Path
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace
with hold_workspace(Workspace(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_secure_sum_is_made_again_among_the_same_members_and_is_the_same(tmp_path: Path) -> None:
    more = ("privacy=secure", "strategy.order=[federated]", "strategy.federated.min_rows=50", "dataset.consent=null")
    words = _words(tmp_path, *more)
    for number in (1, 2):
        _killed(words, line=f"global model, round {number}/3")
    _assert_same(_to_the_end(words), _to_the_end(_words(tmp_path / "again", *more)), models=4)


def test_a_region_takes_part_in_a_round_s_second_sum_only_as_in_the_first(tmp_path: Path) -> None:
    Journal.open(tmp_path, "r", SECRET).answers_sum(3, members=["AT", "DE", "FR"], model="m")
    again = Journal.open(tmp_path, "r", SECRET)
    again.answers_sum(3, members=["AT", "DE", "FR"], model="m")
    again.answers_sum(3, survivors=["AT", "DE"])
    for number, said, why in (
        (3, {"members": ["AT", "DE", "US"], "model": "m"}, "with other members"),
        (3, {"members": ["AT", "DE", "FR"], "model": "n"}, "with other model"),
        (3, {"survivors": ["AT", "DE", "FR"]}, "with other survivors"),
        (2, {"model": "m"}, "no earlier one again"),
    ):
        with pytest.raises(SumRefused, match=why):
            Journal.open(tmp_path, "r", SECRET).answers_sum(number, **said)
    Journal.open(tmp_path, "r", SECRET).answers_sum(4, members=["AT", "DE", "US"], model="n")


def test_one_process_answers_for_a_region_in_a_run(tmp_path: Path) -> None:
    lock = hold_alone(tmp_path, "r")
    with pytest.raises(WorkspaceUnusable, match="another process answers"):
        hold_alone(tmp_path, "r")
    os.close(lock)
    os.close(hold_alone(tmp_path, "r"))
    with pytest.raises(FedsovError, match="no name of a run"):
        Journal.open(tmp_path, "../r", SECRET)


@pytest.mark.long
def test_a_private_run_reserves_once_and_answers_a_question_once(tmp_path: Path) -> None:
    words = _words(tmp_path, *PRIVATE)
    for number in (1, 2):
        _killed(words, line=f"global model, round {number}/2")
    workspace = _to_the_end(words)
    (run,) = runs(workspace / "hub")
    for name in ("AT", "DE"):
        folder = workspace / "regions" / name
        book = account(folder, name).book
        assert book is not None and [entry.run for entry in book.entries] == [run]
        assert json.loads((folder / "runs" / run / "journal.json").read_bytes())["body"]["private"]["rounds_left"] == 0
        updates = [
            (entry.body["round"], entry.body["digest"])
            for entry in Ledger.read(folder / "ledger.sqlite").entries(run)
            if entry.body.get("kind") == "update"
        ]
        assert [number for number, _ in updates] == [1, 1, 2, 2]
        assert len(set(updates)) == 2  # asked again, the region drew no noise again
