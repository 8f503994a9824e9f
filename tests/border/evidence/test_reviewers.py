"""The register of reviewers: a file of people with a role and a key, read with suspicion."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from fedsov.border.evidence.reviewers import Reviewer, Reviewers, read_reviewers, write_reviewers
from fedsov.errors import ConfigurationError

DAY = date(2026, 11, 23)
ANNA = Reviewer("Anna Person", "data protection officer", "ab" * 32, DAY)
BEN = Reviewer("Ben Person", "counsel", "cd" * 32, DAY)


def test_a_register_is_read_as_it_was_written_and_one_without_a_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "w" / "reviewers.yaml"
    assert read_reviewers(path) == Reviewers()
    both = Reviewers((ANNA,)).with_one(BEN).without("Anna Person", DAY)
    write_reviewers(path, both)
    assert read_reviewers(path) == both and both.listed[0].revoked == DAY


def test_a_stranger_a_revoked_person_and_an_empty_register_are_refused_by_name() -> None:
    both = Reviewers((ANNA, BEN)).without("Anna Person", DAY)
    assert both.active("Ben Person") is BEN
    for register, name, said in (
        (both, "Anna Person", "reviewer 'Anna Person' was revoked on 2026-11-23"),
        (both, "Ben Prson", "unknown reviewer 'Ben Prson'; did you mean Ben Person?"),
        (Reviewers(), "Ben Person", "fedsov border reviewer init NAME"),
    ):
        with pytest.raises(ConfigurationError) as error:
            register.active(name)
        assert said in str(error.value)


def test_a_name_is_given_once_even_after_its_person_was_revoked() -> None:
    for register, said in (
        (Reviewers((ANNA,)), "is registered already"),
        (Reviewers((ANNA,)).without(ANNA.name, DAY), "not used again"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            register.with_one(ANNA)


@pytest.mark.parametrize(
    "text",
    [
        "reviewers: 3",
        "people: []",
        "reviewers: [3]",
        "reviewers: [{name: A, role: r, key: 00}]",
        "reviewers: [{name: A, role: r, key: '00', since: 2026-01-01}]",
        f"reviewers: [{{name: '', role: r, key: '{'ab' * 32}', since: 2026-01-01}}]",
        f"reviewers: [{{name: A, role: r, key: '{'ab' * 32}', since: soon}}]",
        f"reviewers: [{{name: A, role: r, key: '{'ab' * 32}', since: 2026-01-01, revoked: 'no'}}]",
        f"reviewers: [{{name: A, role: r, key: '{'ab' * 32}', since: 2026-01-01, more: 1}}]",
    ],
)
def test_a_register_that_is_not_understood_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "reviewers.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"reviewers\.yaml: "):
        read_reviewers(path)
