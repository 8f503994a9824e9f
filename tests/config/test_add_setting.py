"""To add a setting, a field of its class and a line of a YAML are enough: tried on a copy of the package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fedsov
from fedsov.config.hydra_compose import config_dir

PROGRAM = """
import sys
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError
try:
    print(eval(sys.argv[1], {"run": settings(compose(sys.argv[2:]))}))
except ConfigurationError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its configs, with three settings more."""
    place = tmp_path_factory.mktemp("copy")
    shutil.copytree(Path(fedsov.__file__).parent, place / "fedsov", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(config_dir(), place / "configs")
    for file, line, added in (
        ("fedsov/config/federation.py", "    days_per_round: int = 0\n", "    toy_days: int = 7\n"),
        ("configs/federation/five_countries.yaml", "days_per_round: 0 ", "toy_days: 3\n"),
        ("fedsov/hub/planning/plan_values.py", "    local_min_rows: int = 30\n", "    local_toy_rows: int = 7\n"),
        ("configs/strategy/by_volume.yaml", "  min_rows: 30\n", "  toy_rows: 4\n"),
        ("fedsov/partition/dataset.py", "    subject: str | None = None\n", "    toy_column: str = 'seven'\n"),
        ("configs/dataset/stackoverflow.yaml", "subject: rownames\n", "toy_column: five\n"),
    ):
        text = (place / file).read_text()
        assert text.count(line) == 1, f"{file} has no line {line!r} to add one before"
        (place / file).write_text(text.replace(line, added + line))
    return place


def _printed(copy: Path, expression: str, *words: str) -> str:
    """What the expression is of the settings that the copy makes of these words."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, expression, *words],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


TOYS = "(run.federation.toy_days, run.strategy.local_toy_rows, run.dataset.toy_column)"


def test_a_field_and_a_line_of_a_yaml_make_a_setting(copy: Path) -> None:
    assert _printed(copy, TOYS) == "(3, 4, 'five')"


def test_it_can_be_overridden_and_left_out(copy: Path) -> None:
    words = ["federation.toy_days=5", "~strategy.local.toy_rows", "dataset.toy_column=six"]
    assert _printed(copy, TOYS, *words) == "(5, 7, 'six')"


def test_a_misspelling_of_it_is_refused_with_its_name(copy: Path) -> None:
    line = _printed(copy, TOYS, "+federation.toy_day=5")
    assert line.startswith("federation.toy_day is not a setting; did you mean federation.toy_days?")
