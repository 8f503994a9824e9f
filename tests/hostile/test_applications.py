"""An installed package's code, and a network that can single people out, see people's rows as their owner approves."""

from __future__ import annotations

import py_compile
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.ledger.ledger import Ledger
from fedsov.model.embeddings import Embedding
from fedsov.model.network import NetworkSpec
from fedsov.protocol.job import RegionStart
from fedsov.region.trust.applications import application
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from fedsov.storage.workspace import ledger_of
from tests.hostile.people_region import PeopleRegion, drawn
from tests.world import ROOT

NETWORK = "a_package_s_own"
BUILD = "from torch import nn\n\n\ndef build(inputs, outputs):\n    return nn.Sequential(nn.Linear(inputs, outputs))\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that is installed here and names a network; its folder."""
    place = tmp_path / "site"
    (place / "mine-1.0.dist-info").mkdir(parents=True)
    (place / "mine-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    points = f"[fedsov.networks]\n{NETWORK} = mine.networks:build\n"
    (place / "mine-1.0.dist-info" / "entry_points.txt").write_text(points)
    (place / "mine").mkdir()
    (place / "mine" / "__init__.py").write_text("")
    (place / "mine" / "networks.py").write_text(BUILD)
    monkeypatch.syspath_prepend(place)
    return place / "mine"


def _refusal(region: PeopleRegion, start: RegionStart | None = None) -> str:
    opened = open_region(start or region.start(f"model.name={NETWORK}", "model.hidden=[]"))
    assert isinstance(opened, ClosedRegion), opened
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        noted = ledger.entries()[-1].body["note"]["refused_job"]["why"]
    assert opened.failure == "JobRefused: " + "; ".join(noted)
    return opened.failure


def test_a_package_s_network_runs_over_people_s_rows_only_as_it_was_approved(tmp_path: Path, package: Path) -> None:
    region = PeopleRegion(tmp_path / "people")
    region.place.mkdir()
    region.ingest(drawn(range(40)))
    _, digest = application(NETWORK)
    said = _refusal(region)
    assert f"network '{NETWORK}' of package mine" in said and f"region set DE 'applications=[{digest}]'" in said
    region.set(f"applications=[{digest}]")
    opened = open_region(region.start(f"model.name={NETWORK}", "model.hidden=[]"))
    assert isinstance(opened, OpenRegion), opened
    opened.close()
    (package / "weights.bin").write_bytes(b"a file beside the code is of the application too")
    _, other = application(NETWORK)
    assert other != digest and other in _refusal(region)
    shipped = open_region(region.start())
    assert isinstance(shipped, OpenRegion)
    shipped.close()


def _start(region: PeopleRegion, network: NetworkSpec) -> RegionStart:
    start = region.start("model.name=logistic", "model.hidden=[]")
    return replace(start, job=replace(start.job, recipe=replace(start.job.recipe, network=network)))


def test_a_network_whose_steepness_cannot_be_told_is_trained_on_people_s_rows_as_its_owner_approves(
    tmp_path: Path,
) -> None:
    """A table of codes told every label at a unique value in one question; a LayerNorm is a threshold of weight 20."""
    region = PeopleRegion(tmp_path / "people")
    region.place.mkdir()
    region.ingest(drawn(range(40)))
    said = _refusal(region, _start(region, NetworkSpec("logistic", embeddings=(Embedding(0, 120, 1),))))
    assert "trains no embeddings on people's rows without noise" in said and "privacy=record" in said
    transformer = _start(region, NetworkSpec("ft_transformer", (4, 1)))
    said = _refusal(region, transformer)
    assert "`fedsov region set DE 'applications=[ft_transformer]'` approves it" in said
    region.set("applications=[ft_transformer]")
    opened = open_region(transformer)
    assert isinstance(opened, OpenRegion), opened
    opened.close()


def test_a_region_s_start_is_read_without_importing_the_package(package: Path) -> None:
    asks = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r}); "
        "from fedsov.model.network import NetworkSpec; from fedsov.region.trust.applications import application; "
        f"spec = NetworkSpec({NETWORK!r}); print(application(spec.name)[0], 'mine' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.stdout.split() == ["mine", "False"], done.stderr


def test_bytecode_that_was_planted_beside_an_approved_source_is_never_run(package: Path, tmp_path: Path) -> None:
    _, digest = application(NETWORK)
    (tmp_path / "evil.py").write_text(f"print('planted')\n{BUILD}")
    planted = package / "__pycache__" / f"networks.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(
        str(tmp_path / "evil.py"), cfile=str(planted), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    assert application(NETWORK)[1] == digest
    loads = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r}); from fedsov.model.own_network import builder; "
        f"print(builder({NETWORK!r}).__module__)"
    )
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.stdout.split() == ["mine.networks"], done.stdout + done.stderr
