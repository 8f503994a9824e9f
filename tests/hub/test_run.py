"""The hub's process opens no store and no keyring, imports nothing that could, and cannot if it tried."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.errors import LedgerRestored
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.runtimes.file_guard import keep_out
from fedsov.storage.workspace import ledger_of
from tests.hub.world import World, connected
from tests.world import ROOT

WATCHED = """
import json, os, sys
opened = []
def note(event, args):
    if event in ("open", "sqlite3.connect") and args:
        opened.append(str(args[0]))
sys.addaudithook(note)
from fedsov.cli import run
code = run(["train", "workspace=" + sys.argv[1], "federation.rounds=1", "--quiet", "--json"])
regions = os.path.realpath(sys.argv[1]) + "/regions/"
real = {os.path.realpath(path) for path in opened}
inside = sorted(path[len(regions):] for path in real if path.startswith(regions))
loaded = [name for name in ("torch", "pyarrow", "pandas", "mlflow", "sdv") if name in sys.modules]
services = ("fedsov.keys.local", "fedsov.keys.openbao", "fedsov.keys.aws_kms", "hvac", "boto3")
stores = [name for name in sys.modules if name in ("fedsov.partition.store", *services)]
print(json.dumps({"code": code, "inside": inside, "loaded": loaded, "stores": stores}), file=sys.stderr)
"""


def test_a_whole_run_opens_no_file_of_a_region_in_the_hub_s_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path / "w")], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    said = json.loads(done.stderr.splitlines()[-1])
    assert said == {"code": 0, "inside": [], "loaded": [], "stores": []}


@pytest.mark.parametrize("private", ["store/people/records.parquet", "keyring.json"])
def test_while_a_run_is_open_the_hub_cannot_open_a_store_or_a_keyring(tmp_path: Path, private: str) -> None:
    path = tmp_path / "regions" / "DE" / private
    path.parent.mkdir(parents=True)
    path.write_bytes(b"secret")
    with keep_out(tmp_path / "regions"):
        for attempt in (path.read_bytes, path.open, lambda: path.write_bytes(b"")):
            with pytest.raises(PermissionError, match="does not open a region's"):
                attempt()
        with pytest.raises(PermissionError):
            (tmp_path / "regions" / ".." / "regions" / "DE" / private).read_bytes()
    assert path.read_bytes() == b"secret"


def test_other_files_stay_open_to_the_hub(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    with keep_out(tmp_path / "regions"):
        (tmp_path / "hub" / "store").write_text("the hub's own")
    assert (tmp_path / "hub" / "store").read_text() == "the hub's own"


def test_each_region_is_told_the_hubs_head_with_its_proofs_before_it_opens(tmp_path: Path) -> None:
    world = World(tmp_path)
    with connected(world) as run:
        run.gate.note({"told": ["DE"]})
    with connected(world) as run:
        (first, second), ledger = world.starts, run.gate.ledger
        told = json.loads(second.hub_head["head"])
        assert told == ledger.head().to_json() != json.loads(first.hub_head["head"])
        assert [*json.loads(second.hub_head["paths"])] == [str(entry.seq) for entry in ledger.notes("told")]


def test_a_hub_that_was_put_back_opens_no_run_until_its_owner_accepted_that(tmp_path: Path) -> None:
    world = World(tmp_path)
    with connected(world):
        pass
    with closing(Ledger(ledger_of(tmp_path / "w" / "hub"), "hub")) as ledger:
        gaps.note_restored(ledger, archive="ab" * 32, backed_up="2026-11-29")
        with pytest.raises(LedgerRestored, match="a backup, of 2026-11-29"), connected(world):
            pass
        gaps.accept_own(ledger, by="A", why="w")
    with connected(world):
        assert len(world.starts) == 2
