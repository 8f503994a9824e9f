"""What OpenBao's server refuses, and what of its keys fedsov refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.keys import KeyService, KeySettings, create_keys, open_keys
from fedsov.keys.rotation import rotate
from tests.keys.servers import TRAINER, Servers, private_file


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> KeySettings:
    service = servers.service("openbao", "EU", f"test-{uuid4().hex}", tmp_path)
    return KeySettings("EU", tmp_path / "EU", service)


def test_a_wrong_token_opens_nothing_and_is_not_told(settings: KeySettings, tmp_path: Path) -> None:
    create_keys(settings)
    Path(str(settings.service and settings.service.credential_file)).write_text("s.wrong-token")
    with pytest.raises(KeyUnavailable, match=r"the token of EU may not decrypt, or is no longer valid") as refusal:
        open_keys(settings)
    assert "wrong-token" not in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_trainers_token_opens_the_keyring_and_may_do_nothing_else(settings: KeySettings, servers: Servers) -> None:
    keys = create_keys(settings)
    Path(str(settings.service and settings.service.credential_file)).write_text(servers.baos["EU"].token(TRAINER))
    assert open_keys(settings).unwrap(keys.wrap(b"secret", "x"), "x") == b"secret"
    with pytest.raises(KeyUnavailable, match="may not"):
        rotate(settings)
    assert open_keys(settings).key_id == keys.key_id


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"derived": False}, "not derived"),
        ({"derived": True, "exportable": True}, "exported"),
        ({"derived": True, "allow_plaintext_backup": True}, "backed up in the clear"),
        ({"derived": True, "key_type": "chacha20-poly1305"}, "another type"),
    ],
)
def test_a_key_that_protects_too_little_is_refused(
    settings: KeySettings, servers: Servers, made: dict[str, object], told: str
) -> None:
    assert settings.service is not None
    servers.baos["EU"].client().secrets.transit.create_key(
        settings.service.key, **({"key_type": "aes256-gcm96"} | made)
    )
    with pytest.raises(KeyUnavailable, match=told):
        create_keys(settings)
    assert not (settings.folder / "keyring.json").exists()


def test_a_token_file_that_is_open_to_others_missing_or_empty_is_refused(settings: KeySettings, tmp_path: Path) -> None:
    assert settings.service is not None
    token = Path(settings.service.credential_file)
    token.chmod(0o644)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        create_keys(settings)
    token.chmod(0o600)
    token.write_text(" \n")
    with pytest.raises(KeyUnavailable, match="token of EU for OpenBao, is empty"):
        create_keys(settings)
    token.unlink()
    with pytest.raises(KeyUnavailable, match="cannot read .*No such file"):
        create_keys(settings)


def test_a_token_comes_from_the_environment_where_no_file_is_named(
    settings: KeySettings, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.service is not None
    unnamed = replace(settings, service=replace(settings.service, credential_file=""))
    monkeypatch.delenv("BAO_TOKEN", raising=False)
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    with pytest.raises(KeyUnavailable, match="no token of EU for OpenBao; .*or set BAO_TOKEN"):
        create_keys(unnamed)
    monkeypatch.setenv("BAO_TOKEN", servers.baos["EU"].root_token)
    assert create_keys(unnamed).region == "EU"
    assert servers.baos["EU"].root_token not in (settings.folder / "keyring.json").read_text()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "is no address of OpenBao"),
        ("bao.example", "is no address of OpenBao"),
        ("http://bao.example:8200", "in the clear; use https"),
        ("https://me:secret@bao.example", "holds a credential"),
    ],
)
def test_an_address_that_is_none_or_weakens_protection_is_refused(tmp_path: Path, url: str, told: str) -> None:
    file = private_file(tmp_path / "token", "s.token")
    with pytest.raises(ConfigurationError, match=told):
        create_keys(KeySettings("EU", tmp_path / "EU", KeyService("openbao", url=url, credential_file=file)))


def test_a_server_that_does_not_answer_is_named_in_one_line(settings: KeySettings, tmp_path: Path) -> None:
    assert settings.service is not None
    gone = replace(settings.service, url="http://127.0.0.1:9")
    with pytest.raises(KeyUnavailable, match=r"OpenBao at http://127.0.0.1:9 does not answer \(ConnectionError\)"):
        create_keys(KeySettings("EU", tmp_path / "EU", gone))
