"""A package of networks that is installed beside fedsov, and the server of benches that finds it."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedsov.model import own_network
from fedsov.runtimes.bench.process_bench import BenchServer, ProcessBench

NETWORKS = (
    "honest", "telling", "with_a_row", "exiting", "sleeping", "not_a_number", "wrong_shape", "hungry", "giant_answer",
    "wrong_shapes", "nan_answer", "text_answer", "no_answer", "objects_answer",
)  # fmt: skip
ON_IMPORT = "from hostile.networks import _tell\n_tell()\n"


@dataclass(frozen=True)
class Installed:
    """The package, the region's folder that it is after, and where it would write."""

    site: Path
    region: Path
    elsewhere: Path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The package `hostile`, a folder with a region's files beside it in the same folder, and ears on two sockets."""
    site = tmp_path_factory.mktemp("site")
    region, elsewhere = site / "home" / "regions" / "DE", site / "elsewhere"
    region.mkdir(parents=True)
    for name in ("keyring.json", "ledger.sqlite", "privacy.jsonl", "region.yaml"):
        (region / name).write_text("the region's own")
        (region / name).chmod(0o600)
    (site / "hostile").mkdir()
    (site / "hostile" / "__init__.py").write_text("")
    (site / "hostile" / "on_import.py").write_text(ON_IMPORT)
    shutil.copy(Path(__file__).parent / "hostile_networks.py", site / "hostile" / "networks.py")
    points = [f"{name} = hostile.networks:{name}" for name in NETWORKS] + ["on_import = hostile.on_import:build"]
    (site / "hostile-1.0.dist-info").mkdir()
    (site / "hostile-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    (site / "hostile-1.0.dist-info" / "entry_points.txt").write_text("\n".join(["[fedsov.networks]", *points]))
    with ExitStack() as opened:
        ear = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = opened.enter_context(socket.socket(socket.AF_UNIX))
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        abstract.bind(b"\0fedsov-bench-test-%d" % os.getpid())
        abstract.listen()
        target = {
            "folder": str(region), "pid": os.getpid(), "elsewhere": str(elsewhere), "port": ear.getsockname()[1],
            "abstract": f"fedsov-bench-test-{os.getpid()}",
        }  # fmt: skip
        (site / "hostile" / "target.json").write_text(json.dumps(target))
        patch.syspath_prepend(site)
        patch.setenv("FEDSOV_A_SECRET", "a secret")
        patch.setattr(own_network, "_registered", dict(own_network._registered))
        yield Installed(site, region, elsewhere)


@pytest.fixture(scope="module")
def server(installed: Installed) -> Iterator[BenchServer]:
    """The fork server of benches, in whose path the package is."""
    with BenchServer() as started:
        yield started


@pytest.fixture
def bench(server: BenchServer, installed: Installed) -> Iterator[ProcessBench]:
    """A bench of its own for each test; it keeps out of the region's home."""
    made = ProcessBench(server, keep_out=[installed.site / "home"], seconds=60.0)
    yield made
    made.close()
