import base64
import hmac
import json
import stat
from pathlib import Path

import pytest

from fedsov.errors import KeyUnavailable, WorkspaceUnusable
from fedsov.keys.local import LocalKeyring
from fedsov.keys.protocol import KEYRING
from fedsov.ledger.signed_head import Signer


@pytest.fixture
def eu(tmp_path: Path) -> LocalKeyring:
    return LocalKeyring.create(tmp_path / "eu.json", "EU")


def test_a_keyring_is_read_back_by_its_owner_alone(tmp_path: Path, eu: LocalKeyring) -> None:
    assert stat.S_IMODE((tmp_path / "eu.json").stat().st_mode) == 0o600
    assert LocalKeyring.open(tmp_path / "eu.json", "EU") == eu
    with pytest.raises(KeyUnavailable, match="keyring of EU, not of US"):
        LocalKeyring.open(tmp_path / "eu.json", "US")


def test_the_folder_that_is_made_for_a_keyring_is_its_owners_alone(tmp_path: Path) -> None:
    LocalKeyring.create(tmp_path / "regions" / "EU" / KEYRING, "EU")
    assert stat.S_IMODE((tmp_path / "regions" / "EU").stat().st_mode) == 0o700


def test_a_pseudonym_is_the_first_half_of_the_standard_hmac_of_a_subject(tmp_path: Path, eu: LocalKeyring) -> None:
    key = base64.b64decode(json.loads((tmp_path / "eu.json").read_text())["pseudonym_key"])
    subjects = ["", "Jane", "Zoë" * 50]
    assert eu.pseudonyms(subjects) == [hmac.digest(key, each.encode(), "sha256").hex()[:32] for each in subjects]


def test_equal_keys_under_another_regions_name_do_not_open(tmp_path: Path, eu: LocalKeyring) -> None:
    path = tmp_path / "eu.json"
    path.write_text(path.read_text().replace('"EU"', '"US"'))
    with pytest.raises(KeyUnavailable):
        LocalKeyring.open(path, "US").unwrap(eu.wrap(b"file key", "x"), "x")


def test_a_missing_damaged_or_open_keyring_is_unavailable(tmp_path: Path, eu: LocalKeyring) -> None:
    path = tmp_path / "eu.json"
    with pytest.raises(KeyUnavailable, match="no keyring"):
        LocalKeyring.open(tmp_path / "none.json", "EU")
    path.chmod(0o644)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        LocalKeyring.open(path, "EU")
    path.chmod(0o600)
    whole = path.read_bytes()
    for damaged in (b"", b"[]", b"\xff", whole[:90], whole.replace(b"key_id", b"id_key")):
        path.write_bytes(damaged)
        with pytest.raises(KeyUnavailable, match="not a whole keyring"):
            LocalKeyring.open(path, "EU")
    path.write_text(json.dumps(json.loads(whole) | {"sealing_key": "AAAA"}))
    with pytest.raises(KeyUnavailable, match="wrong length"):
        LocalKeyring.open(path, "EU")


def test_a_keyring_is_never_written_over(tmp_path: Path, eu: LocalKeyring) -> None:
    with pytest.raises(WorkspaceUnusable, match="never written over"):
        LocalKeyring.create(tmp_path / "eu.json", "EU")
    assert LocalKeyring.open(tmp_path / "eu.json", "EU") == eu
    assert not list(tmp_path.glob(".*"))


def test_a_keyring_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceUnusable, match=r"cannot write .*file/keyring\.json"):
        LocalKeyring.create(tmp_path / "file" / KEYRING, "EU")


def test_a_keyring_shows_no_key(eu: LocalKeyring) -> None:
    assert repr(eu) == f"LocalKeyring(region='EU', key_id='{eu.key_id}')"


def test_a_pseudonym_is_the_first_half_of_an_hmac_under_the_regions_own_key() -> None:
    keys = LocalKeyring("EU", "1", {1: b"a" * 32}, b"Jefe", b"c" * 32)
    # RFC 4231, test case 2: HMAC-SHA-256 of this text under the key "Jefe"
    assert keys.pseudonyms(["what do ya want for nothing?"]) == ["5bdcc146bf60754e6a042426089575c7"]


def test_the_signing_key_is_the_one_beside_the_keyring(tmp_path: Path, eu: LocalKeyring) -> None:
    assert eu.public.verify is None
    with pytest.raises(KeyUnavailable, match="made with the region's ledger"):
        eu.sign(b"head")
    signer = Signer.made(tmp_path / "signing.key")
    assert eu.public.verify == bytes.fromhex(signer.public)
    assert eu.sign(b"head") == signer.private.sign(b"head")  # Ed25519 signs one text in one way


def test_a_signing_key_that_is_open_to_others_damaged_or_of_another_kind_is_unavailable(
    tmp_path: Path, eu: LocalKeyring
) -> None:
    path = tmp_path / "signing.key"
    Signer.made(path)
    path.chmod(0o640)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        eu.sign(b"head")
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        eu.sign(b"head")
    path.write_text(_OTHER_KIND)
    with pytest.raises(KeyUnavailable, match="no Ed25519 key"):
        eu.sign(b"head")


_OTHER_KIND = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VuBCIEIGNjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj
-----END PRIVATE KEY-----
"""
"""An X25519 key of 32 bytes 0x63."""
