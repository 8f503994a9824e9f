"""Whose tokens are believed: one YAML file that gateways and endpoints read alike.

    leeway: 5                       # seconds that two clocks may differ
    issuers:
      - issuer: https://idp.example # `iss` of its tokens, to the letter
        jwks: https://idp.example/jwks.json   # or a file beside this one
        audience: fedsov            # `aud` must be it, or list it
        algorithms: [RS256]         # RS256, ES256, EdDSA; never none, never a shared secret
        longest_lifetime: 3600      # `exp` may be this many seconds away, and no more
        claim: jurisdiction         # the claim that holds the ISO 3166 code; one at the top of the token
        mapping: {Germany: DE}      # this provider's words for codes, where it says them otherwise
        subject: sub                # the claim that names the person; null where none does

A trial's table says `trial: true` and lists a trial's issuers alone (their names begin with `fedsov-trial`); any other
table refuses them, and refuses a key whose id says that it is a trial's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fedsov.border.law.yaml_text import read_mapping
from fedsov.checks import choice, prefixed, refused, section, text, text_mapping, text_or_none, texts, whole
from fedsov.errors import ConfigurationError

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Signatures with a public key; nothing else may stand in a table."""
TRIAL = "fedsov-trial"
"""How the name of a trial's issuer begins."""
TRIAL_KEY = "trial-"
"""How the id of a trial's key begins."""
LONGEST_LIFETIME = 24 * 3600
"""The longest cap that a table may set, in seconds."""
_LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
_URL = re.compile(r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[^#@]*)?")
"""A URL without a user, a password or a fragment."""
CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
"""The form of an ISO 3166-1 or 3166-2 code, as a claim must write it."""
_CLAIM = re.compile(r"[A-Za-z0-9_:/.~-]{1,200}")


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs tokens, with which keys, for whom, and how they say whose law protects a person.

    Attributes:
        issuer: its name, as tokens have it in `iss`.
        jwks: where its public keys are: a file's path, or a URL (https; http from this machine alone).
    """

    issuer: str
    jwks: str
    audience: str
    algorithms: tuple[str, ...]
    longest_lifetime: int = 3600
    claim: str = "jurisdiction"
    mapping: Mapping[str, str] = field(default_factory=dict)
    subject: str | None = "sub"

    @property
    def is_trial(self) -> bool:
        return self.issuer.startswith(TRIAL)

    @property
    def has_url(self) -> bool:
        return "://" in self.jwks

    def jurisdiction(self, word: Any) -> str | None:
        """The code that a claim's value means, or None for what is no single code and no word of this provider."""
        if not isinstance(word, str):
            return None
        code = self.mapping.get(word, word)
        return code if CODE.fullmatch(code) else None


@dataclass(frozen=True, slots=True)
class IssuerTable:
    """Every issuer whose tokens are believed.

    Attributes:
        leeway: seconds by which clocks may differ; for `exp`, `nbf` and the cap of lifetime alike.
        trial: whether it is a trial's, whose tokens anybody with the workspace can make.
    """

    issuers: tuple[Issuer, ...]
    leeway: int = 5
    trial: bool = False

    def __post_init__(self) -> None:
        names = [issuer.issuer for issuer in self.issuers]
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise ConfigurationError(f"issuers lists {name!r} twice; one entry holds all its keys and algorithms")
        for issuer in self.issuers:
            if issuer.is_trial and not self.trial:
                raise ConfigurationError(
                    f"issuers lists {issuer.issuer!r}, a trial's issuer, whose key lies in a workspace; "
                    "put your identity provider there, or write `trial: true` for a trial"
                )
            if self.trial and not issuer.is_trial:
                raise ConfigurationError(
                    f"a trial's table lists {issuer.issuer!r}; the issuers of a trial begin with {TRIAL!r}: "
                    "take `trial: true` away, or this issuer"
                )

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a process that reads no YAML."""
        return asdict(self)

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> IssuerTable:
        """The inverse of `to_json`; the values are checked again."""
        return _table(plain, Path("."))


def read_issuers(content: bytes, path: Path) -> IssuerTable:
    """The table in a file's content; a file of keys is sought beside it.

    Raises ConfigurationError, with the file and the setting.
    """
    plain = read_mapping(content, path.name, keeps_words=True)
    with prefixed(f"{path.name}: "):
        return _table(plain, path.parent)


def _table(plain: Mapping[str, Any], folder: Path) -> IssuerTable:
    settings = section("", plain, IssuerTable)
    listed = settings["issuers"]
    if not isinstance(listed, list | tuple) or not listed:
        raise refused("issuers", "a list with at least one issuer", listed)
    trial = settings.get("trial", False)
    if not isinstance(trial, bool):
        raise refused("trial", "true or false", trial)
    issuers = tuple(_issuer(f"issuers[{place}]", part, folder) for place, part in enumerate(listed))
    return IssuerTable(issuers, whole("leeway", settings.get("leeway", 5), at_least=0, at_most=60), trial)


def _issuer(name: str, plain: Any, folder: Path) -> Issuer:
    settings = section(name, plain, Issuer)
    words = {key: _word(f"{name}.{key}", settings[key]) for key in ("issuer", "jwks", "audience")}
    algorithms = tuple(
        choice(f"{name}.algorithms", word, ALGORITHMS) for word in texts(f"{name}.algorithms", settings["algorithms"])
    )
    if not algorithms:
        raise refused(f"{name}.algorithms", "a list of RS256, ES256 or EdDSA", settings["algorithms"])
    issuer = Issuer(
        **words,
        algorithms=algorithms,
        longest_lifetime=whole(
            f"{name}.longest_lifetime", settings.get("longest_lifetime", 3600), at_least=1, at_most=LONGEST_LIFETIME
        ),
        claim=_claim(f"{name}.claim", settings.get("claim", "jurisdiction")),
        mapping=_mapping(f"{name}.mapping", settings.get("mapping") or {}),
        subject=text_or_none(f"{name}.subject", settings.get("subject", "sub"), "the name of a claim"),
    )
    return replace(issuer, jwks=_source(f"{name}.jwks", issuer.jwks, folder))


def _word(name: str, value: Any) -> str:
    word = text(name, value)
    if not word or not word.isprintable() or not word.isascii() or any(letter in word for letter in " \"'\\"):
        raise refused(name, "printable ASCII without blanks, quotes or backslashes", value)
    return word


def _claim(name: str, value: Any) -> str:
    claim = text(name, value, "the name of a claim")
    if not _CLAIM.fullmatch(claim):
        raise refused(name, "the name of a claim (letters, digits and _ : / . ~ -)", value)
    return claim


def _mapping(name: str, value: Any) -> dict[str, str]:
    words = text_mapping(name, value)
    for word, code in words.items():
        if not CODE.fullmatch(code):
            raise refused(f"{name}.{word}", "an ISO 3166 code such as DE or US-OH", code)
    return words


def _source(name: str, source: str, folder: Path) -> str:
    """A URL that may be fetched, or the path of a file, beside the table where it is relative."""
    if "://" not in source:
        return str(folder / source)
    address = _URL.fullmatch(source)
    if address and (address["scheme"] == "https" or is_loopback(address["host"])):
        return source
    raise refused(name, "a file, or an https URL with no password in it (http from this machine alone)", source)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    return host in _LOOPBACK
