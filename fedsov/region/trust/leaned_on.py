"""The register of a region, bound by what its ledger leaned on: a document that was rewritten is another document.

Every entry holds the digests of the documents that it leans on (`fedsov.border.gate`). A register in which one of them
now stands with other words, under the same id, is refused before anything is decided by it: what let something leave
would otherwise be exchanged behind the entries' backs. A new version is a new document with an id of its own; a
document that is taken out is no fault, for then nothing leans on it any more.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from fedsov.border.evidence.register import Register
from fedsov.ledger.ledger import Ledger

_MARK = b'"contents":{"'
"""What the text of an entry holds that leans on a document (canonical JSON)."""


def rewritten(register: Register, path: Path, ledger: Ledger) -> list[str]:
    """A sentence for each document that no longer is what an entry of this ledger leaned on, with the way out."""
    first: dict[str, tuple[int, Mapping[str, Any]]] = {}
    now = {document.id: document for document in register.documents}
    for seq, text, _ in ledger.texts():
        if _MARK not in text:
            continue
        body = json.loads(text)
        if body.get("verdict") == "permit":
            for name, digests in body["contents"].items():
                if name in now and digests != {"entry": now[name].digest, "file": now[name].sha256}:
                    first.setdefault(name, (seq, digests))
    return [
        f"region {ledger.owner}: '{name}' in {path} was rewritten since entry {seq} of its ledger leaned on it; "
        f"`{_entered_anew(name, path, taken=now)}` enters the new version under an id of its own; then put the old one "
        "back as it was, or take it out"
        for name, (seq, _) in sorted(first.items())
    ]


def _entered_anew(name: str, path: Path, *, taken: Collection[str]) -> str:
    """The command that enters what a document says now under the next id that is free; none of its content is in it."""
    new = next(new for count in itertools.count(2) if (new := f"{name}-{count}") not in taken)
    return f"fedsov evidence add --evidence {quote(str(path))} --id {quote(new)} --like {quote(name)}"
