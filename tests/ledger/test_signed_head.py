"""A head is signed by its owner's key alone, and whatever is no head is refused in a line."""

from __future__ import annotations

import json
import multiprocessing
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger.canonical_json import canonical
from fedsov.ledger.merkle import EMPTY
from fedsov.ledger.signed_head import FORMAT, Head, Signer, head_fault, read_head
from tests.ledger.world import anything

ROOT = bytes(range(32))


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.made(tmp_path / "signing.key")


@pytest.fixture
def head(signer: Signer) -> Head:
    return signer.signed("eu", size=5, root=ROOT)


# ------------------------------------------------------------------ signing


def test_a_signed_head_checks_and_names_its_owner_size_root_and_key(signer: Signer, head: Head) -> None:
    assert head.check() is head
    assert (head.owner, head.size, head.digest, head.key) == ("eu", 5, ROOT.hex(), signer.public)
    assert head.message() == canonical({"format": FORMAT, "owner": "eu", "size": 5, "digest": ROOT.hex()})


@pytest.mark.parametrize(
    "change",
    [
        {"size": 4},
        {"size": 6},
        {"owner": "us"},
        {"owner": ""},
        {"digest": EMPTY.hex()},
        {"signature": "0" * 128},
        {"signature": ""},
        {"signature": "zz"},
        {"key": "0" * 64},
        {"key": ""},
        {"key": "zz" * 32},
    ],
)
def test_nothing_of_a_head_can_be_changed_without_its_key(head: Head, change: dict[str, Any]) -> None:
    with pytest.raises(LedgerBroken, match="is not signed by key"):
        replace(head, **change).check()


def test_another_key_never_signs_for_this_one(head: Head, tmp_path: Path) -> None:
    forged = Signer.made(tmp_path / "forger.key").signed("eu", size=5, root=ROOT)
    assert forged.check().key != head.key
    with pytest.raises(LedgerBroken):
        replace(forged, key=head.key).check()


@pytest.mark.parametrize(
    ("change", "size", "root", "fault"),
    [
        ({}, 5, ROOT, ""),
        ({}, 4, ROOT, "entry 5 is missing: of 5 signed entries the end was cut or rewritten"),
        ({}, 0, EMPTY, "entry 1 is missing: of 5 signed entries"),
        ({}, 6, ROOT, "entry 6 is not under the signed head, which covers 5 entries: it was added"),
        ({}, 5, EMPTY, "entries 1 to 5 do not make up the signed root"),
        ({"signature": "0" * 128}, 5, ROOT, "the head's signature at 5 entries is not that of key"),
        ({"size": 4}, 5, ROOT, "the head was changed or forged: it has size 4 instead of 5"),
        ({"digest": EMPTY.hex()}, 5, ROOT, "it has another root than entries 1 to 5 have"),
    ],
)
def test_what_is_wrong_with_a_head_is_named(
    head: Head, change: dict[str, Any], size: int, root: bytes, fault: str
) -> None:
    said = head_fault(replace(head, **change), size, root.hex())
    assert fault in said and bool(said) is bool(fault)


def test_one_entry_is_spoken_of_as_one(signer: Signer) -> None:
    assert "of 1 signed entry the end" in head_fault(signer.signed("eu", size=1, root=ROOT), 0, EMPTY.hex())


# ------------------------------------------------------------------ heads as JSON and as words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": -1}, "size must be a whole number"),
        ({"size": 2**63}, "size must be a whole number"),
        ({"size": True}, "size must be a whole number"),
        ({"size": "5"}, "size must be a whole number"),
        ({"owner": None}, "owner must be text"),
        ({"digest": ""}, "digest must be 64 hexadecimal digits"),
        ({"digest": "A" * 64}, "digest must be 64 hexadecimal digits"),
        ({"digest": "0" * 63}, "digest must be 64 hexadecimal digits"),
        ({"key": "0" * 65}, "key must be 64 hexadecimal digits"),
        ({"signature": 7}, "signature must be 128 hexadecimal digits"),
        ({"rows": 7}, "expected a head"),
    ],
)
def test_what_has_not_the_form_of_a_head_is_none(head: Head, change: dict[str, Any], words: str) -> None:
    assert Head.from_json(head.to_json()) == head
    with pytest.raises(ConfigurationError, match=words):
        Head.from_json(head.to_json() | change)


@pytest.mark.parametrize("value", [None, [], "5:0", {"size": 5}, {"digest": "0" * 64}])
def test_a_head_needs_a_size_and_a_root(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected a head"):
        Head.from_json(value)


def test_a_head_is_read_from_size_and_root_from_json_and_from_a_file(head: Head, tmp_path: Path) -> None:
    (tmp_path / "head.json").write_text(json.dumps(head.to_json()))
    assert read_head(f" 5:{ROOT.hex()} ") == Head(5, ROOT.hex())
    assert read_head(json.dumps(head.to_json())) == head
    assert read_head(str(tmp_path / "head.json")) == head


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5:abc", "SIZE:ROOT is a number, a colon and 64 hexadecimal digits"),
        (f"5:{'A' * 64}", "SIZE:ROOT is a number"),
        (f"{'9' * 19}:{'0' * 64}", "SIZE:ROOT is a number"),
        ("/nowhere/head.json", "is no head"),
        ("{", "is no head"),
        ("[]", "is no head"),
        ("", "is no head"),
    ],
)
def test_a_text_that_is_no_head_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        read_head(text)
    assert "\n" not in str(refused.value)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_text_is_a_head_or_a_configuration_error(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "head.json"
    path.write_bytes(text)
    for given_text in (str(path), text.decode(errors="replace")):
        with suppress(ConfigurationError):
            assert isinstance(read_head(given_text), Head)


# ------------------------------------------------------------------ the key's file


def test_a_key_is_made_once_for_its_owners_eyes_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    made = Signer.made(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Signer.made(path).public == Signer.read(path).public == made.public
    assert [file.name for file in tmp_path.iterdir()] == ["signing.key"], "no draft is left beside it"


def _public_of(path: Path, publics: Any) -> None:
    publics.put(Signer.made(path).public)


def test_of_several_processes_that_make_a_key_one_does(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    publics = context.Queue()
    processes = [context.Process(target=_public_of, args=(tmp_path / "signing.key", publics)) for _ in range(4)]
    for process in processes:
        process.start()
    answers = {publics.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert answers == {Signer.read(tmp_path / "signing.key").public}
    assert [file.name for file in tmp_path.iterdir()] == ["signing.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_never_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "signing.key"
    Signer.made(path)
    path.chmod(mode)
    with pytest.raises(LedgerBroken, match="can be read by others; run `chmod 600"):
        Signer.read(path)


def test_a_file_that_holds_no_plain_ed25519_key_is_no_signing_key(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    plain, locked = NoEncryption(), BestAvailableEncryption(b"password")
    other = generate_private_key(public_exponent=65537, key_size=2048)
    for key, encryption, words in (
        (other, plain, "is no Ed25519 key; restore it from your copy"),
        (Ed25519PrivateKey.generate(), locked, "cannot be read"),
    ):
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        path.chmod(0o600)
        with pytest.raises(LedgerBroken, match=words):
            Signer.read(path)
    path.unlink()
    with pytest.raises(LedgerBroken, match="cannot be read"):
        Signer.read(path)


def test_a_key_that_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(LedgerBroken, match="cannot be written: .*nothing crossed"):
        Signer.made(tmp_path / "absent" / "signing.key")
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_never_shown(signer: Signer) -> None:
    secret = signer.private.private_bytes_raw()
    for text in (repr(signer), str(signer), repr(signer.signed("eu", size=0, root=EMPTY))):
        assert secret.hex() not in text and repr(secret) not in text
