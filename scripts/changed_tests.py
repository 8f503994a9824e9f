"""Runs the tests of what changed: changed test files, and the test file of each changed module of the package.

    python scripts/changed_tests.py HEAD --seconds 20

Whatever is not run in the time that was given is named at the end. Exit code 1 where a test failed.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def changed(base: str) -> list[Path]:
    """Files that differ from a revision, or that git does not know yet, as paths from the root."""
    asks = (["diff", "--name-only", base], ["ls-files", "--others", "--exclude-standard"])
    lines = (subprocess.run(["git", *ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout for ask in asks)
    return [Path(name) for text in lines for name in text.splitlines()]


def tests_of(paths: Iterable[Path]) -> list[Path]:
    """The test files: a changed test itself, and tests/**/test_NAME.py of a changed fedsov/**/NAME.py."""
    by_name: dict[str, list[Path]] = {}
    for test in sorted(ROOT.glob("tests/**/test_*.py")):
        by_name.setdefault(test.stem.removeprefix("test_"), []).append(test.relative_to(ROOT))
    chosen: dict[Path, None] = {}
    for path in paths:
        if path.suffix != ".py" or not (ROOT / path).is_file():
            continue
        if path.parts[0] == "tests" and path.name.startswith("test_"):
            chosen[path] = None
        if path.parts[0] == "fedsov":
            beside = Path("tests", *path.parts[1:-1])
            named = by_name.get(path.stem, [])
            exact = [test for test in named if test.parent == beside]
            chosen |= dict.fromkeys(exact or named)
    return list(chosen)


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
    tests = tests_of(changed(words.base))
    if not tests:
        print("no test file bears the name of what changed")
        return 0
    within = WithinTime(words.seconds)
    code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *map(str, tests)], plugins=[within])
    for name, count in {name: within.left.count(name) for name in within.left}.items():
        print(f"not run for lack of time: {count} of {name}; scripts/test runs all")
    return int(code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED))


if __name__ == "__main__":
    raise SystemExit(main())
