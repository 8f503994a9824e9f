"""What every key service promises, asked of each line of `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fedsov.errors import ConfigurationError, KeyUnavailable, WorkspaceUnusable
from fedsov.keys import BACKENDS, create_keys, has_keys, open_keys
from fedsov.keys.protocol import KeySettings, RegionKeys
from fedsov.keys.sealing import seal
from fedsov.ledger.signed_head import Signer

Settings = Callable[[str], KeySettings]
SECRET, CONTEXT = b"the key of one file, 32 bytes ..", "people/records"


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """How a region of this name reaches this service."""
    return lambda region: KeySettings(region, tmp_path / region, backend=request.param)


@pytest.fixture
def eu(settings: Settings) -> RegionKeys:
    return create_keys(settings("EU"))


@pytest.fixture
def us(settings: Settings) -> RegionKeys:
    return create_keys(settings("US"))


def test_a_wrapped_secret_opens_for_its_region_and_context(eu: RegionKeys, settings: Settings) -> None:
    wrapped = eu.wrap(SECRET, CONTEXT)
    assert SECRET not in wrapped
    assert eu.unwrap(wrapped, CONTEXT) == open_keys(settings("EU")).unwrap(wrapped, CONTEXT) == SECRET
    assert eu.wrap(SECRET, CONTEXT) != wrapped, "equal secrets must not be seen to be equal"


def test_another_regions_wrapping_does_not_open(eu: RegionKeys, us: RegionKeys) -> None:
    with pytest.raises(KeyUnavailable, match="US"):
        us.unwrap(eu.wrap(SECRET, CONTEXT), CONTEXT)


def test_a_wrong_context_does_not_open(eu: RegionKeys) -> None:
    for wrong in ("people/identifiers", "", CONTEXT + " "):
        with pytest.raises(KeyUnavailable):
            eu.unwrap(eu.wrap(SECRET, CONTEXT), wrong)


def test_a_changed_byte_does_not_open(eu: RegionKeys) -> None:
    wrapped = eu.wrap(SECRET, CONTEXT)
    for place in range(len(wrapped)):
        with pytest.raises(KeyUnavailable):
            eu.unwrap(wrapped[:place] + bytes([wrapped[place] ^ 1]) + wrapped[place + 1 :], CONTEXT)
    for cut in (b"", wrapped[:-1], wrapped + b"\0"):
        with pytest.raises(KeyUnavailable):
            eu.unwrap(cut, CONTEXT)


def test_what_is_sealed_opens_for_its_region_and_context_alone(eu: RegionKeys, us: RegionKeys) -> None:
    sealed = seal(eu.public.sealing, b"rows", "EU")
    assert eu.open_sealed(sealed, "EU") == b"rows"
    for keys, context in ((us, "EU"), (eu, "US")):
        with pytest.raises(KeyUnavailable):
            keys.open_sealed(sealed, context)
    for place in range(len(sealed)):
        with pytest.raises(KeyUnavailable):
            eu.open_sealed(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :], "EU")


def test_pseudonyms_are_stable_in_a_region_and_unlinked_between_regions(
    eu: RegionKeys, us: RegionKeys, settings: Settings
) -> None:
    jane, john = eu.pseudonyms(["Jane", "John"])
    assert open_keys(settings("EU")).pseudonyms(["John", "Jane", "John"]) == [john, jane, john]
    assert jane != john and len(jane) == 32 and int(jane, 16) >= 0
    assert not {jane, john} & set(us.pseudonyms(["Jane", "John"]))


def test_a_signature_is_checked_with_the_public_key(eu: RegionKeys, settings: Settings) -> None:
    Signer.made(settings("EU").folder / "signing.key")
    verify = eu.public.verify
    assert verify is not None
    Ed25519PublicKey.from_public_bytes(verify).verify(eu.sign(b"head"), b"head")
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(verify).verify(eu.sign(b"head"), b"another head")


def test_keys_are_there_once_created_and_are_never_replaced(settings: Settings) -> None:
    assert not has_keys(settings("EU"))
    with pytest.raises(KeyUnavailable, match="EU"):
        open_keys(settings("EU"))
    keys = create_keys(settings("EU"))
    assert has_keys(settings("EU")) and not has_keys(settings("US"))
    with pytest.raises(WorkspaceUnusable):
        create_keys(settings("EU"))
    assert open_keys(settings("EU")).key_id == keys.key_id


def test_keys_do_not_show_themselves(eu: RegionKeys) -> None:
    assert eu.region in repr(eu)
    assert "\\x" not in repr(eu)


def test_an_unknown_service_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown key service 'locale' for region EU; did you mean local"):
        open_keys(KeySettings("EU", tmp_path, backend="locale"))
    with pytest.raises(ConfigurationError, match="choose one of local"):
        create_keys(KeySettings("EU", tmp_path, backend="xyz"))
