"""Runs the tests of what changed: changed test files, and the test file of each changed module of the package.

    python scripts/changed_tests.py HEAD --seconds 20

What is not run within that time is named at the end, and so is each changed file that no test bears the name of. Exit
code 1 where a test failed.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def changed(base: str) -> list[Path]:
    """Files that differ from a revision, or that git does not know yet, as paths from the root."""
    asks = (["diff", "--name-only", base], ["ls-files", "--others", "--exclude-standard"])
    lines = (subprocess.run(["git", *ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout for ask in asks)
    return [Path(name) for text in lines for name in text.splitlines()]


def tests_of(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """The test files of each path: a test itself, tests/**/test_NAME.py of a fedsov/**/NAME.py; of any other, none."""
    by_name: dict[str, list[Path]] = {}
    for test in sorted(ROOT.glob("tests/**/test_*.py")):
        by_name.setdefault(test.stem.removeprefix("test_"), []).append(test.relative_to(ROOT))
    return {path: _tests_of(path, by_name) for path in paths}


def _tests_of(path: Path, by_name: Mapping[str, list[Path]]) -> list[Path]:
    if path.suffix != ".py" or not (ROOT / path).is_file():
        return []
    if path.parts[0] == "tests":
        return [path] if path.name.startswith("test_") else []
    if path.parts[0] not in ("fedsov", "scripts"):
        return []
    named = by_name.get(path.stem, [])
    return [test for test in named if test.parent == Path("tests", *path.parts[1:-1])] or named


class WithinTime:
    """A plugin of pytest that stops the session after so many seconds, and remembers which tests were not run."""

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self.left: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> bool | None:
        """Passes over a test that begins too late."""
        if time.monotonic() < self.until:
            return None
        self.left.append(item.nodeid.partition("::")[0])
        return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", nargs="?", default="HEAD")
    parser.add_argument("--seconds", type=float, default=20.0)
    words = parser.parse_args()
    by_path = tests_of(changed(words.base))
    tests = list(dict.fromkeys(test for several in by_path.values() for test in several))
    within = WithinTime(words.seconds)
    arguments = ["-q", "-x", "-p", "no:cacheprovider", *map(str, tests)]
    code = pytest.main(arguments, plugins=[within]) if tests else pytest.ExitCode.OK
    if untested := [str(path) for path, several in by_path.items() if not several]:
        print(f"no test bears the name of {', '.join(untested)}; scripts/test runs all")
    for name, count in {name: within.left.count(name) for name in within.left}.items():
        print(f"not run for lack of time: {count} of {name}; scripts/test runs all")
    return int(code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED))


if __name__ == "__main__":
    raise SystemExit(main())
