import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import KeyUnavailable, WorkspaceUnusable
from fedsov.partition.keys import LocalKeyring, seal


@pytest.fixture
def eu(tmp_path: Path) -> LocalKeyring:
    return LocalKeyring.create(tmp_path / "eu.json", "EU")


@pytest.fixture
def us(tmp_path: Path) -> LocalKeyring:
    return LocalKeyring.create(tmp_path / "us.json", "US")


def test_a_keyring_is_read_back_by_its_owner_alone(tmp_path: Path, eu: LocalKeyring) -> None:
    assert stat.S_IMODE((tmp_path / "eu.json").stat().st_mode) == 0o600
    assert LocalKeyring.open(tmp_path / "eu.json", "EU") == eu
    with pytest.raises(KeyUnavailable, match="keyring of EU, not of US"):
        LocalKeyring.open(tmp_path / "eu.json", "US")


def test_a_wrapping_opens_only_in_its_region_and_for_its_context(eu: LocalKeyring, us: LocalKeyring) -> None:
    wrapped = eu.wrap(b"file key", "people/records")
    assert eu.unwrap(wrapped, "people/records") == b"file key"
    for keys, context in ((us, "people/records"), (eu, "people/identifiers")):
        with pytest.raises(KeyUnavailable, match=keys.region):
            keys.unwrap(wrapped, context)


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
    for damaged in (
        b"",
        b"[]",
        b"\xff",
        path.read_bytes()[:90],
        path.read_bytes().replace(b"key_id", b"id_key"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(KeyUnavailable, match="not a whole keyring"):
            LocalKeyring.open(path, "EU")


def test_a_keyring_is_never_written_over(tmp_path: Path, eu: LocalKeyring) -> None:
    with pytest.raises(WorkspaceUnusable, match="never written over"):
        LocalKeyring.create(tmp_path / "eu.json", "EU")
    assert LocalKeyring.open(tmp_path / "eu.json", "EU") == eu
    assert not list(tmp_path.glob(".*"))


def test_a_keyring_shows_no_key(eu: LocalKeyring) -> None:
    assert repr(eu) == f"LocalKeyring(region='EU', key_id='{eu.key_id}')"


def test_pseudonyms_are_stable_in_a_region_and_unlinked_between_regions(eu: LocalKeyring, us: LocalKeyring) -> None:
    assert eu.pseudonym("Jane") == eu.pseudonyms(["Jane"])[0]
    assert len(eu.pseudonym("Jane")) == 32
    assert eu.pseudonym("Jane") != us.pseudonym("Jane")


@given(content=st.binary(max_size=100), place=st.integers(0, 10_000))
def test_sealed_content_opens_for_its_recipient_and_not_with_one_bit_changed(content: bytes, place: int) -> None:
    keys = LocalKeyring("EU", "1", b"a" * 32, b"b" * 32, b"c" * 32)
    sealed = bytearray(seal(keys.public_key, content, "synthetic"))
    assert keys.open_sealed(bytes(sealed), "synthetic") == content
    # X25519 ignores the top bit of the public key; the key derivation does not
    sealed[place % len(sealed)] ^= 128
    with pytest.raises(KeyUnavailable):
        keys.open_sealed(bytes(sealed), "synthetic")


def test_sealed_content_opens_for_nobody_else(eu: LocalKeyring, us: LocalKeyring) -> None:
    sealed = seal(eu.public_key, b"rows", "synthetic")
    for keys, context in ((us, "synthetic"), (eu, "model")):
        with pytest.raises(KeyUnavailable):
            keys.open_sealed(sealed, context)
    with pytest.raises(KeyUnavailable, match="32 bytes"):
        seal(b"short", b"rows", "synthetic")
