"""What the hub asks an OpenID provider: where things are, a code for a token, and the keys that sign it.

    calls = OpenIdCalls(provider)
    address = await calls.authorization(sign_in, redirect="https://hub.example:8443/openid/return")
    subject = await calls.subject(sign_in, code=code, redirect=..., now=time.time())

The hub calls the provider that its operator named and nobody else (no server-side request forgery): every address that
the provider's document names has TLS and is no address inside this machine or its network, unless the provider itself
runs on this machine, for a trial. Answers are bounded in time and size, and no redirect is followed. OpenID Connect
Core 1.0, section 3.1; PKCE (RFC 7636).
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from fedsov.control_plane.people.openid import LOOPBACK, OpenIdProvider, SignIn
from fedsov.errors import FedsovError

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""Signatures by a key pair alone: never ``none``, and no HMAC with a word that a client may know."""
SECONDS, LARGEST_ANSWER, KEPT_SECONDS = 5.0, 256 * 1024, 600.0
LEEWAY = 60
"""Seconds by which the provider's clock may differ."""
DOCUMENT = "/.well-known/openid-configuration"


class ProviderFailed(FedsovError):
    """The provider does not answer, or answers what is not believed."""


@dataclass(slots=True)
class OpenIdCalls:
    """The calls to a provider; its document and keys are remembered for ten minutes.

    Attributes:
        transport: how its bytes travel; httpx's own.
    """

    provider: OpenIdProvider
    transport: httpx.AsyncBaseTransport | None = None
    monotonic: Callable[[], float] = time.monotonic
    _document: Mapping[str, Any] = field(default_factory=dict)
    _keys: KeySet | None = None
    _read: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def authorization(self, sign_in: SignIn, *, redirect: str) -> str:
        """Where the person's browser is sent. Raises ProviderFailed."""
        document = await self._described()
        query = {
            "response_type": "code",
            "scope": "openid",
            "client_id": self.provider.client,
            "redirect_uri": redirect,
            "state": sign_in.state,
            "nonce": sign_in.nonce,
            "code_challenge": create_s256_code_challenge(sign_in.verifier),
            "code_challenge_method": "S256",
        }
        address = str(document["authorization_endpoint"])
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"

    async def subject(self, sign_in: SignIn, *, code: str, redirect: str, now: float) -> str:
        """Who signed in, as the provider calls them. Raises ProviderFailed for whatever is not believed."""
        document = await self._described()
        answer = await self._ask(
            "POST",
            document["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect,
                "code_verifier": sign_in.verifier,
            },
            headers={"authorization": _basic(self.provider)},
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderFailed(f"{self.provider.issuer} sent no ID token; see that client {self.provider.client} may")
        return await self._verified(token, sign_in, now=now)

    async def _verified(self, token: str, sign_in: SignIn, *, now: float) -> str:
        try:
            signed = jwt.decode(token, await self._signing_keys(), algorithms=ALGORITHMS)
            claims = CodeIDToken(
                signed.claims,
                signed.header,
                options={
                    "iss": {"essential": True, "value": self.provider.issuer},
                    "aud": {"essential": True, "value": self.provider.client},
                },
                params={"nonce": sign_in.nonce, "client_id": self.provider.client},
            )
            claims.validate(now=int(now), leeway=LEEWAY)
        except (JoseError, ValueError) as problem:
            raise ProviderFailed(
                f"the token that {self.provider.issuer} sent is not believed ({type(problem).__name__}); sign in again"
            ) from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise ProviderFailed(f"{self.provider.issuer} names nobody (sub); sign in again")
        return subject

    async def _described(self) -> Mapping[str, Any]:
        async with self._lock:
            if not self._document or self.monotonic() - self._read > KEPT_SECONDS:
                document = await self._ask("GET", self.provider.issuer.rstrip("/") + DOCUMENT)
                if document.get("issuer") != self.provider.issuer:
                    raise ProviderFailed(f"{self.provider.issuer} says that it is another issuer; correct --issuer")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    check_address(str(document.get(name, "")), name, self.provider)
                self._document, self._keys, self._read = document, None, self.monotonic()
            return self._document

    async def _signing_keys(self) -> KeySet:
        if self._keys is None:
            document = await self._described()
            self._keys = KeySet.import_key_set(await self._ask("GET", document["jwks_uri"]))  # type: ignore[arg-type]
        return self._keys

    async def _ask(self, method: str, address: str, **sent: Any) -> dict[str, Any]:
        """The JSON object that an address answers with. Raises ProviderFailed."""
        try:
            client = httpx.AsyncClient(
                timeout=SECONDS, follow_redirects=False, trust_env=False, transport=self.transport
            )
            async with asyncio.timeout(2 * SECONDS), client, client.stream(method, address, **sent) as answer:
                content = b""
                async for piece in answer.aiter_bytes():
                    content += piece
                    if len(content) > LARGEST_ANSWER:
                        raise ProviderFailed(f"{self.provider.issuer} answers more than {LARGEST_ANSWER} bytes")
            value = json.loads(content) if answer.status_code == 200 else None
        except (httpx.HTTPError, TimeoutError, ValueError) as problem:
            raise ProviderFailed(
                f"the OpenID provider {self.provider.issuer} does not answer ({type(problem).__name__}); try again, or "
                "sign in by a password"
            ) from None
        if not isinstance(value, dict):
            raise ProviderFailed(
                f"the OpenID provider {self.provider.issuer} answered {answer.status_code} at "
                f"{urlsplit(address).path}; sign in again, and see that it knows client {self.provider.client}"
            )
        return value


def check_address(address: str, name: str, provider: OpenIdProvider) -> None:
    """Raises ProviderFailed for an address in a provider's document that the hub must not call."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if provider.is_trial:
        is_allowed = parts.scheme in ("http", "https") and host in LOOPBACK
    else:
        is_allowed = parts.scheme == "https" and bool(host) and not _is_inside(host)
    if not is_allowed or parts.username:
        raise ProviderFailed(f"{provider.issuer} names no safe address as its {name}; the hub does not call it")


def _is_inside(host: str) -> bool:
    """Whether a host is an address of this machine or of a network that is nobody else's."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host in LOOPBACK or host.endswith((".localhost", ".internal", ".local"))


def _basic(provider: OpenIdProvider) -> str:
    """The hub's name and secret (RFC 6749, section 2.3.1)."""
    words = f"{quote_plus(provider.client)}:{quote_plus(provider.secret)}"
    return f"Basic {base64.b64encode(words.encode()).decode()}"
