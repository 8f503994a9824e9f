"""The verifier that lies in every export knows nothing of fedsov, and finds whatever was changed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.ledger import standalone_verifier
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import export, prove
from fedsov.ledger.signed_head import Head
from tests.ledger.world import EXPORTED as SIZE
from tests.ledger.world import anything

VERIFIER = Path(standalone_verifier.__file__)


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


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export of five entries and the proof of one."""
    folder = tmp_path_factory.mktemp("exported")
    with closing(Ledger(folder / "ledger.sqlite", "eu")) as five:
        five.append_all({"number": number} for number in range(5))
        export(five, folder / "export")
        (folder / "proof.json").write_text(json.dumps(prove(five, 3)))
    return folder


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_in_an_export_or_proof_end_the_verifier_cleanly(exported: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["export/entries.jsonl", "export/head.json", "export/anchors.json", "proof.json"]))
    path = exported / name
    before = path.read_bytes()
    piece, place = data.draw(st.binary(max_size=30)), data.draw(st.integers(0, len(before)))
    mixed = before[:place] + piece + before[place + len(piece) :]
    text = data.draw(st.sampled_from([mixed, piece]) | anything.map(lambda value: json.dumps(value).encode()))
    try:
        path.write_bytes(text)
        code = standalone_verifier.main([str(exported / ("export" if "/" in name else name))])
    finally:
        path.write_bytes(before)
    assert code in ((0, 1, 2) if name != "export/entries.jsonl" or text == before else (1, 2))


def test_a_proof_is_checked_by_a_copy_of_the_verifier_alone(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "proof.json").write_text(json.dumps(prove(ledger, SIZE)))
    done = alone(tmp_path / "proof.json", cwd=tmp_path)
    assert done.returncode == 0 and f"entry {SIZE} of eu is under the head" in done.stdout, done.stderr


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8])
def test_it_computes_the_roots_and_leaves_that_the_ledger_signs(tmp_path: Path, size: int) -> None:
    with closing(Ledger(tmp_path / "a.sqlite", "eu")) as opened:
        opened.append_all({"number": number} for number in range(size))
        leaves = [standalone_verifier.leaf_hash(seq, body) for seq, body, _ in opened.texts()]
        assert leaves == [leaf for _, _, leaf in opened.texts()]
        frontier: list[bytes] = []
        for number, leaf in enumerate(leaves, 1):
            while not number & 1:
                leaf, number = standalone_verifier.node_hash(frontier.pop(), leaf), number >> 1
            frontier.append(leaf)
        assert standalone_verifier.root_of(frontier) == opened.head().digest
        assert standalone_verifier.signed_text(opened.head().to_json()) == opened.head().message()


@pytest.mark.parametrize(
    "place",
    ["nowhere", "empty", "notes.txt", "list.json", "other.json"],
)
def test_what_is_neither_an_export_nor_a_proof_cannot_be_read_and_is_not_called_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no JSON")
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "other.json").write_text('{"format": "something else"}')
    assert "cannot be read" in broken(capsys, tmp_path / place, code=2)


def test_another_key_than_the_one_noted_is_broken_also_where_all_else_holds(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "not " + "0" * 64 in broken(capsys, bundle, "--key", "0" * 64)


def test_a_time_stamp_of_something_else_is_broken(
    ledger: Ledger, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = json.loads((bundle / "head.json").read_text())
    (bundle / "anchors.json").write_text(json.dumps([{"head": head, "reply": "bm90aGluZw=="}]))
    assert f"the time stamp kept for the head at size {SIZE} is of something else" in broken(capsys, bundle)
    stamped = hashlib.sha256(ledger.head().message()).digest()
    reply = base64.b64encode(b"before" + stamped + b"after").decode()
    (bundle / "anchors.json").write_text(json.dumps([{"head": head, "reply": reply}]))
    assert standalone_verifier.main([str(bundle)]) == 0
    assert "time stamps: 1 (" in capsys.readouterr().out
