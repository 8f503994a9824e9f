"""Checks an audit's bundle with nothing of fedsov: a copy lies in every bundle, beside verify_ledger.py, which it uses.

    python verify_audit.py FOLDER [--key OWNER=HEX ...]

It needs Python 3.11 and the package `cryptography`. It says OK and ends with 0; or BROKEN and what is wrong, and ends
with 1; or that it cannot read what it was given, and ends with 2. It checks

- that every file is the one that the exporter signed for, and that none was added;
- each party's ledger: whole, or the entries that it shares with the hashes of the others, under its signed head;
- each countersignature, and that the ledger continues the head that was countersigned;
- each head that one party's ledger noted of another's, but for those that a later entry gave up after a loss.

Keys are the bundle's own word without --key: compare them with those that you noted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fedsov.ledger.standalone_verifier import (
    AFTER_ENTRY,
    START,
    Broken,
    UnreadableInput,
    check_anchors,
    check_entries,
    checked_head,
    leaf_hash,
    node_hash,
    root_of,
)

BUNDLE = "fedsov audit bundle 1"
COUNTERSIGNATURE = "fedsov countersignature 1"
Roots = dict[int, set[str]]
Losses = dict[str, list[tuple[int, int]]]


def canonical(value: dict[str, Any]) -> bytes:
    """The bytes of plain values (texts and whole numbers) that a signature is over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_signature(message: bytes, key: str, signature: str, what: str) -> None:
    """Raises Broken where the signature is not that of the key."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError) as problem:
        raise Broken(f"{what} is not signed by key {key[:64]}") from problem


def check_files(folder: Path) -> dict[str, Any]:
    """The manifest, once its signature holds and every file is as it says."""
    text = (folder / "manifest.json").read_bytes()
    manifest = json.loads(text)
    if not isinstance(manifest, dict) or manifest.get("format") != BUNDLE:
        raise UnreadableInput("manifest.json is of no audit's bundle")
    signature = (folder / "manifest.sig").read_text().strip()
    check_signature(BUNDLE.encode() + b"\n" + text, str(manifest["key"]), signature, "manifest.json")
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    there -= {"manifest.json", "manifest.sig"}
    if names := sorted(there ^ set(manifest["files"])):
        raise Broken(f"{names[0]} is missing, or was added to the bundle")
    for name, digest in manifest["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise Broken(f"{name} is not the file that {manifest['exporter']} signed for")
    return manifest


def noted_heads(folder: Path, until: int) -> tuple[list[tuple[int, str, dict[str, Any]]], Losses]:
    """What a whole ledger noted of others up to an entry: heads, each with the entry's number and the party; and the
    losses that it accepted, by party: the entry that says so, and the greatest size that was kept."""
    kept: Losses = {}
    noted: list[tuple[int, str, dict[str, Any]]] = []
    if not (folder / "entries.jsonl").exists():
        return noted, kept
    with (folder / "entries.jsonl").open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if number > until or not (b'"heads"' in line or b'"witnessed"' in line):
                continue
            note = json.loads(line[START : -len(AFTER_ENTRY)]).get("note")
            if not isinstance(note, dict):
                continue
            heads = {name: each["head"] for name, each in note.get("witnessed", {}).items()}
            noted += [(number, name, head) for name, head in {**note.get("heads", {}), **heads}.items()]
            gap = note.get("gap", {})
            if "kept" in gap:
                kept.setdefault(gap["of"], []).append((number, gap["kept"]))
    return noted, kept


def is_given_up(number: int, party: str, head: dict[str, Any], kept: Losses) -> bool:
    """Whether a head noted in an entry was given up by a later one, since its owner's ledger was put back."""
    return any(number < entry and head["size"] > size for entry, size in kept.get(party, ()))


def check_parts(place: Path, head: dict[str, Any], earlier_roots: Roots) -> tuple[int, int]:
    """A shared ledger: parts that follow each other up to the root of the head. How many entries are withheld, and how
    many of the earlier roots lie inside a part that is withheld, so that they cannot be compared."""
    frontier, size, withheld, boundaries = list[bytes](), 0, 0, {0}
    shared = json.loads(place.read_bytes())
    for part in shared["parts"]:
        first, last = part[0], part[0] if len(part) == 2 else part[1]
        width = last - first + 1
        if first != size + 1 or width < 1 or width & (width - 1) or size % width:
            raise Broken(f"entries {first} to {last} do not follow entry {size}")
        whole = leaf_hash(first, part[1].encode()) if len(part) == 2 else bytes.fromhex(part[2])
        withheld += 0 if len(part) == 2 else width
        size, rest = last, last // width
        while not rest & 1:
            whole, rest = node_hash(frontier.pop(), whole), rest >> 1
        frontier.append(whole)
        boundaries.add(size)
        if earlier_roots.get(size, set()) - {root_of(frontier)}:
            raise Broken(f"it does not continue a head noted at size {size}: it was rewritten before that")
    if size > head["size"] or not is_continued(size, root_of(frontier), head, shared["path"]):
        raise Broken(f"its {size} entries are not under the signed root of {head['size']}")
    boundaries |= {head["size"]}
    if earlier_roots.get(head["size"], set()) - {head["digest"]}:
        raise Broken(f"it does not continue a head noted at size {head['size']}: it was rewritten before that")
    return withheld + head["size"] - size, len(set(earlier_roots) - boundaries)


def is_continued(old: int, before: str, head: dict[str, Any], path: list[str]) -> bool:
    """Whether hashes prove that a head continues the first entries, of this root (RFC 9162, section 2.1.4.2)."""
    if old in (0, head["size"]):
        return not path and (old == 0 or before == head["digest"])
    hashes = [bytes.fromhex(each) for each in path]
    hashes = hashes if old & (old - 1) else [bytes.fromhex(before), *hashes]
    place, last = old - 1, head["size"] - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    reached_before = reached = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            reached_before, reached = node_hash(sibling, reached_before), node_hash(sibling, reached)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and reached_before.hex() == before and reached.hex() == head["digest"]


def check_party(folder: Path, key: str, earlier_roots: Roots) -> str:
    """A party's ledger, whole or in parts. One line that says so."""
    head = checked_head(json.loads((folder / "head.json").read_bytes()), key)
    start = f"{head['owner']}: {head['size']} entries verify, root {head['digest']}, key {head['key']}"
    if (folder / "shared.json").exists():
        withheld, uncompared = check_parts(folder / "shared.json", head, earlier_roots)
        beside = f", {uncompared} noted heads lie among those and were not compared" if uncompared else ""
        return f"{start}; {withheld} of them are withheld and only counted{beside}"
    check_anchors(json.loads((folder / "anchors.json").read_bytes()), head["key"], earlier_roots)
    with (folder / "entries.jsonl").open("rb") as lines:
        check_entries(lines, head, earlier_roots)
    return start


def check_countersignature(value: dict[str, Any], keys: dict[str, str]) -> None:
    """That a witness of the bundle signed a head that its owner signed."""
    if value["witness"] not in keys or value["head"]["owner"] not in keys:
        raise Broken(f"a countersignature of {value['witness']} is of a party that is not in the bundle")
    checked_head(value["head"], keys[value["head"]["owner"]])
    said = {"format": COUNTERSIGNATURE, **{name: value[name] for name in ("witness", "head", "at", "entry")}}
    what = f"the countersignature of {value['witness']} for {value['head']['owner']}"
    check_signature(canonical(said), keys[value["witness"]], value["signature"], what)


def check_bundle(folder: Path, keys: dict[str, str]) -> Iterator[str]:
    """Everything, line by line; the last one says that it holds."""
    manifest = check_files(folder)
    places = {name: folder / "parties" / place for name, place in manifest["parties"].items()}
    heads = {name: json.loads((place / "head.json").read_bytes()) for name, place in places.items()}
    known = {name: keys.get(name, str(head["key"])) for name, head in heads.items()}
    if strangers := sorted(set(keys) - set(known)):
        raise Broken(f"there is no ledger of {strangers[0]}, whose key was given")
    if known[manifest["exporter"]] != manifest["key"]:
        raise Broken(f"the bundle is signed with another key than that of {manifest['exporter']}")
    roots: dict[str, Roots] = {name: {} for name in places}
    witnesses = json.loads((folder / "witnesses.json").read_bytes())
    signers: dict[str, list[str]] = {name: [] for name in places}
    losses = dict[str, Losses]()
    for noter, place in places.items():
        noted, losses[noter] = noted_heads(place, manifest["noted_until"].get(noter, 0))
        for number, name, head in noted:
            if name in roots and not is_given_up(number, name, head, losses[noter]):
                roots[name].setdefault(head["size"], set()).add(head["digest"])
    for value in witnesses["countersignatures"]:
        check_countersignature(value, known)
        party, head, own = value["head"]["owner"], value["head"], losses[value["witness"]]
        if is_given_up(value["entry"], party, head, own) or any(
            is_given_up(0, party, head, each) for each in losses.values() if not own
        ):
            continue
        roots[party].setdefault(head["size"], set()).add(head["digest"])
        signers[party].append(f"{value['witness']} at {head['size']}")
    for name, place in places.items():
        try:
            line = check_party(place, known[name], roots[name])
        except Broken as problem:
            raise Broken(f"the ledger of {name}: {problem}") from None
        yield f"{line}; countersigned by {', '.join(signers[name]) or 'nobody'}"
    for alarm in witnesses["alarms"]:
        yield f"ALARM: {alarm['sentence']}"
    if untold := sorted(set(known) - set(keys)):
        yield f"NOT COMPARED: the keys of {', '.join(untold)}; give each as you noted it: --key OWNER=HEX"
    alarms = len(witnesses["alarms"])
    yield f"OK: {len(places)} ledgers, {len(manifest['files'])} files, {alarms} open alarms; made {manifest['at']}"


def main(arguments: Sequence[str]) -> int:
    """The exit code. What is wrong is one line on standard error."""
    parser = argparse.ArgumentParser(description="Checks an audit's bundle.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--key", action="append", default=[], metavar="OWNER=HEX", help="a public key, as you noted it")
    words = parser.parse_args(arguments)
    try:
        for line in check_bundle(words.folder, dict(word.split("=", 1) for word in words.key)):
            print(line)
        return 0
    except Broken as problem:
        print(f"BROKEN: {problem}", file=sys.stderr)
        return 1
    except (UnreadableInput, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as problem:
        print(f"cannot be read: {str(problem)[:200]!a}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
