"""From the text of rules to checked `Rule` values; what is not understood is refused, with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import yaml

from fedsov.border.rules import CONFIDENCES, EFFECTS, FIELDS, OPERATORS, Condition, Rule, check
from fedsov.errors import ConfigurationError

RELEASE_FIELDS = ("kind", "origin", "origin_regime", "document_kind", "categories", "restrictions", "count")
_NEEDED = {"id", "effect", "when", "reason", "cite"}
_ALLOWED = _NEEDED | {"valid_from", "valid_until", "confidence", "obligations", "remedy"}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SINGLE: Mapping[str, type] = {"eq": str, "is": bool, "at_least": int, "below": int}


def read_mapping(text: bytes, name: str) -> dict[str, Any]:
    """A YAML file whose top is a mapping. Raises ConfigurationError with file and line for anything else."""
    try:
        found = yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as problem:
        raise ConfigurationError(f"{name}: {_place_of(problem)}") from problem
    except (ValueError, RecursionError) as problem:
        raise ConfigurationError(f"{name}: {problem}") from problem
    if not isinstance(found, dict):
        raise ConfigurationError(f"{name}: expected a mapping at the top, found {type(found).__name__}")
    return found


def read_rules(
    sources: Mapping[str, bytes], *, groups: Mapping[str, frozenset[str]], documents: frozenset[str]
) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """The rules for crossings and the rules for releases of all sources (file name to text), ids unique.

    Raises ConfigurationError naming file, line and rule for an unknown part, field, operator, effect, group
    or kind of document, a value of the wrong shape, a repeated id, and a rule that
    `fedsov.border.rules.check` finds unsound.
    """
    seen: dict[str, str] = {}
    found: dict[str, list[Rule]] = {"rules": [], "releases": []}
    for name, text in sources.items():
        for section, line, parts in _sections(text, name):
            where = f"{name}, line {line}"
            rule = _rule(parts, where, section=section, groups=groups, documents=documents)
            if rule.id in seen:
                raise ConfigurationError(f"{where}: rule '{rule.id}' is already defined in {seen[rule.id]}; rename one")
            seen[rule.id] = where
            found[section].append(rule)
    return tuple(found["rules"]), tuple(found["releases"])


def _place_of(problem: yaml.YAMLError) -> str:
    mark = getattr(problem, "problem_mark", None)
    said = " ".join(str(getattr(problem, "problem", None) or problem).split())
    return f"line {mark.line + 1}: {said}" if mark is not None else said


def _sections(text: bytes, name: str) -> Iterator[tuple[str, int, Any]]:
    """(section, line, parts) of every rule in a file."""
    top = read_mapping(text, name)
    strange = sorted(str(key) for key in set(top) - {"rules", "releases", "dated"})
    if strange:
        raise ConfigurationError(f"{name}: unknown section '{strange[0]}'; a file of rules has rules: and releases:")
    node = yaml.compose(text, Loader=_LOADER)
    lines = {key.value: listed for key, listed in node.value} if node is not None else {}
    for section in ("rules", "releases"):
        listed = top.get(section) or []
        if not isinstance(listed, list):
            raise ConfigurationError(f"{name}: {section} must be a list of rules")
        for parts, entry in zip(listed, lines[section].value if listed else (), strict=True):
            yield section, entry.start_mark.line + 1, parts


def _rule(
    parts: Any, where: str, *, section: str, groups: Mapping[str, frozenset[str]], documents: frozenset[str]
) -> Rule:
    if not isinstance(parts, dict):
        raise ConfigurationError(f"{where}: a rule is a mapping with {', '.join(sorted(_NEEDED))}")
    where = f"{where}: rule '{parts.get('id')}'"
    for unknown in set(parts) - _ALLOWED:
        raise ConfigurationError(f"{where} has an unknown part '{unknown}'; known are {', '.join(sorted(_ALLOWED))}")
    for absent in sorted(_NEEDED - set(parts)):
        raise ConfigurationError(f"{where} has no '{absent}'")
    _check_words(parts, where)
    if section == "releases" and parts["effect"] != "permit":
        raise ConfigurationError(f"{where} is a release, whose effect can only be 'permit'")
    when = tuple(_condition(one, where, groups=groups, documents=documents) for one in parts["when"])
    if section == "releases":
        for one in when:
            if one.field not in RELEASE_FIELDS:
                raise ConfigurationError(f"{where} is a release and may not look at '{one.field}'")
    rule = Rule(**{**parts, "when": when, "obligations": tuple(parts.get("obligations", ()))})
    fault = check(rule)
    if fault:
        raise ConfigurationError(f"{where} {fault}")
    return rule


def _check_words(parts: Mapping[str, Any], where: str) -> None:
    """Each part of a rule has the shape that `Rule` says."""
    if parts["effect"] not in EFFECTS:
        raise ConfigurationError(f"{where} has the unknown effect '{parts['effect']}'; use {', '.join(EFFECTS)}")
    if parts.get("confidence", "high") not in CONFIDENCES:
        raise ConfigurationError(f"{where} has the unknown confidence '{parts['confidence']}'; use high, medium or low")
    for name in ("id", "reason", "cite"):
        if not isinstance(parts[name], str) or not parts[name].strip():
            raise ConfigurationError(f"{where}: '{name}' must be a text that is not empty")
    if not isinstance(parts.get("remedy", ""), str):
        raise ConfigurationError(f"{where}: 'remedy' must be a text")
    for name in ("valid_from", "valid_until"):
        if parts.get(name) is not None and type(parts[name]) is not date:
            raise ConfigurationError(f"{where}: '{name}' is {parts[name]!r}; write a date as 2026-11-22")
    if not isinstance(parts["when"], list):
        raise ConfigurationError(f"{where}: 'when' must be a list of [field, operator, value]")
    duties = parts.get("obligations", [])
    if not isinstance(duties, list) or not all(isinstance(duty, str) for duty in duties):
        raise ConfigurationError(f"{where}: 'obligations' must be a list of sentences")


def _condition(one: Any, where: str, *, groups: Mapping[str, frozenset[str]], documents: frozenset[str]) -> Condition:
    if not isinstance(one, list) or len(one) != 3 or not all(isinstance(part, str) for part in one[:2]):
        raise ConfigurationError(f"{where}: {one!r} is no condition; write [field, operator, value]")
    field, operator, value = one
    if field not in FIELDS:
        raise ConfigurationError(f"{where}: unknown field '{field}'; known are {', '.join(FIELDS)}")
    operators = OPERATORS[FIELDS[field]]
    if operator not in operators:
        raise ConfigurationError(f"{where}: '{field}' has no operator '{operator}'; it has {', '.join(operators)}")
    if operator in _SINGLE:
        if type(value) is not _SINGLE[operator]:
            raise ConfigurationError(
                f"{where}: '{field} {operator}' needs a {_SINGLE[operator].__name__}, not {value!r}"
            )
        return Condition(field, operator, value)
    words = value if isinstance(value, list) else [value]
    if not all(isinstance(word, str) for word in words):
        raise ConfigurationError(f"{where}: '{field} {operator}' needs words, not {value!r} (quote \"NO\")")
    if FIELDS[field] == "documents":
        for kind in words:
            if kind not in documents:
                raise ConfigurationError(f"{where}: unknown kind of document '{kind}'; see law/documents.yaml")
        return Condition(field, operator, tuple(words))
    for word in words:
        if word.startswith("@") and word not in groups:
            raise ConfigurationError(f"{where}: unknown group '{word}'; known are {', '.join(sorted(groups))}")
    return Condition(field, operator, frozenset().union(*(groups.get(word, frozenset({word})) for word in words)))
