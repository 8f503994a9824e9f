"""Tokens for a trial: an issuer whose key lies in the workspace, so that whoever can read the workspace can be anybody.

    table = trial_issuer(workspace)                          # WORKSPACE/trial/issuers.yaml, made where it is not there
    token = trial_token(workspace, "DE", subject="anna", now=time.time())

The issuer's name, its key's id and the table say that it is a trial's; a table that is no trial's refuses all three.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from fedsov.api.inference.codes import checked_code
from fedsov.checks import prefixed
from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.inference.tokens.issuers import TRIAL, TRIAL_KEY, Issuer, read_issuers
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import parsed_json, read_bounded
from fedsov.storage.private_files import beside
from fedsov.storage.workspace import Workspace

AUDIENCE = "fedsov"
LIFETIME = 3600
"""Seconds that a trial's token lives, and may live, where nothing else is asked for."""
_HEAD = """\
# Whose tokens a trial believes: everybody's who can read the key beside this file. Never for people's requests;
# put your identity provider into a table of your own (docs/how-to/gateways.md).
"""


@dataclass(frozen=True, slots=True)
class TrialToken:
    """A token of a trial, and what it says."""

    token: str
    jurisdiction: str
    subject: str | None
    issuer: str
    expires: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        ends = datetime.fromtimestamp(self.expires, UTC).isoformat(timespec="seconds")
        words = {"token": self.token, "jurisdiction": self.jurisdiction, "subject": self.subject}
        return {**words, "issuer": self.issuer, "expires": ends, "trial": True}


def trial_issuer(workspace: Path) -> Path:
    """The table of issuers of a workspace's trial, made with its key where it is not there.

    Raises:
        ConfigurationError: a table that is there and cannot be read.
        WorkspaceUnusable: nothing can be written.
    """
    folder = Workspace(workspace).trial
    table = folder / "issuers.yaml"
    if not table.exists():
        _make(folder)
    if not Path(_issuer(table).jwks).exists():
        raise ConfigurationError(f"{table} names {_issuer(table).jwks}, which is not there; delete {folder}")
    return table


def trial_token(
    workspace: Path, jurisdiction: str, *, subject: str | None = None, now: float, lifetime: int = LIFETIME
) -> TrialToken:
    """A token that claims a jurisdiction, signed by the trial's issuer.

    Args:
        jurisdiction: an ISO 3166 code, such as DE or US-OH.
        now: seconds since 1970.

    Raises:
        ConfigurationError: no code, or a lifetime beyond the issuer's cap.
        KeyUnavailable: the issuer's key is gone, or is none.
    """
    with prefixed("--jurisdiction: "):
        checked_code(jurisdiction)
    table = trial_issuer(workspace)
    issuer = _issuer(table)
    if not 0 < lifetime <= issuer.longest_lifetime:
        raise ConfigurationError(f"--lifetime must be 1 to {issuer.longest_lifetime} seconds, as {table} allows")
    key_id, key = _key(table.parent)
    expires = int(now) + lifetime
    claims = {"iss": issuer.issuer, "aud": issuer.audience, "iat": int(now), "exp": expires, issuer.claim: jurisdiction}
    person = {} if subject is None or issuer.subject is None else {issuer.subject: subject}
    token = jwt.encode(claims | person, key, "RS256", headers={"kid": key_id})
    return TrialToken(token, jurisdiction, subject, issuer.issuer, expires)


def _make(folder: Path) -> None:
    """Key, published keys and table in a folder of their own, put in place whole; another's that came first stays."""
    key_id, key = TRIAL_KEY + secrets.token_hex(4), rsa.generate_private_key(65537, 2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    jwk = {name: public[name] for name in ("kty", "n", "e")} | {"kid": key_id, "use": "sig", "alg": "RS256"}
    aside = beside(folder)
    write_file(aside / "issuer.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_file(aside / "jwks.json", json.dumps({"keys": [jwk]}, indent=1).encode())
    write_file(aside / "issuers.yaml", (_HEAD + yaml.safe_dump(_table(folder), sort_keys=False)).encode())
    try:
        os.rename(aside, folder)
    except OSError as problem:
        shutil.rmtree(aside, ignore_errors=True)
        if not (folder / "issuers.yaml").exists():
            raise ConfigurationError(f"{folder} holds no issuers.yaml, and is not empty; move it away") from problem


def _table(folder: Path) -> dict[str, Any]:
    issuer = {
        "issuer": f"{TRIAL}-{secrets.token_hex(4)}",
        "jwks": str(folder.resolve() / "jwks.json"),
        "audience": AUDIENCE,
        "algorithms": ["RS256"],
        "longest_lifetime": LIFETIME,
    }
    return {"trial": True, "issuers": [issuer]}


def _issuer(table: Path) -> Issuer:
    listed = read_issuers(read_bounded(table), table)
    if not listed.trial:
        raise ConfigurationError(f"{table} is no trial's table; name another workspace, or delete that folder")
    return listed.issuers[0]


def _key(folder: Path) -> tuple[str, rsa.RSAPrivateKey]:
    """The issuer's key and its id, as the published half has it."""
    try:
        (jwk,) = parsed_json(read_bounded(folder / "jwks.json"))["keys"]
        key = load_pem_private_key(read_bounded(folder / "issuer.key"), None)
        key_id = str(jwk["kid"])
    except (OSError, ValueError, KeyError, TypeError):
        key, key_id = None, ""
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyUnavailable(f"the key of the trial's issuer in {folder} is gone or changed; delete {folder}")
    return key_id, key
