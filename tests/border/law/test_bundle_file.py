"""A bundle's file is read back as the law that was written, or refused by name."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.artifact import Kind
from fedsov.border.evidence.register_file import load_register
from fedsov.border.law.bundle_file import INSTALLED, bundle_text, installed, read_bundle_file
from fedsov.border.law.bundle_loader import load_bundle, packaged
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger, entry_time
from tests.border.world import artifact, ask

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def test_a_bundle_is_read_back_as_the_law_that_was_written_with_its_signer(tmp_path: Path) -> None:
    path = tmp_path / "law" / INSTALLED
    path.parent.mkdir()
    path.write_bytes(bundle_text(packaged(), KEY))
    read = read_bundle_file(path)
    assert read.files == packaged() and list(read.files) == list(packaged())
    assert read.bundle.digest == load_bundle().digest and not read.bundle.added
    assert read.key == KEY.public_key().public_bytes_raw().hex() and read.text == path.read_bytes()
    assert installed(tmp_path / "none") is None and installed(None) is None
    with pytest.raises(ConfigurationError, match="not the bundle that the ledger noted"):
        installed(path.parent)
    assert installed(path.parent, pinned=read.bundle.digest) == read, "a region's own settings name it"
    with closing(Ledger(tmp_path / "hub" / "ledger.sqlite", "hub")) as ledger:
        note = {"law": {"digest": read.bundle.digest, "signed_by": read.key}}
        ledger.append({"at": entry_time(), "act": "note", "note": note})
    assert installed(path.parent) == read
    path.write_bytes(bundle_text(packaged(), None))
    assert read_bundle_file(path).key == "", "nobody signed it"


def test_a_bundle_that_was_changed_or_is_none_is_refused_by_name(tmp_path: Path) -> None:
    spoilt, body = tmp_path / "spoilt.json", json.loads(bundle_text(packaged(), KEY))
    files = body["files"]
    floors = files["rules/floors.yaml"].replace("effect: forbid", "effect: review", 1)
    for change, said in (
        ({"files": files | {"rules/floors.yaml": floors}}, "its law is another"),
        ({"files": {name: text for name, text in files.items() if name != "facts.yaml"}}, "lacks facts.yaml"),
        ({"files": files | {"../evil.py": ""}}, "is no file of the law"),
        ({"files": files | {"rules/../evil.yaml": ""}}, "is no file of the law"),
        ({"files": files | {"regimes.yaml": "dated: 3"}}, "dated is 3; write the day"),
        ({"files": files | {"regimes.yaml": "dated: 2026-11-22"}}, "holds no whole law"),
        ({"files": files | {"regimes.yaml": "dated: ["}}, "regimes.yaml"),
        ({"files": 3}, "must be a mapping of names to texts"),
        ({"digest": "0" * 64}, "its law is another"),
        ({"digest": 3}, "must be a text"),
        ({"signature": "00" * 64}, "was changed after it was signed"),
        ({"key": "00" * 32}, "was changed after it was signed"),
        ({"format": "other"}, "is no bundle of this version"),
        ({"more": ""}, "is no bundle of this version"),
    ):
        spoilt.write_text(json.dumps(body | change))
        with pytest.raises(ConfigurationError) as error:
            read_bundle_file(spoilt)
        assert "spoilt.json" in str(error.value) and said in str(error.value)
    for text in ("[", json.dumps(body | {"key": "\ud800"})):
        spoilt.write_text(text)
        with pytest.raises(ConfigurationError, match="cannot read the bundle"):
            read_bundle_file(spoilt)


def test_newer_law_with_a_ground_that_the_program_does_not_know_decides_and_never_breaks(tmp_path: Path) -> None:
    files, path = packaged(), tmp_path / INSTALLED
    files["mechanisms.yaml"] += b"  new_ground: {name: a ground of newer law, effort: 0, standing: true}\n"
    rule = "{id: newer.ground, effect: permit, when: [[origin_regime, eq, EU-GDPR], [mechanism, eq, new_ground]],"
    files["rules/newer.yaml"] = f"rules:\n- {rule} reason: Newer law permits it., cite: a newer act}}\n".encode()
    path.write_bytes(bundle_text(files, KEY))
    law, thing = read_bundle_file(path).bundle, artifact(Kind.RECORDS, "DE")
    assert not law.added, "its rules are the law's, not a tenant's"
    answer = ask(thing, "DE", "KP", register=load_register(None), bundle=law)
    assert answer.verdict == "permit" and "newer.ground" in answer.rules
    assert ask(thing, "DE", "KP", register=load_register(None)).verdict == "refuse"
