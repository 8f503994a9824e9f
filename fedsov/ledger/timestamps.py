"""A time-stamping authority's word that a ledger's head existed at a time (RFC 3161).

A signed head shows what its owner says; an authority's time stamp of it shows that the owner said so by then, also
where owner and everybody who keeps its heads would agree on another past. The authority is sent a hash and nothing
else. What it answers is verified against a root certificate that the owner trusts and kept in the ledger itself, as a
note, so that it is under the next head; an export has it as a file for `openssl ts -verify`.

This is the one module of the ledger that can reach a network (`post`), and no region's process imports it. It needs
the package `rfc3161-client` (the extra `anchor`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography import x509

from fedsov.errors import ConfigurationError, LedgerBroken, counted
from fedsov.ledger.ledger import Entry, Ledger, entry_time
from fedsov.ledger.signed_head import Head
from fedsov.storage.atomic_files import replace_file
from fedsov.storage.bounded_files import parsed_json, read_bounded

_SECONDS = 30.0
_LARGEST_REPLY = 2**20
_SHA256 = "2.16.840.1.101.3.4.2.1"


@dataclass(frozen=True, slots=True)
class Query:
    """A question to an authority: the head it is about, its nonce, and its bytes (DER)."""

    head: Head
    nonce: int | None
    content: bytes

    def write(self, path: Path) -> None:
        """Writes the query to `path`, and beside it (`.json`) what its reply will be compared with."""
        replace_file(path, self.content)
        about = json.dumps({"head": self.head.to_json(), "nonce": self.nonce}) + "\n"
        replace_file(_beside(path), about.encode())

    @staticmethod
    def read(path: Path) -> Query:
        """A query written earlier. Raises ConfigurationError where it is not there whole."""
        try:
            beside = parsed_json(read_bounded(_beside(path)))
            nonce = beside["nonce"]
            if nonce is not None and type(nonce) is not int:
                raise ValueError("its nonce is no number")
            return Query(Head.from_json(beside["head"]), nonce, path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise ConfigurationError(f"no query at {path} ({problem}); write one with --request {path}") from problem


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _client() -> ModuleType:
    try:
        import rfc3161_client
    except ImportError as problem:
        raise ConfigurationError(
            "time stamps need rfc3161-client (the extra `anchor`): pip install rfc3161-client"
        ) from problem
    return rfc3161_client


def query(head: Head) -> Query:
    """The question for a time stamp of a signed head, with a fresh nonce."""
    client = _client()
    builder = client.TimestampRequestBuilder().data(head.check().message())
    request = builder.hash_algorithm(client.HashAlgorithm.SHA256).build()
    return Query(head, request.nonce, request.as_bytes())


def stamped(question: Query, reply: bytes, roots: bytes) -> datetime:
    """The time that a reply bears for the head of a query.

    Args:
        roots: the certificates (PEM) that the authority's own must lead to.

    Raises LedgerBroken where the reply is no time stamp of that head by such an authority, ConfigurationError where
    there is no certificate among the roots.
    """
    client = _client()
    try:
        certificates = x509.load_pem_x509_certificates(roots)
    except ValueError as problem:
        raise ConfigurationError(f"--root holds no certificate in PEM: {problem}") from problem
    builder = client.VerifierBuilder(roots=certificates, nonce=question.nonce)
    try:
        answer = client.decode_timestamp_response(reply)
        builder.build().verify_message(answer, question.head.message())
        if answer.tst_info.message_imprint.hash_algorithm.dotted_string != _SHA256:
            raise ValueError("it is not over SHA-256")
        return _utc(answer.tst_info.gen_time)
    except (client.VerificationError, ValueError, TypeError) as problem:
        what = f"the head of {question.head.owner} at {counted(question.head.size, 'entry', 'entries')}"
        raise LedgerBroken(f"the reply is no time stamp of {what}: {problem}; it was not kept") from problem


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def keep(ledger: Ledger, question: Query, reply: bytes, *, stamped_at: datetime, now: datetime) -> Entry:
    """Writes a verified reply into the ledger, whose past the query's head must be.

    Raises LedgerBroken where it is not, or where the entry cannot be written.
    """
    if not ledger.contains(question.head):
        raise LedgerBroken(f"the ledger of {ledger.owner} does not continue the head that was stamped; verify it")
    anchor = {
        "head": question.head.to_json(),
        "time": stamped_at.isoformat(timespec="seconds"),
        "reply": base64.b64encode(reply).decode(),
    }
    note = {"at": entry_time(now), "run": "", "act": "note", "owner": ledger.owner}
    return ledger.append({**note, "note": {"anchor": anchor}})


def check(ledger: Ledger, anchor: Mapping[str, Any]) -> str:
    """What is wrong with a time stamp kept in a ledger, in one line, or nothing; its authority is not asked."""
    try:
        head, reply = Head.from_json(anchor["head"]), base64.b64decode(anchor["reply"], validate=True)
    except (ConfigurationError, KeyError, ValueError, TypeError):
        return "holds a time stamp that cannot be read"
    if not ledger.contains(head):
        return f"holds a time stamp of a head at {counted(head.size, 'entry', 'entries')} that it does not continue"
    return "" if hashlib.sha256(head.message()).digest() in reply else "holds a time stamp of something else"


def post(url: str, question: Query) -> bytes:
    """Sends a query to an authority; its reply, unverified. Raises ConfigurationError where it gives none."""
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError(f"--url takes an address that begins with https:// or http://, not {url!r}")
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    request = urllib.request.Request(url, data=question.content, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return bytes(answer.read(_LARGEST_REPLY))
    except (urllib.error.URLError, OSError, ValueError) as problem:
        raise ConfigurationError(f"no time stamp from {url}: {problem}") from problem
