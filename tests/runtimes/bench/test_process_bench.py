"""Model code in a process of its own: the same bits as in the region's, and whatever it does costs one question."""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import BenchFailed, ConfigurationError, FedsovError, TrainingFailed
from fedsov.label import PUBLIC
from fedsov.model.network import NetworkSpec
from fedsov.privacy.budget import Budget
from fedsov.privacy.settings import RecordPrivacy
from fedsov.region import client_app, private_run
from fedsov.region.bench.rounds import Outline
from fedsov.region.bench.tasks import THIS_PROCESS, Bench
from fedsov.region.private_run import Forgetful, PrivateRun
from fedsov.region.session import Session
from fedsov.region.strategies import selection, synthetic
from fedsov.runtimes.bench.confinement import PROTECTIONS
from fedsov.runtimes.bench.process_bench import BenchServer, ProcessBench
from fedsov.training.client_state import InMemoryStates
from tests.region.bench.world import (
    MLP,
    STEPS,
    asked_to_finish,
    features,
    first_model,
    records,
    same,
    session_of,
    trained,
)
from tests.runtimes.bench.conftest import Installed
from tests.runtimes.bench.contained import reachable
from tests.world import ROOT

PRIVATE = Personalization(PrivateParameters(("intercept",)), ditto_lambda=0.3)
OWN = "honest"
PRIVACY = RecordPrivacy(
    epsilon=3.0, delta=1e-6, clip=1.0, lifetime_epsilon=4.0, batch=50, statistics_noise=5.0, median_epsilon=0.2
)


def _private(place: Path) -> Session:
    session = session_of(privacy=PRIVACY)
    budget = Budget.open(place / "privacy.jsonl", lifetime=(4.0, 1e-6))
    session.private = PrivateRun(
        PRIVACY, budget, session.extent(), run="r", dataset="people", note=lambda *_: None, memory=Forgetful()
    )
    return session


JOBS: dict[str, Callable[[Path], Session]] = {
    "an mlp": lambda place: session_of(),
    "a convolution": lambda place: session_of(NetworkSpec("cnn", (2,))),
    "a network of one's own": lambda place: session_of(NetworkSpec(OWN)),
    "a network of one's own, in part private": lambda place: session_of(
        NetworkSpec(OWN), personalization=Personalization(PrivateParameters(("last.bias",)))
    ),
    "ditto, a private intercept": lambda place: session_of(personalization=PRIVATE),
    "fedper": lambda place: session_of(personalization=Algorithm("fedper").personalization(PrivateParameters(), STEPS)),
    "fedrep": lambda place: session_of(personalization=Algorithm("fedrep").personalization(PrivateParameters(), STEPS)),
    "int8": lambda place: session_of(compression=Compression("int8")),
    "topk": lambda place: session_of(compression=Compression("topk", 0.2)),
    "scaffold": lambda place: session_of(algorithm=Algorithm("scaffold")),
    "people's rows": lambda place: session_of(people=place),
    "people's rows, fedrep": lambda place: session_of(
        people=place, personalization=Algorithm("fedrep").personalization(PrivateParameters(), STEPS)
    ),
    "privacy": _private,
}


def _rounds(session: Session, model: dict[str, np.ndarray], bench: Bench) -> list[dict[str, np.ndarray]]:
    """What goes up of two rounds, and of the second one asked again."""
    session.bench = bench
    drift = {name: np.full_like(array, 0.01) for name, array in model.items()}
    drift = drift if session.work.algorithm.name == "scaffold" else None
    return [trained(session, number, model, drift) for number in (1, 2, 2)]


@pytest.mark.parametrize("job", JOBS)
def test_a_round_has_the_same_bits_wherever_model_code_runs(
    job: str, bench: ProcessBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for place, runs in (("one", THIS_PROCESS), ("other", bench)):
        seeds = itertools.count(1)
        monkeypatch.setattr(private_run.secrets, "token_hex", lambda size, seeds=seeds: f"{next(seeds):064x}")
        (tmp_path / place).mkdir()
        session = JOBS[job](tmp_path / place)
        model = first_model(session)
        found.append((_rounds(session, model, runs), session))
    (here, one), (there, other) = found
    assert all(same(first, second) for first, second in zip(here, there, strict=True))
    assert same(here[1], here[2]) and not same(here[0], here[1])
    assert one.rounds == other.rounds
    assert isinstance(one.own, InMemoryStates) and isinstance(other.own, InMemoryStates)
    assert one.own.states.keys() == other.own.states.keys()
    assert all(same(one.own.states[key], other.own.states[key]) for key in one.own.states)


@pytest.mark.parametrize("network", ["mlp", OWN])
@pytest.mark.parametrize("strategy", list(selection.STRATEGIES))
def test_every_strategy_ends_with_the_same_model_wherever_model_code_runs(
    strategy: str, network: str, bench: ProcessBench
) -> None:
    ended = []
    for runs in (THIS_PROCESS, bench):
        session = session_of(
            MLP if network == "mlp" else NetworkSpec(network), personalization=Personalization(ditto_lambda=0.3)
        )
        model = first_model(session)
        _rounds(session, model, runs)
        sealed = b"sealed" if strategy == "synthetic" else None
        question = asked_to_finish(session, strategy, None if strategy in ("synthetic", "local") else model, sealed)
        told = client_app.finish(session, question, lambda sealed: (PUBLIC, _made()))
        assert session.finished is not None and not session.finished.note.startswith("the synthetic rows")
        ended.append((told.config_records["metrics"]["json"], session.finished))
    (told, one), (also, other) = ended
    assert told == also and (one.selected, one.note, one.features) == (other.selected, other.note, other.features)
    assert same(one.parameters, other.parameters)
    for answers in ("validation", "test", "alone"):
        assert np.array_equal(getattr(one.predictions, answers), getattr(other.predictions, answers))


_rows: list[bytes] = []


def _made(bench: Bench = THIS_PROCESS) -> bytes:
    """A table that another region made."""
    if not _rows or bench is not THIS_PROCESS:
        made = synthetic.synthesise(records(), rows=200, divided_by=1, bench=bench)
        content = synthetic.to_bytes(made)
        _rows.append(content)
    return _rows[-1]


def test_synthetic_rows_are_the_same_wherever_they_are_made(bench: ProcessBench) -> None:
    here, there = (synthetic.from_bytes(_made(runs), region="DE", label=PUBLIC) for runs in (THIS_PROCESS, bench))
    assert all(np.array_equal(there.columns[name], column) for name, column in here.columns.items())
    assert np.array_equal(here.target, there.target) and set(here.columns["ward"]) == {"A", "B"}


def test_the_region_s_own_process_never_imports_a_network_that_runs_on_a_bench(
    installed: Installed, tmp_path: Path
) -> None:
    """In a fresh process, which ends with the names of what it imported."""
    asks = f"""
import sys
sys.path.insert(0, {str(installed.site)!r})
from fedsov.runtimes.bench.process_bench import BenchServer, ProcessBench
from tests.region.bench.world import OWN_PARAMETERS, asked_to_finish, session_of, trained
from fedsov.model.network import NetworkSpec
from fedsov.region import client_app
if __name__ == "__main__":
    with BenchServer() as server:
        session = session_of(NetworkSpec("honest"))
        session.bench = ProcessBench(server)
        model = OWN_PARAMETERS
        trained(session, 1, model)
        client_app.finish(session, asked_to_finish(session, "federated", model), lambda sealed: None)
        session.bench.close()
    print(session.finished.selected, "hostile" in sys.modules, "torch" in sys.modules)
"""
    (tmp_path / "asks.py").write_text(asks)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "asks.py")], capture_output=True, text=True, cwd=ROOT, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.split()[-2:] == ["False", "False"], done.stdout + done.stderr


def _outline(network: str) -> Outline:
    return Outline(TrainingSpec(NetworkSpec(network), STEPS), 3, 0)


def _round(bench: Bench, network: str, model: dict[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    session = session_of(NetworkSpec(network))
    session.bench = bench
    return trained(session, 1, model or _like_own(session))


def _like_own(session: Session) -> dict[str, np.ndarray]:
    inputs = features(session).inputs
    return {"last.weight": np.zeros((1, inputs), np.float32), "last.bias": np.zeros(1, np.float32)}


def _reached(error: FedsovError) -> list[str]:
    found = re.search(r"reached (\[.*\])", str(error))
    assert found, error
    return list(json.loads(found[1]))


def test_code_that_tries_everything_reaches_nothing_on_import_or_while_it_trains(
    bench: ProcessBench, installed: Installed, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigurationError) as on_import:
        bench.do(_outline("on_import"))
    with pytest.raises(TrainingFailed) as training:
        _round(bench, "telling")
    reached = {*_reached(on_import.value), *_reached(training.value)}
    assert reached <= reachable(bench.lacking), caplog.text
    assert bool(bench.lacking) == ("this system does not give it" in caplog.text)
    assert not installed.elsewhere.exists() and not (installed.region / "planted").exists()
    assert {path.stat().st_mode & 0o777 for path in installed.region.iterdir()} == {0o600}


def test_the_same_code_in_a_process_of_the_region_s_kind_reaches_what_it_is_after(installed: Installed) -> None:
    """Else the test above would prove nothing."""
    asks = "import json; from hostile.networks import reached; print('reached', json.dumps(reached()))"
    done = subprocess.run(
        [sys.executable, "-c", asks], capture_output=True, text=True, cwd=installed.elsewhere.parent, timeout=120,
        env={**os.environ, "PYTHONPATH": str(installed.site)},
    )  # fmt: skip
    (installed.region / "planted").unlink(missing_ok=True)
    (installed.site / "link").unlink(missing_ok=True)
    installed.elsewhere.unlink(missing_ok=True)
    (installed.region / "keyring.json").chmod(0o600)
    assert done.returncode == 0, done.stderr
    found = set(json.loads(done.stdout.removeprefix("reached ")))
    assert found >= {
        "read files", "see files", "through a link", "write file", "open modes", "write elsewhere", "read environment",
        "own environment", "signal", "limit the region", "connect", "send datagram", "abstract socket", "fork",
        "run a program", "shared memory",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("network", "error", "why"),
    [
        ("exiting", BenchFailed, "ended during a task"),
        ("with_a_row", TrainingFailed, r"network 'with_a_row' failed on these rows: ValueError: row \["),
        ("not_a_number", TrainingFailed, "NaN, infinity, or a value"),
        ("wrong_shape", TrainingFailed, "."),
        ("hungry", TrainingFailed, "memory"),
        ("nobody", ConfigurationError, "unknown network"),
    ],
)
def test_whatever_model_code_does_with_rows_costs_that_question_and_is_named(
    network: str, error: type[FedsovError], why: str, bench: ProcessBench
) -> None:
    for _ in range(2):
        with pytest.raises(error, match=f"(?i){why}"):
            _round(bench, network)
    assert list(_round(bench, "honest")) == ["last.weight", "last.bias"], "the next question is answered"


@pytest.mark.parametrize(
    ("network", "error", "why"),
    [
        ("giant_answer", BenchFailed, "bytes, more than the"),
        ("wrong_shapes", BenchFailed, r"'sent/last.weight' as float32\[1, 4, 1\]; expected float32\[1, 4\]"),
        ("nan_answer", TrainingFailed, "NaN, infinity"),
        ("text_answer", BenchFailed, "no answer to what was asked"),
        ("no_answer", BenchFailed, "'logits' as none; expected"),
        ("objects_answer", BenchFailed, "none of the types"),
    ],
)
def test_an_answer_that_lies_about_its_form_is_refused_and_a_new_process_answers_the_next_question(
    network: str, error: type[FedsovError], why: str, bench: ProcessBench
) -> None:
    with pytest.raises(TrainingFailed, match="the next answer lies"):
        _round(bench, network)
    with pytest.raises(error, match=why):
        _round(bench, network)
    if error is BenchFailed:
        assert list(_round(bench, "honest")) == ["last.weight", "last.bias"]


def test_model_code_that_never_ends_is_ended_and_the_next_question_is_answered(
    server: BenchServer, installed: Installed
) -> None:
    bench = ProcessBench(server, seconds=20.0)
    bench.do(_outline("sleeping"))
    first, bench._seconds = bench._child, 1.0
    assert first is not None
    begun = time.monotonic()
    with pytest.raises(BenchFailed, match="longer than the 1 seconds that a task may take; its process was ended"):
        _round(bench, "sleeping")
    assert time.monotonic() - begun < 5 and not first.scratch.exists()
    bench._seconds = 20.0
    assert _round(bench, "honest")
    assert bench._child is not None and bench._child.pid != first.pid
    bench.close()
    assert _gone(first.pid)


def _gone(pid: int, seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.02)
    return False


def test_a_region_that_closes_ends_its_process_and_a_server_that_ended_is_begun_again(server: BenchServer) -> None:
    bench = ProcessBench(server)
    bench.do(_outline("honest"))
    child = bench._child
    assert child is not None and child.scratch.is_dir()
    bench.close()
    assert _gone(child.pid) and not child.scratch.exists()
    server._server.process.kill()
    server._server.process.wait()
    assert bench.do(_outline("honest")).shaped == {"last.weight": (1, 3), "last.bias": (1,)}
    bench.close()


def test_model_code_ends_soon_after_the_process_that_asked_was_killed(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(
        f"import sys\nsys.path.insert(0, {str(installed.site)!r})\n"
        "from fedsov.runtimes.bench.process_bench import BenchServer, ProcessBench\n"
        "from tests.region.bench.world import OWN_PARAMETERS, session_of, trained\n"
        "from fedsov.model.network import NetworkSpec\n"
        "if __name__ == '__main__':\n    session = session_of(NetworkSpec('sleeping'))\n"
        "    session.bench = ProcessBench(BenchServer())\n    session.bench._begun()\n"
        "    print(session.bench.pid, flush=True)\n    trained(session, 1, OWN_PARAMETERS)\n"
    )
    asking = subprocess.Popen(
        [sys.executable, str(tmp_path / "asks.py")], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert asking.stdout is not None
    pid = int(asking.stdout.readline())
    asking.kill()
    asking.communicate()
    assert _gone(pid)


def test_what_the_system_does_not_permit_is_said_once_by_name(
    server: BenchServer, caplog: pytest.LogCaptureFixture
) -> None:
    bench = ProcessBench(server)
    with caplog.at_level(logging.WARNING):
        bench._say(["Landlock (Function not implemented)"])
        bench._say(["Landlock (Function not implemented)"])
    assert len(caplog.records) == 1
    assert "this system does not give it: Landlock (Function not implemented)" in caplog.text
    assert "Landlock" in PROTECTIONS


def test_an_error_whose_text_would_leave_the_region_is_none_that_model_code_can_raise(bench: ProcessBench) -> None:
    from fedsov.region.outbound import TOLD
    from fedsov.runtimes.bench.process_bench import KNOWN, _error

    assert not set(KNOWN.values()) & set(TOLD)
    raised = _error(["JobRefused", "a row\x1b"])
    assert type(raised) is TrainingFailed and str(raised) == "model code ended with JobRefused: a row\\x1b"
    assert str(_error(["a row", "x"])) == "model code ended with an error: x"


def test_a_private_run_pays_once_and_draws_the_same_where_its_process_ended(
    bench: ProcessBench, tmp_path: Path
) -> None:
    """The seed is kept before model code is asked; what a killed process drew is drawn again, and counted once."""
    session = _private(tmp_path)
    model, run = first_model(session), session.private
    assert run is not None
    session.bench = _Ending(bench)
    with pytest.raises(BenchFailed):
        trained(session, 1, model)
    spent, drawn = (tmp_path / "privacy.jsonl").read_bytes(), run._memory.drawing()
    assert run.answered == 1 and drawn["seed"]
    session.bench = bench
    first = trained(session, 1, model)
    assert run.answered == 1 and run._memory.drawing() == drawn and same(first, trained(session, 1, model))
    assert (tmp_path / "privacy.jsonl").read_bytes() == spent


class _Ending:
    """A bench whose process is gone before each round."""

    def __init__(self, bench: ProcessBench) -> None:
        self.bench = bench

    def do(self, task: Any) -> Any:
        if isinstance(task, Outline):
            return self.bench.do(task)
        assert self.bench._child is not None
        os.kill(self.bench._child.pid, 9)
        assert _gone(self.bench._child.pid)
        return self.bench.do(task)

    def close(self) -> None:
        self.bench.close()


def test_rows_go_to_the_bench_without_whose_they_are() -> None:
    session = session_of()
    rows = session.divided("all")
    contest = selection.Contest.of("local", rows, selection.StartingPoint(), session.work.recipe)
    assert rows.train.persons is not None and all(part.persons is None for part in _parts(contest))


def _parts(contest: selection.Contest) -> list[Any]:
    return [contest.rows.train, contest.rows.validation, contest.rows.test]


def test_a_bench_s_settings_are_numbers_of_its_own(server: BenchServer) -> None:
    assert ProcessBench(server)._memory > 2**28
    assert replace(STEPS, seed=1).seed == 1
