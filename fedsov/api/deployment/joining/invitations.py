"""What the hub's owner hands a region: an address, whom to trust, and proposed settings, which the region alone signs.

    invitations/DE/
      invitation.json   the hub's address and ledger key, the proposed settings; signed by the authority
      ca.crt            the authority's certificate, which the region pins once its owner has compared the fingerprint
      region.yaml       the proposed settings, unsigned: the owner reads and edits them
      CHECKLIST.md      what to do, in five steps

The fingerprint comes to the region's owner by another way than the invitation, such as by telephone. With it the
authority is known, by that the invitation, and by that the hub. `read_invitation` says what was edited of the proposal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from fedsov.artifact import Party
from fedsov.border.law.yaml_text import read_mapping
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys import signed_text
from fedsov.keys.certificates import OpenAuthority, check_authority, check_name, fingerprint, is_signed_by
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import flat
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.party_file import HubAddress

FORMAT = "fedsov invitation 1"
FILE, AUTHORITY, SETTINGS, CHECKLIST = "invitation.json", "ca.crt", "region.yaml", "CHECKLIST.md"
_HEAD = """\
# Proposed settings of the region {name}: what protects it. Read every line; change what is not right.
# `fedsov deploy join` signs them with the region's own key. Afterwards only `fedsov region set {name}` changes them.
"""
_STEPS = """\
# Join the deployment as region {name}

1. Install the same version of fedsov as the hub: {version}.
2. Read `region.yaml` line by line, and change what is not right: it is what protects this region. Your register of
   documents is not in it: `fedsov region set {name} evidence=FILE --workspace HOME` names it later.
3. Ask the hub's owner, by telephone, for the fingerprint of the authority. Step 4 takes it.
4. On the region's machine: `fedsov deploy join FOLDER --workspace HOME --fingerprint FINGERPRINT`. It makes every
   private key there, signs `region.yaml`, and writes `request-{name}.json`. Send that file to the hub's owner; no
   secret is in it.
5. You get back `package-{name}.json`: `fedsov deploy accept package-{name}.json --workspace HOME`.

The region opens connections to {host}, ports {port} and {control_port}, and to nothing else. Nobody connects to the
region.
"""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation whose authority was compared.

    Attributes:
        name: the region that is invited.
        hub_name, hub_key: the hub's name, and the key (Ed25519, hexadecimal) of its ledger.
        authority: the authority's certificate, PEM.
        settings: the proposed settings as they are in the folder now.
        edited: what of them is not as the hub's owner proposed it, in lines.
    """

    name: str
    hub: HubAddress
    hub_name: str
    hub_key: str
    authority: bytes
    settings: RegionSettings
    edited: tuple[str, ...]


def proposal(described: RegionSettings, hub_name: str, hub_key: str) -> RegionSettings:
    """The settings to propose: as described, with the hub's key pinned."""
    return described.changed([f"keys.{hub_name}={hub_key}"])


def write_invitation(folder: Path, settings: RegionSettings, hub: HubAddress, hub_name: str, ca: OpenAuthority) -> None:
    """Writes an invitation of the region whose settings are proposed. Raises WorkspaceUnusable, CertificateRefused."""
    from fedsov import __version__

    name = check_name(settings.region)
    plain = {
        "name": name,
        "hub": {**hub.to_json(), "name": hub_name, "key": settings.keys[hub_name]},
        "settings": _proposed(settings),
    }
    text = _HEAD.format(name=name) + yaml.safe_dump(_proposed(settings), sort_keys=False, width=110)
    control_port = hub.control.port
    steps = _STEPS.format(name=name, version=__version__, host=hub.host, port=hub.port, control_port=control_port)
    write_file(folder / AUTHORITY, ca.text)
    write_file(folder / FILE, signed_text.written(FORMAT, plain, ca.signature))
    write_file(folder / SETTINGS, text.encode())
    write_file(folder / CHECKLIST, steps.encode())


def read_invitation(folder: Path, *, trusted: str, now: datetime) -> Invitation:
    """An invitation in a folder.

    Args:
        trusted: the fingerprint of the authority, as its owner told it; `authority_of` reads that in the folder.

    Raises CertificateRefused for another authority, or what it did not sign; ConfigurationError for no invitation, or
    settings that cannot be, or that pin another hub.
    """
    authority = authority_of(folder, now=now)
    if _plain_print(trusted) != _plain_print(fingerprint(authority)):
        raise CertificateRefused(
            f"the authority in {folder} has the fingerprint {fingerprint(authority)}, not {trusted[:95]}; do not join, "
            "and ask the hub's owner"
        )

    def holds(plain: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
        return is_signed_by(authority, message, signature)

    plain = signed_text.read(_content(folder / FILE), FORMAT, holds, called=f"the invitation in {folder}")
    hub = plain["hub"]
    settings = RegionSettings.from_settings(read_mapping(_content(folder / SETTINGS), str(folder / SETTINGS)))
    if settings.region != plain["name"]:
        raise ConfigurationError(f"{folder / SETTINGS} is of {settings.region}, and {plain['name']} is invited")
    if settings.keys.get(hub["name"]) != hub["key"]:
        raise ConfigurationError(
            f"{folder / SETTINGS} pins another key for {hub['name']} than the invitation; undo that"
        )
    edited = _edited(plain["settings"], settings)
    address = HubAddress(hub["host"], hub["port"], hub.get("control_port", 0), hub.get("pages_port", 0))
    return Invitation(settings.region, address, hub["name"], hub["key"], authority, settings, tuple(edited))


def authority_of(folder: Path, *, now: datetime) -> bytes:
    """The certificate of the authority in an invitation, whose fingerprint is to be compared. Raises as above."""
    return check_authority(_content(folder / AUTHORITY), now=now)


def parties_of(settings: RegionSettings) -> dict[str, Party]:
    """The region itself and its peers, by name."""
    own = {} if settings.parties.region is None else {settings.region: settings.parties.region}
    return {**own, **settings.parties.peers}


def _proposed(settings: RegionSettings) -> dict[str, Any]:
    """Plain values; the secret that splits rows is the region's to make."""
    return {key: part for key, part in settings.to_plain().items() if key != "split"}


def _edited(proposed: Mapping[str, Any], settings: RegionSettings) -> list[str]:
    before, after = flat(proposed), flat(_proposed(settings))
    keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return [f"{key}: {before.get(key)} was proposed, {after.get(key)} is in the file" for key in keys]


def _content(path: Path) -> bytes:
    try:
        return read_bounded(path)
    except (OSError, TooLarge) as problem:
        raise ConfigurationError(f"{path} cannot be read ({problem}); name the folder of an invitation") from None


def _plain_print(text: str) -> str:
    return text.replace(":", "").replace(" ", "").upper()
