"""A region's own settings beside what a job asks for: less protection is refused, by name, with the command."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fedsov.border.law.bundle_loader import load_bundle
from fedsov.errors import ConfigurationError, JobRefused
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.job import Asked
from fedsov.region.limits import Limits
from fedsov.region.own_dataset import OwnDataset
from fedsov.region.privacy_life import RegionPrivacy
from fedsov.region.settings import OwnLaw, RegionSettings, first_settings

DRAWN = {"share": 0.1, "document": "consent", "column": None, "equals": None}
NAMED = {"share": 0.0, "document": "consent", "column": "agreed", "equals": "yes"}
LOOSE = RegionSettings(
    "DE",
    law=OwnLaw(load_bundle().digest, unsafe_open=True),
    rehearsal=True,
    privacy=RegionPrivacy("none", 4.0),
    limits=Limits(rounds=5),
    datasets={"people": OwnDataset(True, "made up", DRAWN), "others": OwnDataset(consent=NAMED)},
    split="00",
    keys={"hub": "ab" * 32},
    applications=("cd",),
    retention_days=30,
)
CLOSED = RegionSettings("DE")


def test_settings_are_read_as_they_were_written() -> None:
    assert RegionSettings.from_settings(LOOSE.to_plain()) == LOOSE
    assert RegionSettings.from_settings({"region": "DE"}) == CLOSED


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(unsafe_open=True), "fedsov region set DE law.unsafe_open=true"),
        (Asked(today=date(2026, 1, 1)), "fedsov region set DE rehearsal=true"),
        (Asked(days_per_round=3), "fedsov region set DE rehearsal=true"),
        (Asked(evidence=Path("/d.yaml")), "fedsov region set DE evidence=/d.yaml"),
        (Asked(rules=Path("/r.yaml")), "fedsov region set DE law.rules=/r.yaml"),
        (Asked(examples="made up"), "datasets.people.examples=true"),
        (Asked(consent=NAMED), 'datasets.people.consent={document: consent, column: agreed, equals: "yes"}'),
        (Asked(consent=DRAWN), "dataset.consent.share draws people who were never asked"),
    ],
)
def test_what_protects_less_is_refused_with_the_command_that_would_allow_it(asked: Asked, said: str) -> None:
    (refusal,) = CLOSED.refusals("people", asked)
    assert said in refusal


def test_what_a_region_allows_and_what_protects_more_is_taken(tmp_path: Path) -> None:
    asked = Asked(unsafe_open=True, today=date(2026, 1, 1), examples="made up", consent=DRAWN)
    assert not LOOSE.refusals("people", asked)
    assert not LOOSE.refusals("people", Asked())
    register, same, other = (tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml"))
    for path, text in ((register, "documents: []"), (same, "documents: []"), (other, "documents: [ ]")):
        path.write_text(text)
    own = replace(CLOSED, evidence=register)
    assert not own.refusals("people", Asked(evidence=same))
    (refusal,) = own.refusals("people", Asked(evidence=other))
    assert "relies on another register" in refusal and str(register) not in refusal, "where it lies is its own affair"
    with closing(Ledger(tmp_path / "ledger.sqlite", "DE")) as ledger:
        relied_on, alone = (own.register("people", each, ledger, tmp_path) for each in (Asked(evidence=same), Asked()))
    assert (relied_on.path, relied_on.relies) == (register, True)
    assert (alone.path, alone.relies) == (register, False), "what it states against a crossing binds all the same"
    assert not alone.examples and not relied_on.examples, "these are people's rows"


def test_additional_rules_are_those_that_the_owner_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their content, and by their whole path: whoever runs a job may stand in another folder."""
    monkeypatch.chdir(tmp_path)
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n- {id: own-1, effect: forbid, when: [[kind, eq, update]], reason: r, cite: c}\n")
    own = CLOSED.changed(["law.rules=rules.yaml"])
    assert own.law.rules == rules and own.bundle(Asked()).added == {"own-1"}
    rules.write_text("rules: []\n")
    with pytest.raises(JobRefused, match="is not what its owner took"):
        own.bundle(Asked())
    for relative in ({"law": {"rules": "rules.yaml"}}, {"evidence": "documents.yaml"}):
        with pytest.raises(ConfigurationError, match="named by its whole path"):
            RegionSettings.from_settings({"region": "DE", **relative})


def test_what_protects_less_is_named_by_its_key() -> None:
    people = ["datasets.people.examples", "datasets.people.consent.share"]
    assert LOOSE.loose() == ["law.unsafe_open", "rehearsal", *people, "privacy.require: none"] and not CLOSED.loose()


def test_every_refusal_is_said_at_once() -> None:
    assert len(CLOSED.refusals("people", Asked(unsafe_open=True, days_per_round=1, examples="made up"))) == 3


def test_the_border_opens_only_where_region_and_job_say_so() -> None:
    asked = Asked(unsafe_open=True)
    assert LOOSE.bundle(asked).unsafe and not LOOSE.bundle(Asked()).unsafe and not CLOSED.bundle(asked).unsafe


def test_another_law_than_the_region_s_is_refused_until_its_owner_takes_it() -> None:
    old = replace(CLOSED, law=OwnLaw("0" * 64))
    with pytest.raises(JobRefused, match="fedsov region set DE law.bundle=shipped"):
        old.bundle(Asked())
    assert old.changed(["law.bundle=shipped"]).bundle(Asked()) == load_bundle()


def test_the_first_settings_are_what_the_run_asked_for_and_a_drawn_consent_is_for_examples_alone() -> None:
    asked = Asked(Path("/d.yaml"), None, True, None, 2, "made up", DRAWN)
    first = first_settings("DE", "people", asked)
    assert not first.refusals("people", asked)
    assert first.privacy.require is None, "absent is not none"
    refused = first_settings("DE", "people", replace(asked, examples=None)).refusals(
        "people", replace(asked, examples=None)
    )
    assert "never asked" in refused[0]


def test_words_change_settings() -> None:
    changed = CLOSED.changed(
        [
            "rehearsal=true",
            "limits.rounds=7",
            "privacy.require=record",
            "datasets.a.b.document=CC BY 4.0",
            "datasets.a.b.examples=true",
        ]
    )
    assert changed.rehearsal and changed.limits.rounds == 7 and changed.privacy.require == "record"
    assert changed.of_dataset("a.b") == OwnDataset(True, "CC BY 4.0")
    assert changed.changed(["privacy.require=null"]).privacy.require is None


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("rehersal=true", "did you mean rehearsal?"),
        ("split=00", "unknown setting of a region 'split'"),
        ("region=FR", "unknown setting of a region 'region'"),
        ("rehearsal=maybe", "rehearsal must be True or False"),
        ("limits.rounds=0", "limits.rounds"),
        ("law.owner=abc", "64 hexadecimal digits"),
        ("datasets.people.examples=true", "datasets.people.examples needs datasets.people.document"),
        ("datasets.people.consent={share: 0.5, document: d}", "for examples alone"),
        ("datasets.people.exmples=true", "did you mean datasets.NAME.examples?"),
        ("rehearsal", "write KEY=VALUE"),
    ],
)
def test_a_word_that_is_none_is_refused_by_name(word: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        CLOSED.changed([word])
    assert said in str(error.value)


def test_example_rows_may_be_tried_on_any_day_and_rows_of_people_go_by_the_region_s_clock() -> None:
    another_day = Asked(today=date(2026, 1, 1), examples="made up")
    first = first_settings("DE", "people", another_day)
    assert not first.rehearsal and not first.refusals("people", another_day)
    (refusal,) = first.refusals("others", Asked(today=date(2026, 1, 1)))
    assert "goes by its own clock" in refusal
