"""Whether what a hub keeps of its parties is what its ledger noted last: no older copy of either file was put back.

    members = noted_members(DeploymentFolder(home))
    check_newest(listed, DeploymentFolder(home))

``members.json`` is noted by its digest, ``revoked.json`` by its number. A member who was taken back, or a certificate
before a renewal, would be let in again by the older ones.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from fedsov.errors import CertificateRefused, KeyUnavailable
from fedsov.keys.members import Member, members_of
from fedsov.keys.revocation import RevocationList
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_files import noted_content
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import LARGEST, TooLarge, parsed_json
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

NOTE = "deployment"
"""What the hub's ledger calls the note of an invitation, an approval, a renewal or a revocation."""
MEMBERS = "members"
"""The act by which a ledger notes the digest of the members' file."""


def acts(ledger: Ledger) -> list[dict[str, Any]]:
    """Every act that a hub's ledger noted of its deployment, in order."""
    return [dict(entry.body["note"][NOTE]) for entry in ledger.notes(NOTE)]


def newest_counter(noted: list[dict[str, Any]]) -> int:
    """The number of the list of revoked certificates that was noted last; 0 before any."""
    return max((int(body.get("counter", 0)) for body in noted), default=0)


def members_in(folder: DeploymentFolder, noted: list[dict[str, Any]]) -> dict[str, Member]:
    """The members, which are those that were noted last; none where there is no file.

    Raises KeyUnavailable for a file that was damaged, edited, or put back from an older copy.
    """
    digest = next((str(body["sha256"]) for body in reversed(noted) if body["act"] == MEMBERS), None)
    try:
        content = noted_content(folder.members, digest, largest=LARGEST)
        members = members_of(parsed_json(content))
    except FileNotFoundError:
        return {}
    except (OSError, TooLarge, ValueError) as problem:
        raise KeyUnavailable(f"{folder.members}: the members cannot be read ({problem}); {_WAY_ON}") from problem
    if digest not in (None, sha256_hex(content)):
        raise KeyUnavailable(
            f"{folder.members} is not the one that the hub's ledger noted last: an older copy was put back, or it was "
            f"edited; {_WAY_ON}"
        )
    return members


def check_newest(listed: RevocationList, counter: int, folder: DeploymentFolder) -> RevocationList:
    """The list of revoked certificates, which is no older than the one that was noted last.

    Raises CertificateRefused.
    """
    if listed.counter < counter:
        raise CertificateRefused(
            f"{folder.revoked} is list number {listed.counter}, and the hub's ledger noted number {counter}: an old "
            "one was put back; restore your copy of the newest, or take deployment/revoked.json of a region's home, "
            "which has it within a minute"
        )
    return listed


def noted_acts(folder: DeploymentFolder) -> list[dict[str, Any]]:
    """The acts of a hub's ledger; none where it has no ledger. Raises LedgerBroken."""
    path = ledger_of(Workspace(folder.home).hub)
    if not is_there(path):
        return []
    with closing(Ledger.read(path)) as ledger:
        return acts(ledger)


_WAY_ON = (
    "restore your newest copy; without one remove it, run `fedsov deploy renew --ca DIR/ca` here and `fedsov deploy "
    "renew` in each region, and approve these"
)
