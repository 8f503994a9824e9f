"""A base model of rows whose people consented to one: whose rows it is trained on, and the crossings that it needs.

It stands in for a start model of public rows where these are too few. Every label stays as it is: the model is bound by
the origins of all its contributors, and each crossing is decided for the purpose `base_model`, which papers of consent
name beside their recipients. A region that begins with it sends nothing back but its scores.

Only members of the federation contribute. What came in binds what goes out, so a contributor's later answers are bound
by all contributors too; a member's are from the second round of the global model on. That its column statistics and
scores may be so bound already before, is asked here for the purpose of training.

Deliberately not here: which rows these are (`Session.mask`), and whether a person's consent is a good one: the papers
say it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fedsov.artifact import BASE_MODEL, TRAINING, Kind
from fedsov.hub.planning.lawful_sets import largest_lawful
from fedsov.hub.planning.plan_values import PlannedCrossing, Profile
from fedsov.label import Label, join

Look = Callable[[Kind, Label, str, str, int, str], PlannedCrossing]
"""A planned crossing with the border's answer, for a purpose."""


def contributors_of(
    members: Sequence[Profile], receivers: Sequence[Profile], *, hub: str, look: Look, least: int
) -> tuple[Profile, ...]:
    """The members that train the base model: those whose model may go to the receiver that most people's may go to.

    Args:
        members: of the federation.
        receivers: regions that would begin with it.
        least: rows that the base model needs.

    Returns:
        All members that have such rows, where no lawful set has enough: the plan says what stands in their way.
    """
    able = {member.region: member for member in members if member.consented_rows}
    rows = {name: member.consented_rows for name, member in able.items()}
    best: frozenset[str] = frozenset()
    for receiver in receivers:

        def may_go(names: frozenset[str], target: str, receiver: Profile = receiver) -> bool:
            contributors = [able[name] for name in sorted(names)]
            crossings = [
                *_of_contributor(contributors, able[target], hub=hub, look=look),
                *_of_receiver(contributors, receiver, hub=hub, look=look),
            ]
            return all(crossing.permitted for crossing in crossings)

        lawful = largest_lawful(rows, may_go, least=1)
        best = max(best, lawful, key=lambda names: sum(rows[name] for name in names))
    if sum(rows[name] for name in best) < least:
        return tuple(able.values())
    return tuple(member for name, member in able.items() if name in best)


def crossings_of(contributors: Sequence[Profile], receiver: Profile, *, hub: str, look: Look) -> list[PlannedCrossing]:
    """All crossings of a base model of these contributors' rows, from its statistics to the receiver's scores."""
    trained = [
        crossing
        for contributor in contributors
        for crossing in _of_contributor(contributors, contributor, hub=hub, look=look)
    ]
    return [*_of_receiver(contributors, receiver, hub=hub, look=look), *trained]


def rows_of(contributors: Sequence[Profile]) -> int:
    """How many rows a base model of these contributors is trained on."""
    return sum(contributor.consented_rows for contributor in contributors)


def _of_contributor(
    contributors: Sequence[Profile], contributor: Profile, *, hub: str, look: Look
) -> list[PlannedCrossing]:
    label = join(contributor.label for contributor in contributors)
    return [
        look(Kind.MODEL, label, hub, contributor.region, rows_of(contributors), BASE_MODEL),
        look(Kind.METRICS, label, contributor.region, hub, contributor.consented_rows, BASE_MODEL),
        look(Kind.UPDATE, label, contributor.region, hub, contributor.consented_rows, BASE_MODEL),
        look(Kind.METRICS, label, contributor.region, hub, contributor.shareable, TRAINING),
    ]


def _of_receiver(contributors: Sequence[Profile], receiver: Profile, *, hub: str, look: Look) -> list[PlannedCrossing]:
    label = join(contributor.label for contributor in contributors)
    return [
        look(Kind.MODEL, label, hub, receiver.region, rows_of(contributors), BASE_MODEL),
        look(Kind.METRICS, label | receiver.label, receiver.region, hub, receiver.rows or 0, BASE_MODEL),
    ]
