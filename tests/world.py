"""Everyone's small world: real runs in a temporary workspace, with a tap on every line between processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fedsov.api import train
from fedsov.api.result import RunResult
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from tests.own_settings import EXAMPLES

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@dataclass
class Overheard:
    """A run, what it said while it ran, and every byte that passed between its processes."""

    result: RunResult
    frames: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def overhear(overrides: Sequence[str]) -> Overheard:
    """Trains in this process, the hub's, and listens to all lines."""
    frames: list[bytes] = []
    lines: list[str] = []
    result = train.train_settings(settings(compose(overrides)), progress=lines.append, on_bytes=frames.append)
    settle(result.workspace)
    return Overheard(result, frames, lines)


def fedsov(
    *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m fedsov` with these arguments, its output captured."""
    return subprocess.run(
        [sys.executable, "-m", "fedsov", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd or ROOT,
        env={**os.environ, **(env or {})},
        timeout=180,
        check=False,
    )


def called(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The same in this process, where the process is not what is tested: nothing has to be imported again.

    `train` has a process of its own: Hydra keeps what it found as the standard streams, which are a test's for a while.
    """
    if arguments[0] == "train":
        return fedsov(*arguments)
    from tests.cli.world import call  # the tree of a test of algorithms has no tests of commands

    ended = call(*arguments)
    for word in arguments:
        if word.startswith("workspace="):
            settle(Path(word.partition("=")[2]))
    return subprocess.CompletedProcess(list(arguments), ended.code, ended.out, ended.err)


def settle(workspace: Path) -> None:
    """Waits until regions' processes have closed their ledgers: a folder that is copied must not change meanwhile."""
    end = time.monotonic() + 5
    while time.monotonic() < end and [*workspace.glob("regions/*/*-shm")]:
        time.sleep(0.01)


def answered(done: subprocess.CompletedProcess[str]) -> dict:
    """The JSON a command printed; fails with its errors where it did not end with 0."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def files_below(folder: Path) -> list[Path]:
    """All regular files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def people(place: Path, lines: Sequence[str], *, target: str) -> list[str]:
    """The words of a run over a table of people by country, which is written to `place` with these lines."""
    place.mkdir(exist_ok=True)
    (place / "people.csv").write_text("\n".join(lines) + "\n")
    return [
        f"workspace={place / 'w'}",
        "dataset=table",
        "dataset.name=people",
        f"dataset.path={place / 'people.csv'}",
        "dataset.jurisdiction=country",
        f"dataset.target={target}",
        "federation.regions=auto",
        "border=unsafe_open",
        f"dataset.examples={EXAMPLES}",
    ]
