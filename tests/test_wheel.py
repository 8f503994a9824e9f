"""The installed wheel finds its configuration from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.world import ROOT


def test_a_wheel_unpacked_elsewhere_composes_its_configuration_from_another_folder(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, timeout=120, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    assert {"page.html", "page.css"} <= {path.name for path in (tmp_path / "site").rglob("page.*")}
    assert list((tmp_path / "site" / "fedsov" / "infrastructure").rglob("party.service.j2"))
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "fedsov", "plan", "--json", f"workspace={tmp_path / 'w'}"],
        capture_output=True,
        text=True,
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert '"strategy": "synthetic"' in done.stdout
    where = subprocess.run(
        [sys.executable, "-c", "import fedsov.config.hydra_compose; print(fedsov.config.hydra_compose.config_dir())"],
        capture_output=True,
        text=True,
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )
    assert where.stdout.strip() == str(tmp_path / "site" / "fedsov" / "_configs")
