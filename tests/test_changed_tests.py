"""The quick check names what it ran no test of: a copy of its script, in a repository of a few files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.world import ROOT

FILES = {
    "fedsov/model/losses.py": "LIMIT = 1",
    "fedsov/model/unwatched.py": "LIMIT = 1",
    "tests/model/test_losses.py": "def test_it() -> None:\n    assert True",
    "tests/world.py": "LIMIT = 1",
    "tests/conftest.py": "LIMIT = 1",
    "configs/train.yaml": "rounds: 1",
    "fedsov/page.html": "<html>",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "changed_tests.py", tmp_path / "scripts")
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    return tmp_path


@pytest.fixture
def check(repository: Path) -> Callable[..., tuple[int, str]]:
    """Changes files, then runs the script: its exit code and what it prints."""

    def run(*names: str) -> tuple[int, str]:
        for name in names:
            (repository / name).write_text(FILES[name] + "\n\n")
        command = [sys.executable, "-B", "scripts/changed_tests.py", "HEAD"]
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return run


def test_a_changed_module_s_test_is_run_and_nothing_else_is_said(check: Callable[..., tuple[int, str]]) -> None:
    code, printed = check("fedsov/model/losses.py")
    assert code == 0 and "1 passed" in printed and "no test bears" not in printed


def test_what_no_test_bears_the_name_of_is_named(check: Callable[..., tuple[int, str]]) -> None:
    untested = sorted(name for name in FILES if "losses" not in name)
    code, printed = check("fedsov/model/losses.py", *untested)
    assert code == 0 and "1 passed" in printed
    assert printed.splitlines()[-1] == f"no test bears the name of {', '.join(untested)}; scripts/test runs all"


def test_it_is_named_too_where_no_test_is_run(check: Callable[..., tuple[int, str]]) -> None:
    assert check("configs/train.yaml") == (0, "no test bears the name of configs/train.yaml; scripts/test runs all\n")


def test_a_test_that_fails_ends_with_1(repository: Path, check: Callable[..., tuple[int, str]]) -> None:
    (repository / "tests/model/test_losses.py").write_text("def test_it() -> None:\n    raise ValueError")
    assert check()[0] == 1
