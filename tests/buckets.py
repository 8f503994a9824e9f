"""Buckets of moto's server, which checks no credential unless it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from fedsov.partition.backends.place import StorePlace
from tests.keys.servers import moto_kms, private_file

AWS_REGION = "eu-central-1"


@dataclass(frozen=True, slots=True)
class Buckets:
    """A server, by its address."""

    address: str

    def client(self) -> Any:
        return boto3.client("s3", region_name=AWS_REGION, endpoint_url=self.address)

    def make(self, name: str) -> StorePlace:
        """A new bucket, and a place in it."""
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": AWS_REGION})
        return StorePlace(f"s3://{name}/people", self.address, AWS_REGION)

    def objects(self, name: str) -> dict[str, bytes]:
        """What is in a bucket."""
        client = self.client()
        found = client.list_objects_v2(Bucket=name).get("Contents", [])
        return {each["Key"]: client.get_object(Bucket=name, Key=each["Key"])["Body"].read() for each in found}

    @contextmanager
    def strict(self) -> Iterator[None]:
        """For the length of the block nobody is let in who is no user of the server."""
        requests.post(f"{self.address}/moto-api/reset-auth", data=b"0", timeout=10)
        try:
            yield
        finally:
            requests.post(f"{self.address}/moto-api/reset-auth", data=b"inf", timeout=10)


@contextmanager
def moto_buckets() -> Iterator[Buckets]:
    """The server, and credentials in the environment."""
    with moto_kms() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
        yield Buckets(address)


def settings_of(place: StorePlace) -> list[str]:
    """The words that give a region this place."""
    return [f"store.{name}={value}" for name, value in place.to_json().items()]


def credentials_in(path: Path, key: str = "test", secret: str = "test-secret") -> str:
    """A file of credentials; its path."""
    return private_file(path, f"access_key_id: '{key}'\nsecret_access_key: '{secret}'\n")
