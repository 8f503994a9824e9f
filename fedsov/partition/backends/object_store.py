"""Buckets through obstore, opened alike for sources and for regions' stores. Its only home.

    store = opened("s3://fedsov-de/people", {"endpoint": "https://..."})
    with faults("read", "s3://fedsov-de/people", WorkspaceUnusable, denied="...", mend="look at store.bucket"):
        obstore.get(store, "records-1.parquet")

A service's own words may name addresses and tokens: a message of ours has its code alone, such as ``AccessDenied``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url

from fedsov.errors import FedsovError

ENDPOINT = {"s3": "endpoint", "gs": "base_url", "az": "endpoint"}
"""What obstore calls the address of each kind of service."""
_MISSING = (NotFoundError, FileNotFoundError)
_DENIED = (PermissionDeniedError, UnauthenticatedError, PermissionError)
_DENIALS = frozenset(("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"))
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_RETRIES: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}


def opened(url: str, options: Mapping[str, str]) -> ObjectStore:
    """A bucket, and a prefix in it; nothing is asked of the service yet.

    Args:
        options: `endpoint`, and settings of obstore for this kind of service; "" for none. What they do not say is
            looked for in the environment, as the service's own programs do.

    Raises what `faults` takes.
    """
    kind = url.partition("://")[0]
    chosen = {name: value for name, value in options.items() if value}
    endpoint = chosen.pop("endpoint", "")
    if endpoint:
        chosen[ENDPOINT[kind]] = endpoint
    open_by_url: Any = from_url  # its types know one kind of service at a time
    client: Any = {"allow_http": endpoint.startswith("http://"), "timeout": "60s"}
    store: ObjectStore = open_by_url(url, client_options=client, retry_config=_RETRIES, **chosen)
    return store


@contextmanager
def faults(act: str, url: str, error: type[FedsovError], *, denied: str, mend: str) -> Iterator[None]:
    """Around what is asked of a bucket: whatever goes wrong becomes `error`, in one line.

    Args:
        act: what is done, such as "read".
        denied, mend: how to mend what the service refuses, and anything else.

    Raises FileNotFoundError, of the URL alone, for an object that is not there.
    """
    try:
        yield
    except (*_MISSING, *_DENIED, BaseError, ValueError) as fault:
        match = _CODE.search(str(fault))
        code = match[1] if match else ""
        if code in ("NoSuchBucket", "ContainerNotFound"):
            raise error(f"{url} does not exist; {mend}") from None
        if isinstance(fault, _MISSING):
            raise FileNotFoundError(url) from None
        if isinstance(fault, _DENIED) or code in _DENIALS:
            raise error(f"the service refused to {act} {url}; {denied}") from None
        raise error(f"cannot {act} {url} ({code or type(fault).__name__}); {mend}") from None
