"""Who federates: of the sets of regions that may lawfully share one global model, the one with the most rows.

A global model is bound by the labels of all its members and goes back to each of them. So a set is lawful where
the model made from the whole set may go to every one in it, and one region that may not receive, or whose
records may not go to another, is enough to spoil it. The law comes in as a single question, `MayGo`.

A wider set is assumed never to be freer: more origins, categories and rows only bind more. Therefore two
regions that may not share a model between them are never in one set. The reverse does not hold, and what is
found was always asked about as a whole. Up to `EXACT` candidates no lawful set with more rows exists; above, the
search is greedy from every region in turn, and says nothing of what it did not try.

>>> sorted(largest_lawful({"A": 3, "B": 2, "C": 2}, lambda sources, target: "A" not in sources, least=2))
['B', 'C']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations

MayGo = Callable[[frozenset[str], str], bool]
"""May a model made from all these regions' rows go to that one of them?"""

EXACT = 12
NOBODY: frozenset[str] = frozenset()


def largest_lawful(rows: Mapping[str, int], may_go: MayGo, *, least: int) -> frozenset[str]:
    """The lawful set of at least so many regions with the most rows; of equals, the first by names.

    Args:
        rows: each candidate's rows, at least 1.
        may_go: the law; the same answer for the same question.
        least: how many regions the set must have, at least 1.

    Returns:
        The names; empty where no set is lawful and large enough.
    """
    everyone = frozenset(rows)
    if len(everyone) >= least and _lawful(everyone, may_go):
        return everyone

    def order(names: frozenset[str]) -> tuple[int, list[str]]:
        return -sum(rows[name] for name in names), sorted(names)

    friends = _friends(sorted(rows, key=lambda name: (-rows[name], name)), may_go)
    if len(friends) > EXACT:
        return _greedy(friends, may_go, order, least)
    cliques = sorted((clique for clique in _cliques(friends) if len(clique) >= least), key=order)
    return next((clique for clique in cliques if _lawful(clique, may_go)), NOBODY)


def _lawful(names: frozenset[str], may_go: MayGo) -> bool:
    return all(may_go(names, target) for target in sorted(names))


def _friends(names: Iterable[str], may_go: MayGo) -> dict[str, frozenset[str]]:
    """For each that may have back a model of its own rows, the others with which it may share one."""
    able = [name for name in names if _lawful(frozenset({name}), may_go)]
    friends: dict[str, set[str]] = {name: set() for name in able}
    for first, second in combinations(able, 2):
        if _lawful(frozenset({first, second}), may_go):
            friends[first].add(second)
            friends[second].add(first)
    return {name: frozenset(circle) for name, circle in friends.items()}


def _cliques(friends: Mapping[str, frozenset[str]]) -> list[frozenset[str]]:
    """Every set whose members are all friends of each other, the empty one first: 2 to the n at most."""
    cliques = [NOBODY]
    for name, circle in friends.items():
        cliques += [clique | {name} for clique in cliques if clique <= circle]
    return cliques


def _greedy(
    friends: Mapping[str, frozenset[str]],
    may_go: MayGo,
    order: Callable[[frozenset[str]], tuple[int, list[str]]],
    least: int,
) -> frozenset[str]:
    """The best of what each region gathers around itself, largest first, and whoever may still join it."""
    best = NOBODY
    for clique in sorted({_gathered(seed, friends) for seed in friends}, key=order):
        if best and order(best) <= order(clique):
            break  # the rest have no more rows than this one
        lawful = clique
        if not _lawful(clique, may_go):
            lawful = _grown(NOBODY, [name for name in friends if name in clique], may_go)
        if len(lawful) >= least:
            best = min(best or lawful, lawful, key=order)
    return _grown(best, friends, may_go) if best else NOBODY


def _gathered(seed: str, friends: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The seed, and in turn each who is a friend of all gathered so far."""
    clique = {seed}
    for name, circle in friends.items():
        if clique <= circle:
            clique.add(name)
    return frozenset(clique)


def _grown(members: frozenset[str], names: Iterable[str], may_go: MayGo) -> frozenset[str]:
    """The members, and in turn each with whom the whole is still lawful."""
    for name in names:
        wider = members | {name}
        if name not in members and _lawful(wider, may_go):
            members = wider
    return members
