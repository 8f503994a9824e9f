"""Which label binds a row: its subject's origin, the categories of its columns, the restrictions it carries.

A pure function of a row's jurisdiction, the names of the columns that are kept, and the few values that a
restriction looks at. Ingestion calls it once for each distinct combination, never once per row. It fails
closed: a row whose restriction column is empty is bound by that restriction, for silence is not consent.

>>> rules = ClassifyRules(categories={"Salary": ("financial",)}, default_categories=("personal",))
>>> print(classify("DE", ["Salary", "Hobby"], {}, rules))
DE · financial+personal
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fedsov.checks import instance, mapping, real, section, shown, text, text_or_none, texts
from fedsov.errors import ConfigurationError
from fedsov.label import Label
from fedsov.model.column_statistics import spelled

_TRUTHS = ("true", "false")


@dataclass(frozen=True, slots=True)
class RestrictionRule:
    """Rows whose `column` is spelled `equals` (or is empty) carry `restriction`, as under a contract."""

    column: str
    equals: str
    restriction: str

    @staticmethod
    def from_settings(name: str, plain: Any) -> RestrictionRule:
        """The rule that a part of ``dataset.restrictions`` is. Raises ConfigurationError."""
        given = section(name, plain, RestrictionRule)
        return RestrictionRule(
            **{key: text(f"{name}.{key}", value, truth=key == "equals") for key, value in given.items()}
        )


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """Which rows are put to the border for release as public, and the document that speaks for them.

    Either rows whose `column` is spelled `equals`, or, without a column, a `share` of each region's subjects
    drawn with `seed`: a simulation of consent for demonstrations, said to be one wherever it is used.

    Raises:
        ConfigurationError: a share outside 0 to 1, or a column without the value that means consent.
    """

    share: float = 0.0
    seed: int = 0
    document: str = ""
    column: str | None = None
    equals: str | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ConfigurationError(f"dataset.consent.share is {self.share}; expected a number from 0 to 1")
        if (self.column is None) != (self.equals is None):
            raise ConfigurationError(
                "dataset.consent needs both column and equals, or neither and a share; got "
                f"dataset.consent.column={shown(self.column)} and dataset.consent.equals={shown(self.equals)}"
            )

    def to_settings(self) -> dict[str, Any]:
        """The group ``dataset.consent``; the seed of a drawn share is the job's."""
        return {part.name: getattr(self, part.name) for part in fields(self) if part.name != "seed"}

    @staticmethod
    def from_settings(plain: Any, *, seed: int) -> ConsentRule | None:
        """What ``dataset.consent`` says; None where nobody is asked. Raises ConfigurationError."""
        if plain is None:
            return None
        given = section("dataset.consent", plain, ConsentRule, without=("seed",))
        if given.get("share") is not None:
            real("dataset.consent.share", given["share"], at_least=0.0, at_most=1.0)
        checked = {
            "share": given.get("share") or 0.0,
            "document": text("dataset.consent.document", given.get("document"), "the id of a document"),
            "column": text_or_none("dataset.consent.column", given.get("column"), "the name of a column"),
            "equals": text_or_none("dataset.consent.equals", given.get("equals"), "a value", truth=True),
        }
        return ConsentRule(**{**given, **checked, "seed": seed})


@dataclass(frozen=True, slots=True)
class ClassifyRules:
    """Column to data categories, the categories of every other column, and the restrictions."""

    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default_categories: tuple[str, ...] = ("personal",)
    restrictions: tuple[RestrictionRule, ...] = ()

    @staticmethod
    def from_settings(dataset: Mapping[str, Any]) -> ClassifyRules:
        """What the group `dataset` says under the names of these fields. Raises ConfigurationError."""
        given = {name: dataset[name] for name in ClassifyRules.__slots__ if name in dataset}
        columns = mapping("dataset.categories", given.get("categories", {}), "a mapping as {COLUMN: [CATEGORY]}")
        rules = instance("dataset.restrictions", given.get("restrictions", []), list, "a list as [A, B]")
        given["categories"] = {
            text("a column of dataset.categories", column): texts(f"dataset.categories.{column}", words)
            for column, words in columns.items()
        }
        given["restrictions"] = tuple(
            RestrictionRule.from_settings(f"dataset.restrictions[{place}]", rule) for place, rule in enumerate(rules)
        )
        if "default_categories" in given:
            given["default_categories"] = texts("dataset.default_categories", given["default_categories"])
        return ClassifyRules(**given)


def classify(
    jurisdiction: str, columns: Iterable[str], row_values: Mapping[str, object], rules: ClassifyRules
) -> Label:
    """The label of a row.

    Args:
        jurisdiction: ISO code of the subject's legal order.
        columns: names of the columns that are kept.
        row_values: its values of the columns that the restrictions name; an absent or empty value binds.
        rules: see `ClassifyRules`.
    """
    categories = {word for name in columns for word in rules.categories.get(name, rules.default_categories)}
    restrictions = {
        rule.restriction
        for rule in rules.restrictions
        if (value := spelled(row_values.get(rule.column))) is None or same_value(value, rule.equals)
    }
    return Label(frozenset({jurisdiction}), frozenset(categories), frozenset(restrictions))


def same_value(word: str, other: str) -> bool:
    """Whether two texts say the same: letter by letter, as numbers (1.50, 1.5) or as truth values (true, True)."""
    if word == other or word.strip() == other.strip():
        return True
    if word.casefold() in _TRUTHS and other.casefold() in _TRUTHS:
        return word.casefold() == other.casefold()
    try:
        return float(word) == float(other)
    except ValueError:
        return False
