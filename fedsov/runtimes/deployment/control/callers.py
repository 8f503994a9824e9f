"""Who calls the control plane's service, whether they may, and how often.

The certificate of the connection says who; `Access` asks at each call whether it has ended, was taken back, or is that
of no approved member. A region reaches this service and nobody else does. Each has a bucket of calls that refills
(`RATE` a second, `BURST` at most) and a few calls at once, so that one region's flood is its own.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fedsov.errors import CertificateRefused, FedsovError, KeyUnavailable
from fedsov.keys.certificates import REGION, der_of
from fedsov.runtimes.deployment.hub.access import CERTIFICATE, MOST_KNOWN, Access, Caller, NotAllowed

RATE, BURST = 50.0, 400.0
"""Calls a second that a region may make on the whole, and at once."""
AT_ONCE = 16
"""Calls of a region that may be under way."""


class TooMany(FedsovError):
    """A region calls more often than it may; it calls again later."""


@dataclass(slots=True)
class _Bucket:
    calls: float
    filled: float


@dataclass(slots=True)
class Callers:
    """Used by the service's one thread alone.

    Args:
        clock: seconds; only their differences count.
    """

    access: Access
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, _Bucket] = field(default_factory=dict)
    _under_way: Counter[str] = field(default_factory=Counter)

    def caller(self, context: Any) -> Caller:
        """The region whose certificate the connection of a call has. Raises NotAllowed."""
        pem = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
        extensions: Mapping[str, bytes] = {CERTIFICATE: _der(pem)} if pem else {}
        who = self.access.caller({"extensions": extensions})
        if who.role != REGION:
            raise NotAllowed(
                f"{who.name} has the certificate of the role {who.role}, and this service is for regions alone"
            )
        return who

    def check_still(self, who: Caller) -> None:
        """For a region that waited. Raises NotAllowed where it was revoked meanwhile."""
        try:
            self.access.check(who)
        except (CertificateRefused, KeyUnavailable) as error:
            raise NotAllowed(str(error)) from None

    @contextmanager
    def admitted(self, who: Caller) -> Iterator[None]:
        """Counts a call while the block runs. Raises TooMany."""
        bucket, now = self._buckets.setdefault(who.name, _Bucket(BURST, self.clock())), self.clock()
        bucket.calls, bucket.filled = min(BURST, bucket.calls + (now - bucket.filled) * RATE), now
        if bucket.calls < 1:
            raise TooMany(f"{who.name} calls more than {RATE:.0f} times a second; it is answered again in a moment")
        if self._under_way[who.name] >= AT_ONCE:
            raise TooMany(f"{who.name} has {AT_ONCE} calls under way, the most that it may; end one of them")
        bucket.calls -= 1
        self._under_way[who.name] += 1
        try:
            yield
        finally:
            self._under_way[who.name] -= 1


@lru_cache(maxsize=MOST_KNOWN)
def _der(pem: bytes) -> bytes:
    return der_of(pem)
