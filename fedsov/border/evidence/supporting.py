"""What supporting documents say together: the newest of a kind has the last word, and what speaks against binds.

A document states facts beside its ground: what a recipient is, what an assessment found. A fact speaks against a
crossing where a rule that closes looks for it, or one that opens asks for something else. Such a fact of a document in
force about these parties cannot be left aside; only a newer document of its kind that states the fact and names the
parties supersedes it. Of the values that stand beside each other what a prohibition looks for counts first; two of them
are a contradiction, which nobody can read, also where one is the ground's own. Facts that speak against nothing count
alike, so taking one away never opens anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from fedsov.border.law.rules import AGAINST, FOR

Stated = tuple[str, dict[str, Any]]
"""A document's id and the facts it states."""
Weigh = Callable[[str, Any], int]
"""How a fact's value speaks: `FOR`, `WANTING` or `AGAINST`."""
UNNAMED = "unnamed"
"""How a document matches the parties of a crossing that it does not name."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one supporting document in force states.

    Attributes:
        covers: it covers every category of the crossing, so that it can support it; binds: it covers one of them.
        unnamed: the fact that says so, where it does not name the crossing's parties: what it says for the crossing, a
            person must look at.
    """

    document: str
    kind: str
    signed: date
    facts: Mapping[str, Any]
    covers: bool
    binds: bool
    unnamed: str = ""


@dataclass(frozen=True, slots=True)
class Support:
    """Facts that every ground has beside it, and those that have the last word over what the ground states itself."""

    beside: tuple[Stated, ...] = ()
    last: tuple[Stated, ...] = ()


def supports(statements: Sequence[Statement], weigh: Weigh) -> list[Support]:
    """What the documents say together; and once more with what those say for it that do not name the parties."""
    sure = [each for each in statements if not each.unnamed]
    nameless = [each for each in statements if each.unnamed]
    binding = [replace(each, covers=False) for each in nameless]
    ways = [_together([*sure, *binding], weigh)]
    if any(each.covers for each in nameless):
        whole = _together(statements, weigh)
        ways.append(
            replace(whole, beside=(*whole.beside, *((each.document, {each.unnamed: UNNAMED}) for each in nameless)))
        )
    return ways


def with_ground(support: Support, stated: Mapping[str, Any], weigh: Weigh) -> Support:
    """The support of a ground that states these facts itself.

    What has the last word against a crossing is to make the answer stricter. Where the ground states the same fact
    otherwise, and that speaks against it as well, nobody can say which is the stricter: a contradiction.
    """

    def is_clash(name: str, value: Any) -> bool:
        return name in stated and stated[name] != value and weigh(name, stated[name]) == AGAINST

    last = tuple(
        (document, {**facts, "unreadable": True} if any(is_clash(*each) for each in facts.items()) else facts)
        for document, facts in support.last
    )
    return replace(support, last=last)


def _together(statements: Sequence[Statement], weigh: Weigh) -> Support:
    names = dict.fromkeys(name for each in statements for name in each.facts)
    chosen = [(name, *_value(name, statements, weigh)) for name in names]
    clash = {"unreadable": True}
    beside = [
        (of, {name: of.facts[name]}) for name, weight, several in chosen for of in several[:1] if weight < AGAINST
    ]
    last = [
        (of, {name: of.facts[name]} | (clash if several[1:] else {}))
        for name, weight, several in chosen
        for of in several
        if weight == AGAINST
    ]
    return Support(tuple(_by_document(beside)), tuple(_by_document(last)))


def _value(name: str, statements: Sequence[Statement], weigh: Weigh) -> tuple[int, list[Statement]]:
    """How a fact speaks, and who says so: one statement, or of several contradictory ones each."""
    stating = [each for each in statements if name in each.facts]
    standing = [each for each in stating if not any(_supersedes(other, each) for other in stating)]
    weighed = [(weigh(name, each.facts[name]), each) for each in standing]
    weighed = [(weight, each) for weight, each in weighed if (each.covers if weight == FOR else each.binds)]
    heaviest = max((weight for weight, _ in weighed), default=FOR)
    several = [each for weight, each in weighed if weight == heaviest]
    several.sort(key=lambda each: (each.signed, each.document), reverse=True)
    differing = [each for each in several if each.facts[name] != several[0].facts[name]]
    return heaviest, several[:1] + (differing if heaviest == AGAINST else [])


def _supersedes(newer: Statement, older: Statement) -> bool:
    """A document that does not name the parties lifts nothing: nobody can say that it is about the same."""
    is_same = newer.kind == older.kind and not newer.unnamed
    return is_same and newer.covers and newer.signed > older.signed


def _by_document(facts: Iterable[tuple[Statement, dict[str, Any]]]) -> Iterator[Stated]:
    gathered: dict[str, dict[str, Any]] = {}
    for statement, stated in facts:
        gathered.setdefault(statement.document, {}).update(stated)
    yield from sorted(gathered.items(), key=lambda each: each[0])
