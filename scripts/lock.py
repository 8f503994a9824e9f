"""Writes requirements-demo.lock and requirements-test.lock: all that fedsov's extras need, as installed here.

Run in the environment that is to be locked: `.venv/bin/python scripts/lock.py`. torch keeps its range, so that pip
takes a build for CPUs where one lies at hand.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = {"demo": ("demo", "synthetic"), "test": ("demo", "synthetic", "test")}
RANGES = {"torch": "torch>=2.10,<2.14"}


def closure(root: str, extras: tuple[str, ...]) -> dict[str, str]:
    """Name to pinned requirement, for all that a package with extras asks for, and what that asks for."""
    found: dict[str, str] = {}
    left = [Requirement(f"{root}[{','.join(extras)}]")]
    seen = set()
    while left:
        asked = left.pop()
        key = (canonicalize_name(asked.name), frozenset(asked.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            package = distribution(asked.name)
        except PackageNotFoundError:
            continue  # a marker for another platform
        name = canonicalize_name(package.metadata["Name"])
        found[name] = RANGES.get(name, f"{name}=={package.version}")
        for line in package.requires or ():
            needed = Requirement(line)
            environments = [{"extra": extra} for extra in asked.extras] or [{"extra": ""}]
            if needed.marker is None or any(needed.marker.evaluate(one) for one in environments):
                left.append(needed)
    found.pop(canonicalize_name(root))
    return found


def main() -> None:
    for name, extras in LOCKS.items():
        lines = sorted(closure("fedsov", extras).values())
        head = "# Written by scripts/lock.py; edit pyproject.toml and run it again.\n"
        Path(f"requirements-{name}.lock").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
