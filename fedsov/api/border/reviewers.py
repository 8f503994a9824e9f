"""The register of a workspace's reviewers: who may approve a review, added and revoked with a note in every ledger.

The register is a file (`fedsov.border.evidence.reviewers`); each change is also noted in every ledger of the workspace,
under each party's key, so that nobody was a reviewer unseen.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from fedsov.api.border.reviews import write_note
from fedsov.border.evidence.reviewers import (
    DIGEST,
    NOTE,
    Reviewer,
    Reviewers,
    reviewers_in_force,
    reviewers_text,
    write_reviewers,
)
from fedsov.border.law import law_owner
from fedsov.errors import ConfigurationError
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.workspace import Workspace


def reviewers(root: Path) -> Reviewers:
    """The register of a workspace; an empty one where it has none.

    Raises ConfigurationError for one that is not the one that the ledger noted last.
    """
    return reviewers_in_force(Workspace(root).reviewers)


def add_reviewer(root: Path, name: str, *, role: str, key: Path | None, public: str = "", today: date) -> Reviewer:
    """Registers a person.

    Args:
        key: the person's private key, made where there is no such file; None where `public` is given instead.
        public: the public key (64 hexadecimal digits), for a person whose private key is elsewhere.

    Raises ConfigurationError for a name that is taken and a key that is none, KeyUnavailable, WorkspaceUnusable.
    """
    if (key is None) == (not public):
        raise ConfigurationError("give the reviewer's --key FILE, or the --public half of it")
    name, register = name.strip(), reviewers(root)
    register.check_free(name)  # before a key is made
    if key is not None:
        public = law_owner.public_half(key) if key.exists() else law_owner.make_owner_key(key)
    new = Reviewer(name, role.strip(), public.strip().lower(), today)
    _change(root, register.with_one(new), {"added": new.to_json()})
    return new


def remove_reviewer(root: Path, name: str, *, today: date) -> Reviewer:
    """Revokes a person: what they approved counts for nothing from the next decision on.

    Raises ConfigurationError for a stranger, and for who was revoked before.
    """
    left = reviewers(root).without(name, today)
    (gone,) = (each for each in left.listed if each.name == name)
    _change(root, left, {"revoked": gone.to_json()})
    return gone


def _change(root: Path, new: Reviewers, note: dict[str, object]) -> None:
    write_note(root, {NOTE: {**note, DIGEST: sha256_hex(reviewers_text(new))}})
    write_reviewers(Workspace(root).reviewers, new)
