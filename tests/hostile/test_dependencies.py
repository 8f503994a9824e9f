"""What is installed is what was locked: every dependency has its version and the digests of its files, but torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import ROOT

PINNED = re.compile(r"[A-Za-z0-9._-]+==\S+ \\(\n    --hash=sha256:[0-9a-f]{64}( \\)?)+")


@pytest.mark.parametrize("lock", ["requirements-demo.lock", "requirements-test.lock"])
def test_every_dependency_but_torch_has_a_version_and_the_digests_of_its_files(lock: str) -> None:
    text = (ROOT / lock).read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    several = re.split(r"\n(?=\S)", lines)
    assert len(several) > 100 and all(PINNED.fullmatch(each) for each in several)
    assert not any(each.startswith("torch==") for each in several)
    (torch,) = [line for line in (ROOT / "requirements-torch.txt").read_text().splitlines() if not line.startswith("#")]
    assert torch in (ROOT / "pyproject.toml").read_text()


def test_the_setup_refuses_a_file_that_is_not_the_locked_one(tmp_path: Path) -> None:
    """pip, as scripts/setup calls it, over a package that is at hand and whose digest is another."""
    setup = (ROOT / "scripts" / "setup").read_text()
    assert 'install --require-hashes --no-deps -r "$lock"' in setup
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n')
    wheel = tmp_path / "mine-1-py3-none-any.whl"
    wheel.write_bytes(b"not what was locked")
    (tmp_path / "lock").write_text(f"mine==1 --hash=sha256:{'0' * 64}\n")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-index",
        "--find-links",
        str(tmp_path),
        "-d",
        str(tmp_path / "d"),
    ]
    done = subprocess.run(
        [*pip, "--require-hashes", "--no-deps", "-r", str(tmp_path / "lock")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0 and "DO NOT MATCH THE HASHES" in done.stderr
