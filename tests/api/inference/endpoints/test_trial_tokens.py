"""Tokens of a trial: the endpoint's check believes them, and no other table does."""

import json
import time
from pathlib import Path
from threading import Thread

import pytest
import yaml

from fedsov.api.inference.endpoints.trial_tokens import trial_issuer, trial_token
from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.inference.tokens.issuers import read_issuers
from fedsov.inference.tokens.key_sets import read_key_set
from fedsov.inference.tokens.token_check import TokenCheck
from tests.cli.world import call


def check_of(table: Path) -> TokenCheck:
    listed = read_issuers(table.read_bytes(), table)
    return TokenCheck(
        listed, {each.issuer: read_key_set(Path(each.jwks).read_bytes(), each) for each in listed.issuers}
    )


def test_a_trial_s_token_passes_the_check_with_the_trial_s_table(tmp_path):
    issued = trial_token(tmp_path, "US-OH", subject="anna", now=time.time())
    claims = check_of(trial_issuer(tmp_path)).check(
        [(b"authorization", b"Bearer " + issued.token.encode())], time.time()
    )
    assert (claims.jurisdiction, claims.subject) == ("US-OH", "anna")
    assert claims.issuer.startswith("fedsov-trial") and claims.key_id.startswith("trial-")


def test_the_trial_s_issuer_is_refused_by_a_table_that_is_no_trial_s(tmp_path):
    plain = yaml.safe_load(trial_issuer(tmp_path).read_text())
    plain.pop("trial")
    with pytest.raises(ConfigurationError, match="a trial's issuer"):
        read_issuers(json.dumps(plain).encode(), tmp_path / "issuers.yaml")


def test_a_table_is_made_once_and_readable_by_its_owner_alone(tmp_path):
    tables = set()
    makers = [Thread(target=lambda: tables.add(trial_issuer(tmp_path).read_bytes())) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(tables) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["trial"]
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "trial").iterdir()} == {0}


def test_a_workspace_that_was_moved_says_what_to_delete(tmp_path):
    trial_issuer(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    with pytest.raises(ConfigurationError, match="delete"):
        trial_issuer(tmp_path / "new")


def test_a_key_that_is_gone_is_said_with_the_way_out(tmp_path):
    (trial_issuer(tmp_path).parent / "issuer.key").unlink()
    with pytest.raises(KeyUnavailable, match="delete"):
        trial_token(tmp_path, "DE", now=time.time())


def test_the_command_prints_a_token_or_says_what_is_wrong(tmp_path):
    answer = call("token", "--jurisdiction", "DE", "--trial", "--json", "--workspace", tmp_path).json
    assert answer["trial"] is True and answer["token"].count(".") == 2
    assert "did you mean GB?" in call("token", "--jurisdiction", "GBR", "--trial", "--workspace", tmp_path).line
    assert (
        "not a known ISO 3166 code" in call("token", "--jurisdiction", "pt-BR", "--trial", "--workspace", tmp_path).line
    )
    assert "add --trial" in call("token", "--jurisdiction", "DE", "--workspace", tmp_path).line
    words = ("token", "--jurisdiction", "DE", "--trial", "--lifetime", "9999", "--workspace", tmp_path)
    assert "1 to 3600" in call(*words).line
