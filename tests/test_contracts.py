"""The import contracts hold, and each catches a planted violation by its name, also through a third module."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.world import ROOT

LINT = """
import sys
sys.path.insert(0, ".")
from importlinter.cli import lint_imports
sys.exit(lint_imports(no_cache=True))
"""

LAYERS = "One direction"
HUB = "The hub cannot see data"
NETWORKS = "The hub builds no network"
CONTROL = "The control plane cannot see data"
REGION = "A region does not reach the hub, a runtime or the composition"
NETWORK = "A region has no way out but its border"
FLOWER = "Four modules of a region speak Flower's records"
SERVICES = "Key services, buckets and Flower's control clients have one home each"
MLFLOW = "mlflow has one home"
SDV = "sdv has one home"
HYDRA = "hydra has two homes"
PURE = "Decisions are pure"
CONTRACTS = (LAYERS, HUB, NETWORKS, CONTROL, REGION, NETWORK, FLOWER, SERVICES, MLFLOW, SDV, HYDRA, PURE)

PLANTED: Mapping[str, Mapping[str, str]] = {
    "a store in the hub's own code": {"hub/region_queries.py": "import fedsov.partition.store"},
    "the hub in a region's worker": {"region/worker.py": "import fedsov.hub.run"},
    "torch in the control plane": {"control_plane/compliance/counts.py": "import torch"},
    "training in the control plane": {"control_plane/compliance/record.py": "import fedsov.training.engine"},
    "torch in the hub": {"hub/membership.py": "import torch"},
    "a network built by the hub": {"hub/federated_training.py": "import fedsov.model.network"},
    "a network of computers in a region": {"partition/store.py": "import urllib.request"},
    "Flower's records in a session": {"region/session.py": "import flwr.app"},
    "a key service beside its home": {"api/budgets.py": "import hvac"},
    "MLflow in a report": {"api/report.py": "import mlflow"},
    "a synthesizer beside its home": {"region/strategies/synthetic.py": "import sdv.single_table"},
    "Hydra in a plan": {"api/train.py": "import hydra"},
    "a file in a decision": {"border/policy.py": "import os"},
    "a layer turned over": {"border/explain.py": "import fedsov.partition.classify"},
}
"""Each a violation of its own, planted at the top of one module of the package."""
BROKEN_BY: Mapping[str, str] = {
    "a store in the hub's own code": HUB,
    "the hub in a region's worker": REGION,
    "torch in the control plane": CONTROL,
    "training in the control plane": CONTROL,
    "torch in the hub": HUB,
    "a network built by the hub": NETWORKS,
    "a network of computers in a region": NETWORK,
    "Flower's records in a session": FLOWER,
    "a key service beside its home": SERVICES,
    "MLflow in a report": MLFLOW,
    "a synthesizer beside its home": SDV,
    "Hydra in a plan": HYDRA,
    "a file in a decision": PURE,
    "a layer turned over": LAYERS,
}
THROUGH_A_THIRD: Mapping[str, tuple[str, str, str]] = {
    # contract: who imports the third module, the third module, what that imports
    HUB: ("hub/region_queries.py", "privacy/events.py", "import fedsov.partition.store"),
    REGION: ("region/worker.py", "privacy/budget.py", "import fedsov.hub.resume"),
    CONTROL: ("control_plane/compliance/counts.py", "border/decisions.py", "import torch"),
    NETWORK: ("region/outbound.py", "border/people_counts.py", "import http.client"),
    FLOWER: ("region/session.py", "model/targets.py", "import flwr.app"),
    PURE: ("hub/planning/plan.py", "artifact.py", "import sqlite3"),
}
"""Violations that no module commits itself, for each contract that looks at all that is reached."""


def _lint(root: Path) -> tuple[set[str], str]:
    """The contracts that are broken, by name, and all that was printed."""
    done = subprocess.run([sys.executable, "-c", LINT], cwd=root, capture_output=True, text=True, timeout=120)
    verdicts = [line for line in done.stdout.splitlines() if " KEPT" in line or " BROKEN" in line]
    assert len(verdicts) == len(CONTRACTS), done.stdout + done.stderr
    return {line.partition(" BROKEN")[0] for line in verdicts if " BROKEN" in line}, done.stdout


def _plant(root: Path, file: str, line: str) -> None:
    path = root / "fedsov" / file
    before = path.read_text()
    marker = "from __future__ import annotations\n"
    path.write_text(before.replace(marker, f"{marker}{line}\n", 1))
    assert path.read_text() != before


def _is(broken: set[str], contract: str) -> bool:
    return any(name.startswith(contract) for name in broken)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "fedsov", tmp_path / "fedsov", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_holds_for_the_tree_as_it_is(copy: Path) -> None:
    broken, printed = _lint(copy)
    assert broken == set(), printed
    assert all(f"\n{name}" in printed for name in CONTRACTS)


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_violation_is_caught_by_the_name_of_its_contract(copy: Path, planted: str) -> None:
    for file, line in PLANTED[planted].items():
        _plant(copy, file, line)
    broken, printed = _lint(copy)
    assert _is(broken, BROKEN_BY[planted]), printed


def test_every_contract_has_a_planted_violation() -> None:
    assert set(BROKEN_BY.values()) == set(CONTRACTS) and set(BROKEN_BY) == set(PLANTED)


@pytest.mark.parametrize("contract", THROUGH_A_THIRD)
def test_a_violation_through_a_third_module_is_caught(copy: Path, contract: str) -> None:
    importer, third, line = THROUGH_A_THIRD[contract]
    _plant(copy, importer, f"import fedsov.{third.removesuffix('.py').replace('/', '.')}")
    _plant(copy, third, line)
    broken, printed = _lint(copy)
    assert _is(broken, contract), printed


def test_every_module_of_a_region_is_bound_by_the_contract_on_flower_but_for_those_it_names() -> None:
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (bound,) = [contract["source_modules"] for contract in contracts if contract["name"] == FLOWER]
    modules = {f"fedsov.region.{path.stem}" for path in (ROOT / "fedsov" / "region").iterdir() if path.stem[0] != "_"}
    spoken = {"client_app", "worker", "outbound", "secure_sum_member"}
    assert modules - set(bound) <= {f"fedsov.region.{name}" for name in spoken}


def _imports(path: Path) -> set[str]:
    """Every module that a file imports, also inside functions; not those for type checking alone."""
    tree = ast.parse(path.read_text())
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


FLOWERS_OWN = ("flwr.supercore", "flwr.proto", "flwr.server", "flwr.client", "flwr.common", "flwr.superlink")
PUBLIC_OF_FLOWER = ("flwr.app", "flwr.serverapp", "flwr.clientapp")


def test_flower_s_non_public_modules_are_imported_in_one_module() -> None:
    homes = {"fedsov/protocol/flower_messages.py"}
    homes |= {"fedsov/control_plane/aggregate.py"}  # until its Server runs in `flower_process`
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "fedsov").rglob("*.py")
        for name in _imports(path)
        if name.startswith("flwr.") and not name.startswith(PUBLIC_OF_FLOWER)
    }
    assert users <= homes, f"{', '.join(FLOWERS_OWN)} are imported in {sorted(users - homes)}"


def test_jinja2_has_one_home() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "fedsov").rglob("*.py")
        if any(name.partition(".")[0] == "jinja2" for name in _imports(path))
    }
    assert users == {"fedsov/control_plane/compliance/page.py"}


def test_importing_fedsov_loads_nothing_heavy() -> None:
    code = "import fedsov, sys; print({'torch', 'flwr', 'mlflow', 'sdv', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"


def test_importing_any_module_of_the_hub_or_of_a_runtime_changes_no_state_of_flower() -> None:
    code = """
import importlib, logging, pkgutil, fedsov.hub, fedsov.runtimes, fedsov.region, fedsov.api
from flwr.supercore.task_identity import TaskIdentity
level = logging.getLogger("flwr").level
for package in (fedsov.hub, fedsov.runtimes, fedsov.region, fedsov.api):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("sdv_copula"):
            importlib.import_module(module.name)
print(logging.getLogger("flwr").level == level, TaskIdentity._run_id, TaskIdentity._node_id)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.split() == ["True", "None", "None"], done.stderr
