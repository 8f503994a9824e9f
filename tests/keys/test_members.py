"""The members of a deployment, as the hub keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import KeyUnavailable
from fedsov.keys.members import Member, members_of, plain_members, read_members, written_members
from fedsov.storage.atomic_files import write_file

MEMBERS = {"DE": Member("region", "PEM", "ab", "2027-01-01", "cd", "ef", "01"), "hub": Member("hub", "P", "2", "2027")}


def test_members_that_were_written_are_read_and_no_file_has_none(tmp_path: Path) -> None:
    path = tmp_path / "deployment" / "members.json"
    assert read_members(path) == {}
    write_file(path, written_members(MEMBERS))
    assert read_members(path) == MEMBERS == members_of(plain_members(MEMBERS))
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"DE": []}', '{"DE": {"role": "region"}}', '{"DE": {"rol": "region"}}'])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "members.json"
    path.write_text(text)
    with pytest.raises(KeyUnavailable, match="members.json: the members cannot be read"):
        read_members(path)
