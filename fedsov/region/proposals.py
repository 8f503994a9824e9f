"""What a hub may propose to a region, by the region's own settings; nothing, unless the owner lists it.

    proposals: [limits.rounds, serving.guard, law.bundle]       # in region.yaml

A name stands for itself and for what is below it. Whom a region trusts, what its rows are, where its files and keys
lie, and this list itself can never be listed: a hub that may propose these would hold the region.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fedsov.checks import texts
from fedsov.errors import ConfigurationError, unknown

PROPOSABLE = ("law.bundle", "limits", "privacy", "retention", "retention_days", "serving")
"""What an owner may list, these or names below them."""
_NEVER = ("serving.issuers",)


def proposable(value: Any) -> tuple[str, ...]:
    """The setting ``proposals``. Raises ConfigurationError for a name that cannot be listed."""
    names = texts("proposals", value)
    for name in names:
        if name in _NEVER or not any(_is_below(name, group) for group in PROPOSABLE):
            known = unknown("setting that a hub may propose", name, PROPOSABLE)
            raise ConfigurationError(f"proposals: {known}, and names below these")
    return names


def may_propose(proposals: Sequence[str], key: str) -> bool:
    """Whether a region lets a hub propose a setting."""
    return key not in _NEVER and any(_is_below(key, name) for name in proposals)


def _is_below(key: str, name: str) -> bool:
    return key == name or key.startswith(f"{name}.")
