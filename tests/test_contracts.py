"""The import contracts hold, and each catches a planted violation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import ROOT

LINT = """
import sys
sys.path.insert(0, ".")
from importlinter.cli import lint_imports
sys.exit(lint_imports(no_cache=True))
"""

PLANTED = {
    "One direction": ("fedsov/border/policy.py", "import fedsov.partition.classify"),
    "The control plane cannot see data": ("fedsov/control_plane/compliance/record.py", "import fedsov.partition.store"),
    "Regions have no way out but the border": ("fedsov/partition/store.py", "import urllib.request"),
    "Decisions are pure": ("fedsov/hub/planning/plan.py", "import os"),
}


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", LINT], cwd=root, capture_output=True, text=True, timeout=120)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "fedsov", tmp_path / "fedsov", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_all_four_contracts_hold_for_the_tree_as_it_is(copy: Path) -> None:
    done = _lint(copy)
    assert done.returncode == 0, done.stdout
    assert "4 kept, 0 broken" in done.stdout


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_of_each_contract_is_caught(copy: Path, name: str) -> None:
    file, line = PLANTED[name]
    text = (copy / file).read_text()
    (copy / file).write_text(
        text.replace("from __future__ import annotations\n", f"from __future__ import annotations\n{line}\n", 1)
    )
    done = _lint(copy)
    broken = [said for said in done.stdout.splitlines() if said.endswith("BROKEN")]
    assert done.returncode != 0 and any(said.startswith(name) for said in broken), done.stdout


def test_importing_fedsov_loads_nothing_heavy() -> None:
    code = "import fedsov, sys; print({'torch', 'flwr', 'mlflow', 'sdv', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"


def test_each_heavy_package_has_one_home() -> None:
    homes = {
        "mlflow": {"fedsov/registry/tracking.py", "fedsov/registry/schema.py", "fedsov/registry/__init__.py"},
        "sdv": {"fedsov/region/strategies/sdv_copula.py"},
        "jinja2": {"fedsov/control_plane/compliance/page.py"},
        "hydra": {"fedsov/cli/train.py", "fedsov/config/hydra_compose.py"},
    }
    for package, allowed in homes.items():
        users = {
            str(path.relative_to(ROOT))
            for path in (ROOT / "fedsov").rglob("*.py")
            for line in path.read_text().splitlines()
            if line.strip().startswith((f"import {package}", f"from {package}"))
        }
        assert users <= allowed, f"{package} is imported in {sorted(users - allowed)}"
