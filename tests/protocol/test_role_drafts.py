"""A region signs nothing but the metadata of its own list, whatever the hub asks."""

import json
from datetime import UTC, datetime

import pytest
from tuf.api.metadata import Metadata, Targets

from fedsov.errors import ApprovalRefused
from fedsov.protocol.role_drafts import SPECIFICATION, checked_draft, draft_version, written_draft

EXPIRES = datetime(2036, 11, 30, 12, tzinfo=UTC)
LIST = b"an approved list"


def draft(**changed):
    plain = json.loads(written_draft("DE", LIST, version=7, expires=EXPIRES)) | changed
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def test_a_draft_is_the_canonical_metadata_that_tuf_signs():
    text = written_draft("DE", LIST, version=7, expires=EXPIRES)
    metadata = Metadata[Targets].from_bytes(b'{"signatures": [], "signed": ' + text + b"}")
    assert metadata.signed_bytes == text
    assert (metadata.signed.version, metadata.signed.expires) == (7, EXPIRES)
    assert metadata.signed.spec_version == SPECIFICATION == Targets().spec_version
    assert checked_draft(text, "DE", LIST, after=6) == text and draft_version(text) == 7


@pytest.mark.parametrize(
    "asked",
    [
        draft(targets={"DE/approved.json": {"hashes": {"sha256": "00" * 32}, "length": 3}}),
        draft(targets={}),
        draft(targets={"US/approved.json": json.loads(draft())["targets"]["DE/approved.json"]}),
        draft(delegations={"keys": {}, "roles": []}),
        draft(version="7"),
        draft(version=True),
        draft(expires="2036-11-30"),
        draft(spec_version="1.0.0"),
        draft() + b" ",
        b"",
        b"[]",
        b"x" * 5000,
    ],
)
def test_anything_else_is_not_signed(asked):
    with pytest.raises(ApprovalRefused, match="it was not signed"):
        checked_draft(asked, "DE", LIST, after=0)


def test_a_draft_that_is_no_newer_than_what_the_region_has_is_not_signed():
    with pytest.raises(ApprovalRefused, match="version 7 of its role, and DE has version 7"):
        checked_draft(draft(), "DE", LIST, after=7)
