"""An algorithm with both halves is a module of `fedsov.algorithms`, a row of the catalogue and a YAML; nothing else.

FedDyn (Acar et al. 2021, https://arxiv.org/abs/2111.04263) is added to a copy of the tree, and trained there by a run
and by `federate`: they give the same parameters, and its clients' states rest with them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.world import ROOT

MODULE = '''
"""FedDyn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedsov.algorithms.client_half import ClientHalf, GradientTerms, State, StepsTaken


def client(options: Mapping[str, float]) -> ClientHalf:
    """Each client's steps minimise its loss less <h, w>, under a pull to the model that came in."""
    alpha = options.get("alpha", 0.1)

    def begin(state: State, incoming: np.ndarray) -> GradientTerms:
        return GradientTerms(drift=-state["h"], anchor=incoming, anchor_weight=alpha)

    def end(state: State, update: np.ndarray, taken: StepsTaken) -> tuple[np.ndarray, State]:
        return update, {"h": state["h"] - np.float32(alpha) * update}

    return ClientHalf(begin, end, keeps=("h",))


def server(
    options: Mapping[str, float], state: State, incoming: np.ndarray, mean: np.ndarray
) -> tuple[np.ndarray, State]:
    """The mean, moved on by what all clients moved so far."""
    h = state.get("h", np.zeros_like(incoming)) - options.get("alpha", 0.1) * (mean - incoming)
    return mean - h / options.get("alpha", 0.1), {"h": h}
'''
ROW = '    "feddyn": AlgorithmSpec(feddyn.server, client_options={"alpha": NOT_NEGATIVE}, client=feddyn.client),\n'
CHECKED = """
from fedsov.algorithms.catalogue import NOT_NEGATIVE, AlgorithmSpec

ROW = AlgorithmSpec(server, client_options={"alpha": NOT_NEGATIVE}, client=client)
"""


def test_the_module_that_is_added_passes_strict_types(tmp_path: Path) -> None:
    (tmp_path / "feddyn.py").write_text(MODULE.lstrip() + CHECKED)
    words = [sys.executable, "-m", "mypy", str(tmp_path / "feddyn.py")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout


def test_an_algorithm_is_added_by_a_module_a_row_and_a_yaml(tmp_path: Path) -> None:
    for name in ("fedsov", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    for name in (
        "tests/__init__.py",
        "tests/conftest.py",
        "tests/world.py",
        "tests/each_algorithm.py",
        "tests/own_settings.py",
        "tests/test_train_equals_federate.py",
        "pyproject.toml",
    ):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "fedsov/algorithms/feddyn.py").write_text(MODULE)
    (tmp_path / "configs/algorithm/feddyn.yaml").write_text("name: feddyn\noptions: {alpha: 0.2}\n")
    catalogue = tmp_path / "fedsov/algorithms/catalogue.py"
    text = catalogue.read_text().replace("import ditto, ", "import ditto, feddyn, ")
    catalogue.write_text(text.replace('    "fedper": AlgorithmSpec(', f'{ROW}    "fedper": AlgorithmSpec('))
    words = ["-p", "no:cacheprovider", "tests/test_train_equals_federate.py", "-k", "feddyn"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
