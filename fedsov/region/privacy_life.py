"""The life of a region's privacy: what a job may still ask of people once something about them left under noise.

The group ``privacy`` of region.yaml is the region's own; a job cannot weaken it.

    require            a job without privacy is
    absent             answered, until the first private release about the same people; refused from then on
    record             refused
    none               answered; after a private release the guarantee is unbounded from that day on

    lifetime_epsilon   of all private releases together; the smaller of the region's and the job's holds

Example rows (`examples: true`) have no life: a private release about them covers nobody, so that a job without privacy
after it is answered. Rows that were people's in a private release before are people's, whatever they are called now.

This module decides, reads entries and says; whose rows a job uses, and whom the budget covers, is found by
`fedsov.region.people_budgets`.

>>> after = PrivacyPast(private_since="2026-11-29")
>>> why_refused("DE", RegionPrivacy(), after, is_private=False).partition(";")[0]
'region DE released something about these people under privacy on 2026-11-29'
>>> why_refused("DE", RegionPrivacy(require="none"), after, is_private=False)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fedsov.checks import choice, prefixed, real, section, store
from fedsov.privacy.budget import BudgetHead
from fedsov.privacy.settings import MOST_EPSILON

REQUIREMENTS = ("record", "none")


@dataclass(frozen=True, slots=True)
class RegionPrivacy:
    """What a region's owner asks of every job; absent is not ``none``.

    Attributes:
        require: one of `REQUIREMENTS`; None while the owner has set none.
        lifetime_epsilon: the most epsilon of all private releases together; None leaves it to the first job.

    Raises:
        ConfigurationError: another word or number, named as in region.yaml.
    """

    require: str | None = None
    lifetime_epsilon: float | None = None

    def __post_init__(self) -> None:
        if self.require is not None:
            store(self, require=choice("require", self.require, REQUIREMENTS))
        if self.lifetime_epsilon is not None:
            lifetime = real("lifetime_epsilon", self.lifetime_epsilon, above=0.0, at_most=MOST_EPSILON)
            store(self, lifetime_epsilon=lifetime)

    @staticmethod
    def from_settings(plain: Any) -> RegionPrivacy:
        """The group ``privacy``, its keys being these fields; {} where no owner set any. Raises ConfigurationError."""
        settings = section("privacy", plain, RegionPrivacy)
        with prefixed("privacy."):
            return RegionPrivacy(**settings)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_settings` gives equal settings."""
        return asdict(self)

    def lifetime(self, asked: float) -> float:
        """The lifetime epsilon that holds for a job that asks for this one."""
        return asked if self.lifetime_epsilon is None else min(asked, self.lifetime_epsilon)


@dataclass(frozen=True, slots=True)
class PrivacyPast:
    """What a region's budget and ledger say of the people of a job; days are ISO 8601, None for never.

    Attributes:
        private_since: the day of the first private release about them.
        unbounded_since: the day of the first answer about them without privacy after that.
        unprotected_before: the day of the first answer without privacy that left the region before that.
    """

    private_since: str | None = None
    unbounded_since: str | None = None
    unprotected_before: str | None = None

    @staticmethod
    def of(bodies: Sequence[Mapping[str, Any]]) -> PrivacyPast:
        """What the entries of a region's ledger say, whoever the people were; nothing where nothing private left."""
        notes = PrivacyNotes.of(bodies)
        if notes.private_since is None:
            return PrivacyPast()
        first = next(_unprotected(bodies, notes.runs), None)
        before = None if first is None else _day(first)
        return PrivacyPast(notes.private_since, notes.unbounded_since, before)

    def lines(self) -> list[str]:
        """What `budget` and the report say beside the numbers."""
        lines = []
        if self.unbounded_since is not None:
            lines.append(
                f"unbounded since {self.unbounded_since}: answers without privacy about the same people left after "
                f"the first private release of {self.private_since}"
            )
        if self.unprotected_before is not None:
            lines.append(
                f"answers without privacy left since {self.unprotected_before}, before the first private release; "
                "they stand in the ledger, and epsilon does not count them"
            )
        return lines


NOTES = ("privacy", "privacy_people", "privacy_unbounded", "privacy_released")
"""What a region's ledger notes: a reservation, whom the budget covers, that its guarantee ended, what left a run."""


@dataclass(frozen=True, slots=True)
class PrivacyNotes:
    """What a region's ledger noted of its privacy.

    Attributes:
        head: the budget's, after the last reservation; None where there was none.
        people: the digest of the file of the people it covers, "" without one.
        runs: those that reserved something.
        private_since, unbounded_since: days, as in `PrivacyPast`.
        released: by run, how many releases left it, and the digest of what its journal kept of them.
    """

    head: BudgetHead | None
    people: str
    runs: frozenset[str]
    private_since: str | None
    unbounded_since: str | None
    released: Mapping[str, Mapping[str, Any]]

    @staticmethod
    def of(bodies: Iterable[Mapping[str, Any]]) -> PrivacyNotes:
        """The notes among the entries of a ledger, in their order."""
        noted: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in NOTES}
        for body in bodies:
            for kind in noted if body.get("act") == "note" else ():
                if body["note"].get(kind):
                    noted[kind].append(body)
        reserved, people, unbounded, released = noted.values()
        return PrivacyNotes(
            head=BudgetHead(**reserved[-1]["note"]["privacy"]["head"]) if reserved else None,
            people=people[-1]["note"]["privacy_people"] if people else "",
            runs=frozenset(body["run"] for body in reserved),
            private_since=_day(reserved[0]) if reserved else None,
            unbounded_since=_day(unbounded[0]) if unbounded else None,
            released={body["run"]: body["note"]["privacy_released"] for body in released},
        )


def _day(body: Mapping[str, Any]) -> str:
    return str(body["at"])[:10]


def _unprotected(bodies: Iterable[Mapping[str, Any]], private_runs: frozenset[str]) -> Iterator[Mapping[str, Any]]:
    """Permitted crossings before the first reservation, of what was made from bound rows in runs without privacy."""
    for body in bodies:
        if body["act"] == "note" and body["note"].get("privacy"):
            return
        if body["act"] != "cross" or body["verdict"] != "permit" or not body["origins"] or body["run"] in private_runs:
            continue
        if body["kind"] not in ("error", "report") and body["name"] != "profile":  # counts are taken as known
            yield body


def why_refused(region: str, settings: RegionPrivacy, past: PrivacyPast, *, is_private: bool) -> str | None:
    """The sentence of a job's refusal, with the command that mends it; None where the job may be answered.

    Args:
        past: what was released before about the people whose rows the job would use.
        is_private: whether the job asks for privacy of records.
    """
    if is_private or settings.require == "none":
        return None
    set_none = f"run with privacy=record, or let its owner run `fedsov region set {region} privacy.require=none`"
    if settings.require == "record":
        return f"region {region} answers under privacy only (privacy.require: record); {set_none}"
    if past.private_since is None:
        return None
    return (
        f"region {region} released something about these people under privacy on {past.private_since}; an answer "
        f"without it would end that guarantee; {set_none}, from which day on it is unbounded"
    )
