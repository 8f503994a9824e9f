"""Who may open a region's stores, for what, and with which of its keys: principals, their purposes, their parts.

A region's owner has its keyring and may open its stores for every purpose. Each other principal has purposes of its
own; one that nobody stated, or that is another's, is refused. Its keyring (`fedsov.keys.grants`) holds keys of its
parts alone: they are derived from the region's, a part's key leads to no other's, so a trainer's credential opens no
identifier and makes no pseudonym.

>>> refusal(OWNER, "training")
''
>>> refusal("endpoint", "training")
'endpoint opens no store for training; its purposes: inference'
>>> part_of("people/identifiers")
'identifiers'
>>> part_of("request log 1")
'requests'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedsov.errors import unknown

OWNER, TRAINER, ERASURE_OFFICER, ENDPOINT = "owner", "trainer", "erasure_officer", "endpoint"
SEALS, RECORDS, IDENTIFIERS, WAITING, OWN = "seals", "records", "identifiers", "quarantine", "own"
REQUESTS = "requests"
"""Parts of what a region's keys wrap: seals of manifests, keys of files of rows, of direct identifiers, of rows that
wait in its quarantine, the secret that divides its rows, and the secrets of its endpoint's log of requests."""


PARTS: Mapping[str, str] = {
    SEALS: "manifests",
    RECORDS: "rows",
    IDENTIFIERS: "identifiers",
    WAITING: "rows in quarantine",
    OWN: "the secret that divides rows",
    REQUESTS: "the log of requests",
}
"""Each part in words."""


@dataclass(frozen=True, slots=True)
class Principal:
    """What it may open stores for, and what its keyring holds.

    Attributes:
        pseudonyms: whether it names people by their pseudonyms.
        opens_sealed: whether it opens what others sealed for the region.
    """

    purposes: tuple[str, ...]
    parts: tuple[str, ...]
    pseudonyms: bool = False
    opens_sealed: bool = False


PRINCIPALS: Mapping[str, Principal] = {
    TRAINER: Principal(
        ("training", "base_model", "synthetic", "attack_test"), (SEALS, RECORDS, OWN), opens_sealed=True
    ),
    ENDPOINT: Principal(("inference",), (SEALS, RECORDS, REQUESTS)),
    "auditor": Principal((), (SEALS,)),
    ERASURE_OFFICER: Principal(
        ("erasure", "retention"), (SEALS, RECORDS, IDENTIFIERS, WAITING, OWN, REQUESTS), pseudonyms=True
    ),
}
"""Everyone but the owner. The trainer opens no request, since one names its person; the auditor reads
manifests and ledgers, and no row."""
PURPOSES = tuple(purpose for principal in PRINCIPALS.values() for purpose in principal.purposes)


def refusal(principal: str, purpose: str) -> str:
    """Why a principal may not open a store for this purpose; "" where it may."""
    if not purpose:
        return f'no purpose is stated; give one of {", ".join(PURPOSES)}, as purpose="training"'
    if purpose not in PURPOSES:
        return unknown("purpose", purpose, PURPOSES)
    own = PURPOSES if principal == OWNER else PRINCIPALS[principal].purposes if principal in PRINCIPALS else ()
    if purpose in own:
        return ""
    return f"{principal} opens no store for {purpose}; its purposes: {', '.join(own) or 'none, it reads no row'}"


def part_of(context: str) -> str:
    """The part that a wrapped secret belongs to, by its context: ``manifest/DATASET``, ``DATASET/PART``,
    ``request log GENERATION``, or another."""
    if context.startswith("manifest/"):  # which no data set is called
        return SEALS
    if context.startswith("request log ") and "/" not in context:
        return REQUESTS
    store, _, file = context.rpartition("/")
    group = file.partition("-")[0]
    if not store or group not in (RECORDS, IDENTIFIERS):
        return OWN
    return WAITING if "@" in store else group
