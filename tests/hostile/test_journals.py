"""A journal that is lost, cut or put back is found against the ledger, whatever the region released: it draws no noise
anew for what already left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.artifact import Party
from fedsov.label import PUBLIC, Label
from fedsov.model.column_statistics import Statistics
from fedsov.model.features import Features
from fedsov.model.network import initial
from fedsov.model.targets import TargetRule
from fedsov.privacy.settings import RecordPrivacy
from fedsov.protocol.flower_messages import HUB_NODE, flower_process, identify, new_id, record_of, with_version
from fedsov.protocol.job import Asked, RegionStart, TrainingJob
from fedsov.protocol.message_types import VERSION
from fedsov.region.worker import answer, open_region
from fedsov.storage.atomic_files import plain_json
from tests.cli.world import call
from tests.hostile.test_budgets import BOUNDS, words
from tests.region.world import question

ASKED = RecordPrivacy(
    epsilon=3.0,
    delta=None,
    clip=1.0,
    lifetime_epsilon=10.0,
    batch=64,
    statistics_noise=10.0,
    median_epsilon=0.1,
    bounds={name: (float(low), float(high)) for name, (low, high) in BOUNDS.items()},
)
STATISTICS = "query.statistics"
MODEL = Label(frozenset({"US-OH"}), frozenset({"personal"}))
"""What binds a model that was made from Ohio's update."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[RegionStart]:
    """Ohio, opened for a private run of patients' rows."""
    assert call("ingest", *words(tmp_path)).code == 0
    party, hub = Party("US-OH", "US", "operator in US-OH"), Party("hub", "US", "Example Holding Ltd (fictional)")
    job = TrainingJob("table", TargetRule("target"), privacy=ASKED, rounds=2, bounds=ASKED.bounds)
    with flower_process():
        yield RegionStart(party, hub, tmp_path / "regions" / "US-OH", "r1", job, Asked())


def _asked(start: RegionStart) -> tuple[Message, str]:
    """A question for statistics put to a process that is opened for it, and the answer's text ("" for an error)."""
    region = open_region(start)
    try:
        reply, _ = answer(region, question(STATISTICS, {"scope": "shareable"}), PUBLIC)
    finally:
        region.close()
    return reply, "" if reply.has_error() else str(reply.content.config_records["statistics"]["json"])


def _journal(start: RegionStart) -> Path:
    return start.folder / "runs" / "r1" / "journal.json"


def test_statistics_that_left_are_given_again_by_a_new_process_as_long_as_the_journal_is_there(
    start: RegionStart,
) -> None:
    first, again = _asked(start), _asked(start)
    assert json.loads(first[1])["numeric"] and first[1] == again[1]


def test_a_lost_journal_draws_no_second_noise_for_statistics_that_left(start: RegionStart) -> None:
    assert _asked(start)[1]
    _journal(start).unlink()
    reply, _ = _asked(start)
    assert reply.has_error() and reply.error.reason == "BudgetBroken"


def test_a_journal_put_back_to_before_the_statistics_is_found(start: RegionStart) -> None:
    open_region(start).close()
    ready = open_region(start)
    answer(ready, question("query.profile", {}), PUBLIC)
    ready.close()
    older = _journal(start).read_bytes()
    assert _asked(start)[1]
    _journal(start).write_bytes(older)
    assert _asked(start)[0].error.reason == "BudgetBroken"


def _trained(start: RegionStart, statistics: str, number: int) -> Message:
    """A round put to a process that is opened for it, over features that follow from the region's own answer."""
    features = Features.fit(Statistics.from_json(json.loads(statistics)))
    model = initial(start.job.recipe.network, features.inputs, 0)
    config = {"scope": "shareable", "server-round": number, "features": json.dumps(features.to_json())}
    content = RecordDict({"config": ConfigRecord(config), "arrays": record_of(model)})
    message = Message(content, HUB_NODE + 1, "train")
    with_version(message, VERSION)
    identify(message, new_id())
    region = open_region(start)
    try:
        return answer(region, message, PUBLIC if number == 1 else MODEL)[0]
    finally:
        region.close()


@pytest.mark.parametrize("is_private", [True, False])
def test_a_journal_put_back_to_before_a_round_that_left_is_found_with_and_without_privacy(
    start: RegionStart, is_private: bool
) -> None:
    told = start if is_private else replace(start, job=replace(start.job, privacy=None))
    statistics = _asked(told)[1]
    assert not _trained(told, statistics, 1).has_error()
    older = _journal(told).read_bytes()
    assert not _trained(told, statistics, 2).has_error()
    _journal(told).write_bytes(older)
    reply = _trained(told, statistics, 2)
    assert reply.has_error() and reply.error.reason == ("BudgetBroken" if is_private else "CheckpointDamaged")


def test_the_journal_of_another_run_is_none(start: RegionStart) -> None:
    assert _asked(start)[1]
    other = replace(start, run="r2")
    assert _asked(other)[1]
    _journal(start).write_bytes((start.folder / "runs" / "r2" / "journal.json").read_bytes())
    assert _asked(start)[0].error.reason == "CheckpointDamaged"


def test_a_journal_that_was_forged_before_the_ledger_knew_of_a_release_is_found(start: RegionStart) -> None:
    """Whoever may write the folder takes back the labels of what came in: the ledger notes nothing of those."""
    ready = open_region(start)
    answer(ready, question("query.profile", {}), MODEL)
    ready.close()
    sealed = json.loads(_journal(start).read_bytes())
    assert sealed["body"]["received"]["origins"] == ["US-OH"]
    body = {**sealed["body"], "received": PUBLIC.to_json()}
    digest = hashlib.sha256(plain_json(body)).hexdigest()
    for seal in (dict.fromkeys(("sha256", "hmac_sha256"), digest), {"sha256": digest}, {"hmac_sha256": ""}):
        _journal(start).write_bytes(plain_json({"body": body, **seal}))
        assert _asked(start)[0].error.reason == "CheckpointDamaged"
