"""`fedsov requests`: a log is verified, shown without what was asked, exported for a purpose; faults end it with 6."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedsov.inference.request_log import Line, LogSettings, RequestLog, place_in
from fedsov.inference.request_log.segments import segments_in
from fedsov.storage.serving_folder import ServingFolder
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion, drawn


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """A region whose endpoint answered three requests."""
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    region.ingest(drawn(range(40)))
    log = RequestLog.open(place_in(region.folder, "DE"), LogSettings())
    for number in range(3):
        body = json.dumps({"rows": [{"income": 41.5}]}).encode()
        answer = b'{"predictions": [0.25], "outputs": ["ill"]}'
        log.put(Line(f"r-{number}", 1.8e9 + number, "DE", ("personal",), "people-de", 1 + number % 2,
                     subject=f"p{number}", body=body, answer=answer))  # fmt: skip
    log.close()
    return region


@pytest.fixture
def where(region: PeopleRegion) -> tuple[object, ...]:
    return "--workspace", region.place / "w"


def test_a_log_verifies_and_one_that_was_changed_ends_with_6(
    region: PeopleRegion, where: tuple[object, ...], tmp_path: Path
) -> None:
    ended = call("requests", "verify", "DE", *where)
    assert ended.out == "3 lines in 1 batch of 1 segment, opened with the region's key\n"
    plain = call("requests", "verify", "DE", "--without-key", "--json", *where).json
    assert (plain["lines"], plain["faults"], plain["has_key"]) == (3, [], False)
    (path,) = segments_in(ServingFolder(region.folder).requests).values()
    content = path.read_bytes()
    path.write_bytes(content[:-40] + bytes([content[-40] ^ 1]) + content[-39:])
    ended = call("requests", "verify", "DE", *where)
    path.write_bytes(content)
    assert ended.code == 6
    assert "segment 1 of worker 0, at byte" in ended.out and "batch 1 was changed" in ended.out
    assert ended.err.startswith("fedsov: the log of requests of DE has 2 faults")


def test_lines_are_shown_without_what_was_asked_and_with_it_for_a_purpose(where: tuple[object, ...]) -> None:
    out = call("requests", "show", "DE", "--last", "2", *where).out.splitlines()
    assert out[1] == "2027-01-15T08:00:02.000+00:00  r-2  DE · personal  people-de  1  champion" and len(out) == 2
    assert "41.5" not in call("requests", "show", "DE", "--json", *where).out
    assert call("requests", "show", "DE", "--model", "other", *where).out == "no line matches\n"
    assert "requests show needs --purpose" in call("requests", "show", "DE", "--bodies", *where).line
    whole = call("requests", "show", "DE", "--bodies", "--purpose", "inference", "--last", "1", *where).out
    assert 'p2: {"rows": [{"income": 41.5}]} -> {"predictions": [0.25]' in whole
    refused = call("requests", "show", "DE", "--bodies", "--purpose", "training", "--as", "auditor", *where)
    assert refused.code == 9 and "auditor opens no store for training" in refused.line
    assert (
        "unknown principal 'clerk'"
        in call("requests", "show", "DE", "--bodies", "--purpose", "training", "--as", "clerk", *where).line
    )


def test_an_export_says_what_it_wrote_and_where_it_must_stay(where: tuple[object, ...], tmp_path: Path) -> None:
    out = tmp_path / "requests.csv"
    since = ("--since", "2027-01-15T08:00:01")
    said = call("requests", "export", "DE", "--out", out, "--purpose", "training", *since, *where).out.splitlines()
    assert said[0] == f"2 rows written to {out}" and "keep it within the region" in said[1]
    assert out.read_text().splitlines()[0].startswith('"income","prediction","request_id"')
    assert out.stat().st_mode & 0o777 == 0o600
    assert "needs --purpose" in call("requests", "export", "DE", "--out", tmp_path / "x.csv", *where).line


def test_a_region_without_an_endpoint_has_no_log_and_nothing_to_send(
    region: PeopleRegion, where: tuple[object, ...], tmp_path: Path
) -> None:
    other = region.copied(tmp_path / "other")
    for path in ServingFolder(other.folder).requests.iterdir():
        path.unlink()
    there = ("--workspace", other.place / "w")
    assert "has no log of requests" in call("requests", "show", "DE", *there).line
    assert "is missing, and the ledger notes it" in call("requests", "verify", "DE", "--without-key", *there).out
    nowhere = call("requests", "verify", "DE", "--folder", tmp_path / "nowhere", *there)
    assert "nowhere does not exist; name the folder of a copy" in nowhere.line
    assert call("requests", "send-home", "DE", *where).out.startswith("region DE has no request of another region's")
    assert "cannot read the parcel" in call("requests", "receive", "DE", "--parcel", tmp_path / "none", *where).line
