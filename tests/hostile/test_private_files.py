"""Whatever fedsov writes is its owner's alone, and nothing is written through a link that somebody planted."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from fedsov.api.attack import written
from fedsov.border.evidence.register_file import add_document
from fedsov.cli import main
from fedsov.errors import FedsovError
from fedsov.keys.local import LocalKeyring
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import export
from fedsov.ledger.timestamps import query
from fedsov.model.packaging import saved
from fedsov.region.journal import hold_alone
from fedsov.storage.atomic_files import replace_file, write_file
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace
from tests.model.world import parameters_of, saved_model
from tests.world import fedsov, people

DOCUMENT = {
    "id": "d1", "kind": "scc_eu", "exporter": ["DE"], "importer": ["US"], "categories": ["personal"],
    "signed": "2026-01-01", "owner": "A. Person",
}  # fmt: skip


def _open_to_others(root: Path) -> list[str]:
    """Paths below a folder that anybody but their owner may read, list or write."""
    paths = [root, *root.rglob("*")]
    return [str(path.relative_to(root)) for path in paths if stat.S_IMODE(path.lstat().st_mode) & 0o077]


@pytest.mark.long
def test_after_a_whole_run_no_file_of_the_workspace_is_open_to_others(tmp_path: Path) -> None:
    lines = ["country,age,bought", *(f"{'DE' if row % 2 else 'FR'},{row % 60},{row % 3 == 0:d}" for row in range(400))]
    words = [*people(tmp_path, lines, target="bought"), "strategy.federated.min_rows=100", "federation.rounds=1"]
    before = os.umask(0o022)
    try:
        done = fedsov("train", *words)
        assert done.returncode == 0, done.stderr
        assert fedsov("report", words[0]).returncode == 0
        assert fedsov("ledger", "export", str(tmp_path / "w" / "audit"), "DE", words[0]).returncode == 0
    finally:
        os.umask(before)
    assert _open_to_others(tmp_path / "w") == []


def _ledger(place: Path, path: Path) -> None:
    Ledger(path, "DE").close()


def _export(place: Path, path: Path) -> None:
    with closing(Ledger(place / "own" / "ledger.sqlite", "DE")) as ledger:
        export(ledger, path.parent)


def _query(place: Path, path: Path) -> None:
    with closing(Ledger(place / "own" / "ledger.sqlite", "DE")) as ledger:
        query(ledger.head()).write(path)


def _pinned(place: Path, path: Path) -> None:
    workspace = Workspace(place / "w")
    known_keys.pin_keys(workspace, ["DE"])


def _locked(place: Path, path: Path) -> None:
    with hold_workspace(Workspace(path.parents[1])):
        pass


MODEL = saved_model()
WRITERS: dict[str, tuple[str, Callable[[Path, Path], object]]] = {
    "a ledger": ("region/ledger.sqlite", _ledger),
    "a file put in its place": ("state.json", lambda _, path: replace_file(path, b"content")),
    "a checkpoint's arrays": ("run/arrays.safetensors", lambda _, path: write_file(path, b"content")),
    "a keyring": ("DE/keyring.json", lambda _, path: LocalKeyring.create(path, "DE")),
    "an export": ("audit/README.txt", _export),
    "a time stamp's query": ("ask/query.tsq", _query),
    "a model": ("model/model.safetensors", lambda _, path: saved.write(path.parent, MODEL, parameters_of(MODEL))),
    "a register": ("register/documents.yaml", lambda _, path: add_document(path, DOCUMENT)),
    "a report of an attack": ("attack/report.json", lambda _, path: written({}, path)),
    "pinned keys": ("w/hub/verify_keys.json", _pinned),
    "the lock of a workspace": ("w/hub/lock", _locked),
    "the lock of a run": ("DE/runs/r1/lock", lambda _, path: os.close(hold_alone(path.parents[2], "r1"))),
}


@pytest.mark.parametrize("what", WRITERS)
def test_nothing_is_written_through_a_planted_link(tmp_path: Path, what: str) -> None:
    place, write = WRITERS[what]
    victim, path = tmp_path / "victim", tmp_path / place
    victim.write_bytes(b"somebody's file")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(victim)
    with suppress(FedsovError, OSError):  # said, and nothing is written
        write(tmp_path, path)
    assert victim.read_bytes() == b"somebody's file" and stat.S_IMODE(victim.stat().st_mode) == 0o644


@pytest.mark.parametrize("what", WRITERS)
def test_no_file_is_made_at_the_target_of_a_planted_link(tmp_path: Path, what: str) -> None:
    place, write = WRITERS[what]
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(tmp_path / "nowhere")
    with suppress(FedsovError, OSError):
        write(tmp_path, path)
    assert not (tmp_path / "nowhere").exists()


def test_a_link_at_a_name_that_is_written_aside_cannot_be_planted_for_nobody_knows_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"somebody's file")
    (tmp_path / "state.json.new").symlink_to(victim)  # the name of before
    replace_file(tmp_path / "state.json", b"content")
    assert victim.read_bytes() == b"somebody's file" and (tmp_path / "state.json").read_bytes() == b"content"


def test_a_link_in_the_place_of_a_lock_is_said_with_the_way_to_mend_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "lock").symlink_to(tmp_path / "elsewhere")
    assert main.run(["plan", f"workspace={tmp_path}", "--quiet"]) == 7
    assert "is a symbolic link, and nothing is written through one; remove it" in capsys.readouterr().err
