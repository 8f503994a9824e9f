"""Requests whose token is wrong: raw bytes, so that gateways, endpoints and sockets are tried alike.

    world = TokenWorld.new()                       # an issuer with keys, and a stranger's
    for attack in TOKEN_ATTACKS:                   # and HTTP_ATTACKS of tests.inference.http_attacks
        answer = send(port, attack.raw(world))     # bytes of an HTTP/1.1 request, or several
        assert answer.status in attack.statuses    # None stands for a connection that was closed without an answer

An attack either reaches no region, or the region that its own signed claim names (`claims`), never another. Tokens
claim US where the attacker has no right to, and DE where a true token of DE is misused.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

ISSUER, AUDIENCE, KEY = "https://idp.example", "fedsov", "k1"
PREDICT = "/v1/models/stackoverflow/predict"
LONGEST_LIFETIME = 3600
TOKEN = frozenset({400, 401, 403, 451})
"""How a request is refused whose token is not believed, or claims what no region serves."""


def _pem(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@dataclass(frozen=True)
class TokenWorld:
    """An issuer's keys, and a stranger's of the same kinds."""

    rsa: rsa.RSAPrivateKey
    stranger: rsa.RSAPrivateKey
    curve: ec.EllipticCurvePrivateKey
    path: str = PREDICT
    body: bytes = b'{"dataframe_split": {"columns": ["age"], "data": [[40]]}}'
    columns: tuple[str, ...] = ("age",)
    row: tuple[Any, ...] = (40,)
    issuer: str = ISSUER
    host: str = "127.0.0.1"
    more: dict[str, Any] = field(default_factory=dict)
    """Claims that each token has beside the usual ones."""

    @staticmethod
    def new(**fields: Any) -> TokenWorld:
        keys = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
        return TokenWorld(keys[0], keys[1], ec.generate_private_key(ec.SECP256R1()), **fields)

    def jwks(self) -> bytes:
        """The issuer's public keys: `k1` for RS256 and `e1` for ES256."""
        first = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.rsa.public_key()))
        second = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.curve.public_key()))
        used = {"use": "sig"}
        first.pop("key_ops", None)
        second.pop("key_ops", None)
        return json.dumps(
            {"keys": [first | used | {"kid": KEY, "alg": "RS256"}, second | used | {"kid": "e1", "alg": "ES256"}]}
        ).encode()

    def issuers(self, jwks: str = "jwks.json", *, leeway: int = 0) -> str:
        """The table of issuers, as YAML."""
        plain = {
            "issuer": self.issuer,
            "jwks": jwks,
            "audience": AUDIENCE,
            "algorithms": ["RS256", "ES256"],
            "longest_lifetime": LONGEST_LIFETIME,
        }
        return json.dumps({"leeway": leeway, "issuers": [plain]})

    def claims(self, jurisdiction: Any = "DE", **changes: Any) -> dict[str, Any]:
        """What a true token says, but for the changes; None takes a claim away."""
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": AUDIENCE, "sub": "person-1", "exp": now + 300, "jurisdiction": jurisdiction}
        return {name: value for name, value in (usual | self.more | changes).items() if value is not None}

    def token(
        self,
        jurisdiction: Any = "DE",
        *,
        key: Any = None,
        algorithm: str = "RS256",
        kid: str | None = KEY,
        head: dict[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """A token, signed by the issuer's RSA key unless another is named."""
        return jwt.encode(
            self.claims(jurisdiction, **changes),
            _pem(self.rsa) if key is None else key,
            algorithm,
            headers={**({} if kid is None else {"kid": kid}), **(head or {})},
        )

    def es256(self, jurisdiction: Any = "DE", **changes: Any) -> str:
        """A true token of the other key."""
        return self.token(jurisdiction, key=_pem(self.curve), algorithm="ES256", kid="e1", **changes)

    def request(
        self,
        token: str | None,
        *headers: str,
        path: str | None = None,
        body: bytes | None = None,
        method: str = "POST",
    ) -> bytes:
        """A request with this token and further header lines."""
        content = self.body if body is None else body
        lines = [
            f"{method} {self.path if path is None else path} HTTP/1.1",
            f"Host: {self.host}",
            *([] if token is None else [f"Authorization: Bearer {token}"]),
            "Content-Type: application/json",
            *headers,
            f"Content-Length: {len(content)}",
        ]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + content


def _public_pem(world: TokenWorld) -> bytes:
    return world.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _word(plain: Any) -> str:
    content = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _hs256_with_the_public_key(world: TokenWorld) -> str:
    """As an old library would: the public key's text as the shared secret."""
    import hashlib
    import hmac

    signed = f"{_word({'alg': 'HS256', 'typ': 'JWT', 'kid': KEY})}.{_word(world.claims('US'))}"
    secret = hmac.new(_public_pem(world), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_word(secret)}"


def _claims_exchanged(world: TokenWorld) -> str:
    """The signature of a token of DE under the claims of one of US."""
    head, _, signature = world.token("DE").split(".")
    return f"{head}.{_word(world.claims('US'))}.{signature}"


def _own_key_in_the_head(world: TokenWorld) -> str:
    """A stranger's key, brought along in `jwk`, as RFC 7515 has it; whoever believes it believes anybody."""
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(world.stranger.public_key()))
    return world.token("US", key=_pem(world.stranger), head={"jwk": own, "jku": "http://127.0.0.1:1/jwks.json"})


def _signed(world: TokenWorld, payload: bytes) -> str:
    """Any bytes as the payload, under a true signature."""
    return jwt.PyJWS().encode(payload, _pem(world.rsa), "RS256", headers={"kid": KEY})


def _name_twice(world: TokenWorld) -> str:
    plain = json.dumps(world.claims("DE"))
    return _signed(world, f'{plain[:-1]}, "jurisdiction": "XX"}}'.encode())


def _now(seconds: int) -> int:
    return int(time.time()) + seconds


@dataclass(frozen=True)
class Attack:
    """A request that must reach no wrong region.

    Attributes:
        statuses: the answers of a gateway that are right; None among them, where the connection may be closed instead.
        claims: the jurisdiction that its own true token claims, whose region it may reach; None: it may reach none.
        endpoint: the right answers of a bare endpoint of DE, where they are others; empty: it is not tried there.
        seconds: within which the answer has come, or the connection was closed.
    """

    name: str
    raw: Callable[[TokenWorld], bytes]
    statuses: frozenset[int | None]
    claims: str | None = None
    endpoint: frozenset[int | None] | None = None
    seconds: float = 3.0


def _token(name: str, make: Callable[[TokenWorld], str | None], *further: int) -> Attack:
    return Attack(name, lambda world: world.request(make(world)), TOKEN | set(further))


def _believed_by_some(name: str, make: Callable[[TokenWorld], str]) -> Attack:
    """A token of the issuer's own that is out of form: a gateway that reads it otherwise may send it home, and there
    alone; an endpoint refuses it."""
    return Attack(name, lambda world: world.request(make(world)), TOKEN | {200}, claims="US", endpoint=TOKEN)


TOKEN_ATTACKS: tuple[Attack, ...] = (
    _token("no token", lambda world: None),
    _token("no exp", lambda world: world.token("US", exp=None)),
    _believed_by_some("an exp that is text", lambda world: world.token("US", exp=str(_now(300)))),
    _token("an exp that is true", lambda world: world.token("US", exp=True)),
    _token("exp beyond the cap", lambda world: world.token("US", exp=_now(LONGEST_LIFETIME + 600))),
    _token("exp in the year 2255", lambda world: world.token("US", exp=8_999_999_999)),
    _token("exp beyond every number", lambda world: world.token("US", exp=10**400)),
    _token("expired", lambda world: world.token("US", exp=_now(-120))),
    _token("nbf in the future", lambda world: world.token("US", nbf=_now(600))),
    _token("wrong issuer", lambda world: world.token("US", iss="https://idp.example.evil")),
    _token("an issuer with a slash more", lambda world: world.token("US", iss=f"{world.issuer}/")),
    _token("no issuer", lambda world: world.token("US", iss=None)),
    _token("wrong audience", lambda world: world.token("US", aud="fedsov2")),
    _token("audiences without ours", lambda world: world.token("US", aud=["a", "fedsov2"])),
    _token("no audience", lambda world: world.token("US", aud=None)),
    _token("alg none", lambda world: jwt.encode(world.claims("US"), None, "none", headers={"kid": KEY})),
    _token("alg NoNe", lambda world: f"{_word({'alg': 'NoNe', 'kid': KEY})}.{_word(world.claims('US'))}."),
    _token("HS256 with the public key", _hs256_with_the_public_key),
    _token("RS512, which is not listed", lambda world: world.token("US", algorithm="RS512")),
    _token("PS256 with the key of RS256", lambda world: world.token("US", algorithm="PS256")),
    _token("unknown kid", lambda world: world.token("US", kid="k2")),
    _believed_by_some("no kid", lambda world: world.token("US", kid=None)),
    _token("a kid that is a path", lambda world: world.token("US", kid="../../../dev/null")),
    _token("the kid of the other algorithm", lambda world: world.token("US", kid="e1")),
    _token("a stranger's signature", lambda world: world.token("US", key=_pem(world.stranger))),
    _token("a stranger's key in the head", _own_key_in_the_head),
    _token("claims exchanged", _claims_exchanged),
    _token("a signature cut off", lambda world: world.token("US").rsplit(".", 1)[0] + "."),
    _token("two tokens in one header", lambda world: f"{world.token('DE')}, Bearer {world.token('US')}"),
    _token("a jurisdiction that nobody serves", lambda world: world.token("KP")),
    _token("a jurisdiction that is none", lambda world: world.token("XX")),
    _token("no jurisdiction", lambda world: world.token(None)),
    _token("two jurisdictions", lambda world: world.token(["DE", "US"])),
    _token("two jurisdictions in one text", lambda world: world.token("DE,US")),
    _token("two jurisdictions with a blank", lambda world: world.token("DE US")),
    _token("a language for a jurisdiction", lambda world: world.token("pt-BR")),
    _token("a language in capitals", lambda world: world.token("PT-BR")),
    _token("small letters", lambda world: world.token("us")),
    _token("a number", lambda world: world.token(276)),
    _token("an object", lambda world: world.token({"code": "US"})),
    _token("a look-alike in Cyrillic", lambda world: world.token("D\u0415")),
    _token("a look-alike of full width", lambda world: world.token("\uff35\uff33")),
    _token("a zero byte behind it", lambda world: world.token("US\u0000")),
    _token("a line end behind it", lambda world: world.token("US\r\nX-Jurisdiction: DE")),
    _token("a pattern", lambda world: world.token(".*")),
    _token("a name that every object has", lambda world: world.token("__proto__")),
    _token("another such name", lambda world: world.token("constructor")),
    _token("claims nested too deep", lambda world: _signed(world, b'{"jurisdiction":' + b"[" * 3000)),
    _token("a token of 64 kB", lambda world: world.token("US", filler="x" * 48_000), 413, 431),
)
"""The token of each is wrong; but for two, which are out of form, none may reach any region."""
