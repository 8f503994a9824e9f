"""Who may open a region's stores, and for what: principals, their purposes, and the decision about one opening.

A region's owner has its keyring and may open its stores for every purpose. Each other principal has purposes of its
own; a purpose that nobody stated, or that is another's, is refused.

>>> refusal(OWNER, "training")
''
>>> refusal("endpoint", "training")
'endpoint opens no store for training; its purposes: inference'
"""

from __future__ import annotations

from collections.abc import Mapping

from fedsov.errors import unknown

OWNER = "owner"
PURPOSES: Mapping[str, tuple[str, ...]] = {
    "trainer": ("training", "base_model", "synthetic"),
    "endpoint": ("inference",),
    "auditor": (),
    "erasure_officer": ("erasure", "retention"),
}
"""Each principal's purposes; the auditor reads manifests and ledgers, and no row."""
EVERY = tuple(purpose for purposes in PURPOSES.values() for purpose in purposes)


def refusal(principal: str, purpose: str) -> str:
    """Why a principal may not open a store for this purpose; "" where it may."""
    if not purpose:
        return f'no purpose is stated; give one of {", ".join(EVERY)}, as purpose="training"'
    if purpose not in EVERY:
        return unknown("purpose", purpose, EVERY)
    own = EVERY if principal == OWNER else PURPOSES.get(principal, ())
    if purpose in own:
        return ""
    return f"{principal} opens no store for {purpose}; its purposes: {', '.join(own) or 'none, it reads no row'}"
