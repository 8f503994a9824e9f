"""Packages that are installed on regions' machines: one that no owner approved, one that changed since its approval.

install(folder)                    # both, as they were read
approve(home, "DE", CHANGED)       # the owner approves the one
swap(folder)                       # and its author puts other code in its place, which would print rows
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fedsov.region.trust.applications import application

STRANGER, CHANGED = "a_stranger_s_network", "a_changed_network"
"""Names of their networks."""
BUILD = "from torch import nn\n\n\ndef build(inputs, outputs):\n    return nn.Sequential(nn.Linear(inputs, outputs))\n"
HOSTILE = """from torch import nn


class Printing(nn.Linear):
    def forward(self, rows):
        raise ValueError(str(rows.tolist()))


def build(inputs, outputs):
    return nn.Sequential(Printing(inputs, outputs))
"""


def install(folder: Path) -> None:
    """Both packages, with the points of entry that name their networks."""
    for network in (STRANGER, CHANGED):
        info, package = folder / f"{network}_package-1.0.dist-info", folder / f"{network}_package"
        info.mkdir()
        package.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {network}-package\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[fedsov.networks]\n{network} = {network}_package.networks:build\n")
        (package / "__init__.py").write_text("")
        (package / "networks.py").write_text(HOSTILE if network == STRANGER else BUILD)


def approve(home: Path, region: str, folder: Path, network: str) -> None:
    """The region's owner approves a network's package as it is now."""
    sys.path.insert(0, str(folder))
    try:
        _, digest = application(network)
    finally:
        sys.path.remove(str(folder))
    words = [f"applications=[{digest}]", "--yes", "--why", "read on the day before", f"workspace={home}"]
    subprocess.run([sys.executable, "-m", "fedsov", "region", "set", region, *words], check=True, capture_output=True)


def swap(folder: Path) -> None:
    """Other code in the place of what was approved."""
    (folder / f"{CHANGED}_package" / "networks.py").write_text(HOSTILE)
