"""Real processes: what nine people did at an endpoint is in no byte that leaves their region, and what twelve did is.

The endpoint with its workers, the region's agent and the hub's control plane run as in earnest; the way between region
and hub is written down in the clear. Only the hour is over sooner: the workers' windows are by a clock that is two
hours late.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.api.control.use.closed_windows import close_windows
from fedsov.api.control.use.metrics import metrics
from fedsov.api.region_settings import set_settings
from fedsov.control_plane.metrics.use_reports import reports
from fedsov.inference.use.spool import UseSpool
from fedsov.region.admission import open_region
from fedsov.runtimes.serving.place import EndpointPlace
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace
from tests.api.control.processes import HUB, ControlProcesses, until
from tests.api.control.recorded_way import RecordedWay
from tests.api.inference.world import HUB as HUB_WORDS
from tests.inference.token_attacks import TokenWorld
from tests.runtimes.serving.serving_world import MODEL, Running, ServingWorld

LATE = (
    "import time, types, fedsov.runtimes.serving.use_counts as counts\n"
    "counts.EVERY = 0.2\n"
    "counts.time = types.SimpleNamespace(time=lambda: time.time() - 7200, monotonic=time.monotonic)"
)
PARTIES = ("parties.region.location=DE", "parties.region.entity=Example GmbH")


def endpoint_of(home: Path) -> ServingWorld:
    """The endpoint of a region that shares its use: version 1, and version 2, which is asked by its number."""
    set_settings(home, ["DE"], [*HUB_WORDS, *PARTIES, "metrics.share=true"])
    folder, hub = Workspace(home).region("DE"), Ed25519PrivateKey.generate()
    with open_region(folder, "DE") as (place, own):
        region_key, seconds = place.ledger.key, own.metrics.seconds
    endpoint = EndpointPlace(
        region="DE", folder=folder, region_key=region_key, hub_key=hub.public_key().public_bytes_raw().hex(),
        jurisdictions=("DE",), port=0, log={"durable": "batch"}, use_seconds=seconds, workers=2,
    )  # fmt: skip
    world = ServingWorld(folder, endpoint, TokenWorld.new(path=f"/v1/models/{MODEL}/predict"), hub)
    world.place.serving.root.mkdir(parents=True, exist_ok=True)
    world.write_issuers()
    world.publish()
    world.approve(1)
    world.approve(2, mode="canary", share=1e-9)
    return world


def asks(running: Running, person: str, version: int, often: int) -> None:
    """Someone asks a version so often."""
    path = f"/v2/models/{MODEL}/versions/{version}/infer"
    tensor = {"name": "age", "shape": [1], "datatype": "FP32", "data": [30.0]}
    body = json.dumps({"inputs": [tensor, {**tensor, "name": "years", "data": [3.0]}]}).encode()
    token = running.world.tokens.token("DE", sub=person)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    for _ in range(often):
        answer = running.ask("POST", path, body, headers)
        assert answer.status == 200, answer.body


def counted(folder: Path) -> int:
    """How many requests workers put down so far."""
    spool = UseSpool(ServingFolder(folder).use)
    frames = [frame for window in spool.windows() for frame in spool.frames(window)]
    return sum(sum(people.values()) for frame in frames for people in frame.cells.values())


@contextmanager
def parties_of(home: Path) -> Iterator[tuple[ControlProcesses, RecordedWay]]:
    """A hub and region DE, whose way to it is recorded."""
    with ControlProcesses(home, ["DE"]) as parties:
        region = parties.trial.regions["DE"]
        with RecordedWay(parties.trial.hub, region, hub_port=parties.control) as way:
            parties.say_where(region, way.port)
            yield parties, way


def test_what_nine_people_did_is_in_no_byte_that_left(tmp_path: Path) -> None:
    with parties_of(tmp_path) as (parties, way):
        world = endpoint_of(tmp_path)
        parties.begin_hub()
        parties.begin_region("DE")
        nine, twelve = ([f"person-{name}-{number}" for number in range(many)] for name, many in (("a", 9), ("b", 12)))
        with world.serving(first=LATE) as running:
            running.ready()
            for person in nine:
                asks(running, person, 1, 3)
            for person in twelve:
                asks(running, person, 2, 2)
            until(lambda: counted(world.folder) == 9 * 3 + 12 * 2, "the workers to put down what they counted")
        parties.until_seen("DE")
        with open_region(world.folder, "DE") as (place, own):
            closed = close_windows(place, own, now=time.time())
        until(lambda: b"fedsov use 1" in way.sent, "the report to leave")
        parties.kill("DE")
        parties.kill(HUB)
    assert {each.left_out for each in closed} == {1}
    check_what_left(way.sent, [*nine, *twelve])
    with closing(parties.database()) as database, database.reading() as connection:
        (report,) = reports(connection)
    (cell,) = report.cells
    assert (cell.version, cell.people, cell.requests, cell.outcome) == (2, 10, 20, "answered")
    (line, *_) = metrics(tmp_path).lines()
    assert line.startswith(f"DE {MODEL} 2 (canary): 20 to 29 answered; 10 people or more")


def check_what_left(sent: bytes, people: list[str]) -> None:
    """Nothing of version 1, which nine people asked; no person, and no number of requests or people that is exact."""
    begins = sent.index(b'{"begins"')
    document = json.loads(sent[begins : sent.index(b'"region":"DE"}', begins) + len(b'"region":"DE"}')])
    assert [cell["version"] for cell in document["cells"]] == [2]
    assert set(document) == {"format", "region", "begins", "minutes", "least", "cells", "drift", "noise"}
    assert sent.count(b"fedsov use 1") == 1
    for word in (b'"version":1', b'"people":9', b'"requests":27', b'"requests":24', b"left_out", b'"people":12'):
        assert word not in sent
    assert not [person for person in people if person.encode() in sent]
