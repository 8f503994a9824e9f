"""The law owner's key is made once, for its owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.border.law.law_owner import make_owner_key, sign_rules
from fedsov.errors import KeyUnavailable, WorkspaceUnusable


def test_a_key_is_never_written_over_and_a_missing_one_says_how_to_make_it(tmp_path: Path) -> None:
    make_owner_key(tmp_path / "owner.pem")
    with pytest.raises(WorkspaceUnusable, match="never written over"):
        make_owner_key(tmp_path / "owner.pem")
    assert (tmp_path / "owner.pem").stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyUnavailable, match="fedsov region owner init"):
        sign_rules(tmp_path / "rules.yaml", tmp_path / "absent.pem")
