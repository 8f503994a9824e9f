"""Proofs and exports hold where the ledger does, for a verifier that knows nothing of fedsov, and nowhere else."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings

from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger import standalone_verifier
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import accepted, continuation, continuations, export, noted_heads, prove
from fedsov.ledger.signed_head import Signer
from tests.ledger.world import EXPORTED as SIZE
from tests.ledger.world import anything, forged, tamper


def test_every_entry_is_proved_alone(ledger: Ledger, tmp_path: Path) -> None:
    for seq in range(1, SIZE + 1):
        proof = prove(ledger, seq)
        assert json.loads(proof["entry"])["number"] == seq
        (tmp_path / "proof.json").write_text(json.dumps(proof))
        assert standalone_verifier.main([str(tmp_path / "proof.json"), "--key", ledger.key]) == 0


@pytest.mark.parametrize("seq", [0, -1, SIZE + 1])
def test_an_entry_that_is_not_there_has_no_proof(ledger: Ledger, seq: int) -> None:
    with pytest.raises(ConfigurationError, match="no such entry"):
        prove(ledger, seq)


def test_no_proof_and_no_export_are_made_of_a_changed_ledger(ledger: Ledger, tmp_path: Path) -> None:
    ledger.close()
    tamper(tmp_path / "ledger.sqlite", forged(3))
    with closing(Ledger.read(tmp_path / "ledger.sqlite")) as changed:
        with pytest.raises(LedgerBroken, match="entry 3 is not under the signed root"):
            prove(changed, 3)
        with pytest.raises(LedgerBroken, match="entry 4"):
            export(changed, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_an_export_goes_to_a_folder_of_its_own(ledger: Ledger, bundle: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds something"):
        export(ledger, bundle)


@settings(max_examples=200, deadline=None)
@given(told=anything, noted=anything, path=anything)
def test_no_told_head_is_accepted_that_nobody_signed(told: object, noted: object, path: object) -> None:
    with pytest.raises(LedgerBroken):
        accepted(told, noted, path=path)


def test_a_head_is_accepted_only_from_the_same_key_and_only_as_a_continuation(ledger: Ledger, tmp_path: Path) -> None:
    noted = ledger.head().to_json()
    assert accepted(noted, None) == ledger.head()
    ledger.append({"number": 22})
    told = continuation(ledger, noted)
    assert accepted(told["head"], noted, path=told["path"]) == ledger.head()
    with pytest.raises(LedgerBroken, match="does not continue"):
        accepted(told["head"], noted, path=told["path"][1:])
    with pytest.raises(LedgerBroken, match="does not prove it"):
        accepted(told["head"], noted)
    with pytest.raises(LedgerBroken, match="does not continue"):
        accepted(noted, told["head"])
    with pytest.raises(LedgerBroken, match="not signed"):
        accepted({**told["head"], "size": 99}, noted)
    forger = Signer.made(tmp_path / "forger.key")
    forged_head = forger.signed("eu", size=30, root=bytes(32)).to_json()
    with pytest.raises(LedgerBroken, match="it was replaced"):
        accepted(forged_head, noted)


def test_a_party_is_told_a_head_with_a_proof_for_every_head_that_it_may_have_noted(tmp_path: Path) -> None:
    """Those told before: a note that says "told" is the last entry under the head that was told."""
    with closing(Ledger(tmp_path / "hub.sqlite", "hub")) as hub:
        assert json.loads(continuations(hub)["paths"]) == {}
        heads = []
        for number in range(1, 9):
            hub.append({"act": "note", "note": {"told": f"round {number}"}})
            heads.append(hub.head().to_json())
            hub.append({"act": "cross", "number": number})
        answer = continuations(hub)
        paths = json.loads(answer["paths"])
        assert set(paths) == {str(head["size"]) for head in heads}
        for head in heads:
            assert accepted(json.loads(answer["head"]), head, path=paths[str(head["size"])]) == hub.head()
        with pytest.raises(LedgerBroken, match="does not prove it"):
            accepted(json.loads(answer["head"]), heads[0], path=paths[str(heads[1]["size"])])


def test_the_head_noted_last_of_each_party_is_the_one_that_counts(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "hub.sqlite", "hub")) as hub:
        assert noted_heads(hub) == {}
        hub.append({"act": "note", "note": {"heads": {"DE": {"size": 1}, "US": {"size": 5}}}})
        hub.append({"act": "cross", "heads": {"DE": {"size": 99}}})
        hub.append({"act": "note", "note": {"heads": {"DE": {"size": 2}}}})
        hub.append({"act": "note", "note": {"text": "no head"}})
        assert noted_heads(hub) == {"DE": {"size": 2}, "US": {"size": 5}}


def test_a_party_that_noted_nothing_is_told_the_head_alone(ledger: Ledger) -> None:
    assert continuation(ledger, None) == {"head": ledger.head().to_json(), "path": []}
    assert accepted(continuation(ledger, None)["head"], None) == ledger.head()


@pytest.mark.parametrize("path", ["text", 7, None, [3], ["zz" * 32], ["00" * 31], [b"00" * 32]])
def test_a_path_that_is_no_list_of_hashes_proves_nothing(ledger: Ledger, path: object) -> None:
    noted = ledger.head().to_json()
    ledger.append({"number": SIZE + 1})
    with pytest.raises(LedgerBroken, match="does not prove it"):
        accepted(ledger.head().to_json(), noted, path=path)


def test_an_export_of_a_time_stamp_that_cannot_be_read_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append({"act": "note", "note": {"anchor": {"head": {"size": 1}, "reply": ""}}})
    with pytest.raises(LedgerBroken, match="keeps a time stamp that cannot be read"):
        export(ledger, tmp_path / "export")
