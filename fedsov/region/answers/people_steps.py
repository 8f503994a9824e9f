"""Which people's rows make a step: at least so many people in each, in an order that the region alone knows.

A hub chooses batch, seed, rates and the model. If it knew whose rows come last, or could make a step of one row, an
update would tell of that row. So each step holds `limits.least_people` people or more, a shorter last one is joined to
the one before, and the order follows from the region's secret. The same steps in the same round, over the same people,
have the same order; other settings have another, so that two batches that differ by one row cannot be subtracted.

>>> steps = steps_of_people(np.arange(25), LocalSteps(batch=10, epochs=1), 10, np.random.default_rng(0))
>>> [len(step) for step in steps]
[10, 15]
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps, Stream
from fedsov.errors import AnswerWithheld
from fedsov.model.disclosure import owners_of, people_in
from fedsov.region.answers.people_rows import answers_of
from fedsov.region.session import Session
from fedsov.training.client_round import Cut
from fedsov.training.rows import Rows

ORDER = "order of rows"
"""What the key of orders is for."""


def cut_for(session: Session, scope: str, rows: Rows, number: int) -> Cut | None:
    """How the scope's training rows make the steps of a round; None, by the job's seed, where they hide nobody.

    That is for example rows, and where noise hides each row. What is returned raises AnswerWithheld for fewer people
    than the region's least.
    """
    if session.examples or session.private_in(scope):
        return None
    key, least = answers_of(session).key(ORDER), session.settings.limits.least_people
    persons = np.asarray(rows.persons).astype(str)
    people = "\0".join(persons.tolist())
    version = hashlib.blake2b(people.encode(), key=key, digest_size=32).hexdigest()

    def cut(place: int, steps: LocalSteps, stream: Stream) -> list[np.ndarray]:
        """The rows of each step; the job's seed, and that of the steps, change nothing."""
        asked = repr((place, str(scope), number, int(stream), version, replace(steps, seed=0)))
        drawn = hashlib.blake2b(asked.encode(), key=key, digest_size=32).digest()
        return steps_of_people(persons, steps, least, np.random.default_rng(int.from_bytes(drawn, "big")))

    return cut


def steps_of_people(persons: np.ndarray, steps: LocalSteps, least: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows of each step, every epoch in a new order: a batch, and as many more as it takes for enough people.

    Args:
        persons: (N,) whose row each is, as `owners_of` has it.
        least: people of a step, at least.

    Raises:
        AnswerWithheld: all rows are of fewer people.
    """
    owners = owners_of(persons, len(persons))
    if people_in(owners) < least:
        raise AnswerWithheld(f"the training rows are of fewer people than the {least} of a step (limits.least_people)")
    return [step for _ in range(steps.epochs) for step in _epoch(rng.permutation(len(owners)), owners, steps, least)]


def _epoch(order: np.ndarray, owners: np.ndarray, steps: LocalSteps, least: int) -> list[np.ndarray]:
    cuts, start = [0], 0
    while start < len(order):
        end = start + steps.rows
        while end < len(order) and people_in(owners[order[start:end]]) < least:
            end += steps.rows
        start = min(end, len(order))
        cuts.append(start)
    if len(cuts) > 2 and people_in(owners[order[cuts[-2] :]]) < least:
        del cuts[-2]
    return [order[first:last] for first, last in pairwise(cuts)]
