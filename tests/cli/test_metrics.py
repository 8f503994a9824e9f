"""`metrics`: what the hub shows of regions' use, what a region says of its own, and what monitors read."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.api.control.use.closed_windows import close_windows
from fedsov.control_plane.database.place import open_database
from fedsov.control_plane.metrics.use_reports import Signed, take_use_report
from fedsov.protocol.use_report import UseCell, UseReport
from fedsov.storage.workspace import Workspace
from tests.api.control.use.use_world import AFTER, FIRST, asked, opened, sharing
from tests.cli.world import call

HOUR = 3600
CELL = UseCell("m", 1, "champion", "answered", people=20, requests=130, seconds=(0, 1), score=(3, 9))


@pytest.fixture
def hub(tmp_path: Path) -> Workspace:
    """A hub that FR told of its use an hour ago, and region DE, which tells nothing yet."""
    workspace, key = sharing(tmp_path / "w"), Ed25519PrivateKey.generate()
    begins = int(time.time()) // HOUR * HOUR - 2 * HOUR
    document = UseReport("FR", begins, 60, 10, (CELL,)).to_bytes()
    signed, verify = Signed("FR", document, key.sign(document)), key.public_key().public_bytes_raw().hex()
    with closing(open_database(workspace.root)) as database, database.changing() as connection:
        take_use_report(connection, signed, verify, now=time.time())
    return workspace


def test_people_read_a_paragraph_for_each_version_and_a_line_for_each_region_here(hub: Workspace) -> None:
    lines = call("metrics", "show", "--workspace", hub.root).out.splitlines()
    assert lines[0].startswith("FR m 1 (champion): 130 to 139 answered; 20 people or more within a window; 1 window")
    assert lines[1:3] == ["  answered: half in up to 5 ms, 99 % in up to 5 ms", "  scores: 0.3 to 1: 130 to 139"]
    assert lines[3] == "DE has told nothing of its use so far (windows of 60 minutes, 10 people or more a number)"


def test_where_every_band_of_time_was_joined_nobody_is_told_how_fast_it_was(hub: Workspace) -> None:
    begins, key = int(time.time()) // HOUR * HOUR - 3 * HOUR, Ed25519PrivateKey.generate()
    document = UseReport("IT", begins, 60, 10, (replace(CELL, seconds=(0, 5)),)).to_bytes()
    signed, verify = Signed("IT", document, key.sign(document)), key.public_key().public_bytes_raw().hex()
    with closing(open_database(hub.root)) as database, database.changing() as connection:
        take_use_report(connection, signed, verify, now=time.time())
    lines = call("metrics", "show", "--region", "IT", "--workspace", hub.root).out.splitlines()
    assert lines[1] == "  answered: too few people ask to tell how fast"


def test_a_program_reads_the_same_and_one_region_alone(hub: Workspace) -> None:
    plain = call("metrics", "show", "--region", "FR", "--workspace", hub.root, "--json").json
    assert [total["answered"] for total in plain["totals"]] == [{"at_least": 130, "at_most": 139}]
    assert plain["regions"] == {}
    ended = call("metrics", "show", "--region", "FT", "--workspace", hub.root)
    assert ended.code == 2 and "unknown region 'FT'; there are DE, FR" in ended.line


def test_a_region_says_that_it_shares_nothing_and_how_it_would(hub: Workspace) -> None:
    assert not call("region", "set", "DE", "metrics.share=false", "--yes", "--workspace", hub.root).code
    lines = call("metrics", "show", "--region", "DE", "--workspace", hub.root).out.splitlines()
    assert lines[-1].startswith("DE lets no hub know of its use; `fedsov region set DE metrics.share=true")


def test_a_region_says_what_waits_for_the_hub(hub: Workspace) -> None:
    asked(hub, FIRST, 12)
    with opened(hub) as (place, own):
        close_windows(place, own, now=AFTER)
    plain = call("metrics", "show", "--region", "DE", "--workspace", hub.root, "--json").json
    assert (plain["regions"]["DE"]["waiting"], plain["regions"]["DE"]["told_until"]) == (1, FIRST.ends)


@pytest.mark.parametrize(("form", "begins"), [("prometheus", "# HELP fedsov_use"), ("otlp", '{"resourceMetrics"')])
def test_monitors_read_a_file_that_is_written_whole(hub: Workspace, tmp_path: Path, form: str, begins: str) -> None:
    path = tmp_path / "out" / "metrics"
    ended = call("metrics", "export", "--format", form, "--out", path, "--workspace", hub.root, "--json")
    assert ended.json == {"format": form, "out": str(path)}
    assert path.read_text().startswith(begins)
    assert call("metrics", "export", "--format", form, "--workspace", hub.root).out.startswith(begins)


def test_plain_json_is_exported_too_and_another_form_is_refused(hub: Workspace) -> None:
    assert json.loads(call("metrics", "export", "--format", "json", "--workspace", hub.root).out)[0]["model"] == "m"
    ended = call("metrics", "export", "--format", "xml", "--workspace", hub.root)
    assert ended.code == 2 and "there are prometheus, otlp and json" in ended.line


def test_where_there_is_no_hub_nothing_is_exported(tmp_path: Path) -> None:
    ended = call("metrics", "export", "--workspace", tmp_path)
    assert ended.code == 2 and "is no hub's home" in ended.line
