"""A credential of a key service: from a file for its owner's eyes only, or from the environment; in no setting."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fedsov.errors import KeyUnavailable

LARGEST = 2**16
"""Bytes of a credential, at most."""


def credential(file: str, variables: Sequence[str], *, called: str) -> str:
    """The text of a file without the blanks around it; where no file is named, of the first variable that is set.

    Args:
        called: what it is, such as "token of DE for OpenBao".

    Raises KeyUnavailable where there is none, or other users can read the file. The message never has the text.
    """
    if not file:
        words = next((text for name in variables if (text := os.environ.get(name, "").strip())), "")
        if not words:
            raise KeyUnavailable(f"no {called}; name its file by key_service.credential_file, or set {variables[0]}")
        return words
    path = Path(file).expanduser()
    try:
        check_private(path)
        with path.open("rb") as opened:
            words = opened.read(LARGEST).decode().strip()
    except OSError as error:
        raise KeyUnavailable(
            f"cannot read {path}, the {called} (key_service.credential_file): {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise KeyUnavailable(f"{path}, the {called}, is no text; write the {called} into it") from None
    if not words:
        raise KeyUnavailable(f"{path}, the {called}, is empty; write it there")
    return words


def check_private(path: Path) -> None:
    """Raises KeyUnavailable where other users can read a file with a secret, OSError where there is none."""
    if path.stat().st_mode & 0o077:
        raise KeyUnavailable(f"{path} is open to other users; run: chmod 600 {path}")
