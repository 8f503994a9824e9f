"""A principal's keyring: made from the owner's, with keys of its parts alone, under a credential of its own.

    grant(KeySettings("DE", folder), "trainer", KeyService("openbao", url=..., credential_file="trainer.token"))

``keyring-PRINCIPAL.json`` lies beside the owner's, and is made anew with each version of the region's key. The
service's key that protects it is another than the owner's (``fedsov-DE-trainer``): a token or role opens one alone.
"""

from __future__ import annotations

from dataclasses import replace

from fedsov.errors import ConfigurationError, WorkspaceUnusable, unknown
from fedsov.keys.keyring_file import Former, Keyring, read_keyring, read_shown
from fedsov.keys.local import part_keys
from fedsov.keys.principals import OWNER, PRINCIPALS
from fedsov.keys.protocol import KeySettings
from fedsov.keys.rotation import ended
from fedsov.keys.services import BACKENDS, KeyService, root_key
from fedsov.storage.atomic_files import replace_file

_CREDENTIALS = ("credential_file", "ca_file", "profile")


def grant(owner: KeySettings, principal: str, service: KeyService) -> KeyService:
    """Makes a principal's keyring, or makes it anew; gives its service, whose key has a name.

    Whoever grants needs to encrypt by the principal's key: by the owner's credential where one service has both keys.

    Raises:
        ConfigurationError: no such principal, or a key or passphrase that opens another keyring of the region.
        KeyUnavailable: as `read_keyring` of the owner's, and where the service does not protect it.
        WorkspaceUnusable: it cannot be written.
    """
    if principal not in PRINCIPALS:
        raise ConfigurationError(unknown("principal", principal, PRINCIPALS))
    own = read_keyring(owner.path, owner.region, owner.service)
    its, place = PRINCIPALS[principal], replace(owner, principal=principal)
    service = _with_key(service, f"fedsov-{owner.region}-{principal}")
    _check_apart(owner, own, principal, service)
    root = root_key(owner.region, _as_owner(service, own.service))
    before = read_shown(place.path, owner.region) if place.path.exists() else None
    version = ""
    if root is not None:
        root.prepare()
        known = {before.version, *(former.version for former in before.older)} if before else set()
        version = root.rotate() if root.version in known else root.version
    former = () if before is None else (*before.older, Former(before.service, before.version))
    keyring = Keyring(
        owner.region,
        own.key_id,
        wrapping={},
        pseudonyms=own.pseudonyms if its.pseudonyms else b"",
        sealing=own.sealing if its.opens_sealed else b"",
        service=service,
        version=version,
        older=tuple(dict.fromkeys(former)),
        principal=principal,
        parts=part_keys(own.wrapping, its.parts),
    )
    _write(place, keyring.content(root))
    return service


def revoke(owner: KeySettings, principal: str) -> list[str]:
    """Removes a principal's keyring; what a person must do beside, in lines.

    Raises KeyUnavailable where there is none, WorkspaceUnusable.
    """
    place = replace(owner, principal=principal)
    shown = read_shown(place.path, owner.region)
    try:
        place.path.unlink()
    except OSError as error:
        raise WorkspaceUnusable(f"cannot remove {place.path}: {error.strerror}") from None
    return [
        f"{place.path.name} is removed; copies of it open by {shown.service.words()}: take that credential away",
        f"its keys open what they opened until `fedsov keys rotate {owner.region}`, then `fedsov keys retire`",
    ]


def renew(owner: KeySettings, principal: str) -> None:
    """Makes a principal's keyring anew, with the versions that the owner's has now. Raises as `grant`."""
    grant(owner, principal, read_shown(replace(owner, principal=principal).path, owner.region).service)


def retire(owner: KeySettings, principal: str) -> list[str]:
    """After the owner's `fedsov.keys.rotation.retire`: the keyring without the older versions, and what protected it
    before ended. Says in lines what was done or is left to do. Raises as `grant`."""
    renew(owner, principal)
    place = replace(owner, principal=principal)
    shown, own = read_shown(place.path, owner.region), read_shown(owner.path, owner.region)
    return [f"{principal}: {ended(place, former, _as_owner(shown.service, own.service))[1]}" for former in shown.older]


def granted(owner: KeySettings) -> tuple[str, ...]:
    """The principals that have a keyring here."""
    return tuple(name for name in PRINCIPALS if replace(owner, principal=name).path.exists())


def _with_key(service: KeyService, name: str) -> KeyService:
    """The service with a key of its own, where it has keys and none is named."""
    if service.key or "key" not in BACKENDS[service.backend].options:
        return service
    return replace(service, key=f"alias/{name}" if service.backend == "aws_kms" else name)


def _as_owner(service: KeyService, own: KeyService) -> KeyService:
    """The service as the owner reaches it: by the owner's credential, where the owner's key is of the same service."""
    if service.backend in ("local", "passphrase") or (service.backend, service.url) != (own.backend, own.url):
        return service
    return replace(service, **{name: getattr(own, name) for name in _CREDENTIALS})


def _check_apart(owner: KeySettings, own: Keyring, principal: str, service: KeyService) -> None:
    """Raises ConfigurationError where this service's key or passphrase opens another keyring of the region."""
    others = {name: read_shown(replace(owner, principal=name).path, owner.region).service for name in granted(owner)}
    for name, other in {**others, OWNER: _with_key(own.service, f"fedsov-{owner.region}")}.items():
        if name != principal and service.backend != "local" and _credential(service) == _credential(other):
            raise ConfigurationError(
                f"the {principal} of {owner.region} needs a credential of its own, and {service.words()} opens the "
                f"keyring of its {name} too; name another key or passphrase"
            )


def _credential(service: KeyService) -> tuple[str, ...]:
    """What tells two credentials apart: the passphrase's file, or the service's key."""
    if service.backend == "passphrase":
        return service.backend, service.credential_file
    return service.backend, service.url, service.mount or "transit", service.aws_region, service.key


def _write(place: KeySettings, content: bytes) -> None:
    try:
        replace_file(place.path, content)
    except OSError as error:
        raise WorkspaceUnusable(f"cannot write {place.path}: {error.strerror}; free space") from None
