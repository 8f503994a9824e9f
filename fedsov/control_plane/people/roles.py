"""Roles of people at the hub, the rights that each role gives, and a person who has some of them.

    person = Person("anna", roles=frozenset({Role.APPROVER}), regions=frozenset({"DE"}))
    person.may(Right.APPROVE, region="DE")      # True
    person.may(Right.APPROVE, region="FR")      # False: her account names DE alone

A right is checked where the act is, with the region that it concerns. An account that names no region sees all; one
that names some neither sees nor touches anything of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fedsov.errors import ConfigurationError, unknown


class Role(StrEnum):
    """What a person is at the hub; a person may be several."""

    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    VIEWER = "viewer"


class Right(StrEnum):
    """What a page or a call asks for."""

    SEE = "see"
    """Regions, versions, rollouts, metrics."""
    OPERATE = "operate"
    """Propose, start, freeze and take back a rollout; propose configuration."""
    APPROVE = "approve"
    """Approve a rollout for the hub or a region; decide a review."""
    AUDIT = "audit"
    """The record of processing, the ledgers' heads, who did what."""


RIGHTS: Mapping[Right, frozenset[Role]] = {
    Right.SEE: frozenset(Role),
    Right.OPERATE: frozenset({Role.OPERATOR}),
    Right.APPROVE: frozenset({Role.APPROVER}),
    Right.AUDIT: frozenset({Role.AUDITOR}),
}
"""Which roles give a right."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in.

    Attributes:
        name: the account's, as ledgers note it.
        regions: those that the account is for; none named means all.
    """

    name: str
    roles: frozenset[Role]
    regions: frozenset[str] = frozenset()

    def may(self, right: Right, *, region: str = "") -> bool:
        """Whether a role gives the right, and the account is for the region, where the act is about a region."""
        return bool(self.roles & RIGHTS[right]) and (not region or self.is_for(region))

    def is_for(self, region: str) -> bool:
        """Whether the account is for a region."""
        return not self.regions or region in self.regions

    @property
    def is_for_all(self) -> bool:
        """Whether the account is for every region, and so for what the hub alone decides."""
        return not self.regions


def roles_of(words: Iterable[str]) -> frozenset[Role]:
    """Roles by their words. Raises ConfigurationError for an unknown word, and for none."""
    listed = [word.strip().lower() for word in words]
    for word in listed:
        if word not in set(Role):
            raise ConfigurationError(unknown("role", word, list(Role)))
    if not listed:
        raise ConfigurationError(f"an account needs a role: --role {' or '.join(Role)}")
    return frozenset(Role(word) for word in listed)
