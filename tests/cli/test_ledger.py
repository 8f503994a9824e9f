"""`ledger ...` from the command line: what it prints, what it ends with, and which keys it opens."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fedsov.border.evidence.approvals import approval_entry
from fedsov.cli import main
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Signer
from tests.api.test_ledger_audit import append, history
from tests.border.world import DAY
from tests.ledger.test_timestamps import Authority
from tests.ledger.world import tamper

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command over a workspace of a hub and one region; its exit code, output and errors."""
    append(tmp_path / "w/hub", "hub", *history(9))
    append(tmp_path / "w/regions/DE", "DE", *history(5))

    def act(*words: object) -> tuple[int, str, str]:
        code = main.run(["ledger", *map(str, words), f"workspace={tmp_path / 'w'}"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return act


def answered(run: Run, *words: object) -> Any:
    code, out, err = run(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_verify_prints_heads_that_since_takes(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("verify")
    assert code == 0 and "14 entries verify in 2 ledgers" in out
    head = answered(run, "verify", "DE")["DE"]["head"]
    assert f"head {head['size']}:{head['digest']}" in out
    append(tmp_path / "w/regions/DE", "DE", *history(3))
    (tmp_path / "head.json").write_text(json.dumps(head))
    for words in (("DE", "--since", f"{head['size']}:{head['digest']}"), ("--since", tmp_path / "head.json")):
        assert "DE: 3 entries after the first 5 verify" in run("verify", *words)[1]
    code, _, err = run("verify", "DE", "--since", f"4:{head['digest']}")
    assert code == 5 and "its first 4 entries were rewritten" in err
    for nonsense in ("here", "5:ff", str(tmp_path), "{}"):
        code, _, err = run("verify", "--since", nonsense)
        assert code == 2 and err.count("\n") == 1
    code, _, err = run("verify", "DE", "--since", "5:abc")
    assert code == 2 and "'5:abc' is no head: SIZE:ROOT is a number, a colon and 64 hexadecimal digits" in err


def test_verify_names_the_entry_that_was_changed_and_ends_with_5(run: Run, tmp_path: Path) -> None:
    tamper(tmp_path / "w/regions/DE/ledger.sqlite", "UPDATE entries SET body = x'7b7d' WHERE seq = 3")
    code, out, err = run("verify")
    assert code == 5 and "DE: DOES NOT VERIFY" in out and "entry 3 does not match its hash" in err


def test_a_proof_and_an_export_are_checked_by_the_exported_verifier(run: Run, tmp_path: Path) -> None:
    proof, folder = answered(run, "prove", 4, "DE"), tmp_path / "export"
    code, out, _ = run("export", folder, "DE")
    assert code == 0 and f"--key {proof['head']['key']}" in out
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    for given in (folder, tmp_path / "proof.json"):
        words = ["-I", folder / "verify_ledger.py", given, "--key", proof["head"]["key"]]
        assert subprocess.run([sys.executable, *words], capture_output=True).returncode == 0
    code, out, _ = run("export", tmp_path / "an export's folder", "DE")
    command = shlex.split(out.splitlines()[-1])
    assert subprocess.run([sys.executable, "-I", *command[1:]], capture_output=True).returncode == 0
    assert answered(run, "export", tmp_path / "hub_export")["head"]["owner"] == "hub"
    assert answered(run, "prove", 9)["head"]["size"] == 9


def test_what_somebody_wrote_into_an_entry_is_shown_in_one_line_and_steers_no_terminal(
    run: Run, tmp_path: Path
) -> None:
    said = approval_entry(
        {"review": "R1"},
        by="A\x1b[31m",
        why="x\nhub 10 fake\x1b[2J\u202e",
        since=DAY,
        until=DAY,
        at="2026-11-23T10:00:00",
    )
    with closing(Ledger(tmp_path / "w/hub/ledger.sqlite", "hub")) as ledger:
        ledger.append(said)
    code, out, _ = run("show", "hub")
    assert code == 0 and len(out.splitlines()) == 10
    assert out.splitlines()[-1].endswith(r"by A\x1b[31m: x\nhub 10 fake\x1b[2J\u202e")


def test_all_but_anchor_need_no_private_key(run: Run, tmp_path: Path) -> None:
    for path in (tmp_path / "w").rglob("signing.key"):
        path.unlink()
    for words in (
        ["verify"],
        ["show"],
        ["prove", 1],
        ["export", tmp_path / "e"],
        ["anchor", "--request", tmp_path / "q"],
    ):
        assert run(*words)[0] == 0, words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["forget"], "unknown ledger command 'forget'; there are verify, show, prove, export, anchor"),
        (["prove"], "ledger prove needs ENTRY; see `fedsov ledger prove --help`"),
        (["prove", "x"], "ENTRY is 'x'; write a whole number"),
        (["prove", "10"], "expected an entry from 1 to 9"),
        (["prove", "1", "FR"], "unknown ledger owner 'FR'; there are hub, DE"),
        (["show", "Hub"], "unknown ledger owner 'Hub'; did you mean hub? There are hub, DE"),
        (["verify", "FR"], "unknown ledger owner 'FR'; there are hub, DE"),
        (["export"], "ledger export needs FOLDER; see"),
        (["export", "/dev/null"], "holds something"),
        (["anchor"], "ledger anchor needs --request (or --url); see `fedsov ledger anchor --help`"),
        (["anchor", "--reply", "r"], "ledger anchor needs --request (or --url) and --root; see"),
        (["anchor", "--request", "q", "--reply", "r"], "ledger anchor needs --root; see"),
        (["anchor", "--request", "q", "--root", "r"], "take away --root: a query is written with --request"),
        (["anchor", "--url", "u", "--root", "r", "--request", "q"], "take away --request: "),
        (["anchor", "--url", "ftp://x", "--root", "/absent"], "/absent cannot be read"),
    ],
)
def test_what_cannot_be_understood_is_one_line_and_2(run: Run, words: list[str], said: str) -> None:
    code, out, err = run(*words)
    assert code == 2 and said in err and err.count("\n") == 1 and not out


def test_anchor_writes_a_query_and_keeps_the_reply_it_verified(run: Run, tmp_path: Path) -> None:
    authority, query, reply = Authority(tmp_path / "authority"), tmp_path / "q.tsq", tmp_path / "q.tsr"
    assert run("anchor", "DE", "--request", query)[0] == 0
    reply.write_bytes(authority.reply(query.read_bytes()))
    words = ["anchor", "DE", "--request", query, "--reply", reply, "--root"]
    Signer.made(tmp_path / "other.pem")
    code, _, err = run(*words, tmp_path / "other.pem")
    assert code == 2 and "no certificate" in err
    assert "kept as entry 6" in answered(run, *words, authority.root)["said"]
    assert run("verify")[0] == 0
    assert "note anchor" in run("show", "DE")[1]
    code, _, err = run("anchor", "--request", query, "--reply", reply, "--root", authority.root)
    assert code == 5 and "does not continue the head that was stamped" in err
