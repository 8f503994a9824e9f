"""The table of issuers: what it may say, and what is refused by name."""

import json

import pytest

from fedsov.errors import ConfigurationError
from fedsov.inference.tokens.issuers import IssuerTable, read_issuers
from tests.inference.token_attacks import ISSUER


def _issuer(**changes) -> dict:
    usual = {"issuer": ISSUER, "jwks": "jwks.json", "audience": "fedsov", "algorithms": ["RS256"]}
    return {key: value for key, value in (usual | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"algorithms": ["HS256"]}, "algorithms must be one of RS256, ES256, EdDSA"),
        ({"algorithms": ["none"]}, "algorithms must be one of"),
        ({"algorithms": []}, "a list of RS256"),
        ({"audience": None}, "audience is not set"),
        ({"jwks": "http://idp.example/jwks.json"}, "https URL"),
        ({"jwks": "https://user:word@idp.example/jwks.json"}, "no password"),
        ({"jwks": "ftp://idp.example/x"}, "https URL"),
        ({"jwks": "http://127.0.0.1.evil.example/x"}, "https URL"),
        ({"longest_lifetime": 0}, "longest_lifetime"),
        ({"longest_lifetime": 10**9}, "longest_lifetime"),
        ({"mapping": {"Germany": "germany"}}, "ISO 3166 code"),
        ({"claim": "a b"}, "name of a claim"),
        ({"audiense": "x"}, "did you mean"),
        ({"issuer": 'x" y'}, "printable ASCII"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_table_that_cannot_be_is_refused_by_name(tmp_path, changes, words):
    content = json.dumps({"issuers": [_issuer(**changes)]}).encode()
    with pytest.raises(ConfigurationError, match=words):
        read_issuers(content, tmp_path / "issuers.yaml")


def test_a_table_names_files_beside_itself_and_an_issuer_once(tmp_path):
    read = read_issuers(json.dumps({"issuers": [_issuer()]}).encode(), tmp_path / "issuers.yaml")
    assert read.issuers[0].jwks == str(tmp_path / "jwks.json")
    assert IssuerTable.from_json(json.loads(json.dumps(read.to_json()))) == read
    with pytest.raises(ConfigurationError, match="twice"):
        read_issuers(json.dumps({"issuers": [_issuer(), _issuer()]}).encode(), tmp_path / "issuers.yaml")


def test_a_trial_s_issuer_stands_in_a_trial_s_table_alone(tmp_path):
    def table(trial: bool, name: str) -> bytes:
        return json.dumps({"trial": trial, "issuers": [_issuer(issuer=name)]}).encode()

    assert read_issuers(table(True, "fedsov-trial-x"), tmp_path / "issuers.yaml").trial
    with pytest.raises(ConfigurationError, match="a trial's issuer"):
        read_issuers(table(False, "fedsov-trial-x"), tmp_path / "issuers.yaml")
    with pytest.raises(ConfigurationError, match="a trial's table lists"):
        read_issuers(table(True, ISSUER), tmp_path / "issuers.yaml")
