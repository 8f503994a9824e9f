"""The approved list: signed by two, whole, and with one champion a model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import ApprovalRefused, ConfigurationError
from fedsov.inference.approved import (
    CANARY,
    FORMAT,
    SHADOW,
    ApprovedList,
    ApprovedVersion,
    Signatory,
    check_file,
    read_approved,
    written,
)
from fedsov.keys.signed_text import message
from fedsov.label import Label

AT = "2026-11-30T12:00:00+00:00"
FIRST = ApprovedVersion(
    "people-de",
    1,
    digest="0a" * 32,
    label=Label({"DE"}, {"ordinary"}),
    files={"model.onnx": hashlib.sha256(b"graph").hexdigest()},
    by="A. Person",
    why="trial",
    at=AT,
)


def _signatory(seed: bytes) -> Signatory:
    key = Ed25519PrivateKey.from_private_bytes(seed * 32)
    return Signatory(key.public_key().public_bytes_raw().hex(), key.sign)


HUB, REGION, OTHER = (_signatory(seed) for seed in (b"h", b"r", b"x"))


def _text(listed: ApprovedList, hub: Signatory = HUB, region: Signatory = REGION) -> bytes:
    return written(listed, hub=hub, region=region)


def _listed(*versions: ApprovedVersion) -> ApprovedList:
    listed = ApprovedList("DE")
    for version in versions:
        listed = listed.with_version(version, at=AT)
    return listed


def test_what_both_signed_is_read() -> None:
    listed = _listed(FIRST, replace(FIRST, version=2, mode=CANARY, share=0.25), replace(FIRST, version=3, mode=SHADOW))
    assert read_approved(_text(listed), HUB.key, REGION.key) == listed
    assert listed.counter == 3
    assert listed.models == ("people-de",)


def test_neither_the_hub_nor_the_region_can_approve_alone() -> None:
    listed = _listed(FIRST)
    for hub, region, whose in ((REGION, REGION, "hub"), (OTHER, REGION, "hub"), (HUB, HUB, "region")):
        forged = _text(listed, Signatory(HUB.key, hub.sign), Signatory(REGION.key, region.sign))
        with pytest.raises(ApprovalRefused, match=f"not signed by the {whose}"):
            read_approved(forged, HUB.key, REGION.key)
    with pytest.raises(ApprovalRefused, match="not signed by the hub"):
        read_approved(_text(listed, OTHER), HUB.key, REGION.key)
    with pytest.raises(ApprovalRefused, match="not pinned"):
        read_approved(_text(listed, Signatory("", HUB.sign)), "", REGION.key)


@given(st.data())
def test_a_changed_byte_is_refused_wherever_it_is(data: Any) -> None:
    content = bytearray(_text(_listed(FIRST)))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.sampled_from([1, 2, 32, 128]))
    try:
        same = json.loads(content) == json.loads(_text(_listed(FIRST)))  # white space between values is not signed
    except ValueError:
        same = False
    if not same:
        with pytest.raises(ApprovalRefused):
            read_approved(bytes(content), HUB.key, REGION.key)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"format":1}', b"\xff", b'{"format":"other","signatures":{}}', b"[" * 100_000]
)
def test_what_is_no_list_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(ApprovalRefused, match="list of approved versions"):
        read_approved(content, HUB.key, REGION.key)


def test_a_list_of_a_later_fedsov_is_refused_though_both_signed_it() -> None:
    plain = json.loads(_text(_listed(FIRST)))
    del plain["signatures"], plain["format"]
    plain["versions"][0]["mode"] = "oracle"
    to_sign = message(FORMAT, plain)
    signatures = {"hub": HUB.sign(to_sign).hex(), "region": REGION.sign(to_sign).hex()}
    with pytest.raises(ApprovalRefused, match="does not know"):
        read_approved(json.dumps({"format": FORMAT, **plain, "signatures": signatures}).encode(), HUB.key, REGION.key)


def test_a_new_champion_takes_the_place_of_the_old_and_the_old_can_be_promoted_again() -> None:
    listed = _listed(FIRST, replace(FIRST, version=2))
    assert [each.version for each in listed.versions] == [2]
    assert [each.version for each in listed.with_version(FIRST, at=AT).versions] == [1]


def test_a_canary_that_is_promoted_is_no_canary_any_more() -> None:
    canary = replace(FIRST, version=2, mode=CANARY, share=0.5)
    listed = _listed(FIRST, canary, replace(FIRST, version=2))
    own = listed.of("people-de")
    assert (own.champion, own.canaries, own.shadows) == (replace(FIRST, version=2), (), ())


def test_a_champion_is_not_made_a_canary_which_would_leave_nobody_to_answer_the_rest() -> None:
    with pytest.raises(ConfigurationError, match="promote another version first"):
        _listed(FIRST, replace(FIRST, mode=CANARY, share=0.1))


def test_canaries_take_no_more_than_all() -> None:
    canary = replace(FIRST, version=2, mode=CANARY, share=0.6)
    with pytest.raises(ConfigurationError, match="people-de: canaries would take 120%"):
        _listed(FIRST, canary, replace(canary, version=3))


def test_a_version_can_be_withdrawn_once() -> None:
    listed = _listed(FIRST).without("people-de", 1, at=AT)
    assert (listed.versions, listed.counter, listed.of("people-de").champion) == ((), 2, None)
    with pytest.raises(ConfigurationError, match="people-de 1 is not approved in DE; approved is nothing"):
        listed.without("people-de", 1, at=AT)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"share": 0.5}, "share must be 1"),
        ({"mode": CANARY, "share": 0.0}, "share must be a number above 0"),
        ({"mode": "cannary"}, "did you mean canary"),
        ({"digest": "00"}, "digest must be 64"),
        ({"files": {"../x": "00" * 32}}, "no / in it"),
        ({"model": "a/b"}, "no / in it"),
        ({"by": " "}, "by is empty"),
        ({"verdict": "good"}, "verdict must be one of"),
        ({"version": 0}, "version must be"),
    ],
)
def test_a_version_that_cannot_be_is_refused_by_name(changed: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        replace(FIRST, **changed)


def test_a_file_of_a_version_is_what_was_approved_or_refused() -> None:
    assert check_file(FIRST, "model.onnx", b"graph") == b"graph"
    for name, content in (("model.onnx", b"other"), ("extra.py", b"graph")):
        with pytest.raises(ApprovalRefused, match="is not the file that was approved"):
            check_file(FIRST, name, content)
