"""A base model of consenting people's rows, from their table to the region that begins with it, and without a paper."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedsov.api import train
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger

ROWS = {"KR": 240, "JP": 200, "IN": 100}
INFORMED = {"consent_column": "agreed", "consent_value": "yes", "country_info": "yes", "specific": "yes"}
KOREAN = {**INFORMED, "consent": "separate", "notice_items": "complete"}
JAPANESE = {**INFORMED, "consent": "yes", "system_info": "yes", "measures_info": "yes"}


class Enough(Exception):
    """Every model is written; recording them with MLflow would take longer than all before."""


def _paper(name: str, kind: str, way: str, terms: Mapping[str, str], *parties: str) -> dict[str, Any]:
    exporter, importer = way.split()
    of_people = kind == "derogation_consent"
    return {
        **{"id": name, "kind": kind, "exporter": [exporter], "importer": [importer], "categories": ["personal"]},
        **{"signed": date(2026, 1, 1), "expires": date(2030, 12, 31), "owner": "a test", "entities": list(parties)},
        **{"exporters": [f"operator in {exporter}", *(["Hub Co"] if exporter == "KR" else [])]},
        **{"terms": dict(terms), **({"purposes": ["base_model"]} if of_people else {})},
    }


def _words(
    place: Path, *more: str, korean: Mapping[str, str] = KOREAN, japanese: Mapping[str, str] = JAPANESE
) -> list[str]:
    """Korea and Japan train together; India may have a model of theirs on the consent of their people alone."""
    rng, lines = random.Random(0), ["country,person,agreed,income,ward,ill"]
    for country, rows in ROWS.items():
        for number in range(rows):
            income, ward = rng.gauss(50, 9), rng.choice("AB")
            agreed = "yes" if country != "IN" and number % 2 else "no"
            lines.append(
                f"{country},{country}{number},{agreed},{income:.1f},{ward},{int(income + rng.gauss(0, 6) > 50)}"
            )
    (place / "people.csv").write_text("\n".join(lines) + "\n")
    bound = {"onward_terms": "yes"}
    papers = [
        _paper("kr-outsourcing", "contract_outsourcing", "KR JP", {"doc": "1", "disclosed": "yes"} | bound,
               "operator in JP"),
        _paper("jp-contract", "accountability_contract", "JP KR", {"doc": "1", "comparable_protection": "yes"} | bound,
               "operator in KR", "Hub Co"),
        _paper("jp-check", "annual_check", "JP KR", {}, "operator in KR", "Hub Co"),
        _paper("in-contract", "accountability_contract", "IN KR",
               {"doc": "1", "comparable_protection": "yes", "consent": "yes"} | bound, "Hub Co", "operator in KR"),
        _paper("consent-kr", "derogation_consent", "KR IN", korean, "operator in IN"),
        _paper("consent-jp", "derogation_consent", "JP IN", japanese, "operator in IN"),
    ]  # fmt: skip
    (place / "documents.yaml").write_text(yaml.safe_dump({"documents": papers}))
    return [
        f"workspace={place / 'w'}", "dataset=table", "dataset.name=people", f"dataset.path={place / 'people.csv'}",
        "dataset.jurisdiction=country", "dataset.subject=person", "dataset.target=ill", "dataset.consent.column=agreed",
        "dataset.consent.equals=yes", "dataset.consent.document=consent-kr", "federation.regions=auto",
        "federation.hub.location=KR", "federation.hub.entity=Hub Co", "border=own",
        f"border.evidence={place / 'documents.yaml'}", "federation.rounds=2", "strategy.federated.min_rows=150",
        "strategy.transfer_learning.min_rows=80", *more,
    ]  # fmt: skip


@dataclass
class Trained:
    """A run up to its models, and what its ledgers say of what crossed."""

    place: Path
    lines: list[str] = field(default_factory=list)

    def hear(self, frame: bytes) -> None:
        del frame
        if any((self.place / "w").glob("hub/models/*/people/model.safetensors")):
            raise Enough

    def entries(self, party: str) -> list[Mapping[str, Any]]:
        folder = self.place / "w" / ("hub" if party == "hub" else f"regions/{party}")
        with closing(Ledger.read(folder / "ledger.sqlite")) as ledger:
            return [entry.body for entry in ledger.entries()]

    def crossings(self, party: str) -> list[Mapping[str, Any]]:
        return [body for body in self.entries(party) if body["act"] == "cross"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    run = Trained(tmp_path_factory.mktemp("consent"))
    with pytest.raises(Enough):
        train.train_settings(settings(compose(_words(run.place))), progress=run.lines.append, on_bytes=run.hear)
    return run


def test_the_base_model_reaches_the_region_on_consent_alone_and_the_ledger_says_whose_people_consented(
    trained: Trained,
) -> None:
    (sent,) = [body for body in trained.crossings("hub") if body["importer"]["name"] == "IN"]
    assert (sent["purpose"], sent["kind"], sent["name"]) == ("base_model", "model", "base model")
    assert (sent["origins"], sent["count"], sent["verdict"]) == (["JP", "KR"], 220, "permit")
    assert sent["basis"] == ["JP derogation_consent", "KR derogation_consent"]
    assert sent["documents"] == ["consent-jp", "consent-kr"]


def test_what_the_contributors_send_for_it_is_of_consenting_people_and_for_that_purpose(trained: Trained) -> None:
    updates = [body for body in trained.crossings("KR") if body["kind"] == "update"]
    base = [body["count"] for body in updates if body["purpose"] == "base_model"]
    whole = [body["count"] for body in updates if body["purpose"] == "training"]
    assert len(base) == len(whole) == 2 and max(base) <= 120 < min(whole)
    assert {*map(tuple, (body["origins"] for body in updates))} == {("JP", "KR")}


def test_the_region_that_begins_with_it_sends_scores_alone(trained: Trained) -> None:
    kinds = {body["kind"] for body in trained.crossings("IN") if body["origins"]}
    assert kinds == {"metrics"}
    (scores,) = [body for body in trained.crossings("IN") if body["purpose"] == "base_model"]
    assert scores["origins"] == ["IN", "JP", "KR"]


def test_the_base_model_s_label_binds_the_model_of_the_region_that_began_with_it(trained: Trained) -> None:
    (record,) = trained.place.glob("w/regions/IN/models/*/record.json")
    (model,) = json.loads(record.read_text())["models"]
    assert json.loads(model["tags"]["label"])["origins"] == ["IN", "JP", "KR"]


def test_no_label_shrinks_by_a_paper_for_crossings_and_the_region_notes_whom_it_speaks_of(trained: Trained) -> None:
    bodies = trained.entries("KR")
    assert not any(body["act"] == "release" for body in bodies)
    (noted,) = [body["note"]["consent"] for body in bodies if "consent" in body.get("note", {})]
    assert noted["document"] == "consent-kr" and noted["label"] == "kept" and len(noted["digest"]) == 64


def test_the_plan_says_whose_people_consented(trained: Trained) -> None:
    (said,) = [line for line in trained.lines if line.startswith("plan: IN")]
    assert "from a base model of 220 rows of JP, KR whose people consented to it" in said


def test_without_an_item_of_one_origin_s_law_it_is_refused_by_the_name_of_the_paper(tmp_path: Path) -> None:
    partly = {**KOREAN, "notice_items": "incomplete"}
    words = _words(tmp_path, "strategy.transfer_learning.min_public_rows=150", korean=partly)
    with train.planned_run(settings(compose(words)), progress=lambda line: None) as (_, plan, _):
        india = plan.region("IN")
    assert india.strategy == "local" and plan.contributors == ()
    (why,) = [reason for reason in india.reasons if reason.startswith("Not transfer learning")]
    assert "base model hub -> IN is refused: KR -> IN: 'consent-kr' does not apply: it needs notice_items" in why
    assert {crossing.purpose for crossing in india.blocked} == {"base_model"}


@pytest.mark.long  # its short sibling is in tests/hub/planning/test_start_models.py
def test_without_an_item_of_one_origin_s_law_the_others_train_it_where_their_rows_are_enough(tmp_path: Path) -> None:
    words = _words(tmp_path, japanese={**JAPANESE, "measures_info": "no"})
    with train.planned_run(settings(compose(words)), progress=lambda line: None) as (_, plan, _):
        assert plan.region("IN").strategy == "transfer_learning" and plan.contributors == ("KR",)


def test_a_consent_to_a_base_model_carries_no_global_model(tmp_path: Path) -> None:
    words = _words(tmp_path, "strategy.federated.min_rows=50")
    with train.planned_run(settings(compose(words)), progress=lambda line: None) as (_, plan, _):
        india = plan.region("IN")
    assert india.strategy == "transfer_learning" and "IN" not in plan.following("federated")
    (why,) = [reason for reason in india.reasons if reason.startswith("Not federated")]
    assert "KR -> IN" in why or "JP -> IN" in why


def test_every_paper_that_a_base_model_could_rest_on_speaks_of_the_column_that_marks_the_rows(tmp_path: Path) -> None:
    words = _words(tmp_path, japanese={**JAPANESE, "consent_column": "newsletter"})
    chosen = settings(compose(words))
    with (
        pytest.raises(
            ConfigurationError, match="consent-jp speaks of newsletter = yes; dataset.consent takes agreed = yes"
        ),
        train.planned_run(chosen, progress=lambda line: None),
    ):
        pass


def test_another_kind_of_paper_does_not_let_another_column_mark_the_rows(tmp_path: Path) -> None:
    column = ["dataset.consent.column=newsletter", "dataset.consent.document=global"]
    words = [word for word in _words(tmp_path) if not word.startswith(tuple(word.partition("=")[0] for word in column))]
    register = yaml.safe_load((tmp_path / "documents.yaml").read_text())
    terms = {"consent_column": "newsletter", "consent_value": "yes"}
    register["documents"].append({**_paper("global", "global_consent", "KR *", terms), "categories": "*"})
    (tmp_path / "documents.yaml").write_text(yaml.safe_dump(register))
    with (
        pytest.raises(ConfigurationError, match="speaks of agreed = yes; dataset.consent takes newsletter = yes"),
        train.planned_run(settings(compose([*words, *column])), progress=lambda line: None),
    ):
        pass


def test_under_noise_no_base_model_is_made_and_that_is_said(tmp_path: Path) -> None:
    lines: list[str] = []
    words = _words(tmp_path, "privacy=record", "dataset.bounds={income:[0,99]}")
    with train.planned_run(settings(compose(words)), progress=lines.append) as (_, plan, _):
        assert plan.region("IN").strategy == "local"
    assert any("no base model is made of consenting people's rows" in line for line in lines)
