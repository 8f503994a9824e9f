"""What every key service promises, asked of each line of `BACKENDS`, with the real server."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fedsov.errors import ConfigurationError, KeyUnavailable, WorkspaceUnusable
from fedsov.keys import BACKENDS, KeyService, create_keys, has_keys, open_keys
from fedsov.keys.local import version_of
from fedsov.keys.protocol import KEYRING, KeySettings, RegionKeys
from fedsov.keys.rotation import retire, rotate, state_of
from fedsov.keys.sealing import seal
from fedsov.ledger.signed_head import Signer
from tests.keys.servers import AWS_REGIONS, Servers, private_file

Settings = Callable[[str], KeySettings]
SECRET, CONTEXT = b"the key of one file, 32 bytes ..", "people/records"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(backend: str, tmp_path: Path, servers: Servers) -> Settings:
    """How a region of this name reaches this service, by a key of this test's own."""
    key = f"test-{uuid4().hex}"
    return lambda region: KeySettings(
        region, tmp_path / region, servers.service(backend, region, key, tmp_path / "credentials")
    )


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


def test_a_keyring_of_another_region_does_not_open_under_its_name(eu: RegionKeys, settings: Settings) -> None:
    there, here = settings("EU"), settings("US")
    here.folder.mkdir()
    body = json.loads((there.folder / KEYRING).read_bytes()) | {"region": "US"}
    private_file(here.folder / KEYRING, json.dumps(body))
    protected = there.service is not None and there.service.backend != "local"
    if not protected:  # in the clear it can be read; what it wraps stays the other region's
        with pytest.raises(KeyUnavailable, match="US"):
            open_keys(here).unwrap(eu.wrap(SECRET, CONTEXT), CONTEXT)
        return
    with pytest.raises(KeyUnavailable):  # the US's own credentials, at the EU's service and at its own
        open_keys(replace(here, service=None))
    body |= {"service": here.service.to_json() if here.service else {}}
    private_file(here.folder / KEYRING, json.dumps(body))
    with pytest.raises(KeyUnavailable):
        open_keys(here)


def test_a_keyring_of_which_a_byte_was_changed_does_not_open(eu: RegionKeys, settings: Settings) -> None:
    here = settings("EU")
    path = here.folder / KEYRING
    body = json.loads(path.read_bytes())
    for name in ("root", "sealed") if "root" in body else ("sealing_key",):
        changed = bytearray(base64.b64decode(body[name]))
        changed[len(changed) // 2] ^= 1
        cut = changed[:-1] if name == "sealing_key" else changed
        path.write_text(json.dumps(body | {name: base64.b64encode(cut).decode()}))
        with pytest.raises(KeyUnavailable):
            open_keys(here)


def test_the_file_shows_no_secret_that_a_service_protects(eu: RegionKeys, settings: Settings, backend: str) -> None:
    body = json.loads((settings("EU").folder / KEYRING).read_bytes())
    assert ("sealing_key" in body) == (backend == "local")
    assert body.get("service", {"backend": "local"})["backend"] == backend


def test_a_rotation_opens_what_was_wrapped_before_until_it_is_retired(eu: RegionKeys, settings: Settings) -> None:
    before, here = eu.wrap(SECRET, CONTEXT), settings("EU")
    sealed, named = seal(eu.public.sealing, b"rows", "EU"), eu.pseudonyms(["Jane"])
    new = rotate(here)
    after = new.wrap(SECRET, CONTEXT)
    assert version_of(before) == 1 and version_of(after) == 2
    for keys in (new, open_keys(here)):
        assert keys.unwrap(before, CONTEXT) == keys.unwrap(after, CONTEXT) == SECRET
        assert keys.open_sealed(sealed, "EU") == b"rows" and keys.pseudonyms(["Jane"]) == named
    with pytest.raises(KeyUnavailable, match="version 2"):
        eu.unwrap(after, CONTEXT)
    assert retire(here)
    assert open_keys(here).unwrap(after, CONTEXT) == SECRET
    with pytest.raises(KeyUnavailable, match="version 1 .* retired"):
        open_keys(here).unwrap(before, CONTEXT)


def test_what_a_rotation_wrapped_does_not_open_with_a_byte_changed(eu: RegionKeys, settings: Settings) -> None:
    new = rotate(settings("EU"))
    wrapped = new.wrap(SECRET, CONTEXT)
    for place in range(len(wrapped)):
        with pytest.raises(KeyUnavailable):
            new.unwrap(wrapped[:place] + bytes([wrapped[place] ^ 1]) + wrapped[place + 1 :], CONTEXT)


def test_a_backup_of_a_keyring_opens_until_its_key_is_retired(
    eu: RegionKeys, settings: Settings, backend: str, servers: Servers, tmp_path: Path
) -> None:
    here, backup = settings("EU"), replace(settings("EU"), folder=tmp_path / "backup")
    shutil.copytree(here.folder, backup.folder)
    wrapped = eu.wrap(SECRET, CONTEXT)
    rotate(here)
    rotate(here)
    assert open_keys(backup).unwrap(wrapped, CONTEXT) == SECRET
    older = [former.version for former in state_of(here).older]
    lines = retire(here)
    if backend in ("local", "passphrase"):  # nothing can revoke a copy of the file: it is said
        assert "copies of the former keyring.json" in lines[-1] and "destroy those copies too" in lines[-1]
        assert open_keys(backup).unwrap(wrapped, CONTEXT) == SECRET
        return
    if backend == "aws_kms":  # AWS refuses a key in this state (KMSInvalidStateException); moto tells it and goes on
        kms = boto3.client("kms", region_name=AWS_REGIONS["EU"], endpoint_url=servers.aws)
        states = [kms.describe_key(KeyId=version)["KeyMetadata"]["KeyState"] for version in older]
        assert states == ["PendingDeletion"] * 2
    else:
        with pytest.raises(KeyUnavailable, match="does not decrypt"):
            open_keys(backup)
    assert open_keys(here).key_id == eu.key_id


def test_retiring_without_a_rotation_destroys_nothing(eu: RegionKeys, settings: Settings) -> None:
    assert retire(settings("EU")) == []
    assert open_keys(settings("EU")).unwrap(eu.wrap(SECRET, CONTEXT), CONTEXT) == SECRET


def test_a_keyring_that_another_service_protects_than_the_settings_say_is_refused(
    eu: RegionKeys, settings: Settings
) -> None:
    other = KeyService("passphrase", credential_file="elsewhere")
    with pytest.raises(KeyUnavailable, match="is protected by backend=.*settings say backend=passphrase"):
        open_keys(replace(settings("EU"), service=other))


def test_keys_move_to_another_service_and_open_what_was_wrapped_before(
    servers: Servers, tmp_path: Path, eu: RegionKeys, settings: Settings
) -> None:
    wrapped, here = eu.wrap(SECRET, CONTEXT), settings("EU")
    service = servers.service("openbao", "EU", f"moved-{uuid4().hex}", tmp_path / "credentials")
    rotate(here, service)
    moved = open_keys(replace(here, service=service))
    assert moved.unwrap(wrapped, CONTEXT) == SECRET and version_of(moved.wrap(SECRET, CONTEXT)) == 2
    assert "sealing_key" not in (here.folder / KEYRING).read_text()


def test_an_unknown_service_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match="unknown key service 'locale' .*did you mean local"):
        KeyService.from_settings({"backend": "locale"})
    with pytest.raises(ConfigurationError, match="choose one of local, passphrase, openbao, aws_kms"):
        KeyService.from_settings({"backend": "xyz"})


def test_a_setting_that_a_service_would_ignore_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="url would be ignored by local; it is for openbao, aws_kms"):
        KeyService.from_settings({"url": "https://bao.example"})
