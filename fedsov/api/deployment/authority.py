"""The authority's folder: its certificate, which every party has, and its key, which lies here alone.

    ca/
      ca.crt        the authority's certificate; its fingerprint is read out to each region's owner
      ca.key        its private key under a passphrase (`fedsov.keys.encrypted_pkcs8`)
      passphrase    of a trial alone, which asks nobody

The folder is needed to approve and to renew, and at no other time: keep it off the hub's machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.keys.certificates import CertificateAuthority, OpenAuthority, new_authority
from fedsov.keys.credentials import check_private, credential
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import TooLarge, read_bounded

VARIABLE = "FEDSOV_CA_PASSPHRASE"


@dataclass(frozen=True, slots=True)
class AuthorityFolder:
    """The paths of an authority."""

    root: Path

    @property
    def certificate(self) -> Path:
        return self.root / "ca.crt"

    @property
    def key(self) -> Path:
        return self.root / "ca.key"

    @property
    def passphrase(self) -> Path:
        """Where a trial keeps the passphrase; there is none in earnest."""
        return self.root / "passphrase"


def make_authority(folder: AuthorityFolder, passphrase: str, *, now: datetime) -> CertificateAuthority:
    """A new authority in its folder. Raises ConfigurationError where one is; KeyUnavailable, WorkspaceUnusable."""
    for path in (folder.certificate, folder.key):
        if path.exists():
            raise ConfigurationError(f"{path} exists, and an authority is never written over; name another folder")
    made = new_authority(passphrase, now=now)
    write_file(folder.key, made.key)
    write_file(folder.certificate, made.certificate)
    return made


def open_authority(folder: AuthorityFolder, passphrase: str) -> OpenAuthority:
    """The authority with its key. Raises KeyUnavailable: no authority here, another passphrase, open to others."""
    try:
        check_private(folder.key)
        authority = CertificateAuthority(certificate_in(folder), read_bounded(folder.key))
    except (OSError, TooLarge) as problem:
        raise KeyUnavailable(
            f"the authority in {folder.root} cannot be read ({problem}); name its folder by --ca"
        ) from None
    return authority.opened(passphrase)


def certificate_in(folder: AuthorityFolder) -> bytes:
    """The authority's certificate, PEM. Raises KeyUnavailable where there is none."""
    try:
        return read_bounded(folder.certificate)
    except (OSError, TooLarge) as problem:
        raise KeyUnavailable(f"no authority in {folder.root} ({problem}); name its folder by --ca") from None


def given_passphrase(file: Path | None) -> str:
    """The passphrase of a file for its owner's eyes only, or of FEDSOV_CA_PASSPHRASE; "" where neither is given.

    Raises KeyUnavailable for a file that cannot be read, or that others can read.
    """
    if file is None and not os.environ.get(VARIABLE, "").strip():
        return ""
    return credential("" if file is None else str(file), (VARIABLE,), called="passphrase of the authority")
