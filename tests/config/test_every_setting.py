"""Every setting, given every kind of value, is accepted or refused by one line that names it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from omegaconf import OmegaConf

from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings_of
from fedsov.errors import ConfigurationError

ODD: Mapping[str, Any] = {
    "NaN": math.nan,
    "infinity": math.inf,
    "a huge number": 10**400,
    "-1": -1,
    "0.5": 0.5,
    "true": True,
    "a text": "xyzzy",
    "an empty text": "",
    "a list": ["xyzzy", 3],
    "a list of lists": [[1], {}],
    "a mapping": {"xyzzy": 1},
    "a mapping of lists": {"xyzzy": [1, "x"]},
    "nothing": None,
}


def _plain(*words: str) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(compose(words), resolve=True)
    return plain


def _settings(plain: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every group and every setting, as its keys."""
    for key, value in plain.items():
        yield (*path, key)
        if isinstance(value, Mapping):
            yield from _settings(value, (*path, key))


def _with(plain: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    key, *rest = path
    return {**plain, key: _with(plain[key], tuple(rest), value) if rest else value}


DEFAULT = _plain()
PRIVATE = _plain("privacy=record")
ALIKE = {("federation", "catalogue"): "US", ("dataset", "bounds"): "Salary"}
"""Of groups that hold many alike, the one that is tried."""
CHOICES = [
    *((DEFAULT, path) for path in _settings(DEFAULT) if len(path) < 3 or ALIKE.get(path[:2], path[2]) == path[2]),
    *((PRIVATE, ("privacy", key)) for key in PRIVATE["privacy"]),
]


@pytest.mark.parametrize("name", ODD)
def test_it_is_accepted_or_refused_by_one_line_that_names_it(name: str) -> None:
    wrong, accepted = [], 0
    for plain, path in CHOICES:
        key = ".".join(path)
        try:
            settings_of(_with(plain, path, ODD[name]))
            accepted += 1
        except ConfigurationError as error:
            line = str(error)
            if key not in line or len(line) >= 400 or "\n" in line or "of the wrong kind" in line:
                wrong.append(f"{key}: {line}")
    assert not wrong and accepted < len(CHOICES)
