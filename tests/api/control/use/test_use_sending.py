"""What waits for the hub is sent until it is there; what the hub refuses is set aside, and the rest goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsov.api.control.control_hub import control_hub
from fedsov.api.control.hub.control_answers import control_answers
from fedsov.api.control.use.closed_windows import waiting_reports
from fedsov.api.control.use.use_sending import send_reports
from fedsov.control_plane.metrics.use_reports import reports
from fedsov.errors import FedsovError
from fedsov.protocol.use_report import UseCell, UseReport
from fedsov.runtimes.deployment.hub_connection import HubUnreachable
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from fedsov.storage.atomic_files import write_file
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.workspace import Workspace
from tests.runtimes.deployment.control.world import ControlWorld, serving

HOUR = 3600
BEGINS = int(time.time()) // HOUR * HOUR - 10 * HOUR
CELL = UseCell("m", 1, "champion", "answered", people=20, requests=130)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlWorld]:
    home = tmp_path_factory.mktemp("hub")
    with (
        ControlWorld.begin(home, ["DE", "FR"]) as plain,
        control_hub(home) as hub,
        serving(plain.trial, plain.database, control_answers(hub)) as (service, address),
    ):
        plain.service, plain.address = service, address
        yield plain


@pytest.fixture
def client(world: ControlWorld) -> ControlClient:
    return world.client("DE")


def folder(world: ControlWorld) -> Path:
    return Workspace(world.trial.hub.home).region("DE")


def waits(world: ControlWorld, report: UseReport | bytes, name: str) -> None:
    content = report if isinstance(report, bytes) else report.to_bytes()
    write_file(RegionControlFolder(folder(world)).metrics / f"{name}.json", content)


def known(world: ControlWorld) -> list[int]:
    with world.database.reading() as connection:
        return [report.begins for report in reports(connection)]


def test_a_report_arrives_once_however_often_it_is_sent(world: ControlWorld, client: ControlClient) -> None:
    report = UseReport("DE", BEGINS, 60, 10, (CELL,))
    for _ in range(2):
        waits(world, report, "1")
        send_reports(folder(world), client)
    assert known(world) == [BEGINS] and not waiting_reports(folder(world))


def test_what_the_hub_refuses_is_set_aside_and_said_and_the_others_arrive(
    world: ControlWorld, client: ControlClient
) -> None:
    before = known(world)
    waits(world, b'{"format":"fedsov use 1","people":9}', "2-none")
    waits(world, UseReport("FR", BEGINS, 60, 10, (CELL,)), "3-foreign")
    waits(world, UseReport("DE", BEGINS + HOUR, 60, 10, (CELL,)), "4")
    with pytest.raises(FedsovError, match=r"set aside: 2-none.json: this is no report.*; 3-foreign.json: .*another"):
        send_reports(folder(world), client)
    assert known(world) == [*before, BEGINS + HOUR]
    aside = [path.name for path in RegionControlFolder(folder(world)).metrics.iterdir()]
    assert sorted(aside) == ["2-none.refused", "3-foreign.refused"]


def test_while_the_hub_is_away_it_waits(world: ControlWorld) -> None:
    waits(world, UseReport("DE", BEGINS + 2 * HOUR, 60, 10, (CELL,)), "5")
    away = world.client("DE")
    with serving(world.trial, world.database) as (_, address):
        gone = address
    away.address = gone
    with pytest.raises(HubUnreachable):
        send_reports(folder(world), away)
    assert [path.name for path in waiting_reports(folder(world))] == ["5.json"]
