"""A kind of document: a ground for a crossing, or what supports one, as law/mechanisms.yaml describes it."""

from __future__ import annotations

from dataclasses import dataclass

from fedsov.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A ground for a crossing, or a document that supports one.

    Attributes:
        name: with its article ("an International Data Transfer Agreement").
        effort: how hard it is to get (0 nothing to get, 1 a form, 5 an approval).
        standing: it needs no document, so that everybody can claim it.
        supports: it is no ground itself; what a valid document of this kind states ("tia" for tia=present,
            "dp=yes"; "" for nothing but its terms).
        statement: it says what is the case, and cannot be obtained; a refusal does not propose it.
        names: whom its paper names by its nature: `both` parties, the `exporter` or the `recipient` alone.
        of_purpose: its paper is no ground at hand for another purpose than those that it states.
        about: "crossing", or "artifact" for a document about one artifact, which counts only where that names it.
    """

    name: str
    effort: int
    standing: bool = False
    supports: str | None = None
    about: str = "crossing"
    statement: bool = False
    names: str = "both"
    of_purpose: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigurationError for a word of `names` that is none."""
        if self.names not in ("both", "exporter", "recipient"):
            raise ConfigurationError(f"{self.name!r} names {self.names!r}; write both, exporter or recipient")

    @property
    def names_recipient(self) -> bool:
        """True where its paper must say to whom the data go."""
        return self._is_of_parties and self.names != "exporter"

    @property
    def names_exporter(self) -> bool:
        """True where its paper must say who sends them."""
        return self._is_of_parties and self.names != "recipient"

    @property
    def _is_of_parties(self) -> bool:
        return not self.standing and self.about != "artifact"
