"""What the hub believes of a provider: each token here is signed by a real key, and wrong in a way of its own."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from fedsov.control_plane.people.openid import OpenIdProvider, SignIn
from fedsov.control_plane.people.openid_calls import LARGEST_ANSWER, OpenIdCalls, ProviderFailed, check_address
from fedsov.errors import ConfigurationError
from tests.control_plane.people.conftest import NOW

ISSUER = "https://id.example"
PROVIDER = OpenIdProvider(ISSUER, "hub", "of a test")
SIGN_IN = SignIn("state", "nonce", "v" * 86, "/")
KEY = RSAKey.generate_key(2048, {"kid": "1"})
OTHER = RSAKey.generate_key(2048, {"kid": "1"})
CLAIMS = {"iss": ISSUER, "sub": "fritz", "aud": "hub", "iat": int(NOW), "exp": int(NOW) + 300, "nonce": "nonce"}
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
}


def subject(token, *, document=DOCUMENT, answers=None):
    """Who the hub takes somebody to be whose provider answers so."""
    pages = {
        "/.well-known/openid-configuration": document,
        "/keys": KeySet([KEY]).as_dict(private=False),
        "/token": {"id_token": token},
        **(answers or {}),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        page = pages[request.url.path]
        return page if isinstance(page, httpx.Response) else httpx.Response(200, json=page)

    calls = OpenIdCalls(PROVIDER, transport=httpx.MockTransport(answer))
    return asyncio.run(calls.subject(SIGN_IN, code="c", redirect="https://hub.example/openid/return", now=NOW))


def signed(claims, *, key=KEY, alg="RS256"):
    return jwt.encode({"alg": alg, "kid": "1"}, claims, key, algorithms=[alg])


def test_a_token_that_is_right_names_the_person():
    assert subject(signed(CLAIMS)) == "fritz"
    assert subject(signed(CLAIMS | {"aud": ["hub"], "azp": "hub"})) == "fritz"


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"aud": "another client"},
        {"aud": ["hub", "another"], "azp": "another"},
        {"exp": int(NOW) - 120},
        {"iat": int(NOW) + 600},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"sub": ""},
        {"sub": "x" * 300},
        {"sub": None},
        {"exp": None},
    ],
)
def test_a_token_of_another_issuer_client_time_or_sign_in_is_not_believed(change):
    claims = {name: value for name, value in (CLAIMS | change).items() if value is not None}
    with pytest.raises(ProviderFailed):
        subject(signed(claims))


def test_a_token_of_another_key_without_a_signature_or_by_the_public_key_as_a_word_is_not_believed():
    unsigned = f"{_part({'alg': 'none'})}.{_part(CLAIMS)}."
    text = f"{_part({'alg': 'HS256', 'kid': '1'})}.{_part(CLAIMS)}"
    by_word = f"{text}.{_encoded(hmac.digest(KEY.as_pem(private=False), text.encode(), 'sha256'))}"
    for token in (signed(CLAIMS, key=OTHER), by_word, unsigned, "no token", None):
        with pytest.raises(ProviderFailed):
            subject(token)


@pytest.mark.parametrize(
    "address",
    [
        "http://id.example/token",
        "https://127.0.0.1/token",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.8/token",
        "https://[::1]/token",
        "https://localhost/token",
        "https://metadata.google.internal/token",
        "https://me:word@id.example/token",
        "file:///etc/passwd",
        "",
    ],
)
def test_the_hub_calls_no_address_inside_its_own_network_that_a_provider_names(address):
    with pytest.raises(ProviderFailed, match="token_endpoint"):
        subject(signed(CLAIMS), document=DOCUMENT | {"token_endpoint": address})


def test_a_provider_of_a_trial_names_addresses_of_this_machine_alone():
    trial = OpenIdProvider("http://127.0.0.1:8000", "hub", "s")
    check_address("http://127.0.0.1:8000/token", "token_endpoint", trial)
    with pytest.raises(ProviderFailed):
        check_address("http://id.example/token", "token_endpoint", trial)


def test_a_redirect_is_not_followed_and_an_endless_answer_is_cut():
    redirect = httpx.Response(302, headers={"location": "http://127.0.0.1:8080/admin"})
    with pytest.raises(ProviderFailed, match="answered 302"):
        subject(signed(CLAIMS), answers={"/token": redirect})
    with pytest.raises(ProviderFailed, match="more than"):
        subject(signed(CLAIMS), answers={"/token": httpx.Response(200, content=b" " * (LARGEST_ANSWER + 1))})
    with pytest.raises(ProviderFailed, match="does not answer"):
        subject(signed(CLAIMS), answers={"/token": httpx.Response(200, content=b"<html>")})


def test_a_document_of_another_issuer_is_not_believed():
    with pytest.raises(ProviderFailed, match="another issuer"):
        subject(signed(CLAIMS), document=DOCUMENT | {"issuer": "https://evil.example"})


@pytest.mark.parametrize(
    "issuer", ["http://id.example", "id.example", "https://", "https://a@id.example", "ftp://x", ""]
)
def test_an_issuer_without_tls_is_refused(issuer):
    with pytest.raises(ConfigurationError, match="--issuer"):
        OpenIdProvider(issuer, "hub", "s").check()


def test_a_provider_s_secret_is_in_no_text_of_it():
    assert "of a test" not in repr(PROVIDER)


def _part(value):
    return _encoded(json.dumps(value).encode())


def _encoded(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
