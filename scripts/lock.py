"""Writes requirements-demo.lock and requirements-test.lock: all that fedsov's extras need, as installed here, with the
SHA-256 of every file that the index has of each version.

Run in the environment that is to be locked, which has `uv` (Flower brings it): `.venv/bin/python scripts/lock.py`.
torch keeps its range, in requirements-torch.txt, so that pip takes a build for CPUs where one is at hand; such a build
is in no index and has no hash that could be known here.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = {"demo": ("demo", "synthetic"), "test": ("demo", "synthetic", "test")}
TORCH = "torch>=2.10,<2.14"
BUILD = ("hatchling", "editables")
"""What builds fedsov itself."""
HEAD = "# Written by scripts/lock.py; edit pyproject.toml and run it again.\n"


def closure(root: str, extras: tuple[str, ...]) -> dict[str, str]:
    """Name to pinned requirement, for all that a package with extras asks for, and what that asks for; but torch."""
    found: dict[str, str] = {}
    left = [Requirement(f"{root}[{','.join(extras)}]"), *map(Requirement, BUILD)]
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
        found[name] = f"{name}=={package.version}"
        for line in package.requires or ():
            needed = Requirement(line)
            environments = [{"extra": extra} for extra in asked.extras] or [{"extra": ""}]
            if needed.marker is None or any(needed.marker.evaluate(one) for one in environments):
                left.append(needed)
    found.pop(canonicalize_name(root))
    found.pop("torch", None)
    return found


def hashed(pins: list[str]) -> str:
    """The pinned requirements, each with the SHA-256 of every file of its version. Raises where `uv` does."""
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "compile", "--no-deps", "--generate-hashes", "--no-header", "--no-annotate", "--quiet", "-"]
    return subprocess.run(command, input="\n".join(pins), check=True, capture_output=True, text=True).stdout


def main() -> None:
    for name, extras in LOCKS.items():
        pins = sorted(closure("fedsov", extras).values())
        Path(f"requirements-{name}.lock").write_text(HEAD + hashed(pins))
    Path("requirements-torch.txt").write_text(f"{HEAD}{TORCH}\n")


if __name__ == "__main__":
    main()
