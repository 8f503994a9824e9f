"""What binds a data set's rows and whose they are is the region's own: another description is refused, either way."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsov.errors import ConfigurationError
from fedsov.model.targets import TargetRule
from fedsov.partition.description import DESCRIBED, description_digest, description_of, read_description
from fedsov.protocol.job import Asked
from fedsov.region.own_dataset import OwnDataset, in_shell
from fedsov.region.settings import RegionSettings
from tests.partition.world import spec_of

WHOLE = read_description(
    description_of(spec_of(Path("people.csv"), target=TargetRule("bought")))
    | {"restrictions": [{"column": "agreed", "equals": "no", "restriction": "home"}]}
)
PEOPLE = OwnDataset(description=WHOLE)


def _asked(**changes: Any) -> Asked:
    return Asked(description={**WHOLE, **changes})


def _settings(own: OwnDataset) -> RegionSettings:
    return RegionSettings("DE", datasets={"people": own})


def _commands(sentences: tuple[str, ...] | list[str]) -> list[list[str]]:
    """The words KEY=VALUE of each command that sentences name."""
    commands = [
        shlex.split(command) for line in sentences for command in re.findall(r"`(fedsov region set .*?)` ", line)
    ]
    assert all(command[:4] == ["fedsov", "region", "set", "DE"] for command in commands)
    return [command[4:] for command in commands]


@pytest.mark.parametrize(
    "changes",
    [
        {"restrictions": []},
        {"restrictions": [*WHOLE["restrictions"], {"column": "agreed", "equals": "yes", "restriction": "home"}]},
        {"subject": None},
        {"subject": "other"},
        {"jurisdiction": "land"},
        {"aliases": {"Deutschland: West": "DE"}},
        {"categories": {"diagnosis": ["health"]}},
        {"default_categories": ["personal", "health"]},
        {"kinds": {"age": "drop"}},
        {"drop": ["a, b", "c"]},
        {"target": "other"},
        {"target_positive": "yes"},
        {"target_scale": [0.0, 1e17], "task": "regression"},
        {"classes": ["1", "no", "2.0 "], "task": "multiclass"},
        {"nonfinite": "missing"},
        {"missing_target": "quarantine"},
        {"drop": ["it's"], "subject": "NO", "target": "17"},
    ],
)
def test_another_description_is_refused_and_its_command_takes_it(changes: dict[str, Any]) -> None:
    own, asked = _settings(PEOPLE), _asked(**changes)
    (refusal,) = own.refusals("people", asked)
    assert all(f"dataset.{key}" in refusal for key in changes) and "whether a job's would bind more or less" in refusal
    (words,) = _commands([refusal])
    taken = own.changed(words)
    assert not taken.refusals("people", asked) and taken.refusals("people", _asked())
    assert RegionSettings.from_settings(taken.to_plain()) == taken


def test_the_order_of_what_has_none_is_no_other_description() -> None:
    first, second = ({"column": "agreed", "equals": word, "restriction": "home"} for word in ("no", "yes"))
    both = [
        read_description({"drop": drop, "restrictions": rules, "categories": {"a": words}})
        for drop, rules, words in (
            (["x", "y"], [first, second], ["health", "financial"]),
            (["y", "x", "x"], [second, first], ["financial", "health"]),
        )
    ]
    assert both[0] == both[1] and description_digest(both[0]) == description_digest(both[1])


def test_of_example_rows_each_job_may_think_otherwise() -> None:
    own = OwnDataset(examples=True, document="made up", description=WHOLE)
    assert not own.refusals("DE", "people", _asked(subject=None, target="other"))
    assert own.is_as_described("anything") and not PEOPLE.is_as_described("anything")


def test_rows_are_as_described_under_the_whole_description_alone() -> None:
    assert PEOPLE.is_as_described(description_digest(WHOLE))
    part = {key: WHOLE[key] for key in WHOLE if key != "aliases"}
    assert not replace(PEOPLE, description=part).is_as_described(description_digest(part))
    assert not OwnDataset().is_as_described("")


def test_what_an_owner_said_before_the_first_ingestion_holds_and_the_ingestion_says_the_rest() -> None:
    own = RegionSettings("DE").changed(["datasets.people.subject=person", "datasets.people.drop=[b, a]"])
    said = own.of_dataset("people")
    assert said.description == {"subject": "person", "drop": ["a", "b"]}
    assert said.refusals("DE", "people", _asked(subject=None, drop=["a", "b"]))
    whole = said.completed(_asked(subject="person", drop=["a", "b"]))
    assert list(whole.to_json()) == ["examples", "document", "consent", *DESCRIBED]
    assert whole.description["restrictions"] == WHOLE["restrictions"] and whole.completed(_asked(target="z")) == whole


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("datasets.people.subject=[a]", "datasets.people: dataset.subject must be"),
        ("datasets.people.nonfinite=ignore", "datasets.people: dataset.nonfinite must be one of refuse, missing"),
        ("datasets.people.restrictions=[{column: a}]", "datasets.people: dataset.restrictions[0].equals is not set"),
        ("datasets.people.target_positive=1", "datasets.people: dataset.target is not set"),
        ("datasets.people.subjet=a", "did you mean datasets.NAME.subject?"),
    ],
)
def test_a_description_that_cannot_be_is_refused_by_name(word: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        RegionSettings("DE").changed([word])
    assert said in str(error.value)


@pytest.mark.parametrize(
    "value", ["a", "NO", "1", "a b", "a, b", "it's", 'say "x"', "#", " a", "", "[", "null", "é", "a: b"]
)
def test_a_word_of_a_shell_is_read_as_the_value_that_it_was(value: str) -> None:
    (word,) = shlex.split(in_shell("datasets.people.drop", [value]))
    assert RegionSettings("DE").changed([word]).of_dataset("people").description["drop"] == [value]
