"""Settings that have a new name: the old one is accepted for one release, with a warning that names the new one.

`MOVED` is the one table. Old names are renamed where settings come in, and nothing behind knows them:

- words of a command line or of `fedsov.train` (`renamed_words`), with Hydra's signs too (``~model.private_first``);
- files, each by itself when Hydra reads it (`renamed`), so that what overrides what stays as it was;
- the settings that a run of the last release wrote down, when it is resumed (`renamed`, without a warning).

Old and new name in one place are refused. To move a setting, add a line to `MOVED`; take it out with the next release.

>>> renamed({"model": {"tune": {"epochs": 3}}}, warns=False)
{'model': {'fine_tune': {'epochs': 3}}}
>>> renamed_words(["~model.private_first"], warns=False)
['~model.private_only_steps']
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fedsov.errors import ConfigurationError

MOVED: Mapping[str, str] = {
    "model.update": "model.round",
    "model.alone": "model.from_scratch",
    "model.tune": "model.fine_tune",
    "model.private_first": "model.private_only_steps",
    "federation.bound": "federation.max_update_norm",
}
"""Each moved setting, or group of settings, and its name of now, which is in the same group."""

_SETTINGS = "|".join(map(re.escape, MOVED))
_KEY = re.compile(rf"^(?P<sign>[+~]*)(?P<name>{_SETTINGS})(?=[.=]|$)")
_REFERENCE = re.compile(rf"(?<=\$\{{)(?P<name>{_SETTINGS})(?=[.}}])")


class SettingMoved(FutureWarning):
    """A setting was given by its old name."""


def renamed_words(words: Sequence[str], *, warns: bool = True) -> list[str]:
    """The words KEY=VALUE, with Hydra's signs before them or without, by the settings' names of now.

    Raises:
        ConfigurationError: a setting is given by its old name and its new one.
    """
    keys = [word.lstrip("+~").partition("=")[0] for word in words]
    moved = [match["name"] for word in words if (match := _KEY.match(word))]
    for old in moved:
        if any(f"{key}.".startswith(f"{MOVED[old]}.") for key in keys):
            raise _given_twice(old)
    if warns:
        _warn(moved)
    return [_by_new_name(_KEY.sub(lambda match: match["sign"] + MOVED[match["name"]], word)) for word in words]


def renamed(plain: Mapping[str, Any], *, package: str = "", file: str = "", warns: bool = True) -> dict[str, Any]:
    """Settings as plain values, by their names of now.

    Args:
        package: the group that they are settings of, as ``model``; empty for all groups.
        file: where they stand, for messages.

    Raises:
        ConfigurationError: a setting is given by its old name and its new one.
    """
    moved: list[str] = []
    settings = _renamed_group(plain, package, file, moved)
    if warns:
        _warn(moved, file)
    return settings


def _renamed_group(group: Mapping[str, Any], path: str, file: str, moved: list[str]) -> dict[str, Any]:
    settings = {}
    for key, value in group.items():
        setting = f"{path}.{key}".lstrip(".")
        if setting in MOVED:
            moved.append(setting)
            if MOVED[setting].rpartition(".")[2] in group:
                raise _given_twice(setting, file)
            setting = MOVED[setting]
        name = setting.rpartition(".")[2] if setting in MOVED.values() else key
        settings[name] = _renamed_value(value, setting, file, moved)
    return settings


def _renamed_value(value: Any, path: str, file: str, moved: list[str]) -> Any:
    if isinstance(value, Mapping):
        return _renamed_group(value, path, file, moved)
    if isinstance(value, list):
        return [_renamed_value(part, f"{path}[]", file, moved) for part in value]
    return _by_new_name(value) if isinstance(value, str) else value


def _by_new_name(text: str) -> str:
    """A text whose references to settings, as ``${model.update.batch}``, are by their names of now."""
    return _REFERENCE.sub(lambda match: MOVED[match["name"]], text)


def _warn(moved: Iterable[str], file: str = "") -> None:
    changes = ", ".join(f"{old} is called {MOVED[old]} now" for old in dict.fromkeys(moved))
    if changes:
        place = f" (in {file})" if file else ""
        warnings.warn(f"{changes}{place}; old names go with the next release", SettingMoved, stacklevel=2)


def _given_twice(old: str, file: str = "") -> ConfigurationError:
    place = f"{file}: " if file else ""
    return ConfigurationError(f"{place}{old} is the old name of {MOVED[old]}, which is given too; take {old} away")
