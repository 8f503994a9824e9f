"""An object in S3 or a service that speaks its protocol: ``dataset=s3 dataset.path=s3://bucket/people.csv.gz``.

It is read as a file of any kind is (`table_files`). Credentials come from AWS's own variables (``AWS_ACCESS_KEY_ID``,
``AWS_PROFILE`` by way of ``aws configure export-credentials``, the machine's role); a path that holds one is refused.
``dataset.source_options`` has ``region`` and ``endpoint``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from fedsov.errors import InputError
from fedsov.partition.sources.table_files import read, scan

if TYPE_CHECKING:
    from fedsov.partition.dataset import DatasetSpec

__all__ = ["fetch", "find", "read", "scan"]
_PLACE = re.compile(r"s3:/+([^/@:]+)/(.+)")
_CHUNK = 2**23
_LOOPBACK = ("http://127.0.0.1:", "http://localhost:")


def find(spec: DatasetSpec) -> tuple[Path, ...]:
    """The object's address. Raises InputError for what is none."""
    _place(spec)
    return (Path(str(spec.path)),)


def fetch(file: BinaryIO, spec: DatasetSpec) -> None:
    """Writes the object's content. Raises InputError where it is not there, or the service refuses."""
    bucket, key = _place(spec)
    options = {name: str(value) for name, value in spec.source_options.items()}
    endpoint = options.get("endpoint", "")
    if endpoint.startswith("http://") and not endpoint.startswith(_LOOPBACK):
        raise InputError(f"dataset.source_options.endpoint={endpoint} is spoken to in the clear; use https")
    client = {"allow_http": endpoint.startswith("http://"), "timeout": "60s"}
    chosen = {name: value for name, value in options.items() if value}
    try:
        store = S3Store(bucket, **chosen, client_options=client)  # type: ignore[arg-type]  # names of its settings
        for chunk in obstore.get(store, key).stream(min_chunk_size=_CHUNK):
            file.write(chunk)
    except (NotFoundError, FileNotFoundError):
        raise InputError(f"s3://{bucket}/{key} does not exist; look at dataset.path") from None
    except (PermissionDeniedError, UnauthenticatedError, PermissionError):
        raise InputError(
            f"the service refused to give s3://{bucket}/{key}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of one "
            "who may read it"
        ) from None
    except (BaseError, ValueError) as fault:
        raise InputError(
            f"cannot read s3://{bucket}/{key} ({type(fault).__name__}); see the bucket's region "
            "(dataset.source_options.region) and endpoint"
        ) from None


def _place(spec: DatasetSpec) -> tuple[str, str]:
    """Bucket and key."""
    parts = _PLACE.fullmatch(str(spec.path))
    if parts is None:
        raise InputError("dataset=s3 needs dataset.path=s3://BUCKET/KEY, without a credential in it")
    return parts[1], parts[2]
