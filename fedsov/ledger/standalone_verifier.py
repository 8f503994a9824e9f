"""Checks a ledger's export, or the proof of one entry, with nothing of fedsov: a copy lies in every export.

    python verify_ledger.py FOLDER_OR_PROOF [--key HEX] [--since SIZE:ROOT]

It needs Python 3.11 and the package `cryptography`. It says OK and ends with 0; or BROKEN and what is wrong, and ends
with 1; or that it cannot read what it was given, and ends with 2. Without --key it takes the key that the export names:
compare it with the one that you noted. With --since it also checks that the ledger continues a head that you kept.

An export is `head.json` (size, root, owner, public key, signature), `entries.jsonl` (one entry a line, each behind its
hash) and `anchors.json` (time stamps of earlier heads). The tree is that of RFC 6962; a leaf is an entry's number in
eight bytes and its canonical JSON.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BEFORE_LEAF, BEFORE_ENTRY, AFTER_ENTRY = b'{"leaf":"', b'","entry":', b"}\n"
START = len(BEFORE_LEAF) + 64 + len(BEFORE_ENTRY)
PROOF = "fedsov inclusion proof 1"


class Broken(Exception):
    """What does not hold."""


class UnreadableInput(Exception):
    """What is no export and no proof."""


def leaf_hash(number: int, entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + number.to_bytes(8, "big") + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(frontier: Sequence[bytes]) -> str:
    """The root over perfect subtrees, largest first."""
    if not frontier:
        return hashlib.sha256(b"").hexdigest()
    *lefts, whole = frontier
    for left in reversed(lefts):
        whole = node_hash(left, whole)
    return whole.hex()


def signed_text(head: dict[str, Any]) -> bytes:
    """The bytes that a head's signature is over."""
    signed = {"format": "fedsov ledger head 1", **{name: head[name] for name in ("owner", "size", "digest")}}
    return json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def checked_head(value: Any, key: str) -> dict[str, Any]:
    """A head whose signature is that of the key; of the key it names where none is given."""
    if not isinstance(value, dict) or type(value.get("size")) is not int or not 0 <= value["size"] < 2**63:
        raise UnreadableInput("there is no head with a size")
    for name in ("digest", "owner", "key", "signature"):
        if not isinstance(value.get(name), str):
            raise UnreadableInput(f"the head has no {name}")
    if key and value["key"] != key:
        raise Broken(f"the head names key {value['key'][:64]}, not {key}")
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(value["key"]))
        public.verify(bytes.fromhex(value["signature"]), signed_text(value))
    except (InvalidSignature, ValueError) as problem:
        raise Broken(f"the head at size {value['size']} is not signed by key {value['key'][:64]}") from problem
    return value


def check_entries(lines: Iterable[bytes], head: dict[str, Any], earlier_roots: dict[int, set[str]]) -> None:
    """Every entry against its hash, roots at earlier sizes against the known ones, and the root against the head."""
    frontier: list[bytes] = []
    size = 0
    _compare(0, frontier, earlier_roots)
    for size, line in enumerate(lines, 1):
        entry = line[START : -len(AFTER_ENTRY)]
        whole = leaf_hash(size, entry)
        if line != BEFORE_LEAF + whole.hex().encode() + BEFORE_ENTRY + entry + AFTER_ENTRY:
            raise Broken(f"entry {size} does not match its hash: its text, its hash or its place was changed")
        rest = size
        while not rest & 1:
            whole, rest = node_hash(frontier.pop(), whole), rest >> 1
        frontier.append(whole)
        if size in earlier_roots:
            _compare(size, frontier, earlier_roots)
    if size != head["size"]:
        raise Broken(f"the export ends with entry {size}, and the signed head covers {head['size']}")
    if root_of(frontier) != head["digest"]:
        raise Broken(f"entries 1 to {size} do not make up the signed root: some were changed together with their hash")
    if late := [earlier for earlier in earlier_roots if earlier > size]:
        raise Broken(f"the ledger was cut: it ends with entry {size}, a head kept earlier with {max(late)}")


def _compare(size: int, frontier: list[bytes], earlier_roots: dict[int, set[str]]) -> None:
    if earlier_roots.get(size, set()) - {root_of(frontier)}:
        raise Broken(f"the ledger does not continue a head kept at size {size}: it was rewritten before that")


def check_anchors(value: Any, key: str, earlier_roots: dict[int, set[str]]) -> int:
    """That each time stamp is of a head of this key; those heads are added to the known ones. How many there are."""
    if not isinstance(value, list):
        raise UnreadableInput("anchors.json holds no list")
    for anchor in value:
        if not isinstance(anchor, dict) or not isinstance(anchor.get("reply"), str):
            raise UnreadableInput("an anchor has no reply")
        head = checked_head(anchor.get("head"), key)
        if hashlib.sha256(signed_text(head)).digest() not in base64.b64decode(anchor["reply"], validate=True):
            raise Broken(f"the time stamp kept for the head at size {head['size']} is of something else")
        earlier_roots.setdefault(head["size"], set()).add(head["digest"])
    return len(value)


def check_proof(value: dict[str, Any], key: str) -> str:
    """That one entry is under a signed head (RFC 9162, section 2.1.3.2)."""
    head, number, entry, path = (
        checked_head(value.get("head"), key),
        value.get("seq"),
        value.get("entry"),
        value.get("path"),
    )
    if type(number) is not int or not isinstance(entry, str) or not isinstance(path, list):
        raise UnreadableInput("a proof has seq, entry, path and head")
    if not 1 <= number <= head["size"]:
        raise Broken(f"entry {number} is not among the {head['size']} under the head")
    place, last, whole = number - 1, head["size"] - 1, leaf_hash(number, entry.encode())
    for step in path:
        sibling = bytes.fromhex(step) if isinstance(step, str) else b""
        if last == 0 or len(sibling) != 32:
            raise Broken(f"the path of entry {number} is not one of its tree")
        if place & 1 or place == last:
            whole = node_hash(sibling, whole)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            whole = node_hash(whole, sibling)
        place, last = place >> 1, last >> 1
    if last or whole.hex() != head["digest"]:
        raise Broken(f"entry {number} is not under the signed root: its text, number or path was changed")
    return f"entry {number} of {head['owner']} is under the head at size {head['size']}, key {head['key']}"


def check_export(folder: Path, key: str, since: str) -> str:
    """That an export holds. One line that says so."""
    head, earlier_roots = checked_head(json.loads((folder / "head.json").read_bytes()), key), dict[int, set[str]]()
    anchors = check_anchors(json.loads((folder / "anchors.json").read_bytes()), head["key"], earlier_roots)
    if since:
        match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", since)
        if not match:
            raise UnreadableInput("--since takes SIZE:ROOT")
        earlier_roots.setdefault(int(match[1]), set()).add(match[2])
    with (folder / "entries.jsonl").open("rb") as lines:
        check_entries(lines, head, earlier_roots)
    stamps = f", time stamps: {anchors} (`openssl ts -verify` checks them)" if anchors else ""
    return (
        f"the ledger of {head['owner']} verifies: size {head['size']}, root {head['digest']}, key {head['key']}{stamps}"
    )


def main(arguments: Sequence[str]) -> int:
    """The exit code. What is wrong is one line on standard error."""
    parser = argparse.ArgumentParser(description="Checks a ledger's export, or the proof of one entry.")
    parser.add_argument("place", type=Path, metavar="FOLDER_OR_PROOF")
    parser.add_argument("--key", default="", metavar="HEX", help="the owner's public key, as you noted it")
    parser.add_argument("--since", default="", metavar="SIZE:ROOT", help="a head that you kept")
    words = parser.parse_args(arguments)
    try:
        if words.place.is_dir():
            print("OK:", check_export(words.place, words.key, words.since))
            return 0
        proof = json.loads(words.place.read_bytes())
        if not isinstance(proof, dict) or proof.get("format") != PROOF:
            raise UnreadableInput("it is neither an export's folder nor a proof")
        print("OK:", check_proof(proof, words.key))
        return 0
    except Broken as problem:
        print(f"BROKEN: {problem}", file=sys.stderr)
        return 1
    except (UnreadableInput, OSError, ValueError, RecursionError) as problem:
        print(f"cannot be read: {str(problem)[:200]!a}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
