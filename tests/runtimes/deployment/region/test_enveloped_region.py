"""A deployed region's own process: whatever comes is answered, and nothing of what goes wrong is told but its name."""

import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.artifact import Party
from fedsov.ledger.ledger import Ledger
from fedsov.model.targets import TargetRule
from fedsov.protocol.envelopes import Address, enveloped
from fedsov.protocol.flower_messages import HUB_NODE, flower_process, identify
from fedsov.protocol.job import Asked, RegionStart, TrainingJob
from fedsov.runtimes.bench.process_bench import BenchServer
from fedsov.runtimes.deployment.flower_clients import named_once, parcel_of, parcelled
from fedsov.runtimes.deployment.region.enveloped_region import KEPT, DeployedRegion
from fedsov.serialization import to_plain
from fedsov.storage.workspace import Workspace, ledger_of
from tests.runtimes.deployment.hub_side import trial_of


@pytest.fixture(scope="module")
def benches():
    with BenchServer() as server:
        yield server


@pytest.fixture
def region(tmp_path, benches):
    trial_of(tmp_path, "DE")
    with flower_process(HUB_NODE):
        yield DeployedRegion("DE", Workspace(tmp_path), benches)


def parcel(act: str = "answer", **header: object) -> bytes:
    content = RecordDict({"config": ConfigRecord({"scope": "all"})})
    message = Message(content, dst_node_id=3, message_type="query.profile")
    identify(message, "ours")
    with named_once():
        return parcel_of([enveloped(message, {"act": act, "run": "r", "label": {}, **header}, Address(5, 7))])


def reason(answer: bytes) -> str:
    (came,) = parcelled(answer)
    return str(came.message().error.reason)


def notes(region: DeployedRegion) -> list[dict[str, object]]:
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        return [entry.body["note"] for entry in ledger.entries() if "withheld" in entry.body.get("note", {})]


def test_a_message_over_which_the_process_ended_is_answered_with_that(region):
    assert reason(region.given_up(parcel())) == "RegionProcessEnded"
    assert [note["withheld"]["error"] for note in notes(region)] == ["RegionProcessEnded"]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"act": "rows"}, "NoEnvelope"),
        ({"run": "never"}, "FedsovError"),
        ({"run": "../../x"}, "JobRefused: the name of a run is letters, digits, '-' and '_'"),
        ({"run": "r" * 65}, "JobRefused: the name of a run is letters, digits, '-' and '_'"),
        ({"run": "r.second"}, "JobRefused: the name of a run is letters, digits, '-' and '_'"),
        (
            {"act": "holdings", "run": "r" * 65, "config": {"dataset": {"name": "rows"}}},
            "JobRefused: the name of a run is letters, digits, '-' and '_'",
        ),
        (
            {"act": "holdings", "config": {"dataset": {"name": "../../FR/store/rows"}}},
            "JobRefused: the name of a data set is no path",
        ),
        ({"act": "holdings", "config": {"dataset": {"name": ".."}}}, "JobRefused: the name of a data set is no path"),
        ({"act": "open", "start": {"region": "nonsense"}}, "Unserializable"),
        ({"act": "register", "run": "never"}, "FedsovError"),
    ],
)
def test_what_it_does_not_do_is_told_by_its_name_and_noted(region, message, told):
    assert reason(region.answered(parcel(**message))) == told
    assert len(notes(region)) == 1


def test_a_run_that_it_does_not_know_is_closed_without_a_word(region):
    (came,) = parcelled(region.answered(parcel("close", run="never")))
    assert not came.message().has_error()


def opened(region: DeployedRegion, run: str) -> None:
    """Has the region opened for a run, for which it has no rows."""
    start = RegionStart(
        Party("DE", "DE", "A Bank"),
        Party("hub", "DE", "A Hub"),
        Path("x"),
        run,
        TrainingJob("rows", TargetRule("y")),
        Asked(),
    )
    (came,) = parcelled(region.answered(parcel("open", run=run, start=to_plain(start))))
    assert not came.message().has_error()


def test_a_run_whose_end_was_never_told_is_closed_by_the_next_and_kept_for_a_month(region):
    for run in ("first", "second"):
        opened(region, run)
    assert [run for run, _ in region._runs] == ["second"]
    kept = region.folder / "deployed"
    assert {path.name for path in kept.iterdir()} == {"first", "second"}
    for path in (kept / "first" / "start.json", kept / "first"):
        os.utime(path, (0, time.time() - KEPT - 60))
    opened(region, "third")
    assert {path.name for path in kept.iterdir()} == {"second", "third"}


def test_what_another_run_was_told_opens_no_region(region):
    opened(region, "first")
    os.rename(region.folder / "deployed" / "first", region.folder / "deployed" / "other")
    assert reason(region.answered(parcel(run="other"))) == "FedsovError"
