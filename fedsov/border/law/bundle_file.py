"""A bundle of law as one file, so that newer law needs no new release of the program: its files, digest and signature.

    {"format": "fedsov law bundle 1", "dated": "2027-11-01", "digest": "…", "files": {"regimes.yaml": "…", …},
     "key": "…", "signature": "…"}

The signature is Ed25519 (RFC 8032), over a domain line and the canonical JSON of everything else. Whose signature
counts is decided where a file is installed (`api.border.law_bundles`): a publisher's whose key is pinned, or the law
owner's. At every load it must still be the law and the signer that the ledger noted then. A region takes an installed
bundle only under the digest that its own signed settings name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.border.law.bundle import Bundle
from fedsov.border.law.bundle_loader import FILES, RULES, load_bundle
from fedsov.border.law.noted import NOTE, last, notes
from fedsov.errors import ConfigurationError
from fedsov.ledger.canonical_json import canonical
from fedsov.ledger.signed_head import signature_holds
from fedsov.storage.bounded_files import parsed_json, read_bounded

FORMAT = "fedsov law bundle 1"
DOMAIN = b"fedsov law bundle 1\n"
INSTALLED = "bundle.json"
"""The installed bundle's name in the folder of law of a workspace."""
_RULES = re.compile(rf"{RULES}[a-z0-9_]+\.yaml")
_PARTS = {"format", "dated", "digest", "files", "key", "signature"}


@dataclass(frozen=True, slots=True)
class BundleFile:
    """The law's files by name, what they make, the public key (hexadecimal) whose signature holds ("" for none), and
    the file's own bytes, which were checked.
    """

    files: Mapping[str, bytes]
    bundle: Bundle
    key: str
    text: bytes


def read_bundle_file(path: Path) -> BundleFile:
    """A bundle's file, checked: its form, its law, its digest, its signature.

    Raises ConfigurationError, naming the file and what is wrong with it; FileNotFoundError where there is none.
    """
    try:
        content = read_bounded(path)
        body = parsed_json(content)
        json.dumps(body, ensure_ascii=False).encode()  # half a character can be escaped, and is no text
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"cannot read the bundle {path}: {problem}") from None
    if not isinstance(body, dict) or set(body) != _PARTS or body["format"] != FORMAT:
        raise ConfigurationError(
            f"{path} is no bundle of this version of fedsov; `fedsov border bundle export` makes one"
        )
    if not all(isinstance(body[part], str) for part in _PARTS - {"files"}):
        raise ConfigurationError(f"{path}: every part but `files` must be a text")
    files = _files(path, body["files"])
    try:
        bundle = load_bundle(files=files)
    except ConfigurationError as problem:
        raise ConfigurationError(f"{path}: {problem}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise ConfigurationError(f"{path} holds no whole law: {type(problem).__name__} {problem}") from None
    if body["digest"] != bundle.digest or body["dated"] != bundle.dated.isoformat():
        raise ConfigurationError(f"{path} says digest {body['digest'][:12]}… of {body['dated']}, its law is another")
    key, signature = body["key"], body["signature"]
    if signature and not signature_holds(_signed(body), key, signature):
        raise ConfigurationError(f"{path} was changed after it was signed; get it again from who made it")
    return BundleFile(files, bundle, key if signature else "", content)


def bundle_text(files: Mapping[str, bytes], key: Ed25519PrivateKey | None) -> bytes:
    """The content of a bundle's file, signed where a key is given. Raises ConfigurationError for law that is none."""
    files = _ordered(files)
    bundle = load_bundle(files=files)
    texts = {name: text.decode() for name, text in files.items()}
    body = {"format": FORMAT, "dated": bundle.dated.isoformat(), "digest": bundle.digest, "files": texts}
    body |= {"key": "" if key is None else key.public_key().public_bytes_raw().hex(), "signature": ""}
    if key is not None:
        body["signature"] = key.sign(_signed(body)).hex()
    return json.dumps(body, indent=1, ensure_ascii=False).encode() + b"\n"


def installed(folder: Path | None, *, pinned: str = "") -> BundleFile | None:
    """The bundle installed in a workspace's folder of law; None where there is none, and no folder.

    Args:
        pinned: the digest that a region's signed settings name, which is its owner's word for this law.

    Raises ConfigurationError for a file that is no bundle, or not the one that the ledger noted last; LedgerBroken.
    """
    if folder is None:
        return None
    try:
        new = read_bundle_file(folder / INSTALLED)
    except FileNotFoundError:
        return None
    if pinned and new.bundle.digest == pinned:
        return new
    note = last(notes(folder.parent, NOTE), "signed_by")
    if new.key and (note.get("digest"), note.get("signed_by")) == (new.bundle.digest, new.key):
        return new
    signed = f"signed by {new.key[:16]}…" if new.key else "not signed"
    raise ConfigurationError(
        f"{folder / INSTALLED} ({signed}) is not the bundle that the ledger noted last as installed, so it was put"
        " there by hand; remove it, then `fedsov border bundle install FILE` puts a signed one in force"
    )


def _files(path: Path, listed: object) -> dict[str, bytes]:
    """The files of a bundle's file, each a text under a name of the law's."""
    if not isinstance(listed, dict) or not all(isinstance(text, str) for text in listed.values()):
        raise ConfigurationError(f"{path}: `files` must be a mapping of names to texts")
    if absent := sorted(set(FILES) - set(listed)):
        raise ConfigurationError(f"{path} lacks {', '.join(absent)}")
    rules = sorted(set(listed) - set(FILES))
    if strange := [name for name in rules if not _RULES.fullmatch(name)]:
        raise ConfigurationError(f"{path} holds {strange[0][:80]!r}, which is no file of the law")
    return _ordered({name: text.encode() for name, text in listed.items()})


def _ordered(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files in the order that their digest counts on."""
    return {name: files[name] for name in (*FILES, *sorted(set(files) - set(FILES)))}


def _signed(body: Mapping[str, object]) -> bytes:
    return DOMAIN + canonical({name: part for name, part in body.items() if name != "signature"})
