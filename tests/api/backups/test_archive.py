"""An archive gives out nothing that was changed, cut, forged or would leave the home."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.api.backups.archive import (
    VARIABLE,
    ArchiveContents,
    Stored,
    checked_name,
    new_archive,
    put_contents,
    put_files,
    take_out,
)
from fedsov.api.backups.snapshot import Still
from fedsov.errors import ConfigurationError, FedsovError, KeyUnavailable, StoreDamaged, WorkspaceUnusable
from fedsov.ledger.signed_head import Signer
from tests.api.backups.conftest import WORDS
from tests.full_disk import full_disk

ROWS = b"rows" * 999_999


def _nobody(_: int) -> None:
    """Nobody is told of bytes."""


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, WORDS)


def _still(folder: Path, name: str, content: bytes) -> Still:
    path = folder / hashlib.sha256(name.encode()).hexdigest()
    path.write_bytes(content)
    return Still(name, path, len(content))


def _contents(signer: Signer, files: Sequence[Stored]) -> ArchiveContents:
    return ArchiveContents("DE", "region", "2026-11-30", "0", "/home", None, tuple(files), (), signer.public)


def _archive(folder: Path, *names: str, listed: Sequence[Stored] | None = None, signed: bool = True) -> Path:
    """An archive of files of these names; its manifest says what was written, or what is given."""
    signer, path = Signer.made(folder / "signing.key"), folder / "archive"
    with new_archive(path, "DE", "") as out:
        stored = put_files(out, [_still(folder, name, ROWS) for name in names], _nobody)
        contents = _contents(signer, stored if listed is None else listed)
        message = contents.message() if signed else b"another"
        put_contents(out, contents, signer.private.sign(message).hex())
    return path


def test_files_come_out_as_they_went_in_for_their_owner_alone(tmp_path: Path) -> None:
    names = ("hub/ledger.sqlite", "hub/models/a/model.safetensors", "law/bundle.zip")
    found = take_out(_archive(tmp_path, *names), tmp_path / "out", "", _nobody)
    assert tuple(each.name for each in found.files) == names and found.size == 3 * len(ROWS)
    for name in names:
        place = tmp_path / "out" / name
        assert place.read_bytes() == ROWS and place.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name",
    [
        *(
            "/etc/passwd",
            "../x",
            "hub/../../x",
            "hub/./x",
            "hub//x",
            "hub/",
            "",
            ".",
            "..",
            "other/x",
            "hub\\x",
            "hub/\0",
        ),
        *("other/x", "~/x", "C:/x", "replaced-2026/x", ".restore-1/x"),
    ],
)
def test_a_name_that_would_leave_the_home_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged, match="which is none of a party's files"):
        take_out(_archive(tmp_path, name), tmp_path / "out", "", _nobody)
    assert not (tmp_path / "out").exists() and not (tmp_path.parent / "x").exists()


@pytest.mark.parametrize("name", [None, 7, ["hub"], {}])
def test_a_name_that_is_no_text_is_refused(name: object) -> None:
    with pytest.raises(StoreDamaged):
        checked_name(name)


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged, match="twice"):
        take_out(_archive(tmp_path, "hub/a", "hub/a"), tmp_path / "out", "", _nobody)


def test_a_file_that_the_manifest_does_not_name_or_names_otherwise_is_refused(tmp_path: Path) -> None:
    true = Stored("hub/a", len(ROWS), hashlib.sha256(ROWS).hexdigest())
    for place, listed in enumerate(
        (
            [],
            [replace(true, sha256="0" * 64)],
            [replace(true, size=1)],
            [true, replace(true, name="hub/b")],
            [true, true],
        )
    ):
        folder = tmp_path / str(place)
        folder.mkdir()
        with pytest.raises(StoreDamaged, match=r"hub/[ab] is not the file"):
            take_out(_archive(folder, "hub/a", listed=listed), folder / "out", "", _nobody)


def test_a_manifest_that_its_key_did_not_sign_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged, match="is not signed by the key"):
        take_out(_archive(tmp_path, "hub/a", signed=False), tmp_path / "out", "", _nobody)


def test_a_byte_that_was_changed_anywhere_or_an_end_that_was_cut_is_found(tmp_path: Path) -> None:
    path = _archive(tmp_path, "hub/a")
    whole = path.read_bytes()
    for place in (0, 20, 90, len(whole) // 2, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        with pytest.raises(FedsovError):
            take_out(path, tmp_path / f"out{place}", "", _nobody)
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FedsovError):
            take_out(path, tmp_path / f"cut{size}", "", _nobody)


def test_another_passphrase_and_a_file_that_is_no_archive_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _archive(tmp_path, "hub/a")
    monkeypatch.setenv(VARIABLE, WORDS + "x")
    with pytest.raises(KeyUnavailable, match="the passphrase does not open"):
        take_out(path, tmp_path / "out", "", _nobody)
    (tmp_path / "other").write_bytes(b"PK\x03\x04" + ROWS)
    with pytest.raises(ConfigurationError, match="is no archive"):
        take_out(tmp_path / "other", tmp_path / "out", "", _nobody)
    with pytest.raises(ConfigurationError, match="does not exist"):
        take_out(tmp_path / "absent", tmp_path / "out", "", _nobody)


def test_an_archive_that_could_not_be_written_whole_is_not_there(tmp_path: Path) -> None:
    signer = Signer.made(tmp_path / "signing.key")
    files = [_still(tmp_path, "hub/a", ROWS)]
    before = sorted(tmp_path.iterdir())
    with (
        full_disk(len(ROWS) // 2),
        pytest.raises(WorkspaceUnusable, match="cannot be written"),
        new_archive(tmp_path / "archive", "DE", "") as out,
    ):
        put_contents(out, _contents(signer, put_files(out, files, _nobody)), "")
    files[0].path.write_bytes(b"less")
    with pytest.raises(WorkspaceUnusable, match="became shorter"), new_archive(tmp_path / "archive", "DE", "") as out:
        put_files(out, files, _nobody)
    assert sorted(tmp_path.iterdir()) == before
