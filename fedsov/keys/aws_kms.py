"""A key of AWS KMS protects a region's keyring, through boto3; the key never leaves the service.

    fedsov region set DE key_service.backend=aws_kms key_service.aws_region=eu-central-1 key_service.profile=de

The key stands behind an alias (``alias/fedsov-DE``) and is of that AWS region alone: a multi-region key, which has
copies elsewhere, is refused. The encryption context is the region's name, and KMS decrypts under no other; CloudTrail
writes it down. Credentials are AWS's own (``key_service.profile``, the environment, the machine's role). To open a
keyring takes ``kms:Decrypt`` alone.

KMS does not destroy one version of a key. So a rotation makes a new key and moves the alias, which takes
``kms:CreateKey`` and ``kms:UpdateAlias``; to retire schedules the old key's deletion: from then on it decrypts nothing,
and after seven days nobody can bring it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound
from botocore.loaders import create_loader
from botocore.session import get_session

from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.keys.services import KeyService

DAYS = 7
"""How long AWS waits until a key's deletion is final; it takes no fewer."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ASKS = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2, "mode": "standard"})


def root_key(region: str, service: KeyService) -> AwsKey:
    """The KMS key of a region. Raises ConfigurationError for no AWS region or alias, KeyUnavailable for no profile."""
    alias = service.key or f"alias/fedsov-{region}"
    if not service.aws_region:
        raise ConfigurationError("key_service.aws_region is missing; name the one that holds the key, as eu-central-1")
    if not alias.startswith("alias/"):
        raise ConfigurationError(f"key_service.key={alias} is no alias; give one such as alias/fedsov-{region}")
    address = urlsplit(service.url)
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        raise ConfigurationError(f"key_service.url={service.url} is spoken to in the clear; use https")
    try:
        core = get_session()
        core.register_component("data_loader", _loader())
        session = boto3.session.Session(profile_name=service.profile or None, botocore_session=core)
        client = session.client("kms", region_name=service.aws_region, endpoint_url=service.url or None, config=_ASKS)
    except ProfileNotFound:
        raise KeyUnavailable(f"AWS's configuration has no profile {service.profile} (key_service.profile)") from None
    except (BotoCoreError, ValueError) as fault:
        raise ConfigurationError(f"key_service: AWS KMS cannot be asked ({type(fault).__name__}: {fault})") from None
    return AwsKey(region, service.aws_region, alias, client)


@cache
def _loader() -> Any:
    """AWS's descriptions of its services, read once; no credential is in them."""
    return create_loader()


@dataclass(frozen=True, slots=True)
class AwsKey:
    """A `RootKey`: the key of KMS that an alias names. Its versions are keys, by their ARN."""

    region: str
    aws_region: str
    alias: str
    _client: Any = field(repr=False)

    @property
    def version(self) -> str:
        return str(self._description()["Arn"])

    def prepare(self) -> None:
        """Makes the key where there is none; refuses one that protects too little."""
        try:
            described = self._description()
        except _Missing:
            arn = self._new_key()
            with self._asking("name the new key"):
                self._client.create_alias(AliasName=self.alias, TargetKeyId=arn)
            described = self._description()
        if described.get("MultiRegion"):
            raise KeyUnavailable(f"{self._where()} has copies in other AWS regions; make one of this region alone")
        if described.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
            raise KeyUnavailable(f"{self._where()} is no symmetric key; make one, and name it by key_service.key")

    def wrap(self, secret: bytes, version: str) -> bytes:
        """Encrypted by the service, for this region."""
        with self._asking("encrypt"):
            answer = self._client.encrypt(KeyId=version, Plaintext=secret, EncryptionContext=self._context())
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, wrapped: bytes, version: str) -> bytes:
        """Decrypted by the service, for this region alone."""
        with self._asking("decrypt"):
            answer = self._client.decrypt(KeyId=version, CiphertextBlob=wrapped, EncryptionContext=self._context())
        return bytes(answer["Plaintext"])

    def rotate(self) -> str:
        """A new version of the key, by its name."""
        arn = self._new_key()
        with self._asking("move the alias"):
            self._client.update_alias(AliasName=self.alias, TargetKeyId=arn)
        return arn

    def destroy(self, version: str, *, moved: bool = False) -> str:
        """Schedules the deletion of an older key."""
        if not moved and version == self.version:
            raise KeyUnavailable(f"{self._where()} is {version} itself; run: fedsov keys rotate first")
        try:
            described = self._description(version)
        except _Missing:
            return f"{version} is not there any more: it decrypts nothing"
        when = described.get("DeletionDate")
        if when is None:
            with self._asking("delete the older key"):
                key = version.rpartition("/")[2]
                when = self._client.schedule_key_deletion(KeyId=key, PendingWindowInDays=DAYS)["DeletionDate"]
        return f"{version} decrypts nothing from now on, and is deleted for good on {when:%Y-%m-%d}"

    def _new_key(self) -> str:
        with self._asking("make a key"):
            made = self._client.create_key(
                Description=f"fedsov: keyring of region {self.region}",
                Tags=[{"TagKey": "fedsov:region", "TagValue": self.region}],
            )
        return str(made["KeyMetadata"]["Arn"])

    def _description(self, key: str = "") -> dict[str, Any]:
        """Of a key by its ARN; "" for the one that the alias names."""
        with self._asking("say what it is"):
            return dict(self._client.describe_key(KeyId=key or self.alias)["KeyMetadata"])

    def _context(self) -> dict[str, str]:
        return {"fedsov:region": self.region}

    def _where(self) -> str:
        return f"{self.alias} of AWS KMS in {self.aws_region}"

    @contextmanager
    def _asking(self, act: str) -> Iterator[None]:
        """Every fault of the service as KeyUnavailable, in one line."""
        try:
            yield
        except NoCredentialsError:
            raise KeyUnavailable(f"no credentials of {self.region} for AWS; set key_service.profile") from None
        except ClientError as refusal:
            code = str(refusal.response.get("Error", {}).get("Code", "unknown"))
            fault = _Missing if code == "NotFoundException" else KeyUnavailable
            raise fault(
                f"{self._where()} does not {act} for {self.region} ({code}); see its policy and the credentials"
            ) from None
        except BotoCoreError as fault:
            raise KeyUnavailable(f"{self._where()} does not answer ({type(fault).__name__})") from None


class _Missing(KeyUnavailable):
    """There is no key of this name."""
