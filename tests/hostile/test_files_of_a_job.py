"""A path that a job names is compared with the region's own file without reading what has no end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.world import ROOT

COMPARED = """
import resource, sys
from pathlib import Path
from fedsov.protocol.job import Asked
from fedsov.region.settings import OwnLaw, RegionSettings
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
own, odd = map(Path, sys.argv[1:])
settings = RegionSettings("DE", law=OwnLaw.taking(own, OwnLaw()), evidence=own)
print(len(settings.refusals("people", Asked(evidence=odd, rules=odd))))
"""


def test_a_file_without_an_end_and_a_pipe_are_refused_and_not_read(tmp_path: Path) -> None:
    """The one was read until the memory was full, the other for ever."""
    own, pipe = tmp_path / "own.yaml", tmp_path / "pipe"
    own.write_text("documents: []\n")
    os.mkfifo(pipe)
    for odd in (Path("/dev/zero"), pipe):
        words = [sys.executable, "-c", COMPARED, str(own), str(odd)]
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=30)
        assert done.stdout.split() == ["2"], done.stderr
