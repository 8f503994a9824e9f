"""How the built-in gateway reaches regions: pooled connections, TLS checked with each region's own authority.

A request that found a pooled connection closed is sent once more: a region that reloads closes idle ones, and a
prediction changes nothing. No redirect is followed, no cookie kept, no proxy of the environment asked, nothing
decompressed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from types import TracebackType

import aiohttp
from yarl import URL

from fedsov.errors import ConfigurationError
from fedsov.inference.gateway.forwarding import ForwardedRequest, RegionAnswer, RegionFailed, RegionUnreachable
from fedsov.inference.gateway.table import Upstream

CONNECT_SECONDS, HEALTH_SECONDS = 2.0, 1.0
IDLE_SECONDS = 30.0
"""How long an idle connection is kept: less than an endpoint keeps it."""
_SKIPPED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class RegionClient:
    """Connections to regions; used within an event loop, as `async with`."""

    def __init__(self, seconds: float) -> None:
        """
        Args:
            seconds: for a region to answer.
        """
        self._seconds = seconds
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def __aenter__(self) -> RegionClient:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=self._seconds),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_SKIPPED,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def forward(self, region: Upstream, request: ForwardedRequest) -> RegionAnswer:
        """A region's answer. Raises RegionUnreachable, RegionFailed."""
        try:
            answer = await self._sent_again(region, request)
        except aiohttp.ClientConnectorError as problem:
            raise RegionUnreachable(str(problem)) from None
        except (TimeoutError, aiohttp.ServerTimeoutError) as problem:
            if isinstance(problem, aiohttp.ConnectionTimeoutError):
                raise RegionUnreachable("it does not accept a connection") from None
            raise RegionFailed(504, f"no answer within {self._seconds:g} s") from None
        except (aiohttp.ClientError, OSError):
            raise RegionFailed(502, "the connection ended before the answer") from None
        return RegionAnswer(answer.status, list(answer.raw_headers), _parts(answer))

    async def is_ready(self, region: Upstream, path: str) -> bool:
        """Whether a region says that it can answer."""
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                answer = await self._sent(region, ForwardedRequest("GET", path, [], b""))
                answer.release()
                return answer.status == 200
        except (TimeoutError, OSError, aiohttp.ClientError, ConfigurationError):
            return False

    def forget_certificates(self) -> None:
        """Reads the authorities of regions anew for the next connections."""
        self._contexts = {}

    async def _sent_again(self, region: Upstream, request: ForwardedRequest) -> aiohttp.ClientResponse:
        try:
            return await self._sent(region, request)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            return await self._sent(region, request)

    async def _sent(self, region: Upstream, request: ForwardedRequest) -> aiohttp.ClientResponse:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
        return await self._session.request(
            request.method,
            self._url(region, request.target),
            headers=headers,
            data=request.body if request.body or request.method == "POST" else None,
            ssl=self._tls(region),
            server_hostname=region.certified_name if region.is_tls else None,
            allow_redirects=False,
        )

    def _url(self, region: Upstream, target: str) -> URL:
        return URL(f"{'https' if region.is_tls else 'http'}://{region.address}{target}", encoded=True)

    def _tls(self, region: Upstream) -> ssl.SSLContext | bool:
        """The context of a region's own authority. Raises RegionUnreachable where its file cannot be read."""
        if region.ca is None:
            return True
        key = str(region.ca)
        if key not in self._contexts:
            try:
                context = ssl.create_default_context(cafile=key)
            except (OSError, ssl.SSLError) as problem:
                raise ConfigurationError(f"{key} cannot be read as certificates: {problem}") from None
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._contexts[key] = context
        return self._contexts[key]


async def _parts(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body as it comes; a body that is cut ends the client's connection too, by the exception."""
    try:
        async for part in answer.content.iter_any():
            yield part
    finally:
        answer.release()
