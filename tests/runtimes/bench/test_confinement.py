"""Each protection holds by itself, or is named as lacking; together they leave nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedsov.runtimes.bench.confinement import PROTECTIONS, passed_on, without
from tests.runtimes.bench.conftest import Installed
from tests.runtimes.bench.contained import CONTAINS, reachable
from tests.world import ROOT

ASKS = """
import json, sys
from pathlib import Path
from fedsov.runtimes.bench import confinement
from hostile.networks import reached
only, scratch, home = json.loads(sys.argv[1])
confinement.PROTECTIONS = {name: each for name, each in confinement.PROTECTIONS.items() if name in only}
to = confinement.Confinement(Path(scratch), [Path(home)], 2**31)
lacking = confinement.confine(to)
print(json.dumps([lacking, reached()]))
"""


def _confined(installed: Installed, tmp_path: Path, *only: str) -> tuple[list[str], set[str]]:
    (tmp_path / "scratch").mkdir()
    told = json.dumps([only, str(tmp_path / "scratch"), str(installed.site / "home")])
    done = subprocess.run(
        [sys.executable, "-c", ASKS, told], capture_output=True, text=True, cwd=tmp_path, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(installed.site)])},
    )  # fmt: skip
    (installed.region / "planted").unlink(missing_ok=True)
    (installed.region / "keyring.json").chmod(0o600)
    installed.elsewhere.unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    lacking, reached = json.loads(done.stdout)
    return lacking, set(reached)


@pytest.mark.parametrize("name", list(CONTAINS))
def test_each_of_three_protections_holds_alone_or_is_named(name: str, installed: Installed, tmp_path: Path) -> None:
    lacking, reached = _confined(installed, tmp_path, name, "no new privileges")
    if lacking:
        assert [each.partition(" (")[0] for each in lacking] == [name], "what is lacking is named, and nothing else is"
        return
    assert not reached & CONTAINS[name], f"{name} alone lets model code: {reached & CONTAINS[name]}"


def test_none_of_what_protections_keep_from_is_out_of_reach_without_them(installed: Installed, tmp_path: Path) -> None:
    _, reached = _confined(installed, tmp_path)
    every = {each for several in CONTAINS.values() for each in several}
    assert every - reached <= {"trace", "read memory", "look through root"}, "these need rights that a user may lack"


def test_all_of_them_leave_nothing_or_say_what_is_lacking(installed: Installed, tmp_path: Path) -> None:
    lacking, reached = _confined(installed, tmp_path, *PROTECTIONS)
    assert {each.partition(" (")[0] for each in lacking} <= set(PROTECTIONS)
    others = {"own environment", "more than the line"}  # which the server and the child keep from
    assert reached - others <= reachable(lacking)


def test_memory_is_limited(tmp_path: Path) -> None:
    asks = (
        "import sys; from pathlib import Path; from fedsov.runtimes.bench.confinement import *; "
        "from fedsov.runtimes.bench import confinement as c; c._limit_resources(Confinement(Path('.'), (), 2**27)); "
        "bytes(2**26); bytes(2**28)"
    )
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 1 and done.stderr.strip().endswith("MemoryError")


def test_a_folder_is_readable_but_for_what_lies_in_it_to_keep_out(tmp_path: Path) -> None:
    for name in ("a/b/secret", "a/b/open", "a/c", "d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "b" / "secret")
    keep_out = [tmp_path / "a" / "b" / "secret"]
    found = {str(path.relative_to(tmp_path)) for path in without(tmp_path, keep_out)}
    assert found == {"a/b/open", "a/c", "d"}
    assert list(without(tmp_path / "d", keep_out)) == [tmp_path / "d"]
    assert not list(without(keep_out[0] / "inner", keep_out)) and not list(without(tmp_path / "nowhere", keep_out))


def test_what_is_passed_on_of_an_environment_holds_no_secret() -> None:
    told = passed_on({"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "VAULT_TOKEN": "y", "OPENBLAS_CORETYPE": "Haswell"})
    assert set(told) == {"PATH", "OPENBLAS_CORETYPE", "PYTHONPATH", "PYTHONSAFEPATH"}
    assert all(os.path.isabs(path) for path in told["PYTHONPATH"].split(os.pathsep))
