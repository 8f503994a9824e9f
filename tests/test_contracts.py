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
INFERENCE = "Inference is small, and reaches no party and no network"
FLOWER = "Five modules of a region speak Flower's records"
SERVICES = "Key services, buckets and Flower's control clients have one home each"
MLFLOW = "mlflow has one home"
SDV = "sdv has one home"
HYDRA = "hydra has two homes"
PURE = "Decisions are pure"
CONTRACTS = (
    LAYERS,
    HUB,
    NETWORKS,
    CONTROL,
    REGION,
    NETWORK,
    INFERENCE,
    FLOWER,
    SERVICES,
    MLFLOW,
    SDV,
    HYDRA,
    PURE,
)

Plants = Mapping[str, tuple[tuple[str, str], ...]]
"""By contract, the lines that break it: the module of the package, and what is planted at its top."""

PLANTED: Mapping[str, Plants] = {
    "at once, each by its own": {
        HUB: (("hub/region_queries.py", "import fedsov.partition.store"),),
        NETWORKS: (("hub/federated_training.py", "import fedsov.model.network"),),
        CONTROL: (("control_plane/compliance/counts.py", "import torch"),),
        NETWORK: (("partition/store.py", "import urllib.request"),),
        INFERENCE: (("inference/predictor.py", "import torch"),),
        FLOWER: (("region/session.py", "import flwr.app"),),
        SERVICES: (("api/budgets.py", "import hvac"),),
        MLFLOW: (("api/report.py", "import mlflow"),),
        SDV: (("region/strategies/synthetic.py", "import sdv.single_table"),),
        HYDRA: (("api/train.py", "import hydra"),),
        PURE: (("border/policy.py", "import os"),),
    },
    "the hub in a region's worker": {REGION: (("region/worker.py", "import fedsov.hub.run"),)},
    "a region's settings in an endpoint": {INFERENCE: (("inference/predictor.py", "import fedsov.region.settings"),)},
    "through a third module: pandas in an endpoint": {
        INFERENCE: (
            ("inference/predictor.py", "import fedsov.model.disclosure"),
            ("model/disclosure.py", "import pandas"),
        ),
    },
    "a layer turned over": {LAYERS: (("border/explain.py", "import fedsov.partition.classify"),)},
    "torch in the hub, training in the control plane": {
        HUB: (("hub/membership.py", "import torch"),),
        CONTROL: (("control_plane/compliance/record.py", "import fedsov.training.engine"),),
    },
    "through a third module: stores, the web, Flower": {
        HUB: (
            ("hub/region_queries.py", "import fedsov.privacy.events"),
            ("privacy/events.py", "import fedsov.partition.store"),
        ),
        NETWORK: (
            ("region/outbound.py", "import fedsov.border.people_counts"),
            ("border/people_counts.py", "import http.client"),
        ),
        FLOWER: (("region/session.py", "import fedsov.model.targets"), ("model/targets.py", "import flwr.app")),
    },
    "through a third module: torch in the control plane": {
        CONTROL: (
            ("control_plane/compliance/counts.py", "import fedsov.border.decisions"),
            ("border/decisions.py", "import torch"),
        ),
    },
    "through a third module: the hub in a region, a database in a decision": {
        REGION: (
            ("region/worker.py", "import fedsov.privacy.budget"),
            ("privacy/budget.py", "import fedsov.hub.resume"),
        ),
        PURE: (("hub/planning/plan.py", "import fedsov.artifact"), ("artifact.py", "import sqlite3")),
    },
}
"""Plants of one name are linted together: each breaks its own contract, and none of the others in the group."""


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


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "fedsov", tmp_path / "fedsov", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_holds_for_the_tree_as_it_is(copy: Path) -> None:
    broken, printed = _lint(copy)
    assert broken == set(), printed
    assert all(f"\n{name}" in printed for name in CONTRACTS)


@pytest.mark.parametrize("group", PLANTED)
def test_a_planted_violation_is_caught_by_the_name_of_its_contract(copy: Path, group: str) -> None:
    for file, line in (plant for plants in PLANTED[group].values() for plant in plants):
        _plant(copy, file, line)
    broken, printed = _lint(copy)
    caught = {contract for contract in CONTRACTS if any(name.startswith(contract) for name in broken)}
    assert caught >= set(PLANTED[group]), printed
    if len(PLANTED[group]) > 4:
        assert caught == set(PLANTED[group]), printed


EFFECTS = {
    "fedsov.hub.server_app": ("fedsov.model.own_network", "fedsov.model.seeding"),
    "fedsov.region.outbound": ("_socket", "ctypes", "ftplib", "multiprocessing", "smtplib", "socketserver", "ssl"),
    "fedsov.inference.predictor": (
        "_socket",
        "flwr",
        "http",
        "httpx",
        "multiprocessing",
        "ssl",
        "subprocess",
        "urllib",
    ),
    "fedsov.partition.store": ("aiohttp", "asyncio", "subprocess", "telnetlib", "urllib3"),
    "fedsov.border.policy": ("glob", "io", "os", "random", "shutil", "socket", "subprocess", "tempfile", "time"),
}
"""What a module must not import: whatever builds a network in the hub, leaves a region, or makes a decision impure."""


def test_each_way_to_a_network_a_process_a_file_or_chance_is_refused_by_name(copy: Path) -> None:
    for module, names in EFFECTS.items():
        for name in names:
            _plant(copy, f"{module.partition('.')[2].replace('.', '/')}.py", f"import {name}")
    _, printed = _lint(copy)
    planted = {(module, name) for module, names in EFFECTS.items() for name in names}
    assert {pair for pair in planted if f"{pair[0]} -> {pair[1]} (l." not in printed} == set()


def test_every_contract_has_a_planted_violation() -> None:
    assert {contract for plants in PLANTED.values() for contract in plants} == set(CONTRACTS)


def test_every_module_of_a_region_is_bound_by_the_contract_on_flower_but_for_those_it_names() -> None:
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (bound,) = [contract["source_modules"] for contract in contracts if contract["name"] == FLOWER]
    modules = {f"fedsov.region.{path.stem}" for path in (ROOT / "fedsov" / "region").iterdir() if path.stem[0] != "_"}
    spoken = {"client_app", "worker", "outbound", "labels_sent", "secure_sum_member"}
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


def without_init(package: Path) -> list[str]:
    """Folders with Python files that no contract sees, for they have no __init__.py."""
    folders = {path.parent for path in package.rglob("*.py") if not (path.parent / "__init__.py").exists()}
    return sorted(str(folder.relative_to(package)) for folder in folders)


def test_every_folder_with_a_module_is_a_package_that_the_contracts_see(tmp_path: Path) -> None:
    assert without_init(ROOT / "fedsov") == []
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("__init__", "deep/__init__", "deep/er/sneaky"):
        (tmp_path / f"{name}.py").touch()
    assert without_init(tmp_path) == ["deep/er"]


BY_NAME = {
    "fedsov/__init__.py",  # its public names
    "fedsov/cli/main.py",  # COMMANDS
    "fedsov/keys/services.py",  # BACKENDS
    "fedsov/partition/sources/__init__.py",  # SOURCES
    "fedsov/runtimes/__init__.py",  # RUNTIMES
    "fedsov/runtimes/fork_server.py",  # the modules that are imported before a fork
    "fedsov/simulation/fork_server.py",  # the module of what is run in a worker
}
"""Modules that import others by name, from a table or for a process of their own: no contract sees those imports."""

DYNAMIC = {"__import__", "exec", "eval", "import_module", "spec_from_file_location", "module_from_spec"}
DYNAMIC |= {"exec_module", "load_module", "run_module", "run_path", "resolve_name"}


def imports_by_name(text: str) -> bool:
    """Whether code can import what its own text does not say: it names, reads or imports one of `DYNAMIC`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and node.id in DYNAMIC:
            return True
        if isinstance(node, ast.Attribute) and node.attr in DYNAMIC - {"eval", "exec"}:
            return True
        if isinstance(node, ast.ImportFrom) and DYNAMIC & {alias.name for alias in node.names}:
            return True
    return False


def test_only_modules_with_a_table_import_others_by_name() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "fedsov").rglob("*.py")}
    assert {name for name, text in texts.items() if imports_by_name(text)} == BY_NAME


@pytest.mark.parametrize(
    "line",
    [
        "import importlib\nimportlib.import_module('torch')",
        "from importlib import import_module as harmless",
        "__import__('torch')",
        "import builtins\nload = builtins.__import__",
        "exec('import torch')",
        "import runpy\nrunpy.run_path('x.py')",
        "from importlib.util import spec_from_file_location",
    ],
)
def test_an_import_by_name_is_found(line: str) -> None:
    assert imports_by_name(line) and not imports_by_name("from importlib.metadata import version\nmodel.eval()")


FLOWERS_OWN = ("flwr.supercore", "flwr.proto", "flwr.server", "flwr.client", "flwr.common", "flwr.superlink")
PUBLIC_OF_FLOWER = ("flwr.app", "flwr.serverapp", "flwr.clientapp")


def test_flower_s_non_public_modules_are_imported_in_three_modules() -> None:
    deployment = "fedsov/runtimes/deployment"
    homes = {
        "fedsov/protocol/flower_messages.py",
        f"{deployment}/flower_clients.py",
        f"{deployment}/hub/flower_server.py",
    }
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "fedsov").rglob("*.py")
        for name in _imports(path)
        if name.startswith("flwr.") and not name.startswith(PUBLIC_OF_FLOWER)
    }
    assert users <= homes, f"{', '.join(FLOWERS_OWN)} are imported in {sorted(users - homes)}"


def test_jinja2_has_three_homes_the_record_the_pages_for_people_and_files_by_which_a_party_runs() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "fedsov").rglob("*.py")
        if any(name.partition(".")[0] == "jinja2" for name in _imports(path))
    }
    assert users == {
        "fedsov/control_plane/compliance/page.py",
        "fedsov/control_plane/pages/templates.py",
        "fedsov/infrastructure/workload/render.py",
    }


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


def test_every_public_name_is_what_it_says() -> None:
    import fedsov

    for name in fedsov.__all__:
        value = getattr(fedsov, name)
        assert name == "PUBLIC" or (value.__name__ == name and callable(value)), name
