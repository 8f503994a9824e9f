"""What is asked of AWS KMS. moto enforces no policy: it proves the calls, not the isolation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.keys import KeyService, KeySettings, create_keys, open_keys
from tests.keys.servers import AWS_REGIONS, Servers


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> KeySettings:
    return KeySettings("EU", tmp_path / "EU", servers.service("aws_kms", "EU", f"test-{uuid4().hex}", tmp_path))


def test_a_key_with_copies_in_other_aws_regions_is_refused(settings: KeySettings, servers: Servers) -> None:
    assert settings.service is not None
    kms = boto3.client("kms", region_name=AWS_REGIONS["EU"], endpoint_url=servers.aws)
    made = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=settings.service.key, TargetKeyId=made)
    with pytest.raises(KeyUnavailable, match="has copies in other AWS regions"):
        create_keys(settings)


def test_the_keyring_opens_in_no_other_aws_region(settings: KeySettings) -> None:
    create_keys(settings)
    assert settings.service is not None
    path = settings.folder / "keyring.json"
    path.write_text(path.read_text().replace('"aws_region": "eu-central-1"', '"aws_region": "us-east-1"'))
    with pytest.raises(KeyUnavailable, match="us-east-1 does not decrypt for EU"):
        open_keys(replace(settings, service=None))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"aws_region": ""}, "key_service.aws_region is missing"),
        ({"key": "fedsov-EU"}, "is no alias"),
        ({"url": "http://kms.example"}, "in the clear; use https"),
    ],
)
def test_settings_that_cannot_be_or_weaken_protection_are_refused(
    settings: KeySettings, changed: dict[str, str], told: str
) -> None:
    assert settings.service is not None
    with pytest.raises(ConfigurationError, match=told):
        create_keys(replace(settings, service=replace(settings.service, **changed)))


def test_no_credentials_or_no_profile_is_told_in_one_line(
    settings: KeySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert settings.service is not None
    with pytest.raises(KeyUnavailable, match="no profile nobody"):
        create_keys(replace(settings, service=replace(settings.service, profile="nobody")))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(KeyUnavailable, match="no credentials of EU for AWS"):
        create_keys(settings)


def test_a_service_that_does_not_answer_is_named_in_one_line(settings: KeySettings) -> None:
    assert settings.service is not None
    service = replace(settings.service, url="http://127.0.0.1:9")
    with pytest.raises(KeyUnavailable, match="AWS KMS in eu-central-1 does not answer"):
        create_keys(replace(settings, service=KeyService(**service.to_json())))
