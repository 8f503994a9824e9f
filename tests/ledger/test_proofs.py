"""Proofs and exports hold where the ledger does, for a verifier that knows nothing of fedsov, and nowhere else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger import standalone_verifier
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import accepted, continuation, export, prove
from fedsov.ledger.signed_head import Head, Signer, read_head
from tests.ledger.test_ledger_tampering import forged, tamper

SIZE = 21
VERIFIER = Path(standalone_verifier.__file__)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger.sqlite", "eu")
    made.append_all({"act": "note", "text": "größer – 大", "number": number} for number in range(1, SIZE + 1))
    return made


@pytest.fixture
def bundle(ledger: Ledger, tmp_path: Path) -> Path:
    export(ledger, tmp_path / "export")
    return tmp_path / "export"


def alone(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The verifier as an auditor runs it: a copy, isolated, where fedsov cannot be imported."""
    script = shutil.copy(VERIFIER, cwd / "verifier.py")
    command = [sys.executable, "-I", str(script), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={"PATH": os.environ["PATH"]})


def broken(capsys: pytest.CaptureFixture[str], *words: object, code: int = 1) -> str:
    assert standalone_verifier.main([str(word) for word in words]) == code
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1
    return said.err


def test_the_verifier_is_short_and_imports_nothing_of_fedsov() -> None:
    text = VERIFIER.read_text()
    assert len(text.splitlines()) < 200
    assert "import fedsov" not in text and "from fedsov" not in text


def test_an_export_is_checked_by_its_own_verifier_alone(ledger: Ledger, bundle: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "verify_ledger.py", ".", "--key", ledger.key], capture_output=True, text=True, cwd=bundle
    )
    assert done.returncode == 0 and f"OK: the ledger of eu verifies: size {SIZE}" in done.stdout, done.stderr
    lines = [json.loads(line) for line in (bundle / "entries.jsonl").read_text().splitlines()]
    assert [line["entry"] for line in lines] == [entry.body for entry in ledger.entries()]
    assert Head.from_json(json.loads((bundle / "head.json").read_text())) == ledger.head()


def test_every_entry_is_proved_alone(ledger: Ledger, tmp_path: Path) -> None:
    for seq in range(1, SIZE + 1):
        proof = prove(ledger, seq)
        assert json.loads(proof["entry"])["number"] == seq
        (tmp_path / "proof.json").write_text(json.dumps(proof))
        assert standalone_verifier.main([str(tmp_path / "proof.json"), "--key", ledger.key]) == 0
    done = alone(tmp_path / "proof.json", cwd=tmp_path)
    assert done.returncode == 0 and f"entry {SIZE} of eu is under the head" in done.stdout


@pytest.mark.parametrize("seq", [0, -1, SIZE + 1])
def test_an_entry_that_is_not_there_has_no_proof(ledger: Ledger, seq: int) -> None:
    with pytest.raises(ConfigurationError, match="no such entry"):
        prove(ledger, seq)


def test_a_changed_proof_is_broken(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof, path = prove(ledger, 6), tmp_path / "proof.json"
    other = {**proof["head"], "size": SIZE + 1}
    for change, words in (
        ({"entry": proof["entry"].replace("6", "8")}, "entry 6 is not under the signed root"),
        ({"seq": 7}, "entry 7 is not under the signed root"),
        ({"seq": SIZE + 1}, f"entry {SIZE + 1} is not among"),
        ({"path": proof["path"][::-1]}, "not under the signed root"),
        ({"path": proof["path"][1:]}, "not under the signed root"),
        ({"path": [*proof["path"], "00" * 32]}, "not one of its tree"),
        ({"path": ["zz", 3]}, ""),
        ({"head": other}, "is not signed by key"),
    ):
        path.write_text(json.dumps({**proof, **change}))
        code = 2 if not words else 1
        assert words in broken(capsys, path, code=code)
    path.write_text(json.dumps(proof))
    assert "not " + "0" * 64 in broken(capsys, path, "--key", "0" * 64)


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


@pytest.mark.parametrize("number", [1, 4, SIZE])
def test_a_changed_line_of_an_export_is_named(bundle: Path, capsys: pytest.CaptureFixture[str], number: int) -> None:
    path = bundle / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for place in range(len(lines[number - 1])):
        line = bytearray(lines[number - 1])
        line[place] ^= 1
        path.write_bytes(b"".join([*lines[: number - 1], bytes(line), *lines[number:]]))
        said = broken(capsys, bundle)
        assert f"entry {number} does not match" in said, said


def test_lines_dropped_swapped_doubled_or_cut_are_found(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bundle / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for changed, words in (
        (lines[1:], "entry 1 does not match"),
        ([*lines[:4], *lines[5:]], "entry 5 does not match"),
        ([*lines[:4], lines[5], lines[4], *lines[6:]], "entry 5 does not match"),
        ([*lines, lines[0]], f"entry {SIZE + 1} does not match"),
        (lines[:-1], f"the export ends with entry {SIZE - 1}, and the signed head covers {SIZE}"),
        ([], "the export ends with entry 0"),
    ):
        path.write_bytes(b"".join(changed))
        assert words in broken(capsys, bundle)


def test_a_changed_head_of_an_export_is_broken(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = json.loads((bundle / "head.json").read_text())
    other = {"size": SIZE - 1, "digest": "0" * 64, "owner": "us", "signature": "0" * 128, "key": "1" * 64}
    for name, value in other.items():
        (bundle / "head.json").write_text(json.dumps({**head, name: value}))
        assert "is not signed by key" in broken(capsys, bundle)


def test_an_export_that_does_not_continue_a_kept_head_is_broken(
    ledger: Ledger, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Ledger(tmp_path / "b.sqlite", "eu")
    roots = []
    for entry in ledger.entries():
        other.append(entry.body)
        roots.append(other.head().digest)
    for size in (1, 8, 13, SIZE):
        assert standalone_verifier.main([str(bundle), "--since", f"{size}:{roots[size - 1]}"]) == 0
        capsys.readouterr()
        assert f"kept at size {size}" in broken(capsys, bundle, "--since", f"{size}:{'0' * 64}")
    cut = f"it ends with entry {SIZE}, a head kept earlier with {SIZE + 1}"
    assert cut in broken(capsys, bundle, "--since", f"{SIZE + 1}:{'0' * 64}")
    assert "SIZE:ROOT" in broken(capsys, bundle, "--since", "nonsense", code=2)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "format",
                    "seq",
                    "entry",
                    "path",
                    "head",
                    "size",
                    "digest",
                    "owner",
                    "key",
                    "signature",
                    "reply",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_text_is_a_head_or_a_configuration_error(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "head.json"
    path.write_bytes(text)
    for given_text in (str(path), text.decode(errors="replace")):
        with suppress(ConfigurationError):
            assert isinstance(read_head(given_text), Head)


@settings(max_examples=200, deadline=None)
@given(told=anything, noted=anything, path=anything)
def test_no_told_head_is_accepted_that_nobody_signed(told: object, noted: object, path: object) -> None:
    with pytest.raises(LedgerBroken):
        accepted(told, noted, path=path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_in_an_export_or_proof_end_the_verifier_cleanly(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    with closing(Ledger(folder / "ledger.sqlite", "eu")) as made:
        made.append_all({"number": number} for number in range(5))
        export(made, folder / "export")
        (folder / "proof.json").write_text(json.dumps(prove(made, 3)))
    name = data.draw(st.sampled_from(["export/entries.jsonl", "export/head.json", "export/anchors.json", "proof.json"]))
    path = folder / name
    before = path.read_bytes()
    piece, place = data.draw(st.binary(max_size=30)), data.draw(st.integers(0, len(before)))
    mixed = before[:place] + piece + before[place + len(piece) :]
    text = data.draw(st.sampled_from([mixed, piece]) | anything.map(lambda value: json.dumps(value).encode()))
    path.write_bytes(text)
    code = standalone_verifier.main([str(folder / ("export" if "/" in name else name))])
    assert code in ((0, 1, 2) if name != "export/entries.jsonl" or text == before else (1, 2))


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
