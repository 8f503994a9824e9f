"""A version's evaluation stands beside its use: of its own region, as its newest rollout says."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.metrics.evaluations import evaluation_words, with_evaluations
from fedsov.control_plane.metrics.exposition import prometheus
from fedsov.control_plane.metrics.totals import totals
from fedsov.control_plane.rollouts.proposal import Act, ProposedVersion
from fedsov.control_plane.rollouts.states import RegionStep, Rollout
from fedsov.control_plane.rollouts.tables import add
from fedsov.label import Label
from fedsov.protocol.use_report import UseCell, UseReport

CELL = UseCell("m", 2, "champion", "answered", people=20, requests=130)


def proposed(version: int, **evaluation: float) -> tuple[Rollout, ProposedVersion]:
    proposal = ProposedVersion(
        model="m", version=version, digest="", label=Label(), verdict="undecided", report="", registry="hub",
        dataset="people", run="r", files={}, evaluation=evaluation,
        proposed=Act(by="A.", why="a test", at="2026-11-30"),
    )  # fmt: skip
    return Rollout(0, "m", version, "proposed", "DE", {"DE": RegionStep()}), proposal


def test_a_total_has_the_figures_of_its_region_and_version_from_the_newest_rollout(tmp_path: Path) -> None:
    told = totals([UseReport(region, 0, 60, 10, (CELL,)) for region in ("DE", "FR")])
    with closing(Database.open(f"sqlite:///{tmp_path}/control.sqlite")) as database:
        with database.changing() as connection:
            add(connection, *proposed(2, DE_auc=0.6))
            add(connection, *proposed(2, DE_auc=0.742, DE_gain=0.01, DE_gain_se=0.005, GB_auc=0.7, aggregate_auc=0.72))
            add(connection, *proposed(1, DE_auc=0.5))
        with database.reading() as connection:
            de, fr = with_evaluations(connection, told)
    assert de.evaluation == {"auc": 0.742, "gain": 0.01, "gain_se": 0.005} and fr.evaluation == {}
    assert de.to_json()["evaluation"] == de.evaluation
    assert 'fedsov_model_evaluation{region="DE",model="m",version="2",role="champion",measure="auc"} 0.742' in (
        prometheus([de, fr])
    )


def test_a_gain_has_its_interval() -> None:
    assert evaluation_words({"gain": 0.02, "gain_se": 0.01, "auc": 0.7}) == "auc 0.7, gain 0.02 (0.0004 to 0.0396)"
    assert evaluation_words({"gain": 0.02}) == "gain 0.02"
