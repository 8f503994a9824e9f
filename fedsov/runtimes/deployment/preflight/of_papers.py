"""A party's papers: who it is, its certificate and key, and that nobody took them back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from fedsov.errors import CertificateRefused, FedsovError, KeyUnavailable, counted
from fedsov.keys import revocation
from fedsov.keys.certificates import (
    HUB,
    REGION,
    Identity,
    check_issued,
    hosts_of,
    identity_of,
    public_half,
    public_key_of,
)
from fedsov.ledger.ledger import Ledger
from fedsov.region.settings_file import read_settings
from fedsov.runtimes.deployment.preflight.of_machine import private
from fedsov.runtimes.deployment.preflight.values import Amiss, ExaminedHome
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.workspace import ledger_of

SOON = timedelta(days=30)
"""A certificate that ends sooner is renewed now."""
RENEW = "`fedsov deploy renew` asks for a new one"


def party_file(examined: ExaminedHome) -> str:
    """Who the party is."""
    try:
        party = examined.party
    except FedsovError as error:
        raise Amiss(str(error), "restore your copy of it, or name the party's home by --workspace") from None
    return f"{party.role} {party.name}, whose hub is {party.hub}"


def key_file(examined: ExaminedHome) -> str:
    """That the private key is here, for its owner's eyes alone."""
    return private(examined.folder.key)


def certificate(examined: ExaminedHome) -> str:
    """That the authority signed it for this party, and that it is valid now."""
    party, now = examined.party, examined.machine.now()
    try:
        identity = check_issued(_read(examined.folder.certificate), _read(examined.folder.authority), now=now)
    except CertificateRefused as error:
        raise Amiss(str(error), RENEW) from None
    if (identity.role, identity.name) != (party.role, party.name):
        raise Amiss(
            f"the certificate is of the {identity.role} {identity.name}, and party.yaml says {party.role} {party.name}",
            "put each party's own files into its home",
        )
    if party.role == HUB and party.hub.host not in hosts_of(_read(examined.folder.certificate)):
        raise Amiss(f"the hub's certificate has not the name {party.hub.host}, by which it is called", RENEW)
    return f"of the {identity.role} {identity.name}, signed by the authority"


def certificate_key(examined: ExaminedHome) -> str:
    """That certificate and key belong together."""
    try:
        is_own = public_key_of(_read(examined.folder.certificate)) == public_half(_read(examined.folder.key))
    except (CertificateRefused, KeyUnavailable) as error:
        raise Amiss(str(error), RENEW) from None
    if not is_own:
        raise Amiss("party.key is not the key of party.crt", f"restore your copy of both, or {RENEW}")
    return "party.key is that of party.crt"


def days_left(examined: ExaminedHome) -> str:
    """That the certificate is valid for a while."""
    ends, now = _identity(examined).not_after, examined.machine.now()
    said = f"{counted((ends - now).days, 'day')} are left, until {ends.date()}"
    if ends - now < SOON:
        raise Amiss(said, RENEW)
    return said


def revoked(examined: ExaminedHome) -> str:
    """That the hub's list of revoked certificates is here, and this one is not on it."""
    key, identity = _hub_key(examined), _identity(examined)
    try:
        listed = revocation.read(_read(examined.folder.revoked), key)
        revocation.check_not_revoked(listed, identity.serial, identity.name)
    except CertificateRefused as error:
        raise Amiss(str(error), "ask the hub's people why, and for the newest list") from None
    return f"not revoked by list number {listed.counter}, of {listed.issued_at}"


def _hub_key(examined: ExaminedHome) -> str:
    """The key that signs the hub's list: its ledger's own at the hub, the pinned one in a region."""
    folder = examined.own_folder
    ledger = Ledger.read(ledger_of(folder))
    if examined.party.role != REGION:
        return ledger.key
    own = read_settings(folder, ledger)
    name = own.parties.hub.name if own.parties.hub is not None else HUB
    if name not in own.keys:
        raise Amiss(
            f"the key of {name} is not pinned in region.yaml, so its list of revoked certificates cannot be believed",
            "`fedsov deploy accept` pins it from the hub's package",
        )
    return own.keys[name]


def _identity(examined: ExaminedHome) -> Identity:
    return identity_of(_read(examined.folder.certificate))


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path)
    except (OSError, TooLarge) as error:
        raise Amiss(
            f"{path} cannot be read ({error})", "`fedsov deploy accept` writes it, or restore your copy"
        ) from None
