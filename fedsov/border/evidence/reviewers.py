"""Who may approve a review: a register of people, each with a role and a public key, in a file of the workspace.

    reviewers:
    - {name: A. Person, role: data protection officer, key: 9f3c..., since: 2026-11-29, revoked: null}

An approval is signed with its reviewer's private key (Ed25519, RFC 8032), over a domain line and the canonical JSON of
the whole entry. It counts only where its reviewer is in the register, was one when it was given, was not revoked, and
the signature is that key's. A gate asks anew at every decision, so who is revoked has approved nothing from then on.
Without a register no approval counts, and none by a register that is not the one whose digest the ledger noted last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from fedsov.border.law.noted import last, notes
from fedsov.border.law.yaml_text import read_mapping
from fedsov.checks import prefixed
from fedsov.errors import ConfigurationError, unknown
from fedsov.ledger.canonical_json import canonical
from fedsov.ledger.clock import AT, BEHIND, moment
from fedsov.ledger.signed_head import signature_holds
from fedsov.storage.atomic_files import replace_file, sha256_hex
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.private_files import make_private_folder

DOMAIN = b"fedsov approval of a review 1\n"
NOTE, DIGEST = "reviewers", "sha256"
"""What a ledger calls its notes of the register, and in them the digest of the file as it is after the change."""
_PARTS = ("name", "role", "key", "since", "revoked")


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A person who may approve: name, role, public key (hexadecimal), and the days of entry and of revocation."""

    name: str
    role: str
    key: str
    since: date
    revoked: date | None = None

    def __post_init__(self) -> None:
        """Raises ConfigurationError for a part that is not what it should be."""
        for name in ("name", "role"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ConfigurationError(f"a reviewer's {name} is {value!r}; it must be a text that is not empty")
        if not isinstance(self.key, str) or not re.fullmatch(r"[0-9a-f]{64}", self.key):
            raise ConfigurationError(f"the key of reviewer '{self.name}' must be 64 hexadecimal digits, in quotes")
        if type(self.since) is not date or type(self.revoked) not in (date, type(None)):
            raise ConfigurationError(f"reviewer '{self.name}': since and revoked are days, as 2026-11-29")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: str(part) if isinstance(part, date) else part for name, part in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Reviewers:
    """The register; each name is in it once."""

    listed: tuple[Reviewer, ...] = ()

    def active(self, name: str) -> Reviewer:
        """The reviewer of this name. Raises ConfigurationError for an empty register, a stranger, who was revoked."""
        if not self.listed:
            raise ConfigurationError(
                "there is no register of reviewers; `fedsov border reviewer init NAME --role ROLE --key FILE` makes it"
            )
        reviewer = self._named(name)
        if reviewer is None:
            raise ConfigurationError(unknown("reviewer", name, [each.name for each in self.listed]))
        if reviewer.revoked:
            raise ConfigurationError(
                f"reviewer '{name}' was revoked on {reviewer.revoked}; another person must approve"
            )
        return reviewer

    def fault(self, body: Mapping[str, Any]) -> str:
        """Why the entry of an approval does not count, as the end of a sentence ("it ..."); or ""."""
        name, key, signature = (str(body.get(part, "")) for part in ("by", "key", "signature"))
        if not signature:
            return "it bears no signature, as before reviewers were registered: approve the review again, with --key"
        reviewer = self._named(name)
        if reviewer is None:
            return f"its reviewer '{name}' is not in the register of reviewers"
        if reviewer.revoked:
            return f"its reviewer '{name}' was revoked on {reviewer.revoked}"
        given = moment(body.get(AT))
        if given is None or given.date() < reviewer.since:
            return f"it was not given after '{name}' became a reviewer, on {reviewer.since}"
        if key != reviewer.key:
            return f"it is signed with another key than that of '{name}'"
        if not signature_holds(signed_bytes(body), key, signature):
            return f"its signature is not that of '{name}': it was changed after it was signed"
        return ""

    def check_free(self, name: str) -> None:
        """Raises ConfigurationError for a name that is taken, also by somebody who was revoked."""
        if old := self._named(name):
            revoked = f"was revoked on {old.revoked}; a name is not used again"
            raise ConfigurationError(f"reviewer '{name}' {revoked if old.revoked else 'is registered already'}")

    def with_one(self, new: Reviewer) -> Reviewers:
        """With one more. Raises ConfigurationError for a name that is taken."""
        self.check_free(new.name)
        return Reviewers((*self.listed, new))

    def without(self, name: str, on: date) -> Reviewers:
        """With one revoked on a day; the entry stays, so that the name is not used again."""
        gone = self.active(name)
        return Reviewers(tuple(replace(each, revoked=on) if each is gone else each for each in self.listed))

    def _named(self, name: str) -> Reviewer | None:
        return next((each for each in self.listed if each.name == name), None)


_NOT_SIGNED = ("signature", AT, BEHIND)


def signed_bytes(body: Mapping[str, Any]) -> bytes:
    """What an approval's signature is over: everything of its entry but the signature, and the ledger's own time."""
    return DOMAIN + canonical({name: part for name, part in body.items() if name not in _NOT_SIGNED})


def reviewers_in_force(path: Path, noted: str = "") -> Reviewers:
    """The register of a workspace, in its file; an empty one where there is no file.

    Args:
        noted: the digest that the reader's own ledger noted last; "" to ask the ledgers of the workspace.

    Raises ConfigurationError also for a file that no ledger noted last; LedgerBroken.
    """
    if not path.exists():
        return Reviewers()
    noted = noted or str(last(notes(path.parent, NOTE), DIGEST).get(DIGEST, ""))
    return read_reviewers(path, noted)


def read_reviewers(path: Path, noted: str | None = None) -> Reviewers:
    """The register in a file; an empty one where there is no file.

    Raises ConfigurationError, naming the file and the reviewer, for anything that is not understood, and for a file
    that is not of the digest given.
    """
    try:
        text = read_bounded(path)
    except FileNotFoundError:
        return Reviewers()
    except (OSError, TooLarge) as problem:
        raise ConfigurationError(f"cannot read the register of reviewers {path}: {problem}") from problem
    if noted is not None and sha256_hex(text) != noted:
        raise ConfigurationError(
            f"{path} is not the register of reviewers that the ledger noted last, so it was changed by hand; put that"
            " one back, or remove the file: `fedsov border reviewer init NAME --role ROLE --key FILE` makes a new one"
        )
    top = read_mapping(text, str(path))
    listed = top.get("reviewers")
    if set(top) != {"reviewers"} or not isinstance(listed, list):
        raise ConfigurationError(f"{path}: expected `reviewers:` with a list and nothing else")
    reviewers = Reviewers()
    with prefixed(f"{path}: "):
        for parts in listed:
            if not isinstance(parts, dict) or not set(_PARTS) >= set(parts) >= {"name", "role", "key", "since"}:
                raise ConfigurationError("a reviewer is a mapping with name, role, key, since, and perhaps revoked")
            reviewers = reviewers.with_one(Reviewer(**parts))
    return reviewers


def reviewers_text(reviewers: Reviewers) -> bytes:
    """The content of the register's file."""
    plain = {"reviewers": [asdict(each) for each in reviewers.listed]}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120).encode()


def write_reviewers(path: Path, reviewers: Reviewers) -> None:
    """Replaces the file as a whole. Raises ConfigurationError where it cannot be written."""
    try:
        make_private_folder(path.resolve().parent)
        replace_file(path, reviewers_text(reviewers))
    except OSError as problem:
        raise ConfigurationError(f"cannot write the register of reviewers {path}: {problem.strerror}") from problem
