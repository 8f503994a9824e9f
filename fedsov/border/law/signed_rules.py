"""The signature of a file of additional rules, by the person who answers for the law: the law owner.

A rule that forbids or asks for a review needs none: it only takes away. A rule that permits or releases opens a border,
so its file needs a signature beside it (``RULES.yaml.sig``), made with a key that no region's process has. Whose
signature counts is said by `region.yaml`, which pins the public key (`fedsov.region.settings`).

The signature is Ed25519 (RFC 8032) over a domain line and the bytes of the file.
"""

from __future__ import annotations

from pathlib import Path

from fedsov.errors import ConfigurationError
from fedsov.ledger.signed_head import signature_holds
from fedsov.storage.bounded_files import parsed_json, read_bounded

DOMAIN = b"fedsov additional rules 1\n"


def signer_of(rules: Path, content: bytes) -> str | None:
    """The public key (hexadecimal) whose signature beside the file holds for this content; None where there is none.

    Raises ConfigurationError for a signature that does not hold: the file was changed after it was signed.
    """
    path = signature_of(rules)
    try:
        body = parsed_json(read_bounded(path))
        key, signature = str(body["key"]), str(body["signature"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError):
        key = signature = ""
    if not signature_holds(DOMAIN + content, key, signature):
        raise ConfigurationError(
            f"{path} is no signature of {rules} as it is now: it was changed after it was signed; read it, then "
            f"`fedsov border sign {rules} --key FILE`"
        )
    return key


def signature_of(rules: Path) -> Path:
    """The file of a signature."""
    return rules.with_name(f"{rules.name}.sig")
