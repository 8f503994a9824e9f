"""What binds a value: the origins, data categories and restrictions of everything it was computed from.

Labels form a join-semilattice: ``a | b`` binds whatever was computed from both, and `PUBLIC` is its identity
(Denning, "A lattice model of secure information flow", 1976). Joining can only bind more, never less. A label
shrinks in one place alone, `fedsov.border.gate.Gate.release`, which records the evidence it accepted.

>>> Label(origins=frozenset({"DE"})) | PUBLIC == Label(origins=frozenset({"DE"}))
True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Any

from fedsov.errors import ConfigurationError

PARTS = ("origins", "categories", "restrictions")
_COLLECTIONS = (frozenset, set, list, tuple)


@dataclass(frozen=True, slots=True)
class Label:
    """Origins are ISO codes of jurisdictions; categories and restrictions are words the border's rules know.

    Each may be given as a set, list or tuple of text; it is stored as a frozenset.

    Raises:
        ConfigurationError: text by itself, which would be a set of its letters, or no set of text.
    """

    origins: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    restrictions: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in PARTS:
            value = getattr(self, name)
            if not _is_words(value):
                form = "{" + repr(value) + "}" if isinstance(value, str) else "{'A', 'B'}"
                raise ConfigurationError(f"{name} of a Label must be a set of text; write {name}={form}")
            if type(value) is not frozenset:
                object.__setattr__(self, name, frozenset(value))

    def __or__(self, other: Label) -> Label:
        joined = object.__new__(Label)  # the parts of two labels are checked already
        for name in PARTS:
            object.__setattr__(joined, name, getattr(self, name) | getattr(other, name))
        return joined

    @property
    def is_public(self) -> bool:
        """True where nothing binds: no origin, no category, no restriction."""
        return self == PUBLIC

    def to_json(self) -> dict[str, list[str]]:
        """The label as sorted lists, equal for equal labels."""
        return {
            "origins": sorted(self.origins),
            "categories": sorted(self.categories),
            "restrictions": sorted(self.restrictions),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Label:
        """The inverse of `to_json`.

        Raises:
            KeyError: a part is missing: an absent part is not an empty one.
            TypeError: a part is no list of text.
        """
        parts = [value[name] for name in PARTS]
        try:
            return Label(*parts)
        except ConfigurationError as error:
            raise TypeError("a part of a label is no list of text") from error

    def __str__(self) -> str:
        if self.is_public:
            return "public"
        parts = (self.origins, self.categories, self.restrictions)
        return " · ".join("+".join(sorted(part)) for part in parts if part)


def _is_words(value: object) -> bool:
    return isinstance(value, _COLLECTIONS) and all(type(word) is str or isinstance(word, str) for word in value)


PUBLIC = Label()


class Scope(StrEnum):
    """Which of a region's rows a question is about, by what binds them."""

    ALL = "all"
    """They stay at home."""
    SHAREABLE = "shareable"
    """No restriction binds them; public ones are among them."""
    PUBLIC = "public"
    """Nothing binds them."""
    CONSENTED = "consented"
    """Their people consented to a base model; their labels bind them as before."""


def join(labels: Iterable[Label]) -> Label:
    """The label of a value computed from all of these; `PUBLIC` for none."""
    return reduce(or_, labels, PUBLIC)
