"""From the text of rules to checked `Rule` values; what is not understood is refused, with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as part
from datetime import date
from math import isfinite
from typing import Any

from fedsov.border.law.parsed_law import parsed
from fedsov.border.law.rules import CONFIDENCES, EFFECTS, Condition, Rule, check, named_in
from fedsov.border.law.vocabulary import COMPARING, By, Duration, Fact, Term, Unreadable, operators_of
from fedsov.errors import ConfigurationError, unknown

_NEEDED = {"id", "effect", "when", "reason", "cite"}
_ALLOWED = _NEEDED | {"valid", "confidence", "obligations", "remedy", "opens", "unusual"}
_SCALARS: Mapping[str, tuple[type, ...]] = {"word": (str,), "number": (int, float), "day": (date,), "flag": (bool,)}
_OTHERS = {
    "same_as": "word",
    "differs_from": "word",
    "outside": "words",
    "beyond": "words",
    "at_least_one_over": "number",
}
PLACES = (
    "origin", "origin_country", "exporter", "destination", "destination_country", "owners", "controlled_by",
    "part_owners",
)  # fmt: skip
"""Facts whose values are codes of places."""
_BARE = ("missing", "present", "absent", "stated", "on_or_before_crossing", "before_crossing", "after_crossing")
_FACTS = "facts.yaml"
_SETS = ("in", "not_in", "overlaps", "excludes", "within", "exceeds")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What conditions may name: facts (with closed sets of values where these can be listed), groups, places.

    It keeps each condition that it was asked to read: many rules share one.
    """

    facts: Mapping[str, Fact]
    groups: Mapping[str, frozenset[str]]
    places: frozenset[str]
    conditions: dict[str, Condition] = part(init=False, repr=False, compare=False, default_factory=dict)


def read_rules(sources: Mapping[str, bytes], words: Vocabulary) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """The rules for crossings and the rules for releases of all sources (file name to text), ids unique.

    Raises ConfigurationError naming file, line and rule for an unknown part, field, operator, effect or group,
    a value of the wrong shape, a repeated id, and a rule that `fedsov.border.law.rules.check` finds unsound.
    """
    seen: dict[str, str] = {}
    rules: dict[str, list[Rule]] = {"rules": [], "releases": []}
    for name, text in sources.items():
        for section, line, parts in _sections(text, name):
            where = f"{name}, line {line}"
            rule = _rule(parts, where, section=section, words=words)
            if rule.id in seen:
                raise ConfigurationError(f"{where}: rule '{rule.id}' is already defined in {seen[rule.id]}; rename one")
            seen[rule.id] = where
            rules[section].append(rule)
    return tuple(rules["rules"]), tuple(rules["releases"])


def _sections(text: bytes, name: str) -> Iterator[tuple[str, int, Any]]:
    """(section, line, parts) of every rule in a file."""
    tree = parsed(text, name)
    strange = sorted(str(key) for key in set(tree.top) - {"rules", "releases", "dated"})
    if strange:
        raise ConfigurationError(f"{name}: {unknown('section', strange[0][:80], ('rules', 'releases'))}")
    for section in ("rules", "releases"):
        listed = tree.top.get(section) or []
        if not isinstance(listed, list):
            raise ConfigurationError(f"{name}: {section} must be a list of rules")
        for parts, line in zip(listed, tree.lines[section] if listed else (), strict=True):
            yield section, line, parts


def _rule(parts: Any, where: str, *, section: str, words: Vocabulary) -> Rule:
    if not isinstance(parts, dict):
        raise ConfigurationError(f"{where}: a rule is a mapping with {', '.join(sorted(_NEEDED))}")
    where = f"{where}: rule '{parts.get('id')}'"
    for strange in sorted(str(name) for name in set(parts) - _ALLOWED):
        raise ConfigurationError(f"{where}: {unknown('part', strange[:80], sorted(_ALLOWED))}")
    for absent in sorted(_NEEDED - set(parts)):
        raise ConfigurationError(f"{where} has no '{absent}'")
    _check_words(parts, where)
    if section == "releases" and parts["effect"] not in ("permit", "forbid"):
        raise ConfigurationError(f"{where} is a release, whose effect is permit or forbid")
    _check_reason(parts["reason"], where, words)
    begins, ends = _valid(parts.get("valid"), where)
    rule = Rule(
        id=parts["id"],
        effect=parts["effect"],
        when=tuple(_condition(triple, where, words) for triple in parts["when"]),
        reason=parts["reason"],
        cite=parts["cite"],
        valid_from=begins,
        valid_until=ends,
        confidence=parts.get("confidence", "high"),
        obligations=tuple(parts.get("obligations", ())),
        remedy=parts.get("remedy", ""),
        opens=parts.get("opens", False) or parts["effect"] == "permit",
        unusual=parts.get("unusual", False),
    )
    fault = check(rule)
    if fault:
        raise ConfigurationError(f"{where} {fault}")
    return rule


def _valid(value: Any, where: str) -> tuple[date | None, date | None]:
    """First and last day of a rule, each None where it is open."""
    if value is None:
        return None, None
    if not isinstance(value, list) or len(value) != 2 or not all(day is None or type(day) is date for day in value):
        raise ConfigurationError(f"{where}: 'valid' is {value!r}; write [2026-11-22, null], first and last day")
    return value[0], value[1]


def _check_words(parts: Mapping[str, Any], where: str) -> None:
    """Each part of a rule has the shape that `Rule` says."""
    if parts["effect"] not in EFFECTS:
        raise ConfigurationError(f"{where}: {unknown('effect', str(parts['effect'])[:80], EFFECTS)}")
    if parts.get("confidence", "high") not in CONFIDENCES:
        raise ConfigurationError(f"{where}: {unknown('confidence', str(parts['confidence'])[:80], CONFIDENCES)}")
    for name in ("id", "reason", "cite"):
        if not isinstance(parts[name], str) or not parts[name].strip():
            raise ConfigurationError(f"{where}: '{name}' must be a text that is not empty")
    if not isinstance(parts.get("remedy", ""), str):
        raise ConfigurationError(f"{where}: 'remedy' must be a text")
    for name in ("opens", "unusual"):
        if type(parts.get(name, False)) is not bool:
            raise ConfigurationError(f"{where}: '{name}' must be true or false")
    if not isinstance(parts["when"], list):
        raise ConfigurationError(f"{where}: 'when' must be a list of [field, operator, value]")
    duties = parts.get("obligations", [])
    if not isinstance(duties, list) or not all(isinstance(duty, str) for duty in duties):
        raise ConfigurationError(f"{where}: 'obligations' must be a list of sentences")


def _check_reason(reason: str, where: str, words: Vocabulary) -> None:
    """The facts that a reason names in braces are of the vocabulary."""
    try:
        strange = sorted(named_in(reason) - set(words.facts))
    except ValueError as problem:
        raise ConfigurationError(f"{where}: 'reason' has braces that do not pair ({problem})") from problem
    if strange:
        raise ConfigurationError(f"{where}: 'reason': {unknown('fact', strange[0][:80], words.facts, see=_FACTS)}")


def _condition(triple: Any, where: str, words: Vocabulary) -> Condition:
    """The condition of a triple; the same one as before where another rule has it too."""
    known = words.conditions.get(key := repr(triple))
    if known is None:
        known = words.conditions[key] = _read(triple, where, words)
    return known


def _read(triple: Any, where: str, words: Vocabulary) -> Condition:
    if not isinstance(triple, list) or len(triple) != 3 or not all(isinstance(part, str) for part in triple[:2]):
        raise ConfigurationError(f"{where}: {triple!r} is no condition; write [field, operator, value]")
    field, operator, value = triple
    fact = words.facts.get(field)
    if fact is None:
        raise ConfigurationError(f"{where}: {unknown('field', field[:80], words.facts, see=_FACTS)}")
    operators = operators_of(fact.shape)
    if operator not in operators:
        raise ConfigurationError(f"{where}: {unknown(f'operator of {field}', operator[:80], operators)}")
    wanted = _wanted(fact, operator, value, where=f"{where}: '{field} {operator}'", words=words)
    notation = f"{field} {operator.replace('_', ' ')} {_plain(value)}".rstrip()
    return Condition(field, fact.shape, operator, wanted, claimed=fact.claimed, notation=notation)


def _plain(value: Any) -> str:
    """A condition's value in words."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(_plain(part) for part in value) or "nothing"
    if isinstance(value, dict) and "map" in value:
        return f"its {value['by']}: " + ", ".join(f"{key} {wanted}" for key, wanted in value["map"].items())
    if isinstance(value, dict):
        return f"{value.get('days')} {'working ' if value.get('working') else ''}days of {value.get('of')}"
    return str(value) or "none"


def _wanted(fact: Fact, operator: str, value: Any, *, where: str, words: Vocabulary) -> Any:
    """The value of a condition in the form that its operator compares with."""
    if operator in _BARE:
        if value is not None:
            raise ConfigurationError(f"{where} takes no value; write null, not {value!r}")
        return None
    if operator in COMPARING:
        return _other(operator, value, where, words)
    if operator in _SETS:
        return _set(fact, value, where, words)
    if operator in ("later_than", "no_later_than"):
        return _term(value, where, words)
    if operator == "matches":
        return _by(fact, value, where, words)
    if operator in ("older_than", "not_older_than"):
        return _duration(value, where)
    if type(value) not in _SCALARS[fact.shape] or (isinstance(value, float) and not isfinite(value)):
        raise ConfigurationError(f"{where} needs a {fact.shape}, not {value!r}")
    if fact.shape == "word":
        _in_closed_set(fact, str(value), where, words)
    return value


def _other(operator: str, value: Any, where: str, words: Vocabulary) -> str:
    """The name of the field that a condition compares with, of the shape that its operator needs."""
    other = words.facts.get(value) if isinstance(value, str) else None
    if other is None:
        raise ConfigurationError(f"{where} needs the name of a field, not {value!r}")
    if other.shape != _OTHERS[operator]:
        raise ConfigurationError(
            f"{where} needs a field of the shape {_OTHERS[operator]}, and '{value}' is a {other.shape}"
        )
    return other.name


def _set(fact: Fact, value: Any, where: str, words: Vocabulary) -> Any:
    if fact.shape == "day":  # `within` means a term there
        return _term(value, where, words)
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(word, str) for word in listed):
        raise ConfigurationError(f'{where} needs words, not {value!r} (quote "NO")')
    for word in listed:
        if word.startswith("@") and word not in words.groups:
            raise ConfigurationError(f"{where}: {unknown('group', word[:80], sorted(words.groups))}")
        if not word.startswith("@"):
            _in_closed_set(fact, word, where, words)
    return frozenset().union(*(words.groups.get(word, frozenset({word})) for word in listed))


def _in_closed_set(fact: Fact, word: str, where: str, words: Vocabulary) -> None:
    if fact.values and word not in fact.values:
        raise ConfigurationError(f"{where}: {unknown('value', word[:80], sorted(fact.values))}")
    if fact.name in PLACES and word not in words.places and word.partition("-")[0] not in words.places:
        raise ConfigurationError(f"{where}: {word!r} is no code of a place; use ISO 3166-1, as 'GB'")


def _duration(value: Any, where: str) -> Duration:
    try:
        return Duration.read(value)
    except Unreadable as problem:
        raise ConfigurationError(f"{where}: {problem}") from problem


def _term(value: Any, where: str, words: Vocabulary) -> Term:
    if not isinstance(value, dict) or not {"of", "days"} <= set(value) <= {"of", "days", "working"}:
        raise ConfigurationError(f"{where} needs {{of: field, days: N, working: true or false}}, not {value!r}")
    of, days, working = words.facts.get(str(value["of"])), value["days"], value.get("working", False)
    if of is None or of.shape != "day" or type(days) is not int or days < 1 or type(working) is not bool:
        raise ConfigurationError(f"{where} counts days from a field that is a day, not {value!r}")
    return Term(of.name, _duration(f"P{days}{'WD' if working else 'D'}", where))


def _by(fact: Fact, value: Any, where: str, words: Vocabulary) -> By:
    if not isinstance(value, dict) or set(value) != {"by", "map"} or not isinstance(value["map"], dict):
        raise ConfigurationError(f"{where} needs {{by: field, map: {{value: value}}}}, not {value!r}")
    by = words.facts.get(str(value["by"]))
    table = value["map"]
    if by is None or by.shape != "word" or not all(isinstance(word, str) for pair in table.items() for word in pair):
        raise ConfigurationError(f"{where} maps a field of words to words, not {value!r}")
    for key, wanted in table.items():
        _in_closed_set(by, key, where, words)
        _in_closed_set(fact, str(wanted), where, words)
    return By(by.name, dict(table))
