"""The keys of an issuer: what is taken, what is left out by name, and what is refused whole."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from fedsov.errors import ConfigurationError
from fedsov.inference.tokens.key_sets import read_key_set
from tests.inference.token_attacks import TokenWorld
from tests.inference.tokens.test_token_check import table


@pytest.fixture(scope="module")
def world() -> TokenWorld:
    return TokenWorld.new()


def test_keys_that_are_none_for_us_are_named_and_left_out(world):
    issuer = table(world).issuers[0]
    listed = json.loads(world.jwks())["keys"]
    small = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key()))
    odd = [
        {key: value for key, value in listed[0].items() if key != "kid"},
        listed[0] | {"kid": "enc", "use": "enc"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        listed[0] | {"kid": "hs", "alg": "HS256"},
        small | {"kid": "small"},
        listed[0] | {"kid": "trial-x"},
        {"kty": "RSA", "n": "?", "e": "AQAB", "kid": "broken"},
        "no object",
    ]
    keys = read_key_set(json.dumps({"keys": odd + listed}).encode(), issuer)
    assert set(keys.keys) == {"k1", "e1"}
    assert len(keys.ignored) == len(odd)
    with pytest.raises(ConfigurationError, match="have none for RS256"):
        read_key_set(json.dumps({"keys": odd}).encode(), issuer)


def test_a_key_set_with_a_private_key_or_two_of_one_id_is_refused(world):
    issuer = table(world).issuers[0]
    private = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(world.rsa)) | {"kid": "k1"}
    with pytest.raises(ConfigurationError, match="private key"):
        read_key_set(json.dumps({"keys": [private]}).encode(), issuer)
    listed = json.loads(world.jwks())["keys"]
    with pytest.raises(ConfigurationError, match="two of the id"):
        read_key_set(json.dumps({"keys": listed + listed}).encode(), issuer)
    for content in (b"[]", b"{", b'{"keys": 1}', b"[" * 200_000, b" " * 2**18 + b" {}"):
        with pytest.raises(ConfigurationError, match="keys of"):
            read_key_set(content, issuer)
