"""Who acts, and why, where a command was not told."""

from __future__ import annotations

import getpass

UNSAID = "no reason given"
"""The reason of whoever gave none."""


def user() -> str:
    """Whoever runs this, by the machine's name of them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown user"
