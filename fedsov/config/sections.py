"""The keys that a configuration may have, and what may stand under them, as far as a table can say it.

Hydra takes any key that is added with ``+``, and YAML any value anywhere. What nobody reads would be ignored in
silence: a mistyped protection would be none. So whatever this table does not know is refused, with its name.
`fedsov.config.settings` checks the values themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedsov.errors import ConfigurationError, nearest

SHAPE: Mapping[str, str] = {
    "": "federation dataset model strategy algorithm privacy border runtime workspace seed today",
    "federation": "regions catalogue hub rounds days_per_round minimum_regions schedule patience compression"
    " compression_share max_update_norm",
    "federation.hub": "name location entity owners role",
    "dataset": "name source path package_item sha256 jurisdiction subject target target_above_region_median"
    " target_positive target_scale label_separator aliases kinds drop categories default_categories restrictions"
    " consent nonfinite missing_target bounds levels task classes source_options",
    "model": "name hidden round from_scratch fine_tune frozen private private_only_steps",
    "strategy": "order federated transfer_learning synthetic local",
    "strategy.federated": "min_rows",
    "strategy.transfer_learning": "min_rows min_public_rows",
    "strategy.synthetic": "min_rows min_donor_rows rows synthesizer",
    "strategy.local": "min_rows",
    "algorithm": "name options",
    "privacy": "mechanism secure_aggregation epsilon delta clip lifetime_epsilon batch statistics_noise median_epsilon",
    "border": "evidence rules unsafe_open",
    "runtime": "kind timeout",
}
"""The keys of each group; one that is not here would be ignored, and is refused instead."""
MAPPINGS = (
    "federation.catalogue",
    "dataset.aliases",
    "dataset.kinds",
    "dataset.categories",
    "dataset.bounds",
    "dataset.levels",
    "dataset.source_options",
    "algorithm.options",
)
LISTS = (
    "dataset.drop",
    "dataset.default_categories",
    "dataset.restrictions",
    "model.hidden",
    "model.frozen",
    "strategy.order",
)
PRIVATE = set(SHAPE["privacy"].split()) - {
    "mechanism",
    "secure_aggregation",
}  # `fedsov.privacy.settings` says which a choice needs
OPTIONAL = {
    "catalogue",
    "owners",
    "role",
    "days_per_round",
    "round",
    "from_scratch",
    "fine_tune",
    "bounds",
    "levels",
} | PRIVATE
OPTIONAL |= {"compression", "compression_share", "frozen", "schedule", "patience", "task", "classes", "target_scale"}
OPTIONAL |= {"private", "private_only_steps", "max_update_norm", "label_separator", "source_options"}
ONLY: Mapping[str, tuple[str | bool, ...]] = {
    "privacy.mechanism": ("none", "record"),
    "privacy.secure_aggregation": (True, False),
    "border.unsafe_open": (True, False),
    "dataset.target_above_region_median": (True, False),
    "strategy.synthetic.synthesizer": ("gaussian_copula",),
}


def check_shape(plain: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for a key nobody reads, a group or list that is none, a choice that does not exist."""
    for group, keys in SHAPE.items():
        found = only(group, _at(plain, group, object, "set"), keys.split())
        if missing := sorted(set(keys.split()) - set(found) - OPTIONAL):
            raise ConfigurationError(f"{group}.{missing[0]} is not set".removeprefix("."))
    for key in MAPPINGS:
        _at(plain, key, Mapping, "a mapping as {NAME: VALUE}")
    for key in (*LISTS, *(f"dataset.categories.{column}" for column in plain["dataset"]["categories"])):
        _at(plain, key, list, "a list as [A, B]")
    for key, choices in ONLY.items():
        if (value := _at(plain, key, object, "set")) not in choices:
            raise ConfigurationError(f"{key} is {value!r}; expected {' or '.join(str(one) for one in choices)}")


def _at(plain: Mapping[str, Any], key: str, shape: type, called: str) -> Any:
    value: Any = plain
    for part in filter(None, key.split(".")):
        value = value.get(part, {})
    if not isinstance(value, shape):
        raise ConfigurationError(f"{key} must be {called}, got {value!r}")
    return value


def only(group: str, value: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The settings of a group, which may hold these keys. Raises ConfigurationError for another key, or no group."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{group} must be a mapping with {', '.join(keys)}, got {value!r}")
    odd = sorted(set(value) - set(keys))
    if odd:
        place = f"{group}." if group else ""
        guess = nearest(str(odd[0]), keys)
        meant = f"; did you mean {place}{guess[0]}? {group or 'A run'}" if guess else f"; {group or 'a run'}"
        raise ConfigurationError(f"{place}{odd[0]} is not a setting{meant} has {', '.join(keys)}")
    return dict(value)
