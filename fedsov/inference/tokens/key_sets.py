"""The public keys of an issuer: a JSON Web Key Set (RFC 7517), read once into keys that verify one algorithm each.

    keys = read_key_set(content, issuer)        # of a file, or of the answer of a URL
    keys.keys["2026-11"].payload(token)         # what it says, where that key signed it; otherwise None

A key is taken with its `kid` for one algorithm of the issuer's list. What cannot be one is left out, and named: a key
without an id, one of another use or algorithm, a shared secret, RSA of less than 2,048 bits. A private key in the file
is refused whole: whoever may read the file could sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jwt import PyJWK, PyJWS
from jwt.exceptions import PyJWTError

from fedsov.checks import shown
from fedsov.errors import ConfigurationError
from fedsov.inference.tokens.issuers import TRIAL_KEY, Issuer
from fedsov.storage.bounded_files import parsed_json

LARGEST = 2**18
"""Bytes of a key set; Google's and Microsoft's have some thousand."""
MOST_KEYS = 100
LEAST_RSA_BITS = 2048
_KINDS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "k")
_SIGNATURES = PyJWS()


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of an issuer, and the only algorithm that it verifies."""

    key_id: str
    algorithm: str
    jwk: Mapping[str, Any]
    _verifier: PyJWK = field(repr=False, compare=False)

    @property
    def public(self) -> Any:
        """The key itself, of `cryptography`."""
        return self._verifier.key

    def payload(self, token: str) -> bytes | None:
        """What the token says, where this key signed it; None where it did not."""
        try:
            return bytes(_SIGNATURES.decode_complete(token, self._verifier, [self.algorithm])["payload"])
        except (PyJWTError, ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of an issuer by their ids, and what was left out, in words.

    Attributes:
        ignored: a line for each key that is none for us, for whoever runs the gateway.
    """

    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def read_key_set(content: bytes, issuer: Issuer) -> KeySet:
    """The keys that a text holds for an issuer.

    Raises ConfigurationError: no key set, too large, two keys of one id, a private key, or no key that can be used.
    """
    listed = _listed(content, issuer)
    keys: dict[str, PublicKey] = {}
    ignored = []
    for place, jwk in enumerate(listed):
        key = _public_key(jwk, issuer, f"keys[{place}]")
        if isinstance(key, str):
            ignored.append(key)
        elif key.key_id in keys:
            raise ConfigurationError(f"the keys of {issuer.issuer} have two of the id {shown(key.key_id)}")
        else:
            keys[key.key_id] = key
    if not keys:
        reasons = f": {'; '.join(ignored[:3])}" if ignored else ""
        raise ConfigurationError(
            f"the keys of {issuer.issuer} have none for {', '.join(issuer.algorithms)}{reasons}; look at {issuer.jwks}"
        )
    return KeySet(keys, tuple(ignored))


def _listed(content: bytes, issuer: Issuer) -> list[Any]:
    where = f"the keys of {issuer.issuer} ({issuer.jwks})"
    if len(content) > LARGEST:
        raise ConfigurationError(f"{where} are larger than {LARGEST:,} bytes, the most that is read")
    try:
        plain = parsed_json(content)
    except ValueError as problem:
        raise ConfigurationError(f"{where} are no JSON: {problem}") from None
    listed = plain.get("keys") if isinstance(plain, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise ConfigurationError(f'{where} must be {{"keys": [...]}} with at most {MOST_KEYS} keys')
    return listed


def _public_key(jwk: Any, issuer: Issuer, place: str) -> PublicKey | str:
    """The key, or why it is none. Raises ConfigurationError for a private key."""
    if not isinstance(jwk, dict):
        return f"{place} is no JSON object"
    key_id, kind = jwk.get("kid"), str(jwk.get("kty"))
    if not isinstance(key_id, str) or not 0 < len(key_id) <= 200 or not key_id.isascii() or not key_id.isprintable():
        return f"{place} has no `kid` of 1 to 200 printable ASCII letters"
    if kind != "oct" and any(part in jwk for part in _PRIVATE):
        raise ConfigurationError(
            f"{issuer.jwks} holds the private key {shown(key_id)} of {issuer.issuer}, with which anybody may sign; "
            "replace that key at the provider, and publish its public half alone"
        )
    if key_id.startswith(TRIAL_KEY) and not issuer.is_trial:
        return f"{place} ({shown(key_id)}) says by its id that it is a trial's"
    algorithm = _KINDS.get((kind, None if kind == "RSA" else jwk.get("crv")))
    if algorithm is None or jwk.get("alg", algorithm) not in (algorithm, "Ed25519" if algorithm == "EdDSA" else ""):
        return f"{place} ({shown(key_id)}) is for {shown(jwk.get('alg', kind))}, which is no algorithm of fedsov"
    if algorithm not in issuer.algorithms:
        return f"{place} ({shown(key_id)}) is for {algorithm}, which the table does not list for {issuer.issuer}"
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        return f"{place} ({shown(key_id)}) is not for signatures"
    return _verifier(jwk, algorithm, key_id, place)


def _verifier(jwk: dict[str, Any], algorithm: str, key_id: str, place: str) -> PublicKey | str:
    try:
        verifier = PyJWK({**jwk, "alg": algorithm}, algorithm)
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return f"{place} ({shown(key_id)}) cannot be read as a key"
    if algorithm == "RS256" and verifier.key.key_size < LEAST_RSA_BITS:
        return f"{place} ({shown(key_id)}) is RSA of {verifier.key.key_size} bits; {LEAST_RSA_BITS} is the least"
    return PublicKey(key_id, algorithm, jwk, verifier)
