"""Many regions that each sleep in the client: the coordinator, and as many real Fleet clients, beside one.

On two cores 32 regions with all their processes take minutes to begin, and it is not their beginning that is asked
about. So what runs is: the coordinator's process, 32 Fleet clients (`RegionService`, each with its certificate, its
connections and its long poll), eight to a process, and the hub's side of a run (`GridLine`). In the place of a region's
own process stands one that sleeps and answers with the model that came.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from deployment_parties import environment, free_port
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from fedsov.api import region_settings
from fedsov.api.deployment.trial import Trial, set_up_trial
from fedsov.protocol.envelopes import Address, enveloped, enveloped_reply, opened, question_of
from fedsov.protocol.flower_messages import begin_flower_process, identify, new_id
from fedsov.runtimes.deployment.acts import ANSWER
from fedsov.runtimes.deployment.flower_clients import named_once, parcel_of, parcelled
from fedsov.runtimes.deployment.grid_line import GridLine
from fedsov.runtimes.deployment.hub_connection import Credentials, HubConnection
from fedsov.runtimes.deployment.region.region_service import RegionPlace, RegionService
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, read_party

MANY, TOGETHER, SLEEP, NUMBERS = 32, 8, 2.0, 4000
BEYOND = "32 sleeping regions beyond one, s"


class Sleeper(RegionService):
    """A Fleet client whose region sleeps."""

    def serve(self, stop: threading.Event) -> None:
        """As a service's, without a region's process."""
        beats = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        if self._hello(stop):
            beats.start()
            self._loop(stop)
        self._close()

    def _worked(self, parcel: bytes) -> bytes:
        time.sleep(SLEEP)
        (came,) = parcelled(parcel)
        outer = came.message()
        content, header = opened(outer)
        question = question_of(content, header)
        reply = Message(content, reply_to=question)
        identify(reply, new_id())
        with named_once():
            return parcel_of([enveloped_reply(outer, reply, {"label": header["label"]})])


def measure(folder: Path) -> dict[str, float]:
    """Seconds of a round of 32 regions and of one, and how far they are apart."""
    names = [f"R{number:02}" for number in range(MANY)]
    for name in names:
        region_settings.init(folder, name)
    trial = set_up_trial(folder, names, HubAddress("127.0.0.1", free_port()))
    with _running(folder, trial, names):
        line = GridLine(HubConnection(read_party(trial.hub.party).hub, Credentials.of(trial.hub)))
        line.begin()
        nodes = _connected(line, MANY)
        one = min(_round(line, nodes[:1]) for _ in range(3))
        many = min(_round(line, nodes) for _ in range(3))
        line.end()
    return {BEYOND: many - one, "one sleeping region, s": one, "32 sleeping regions, s": many}


def _connected(line: GridLine, count: int) -> list[int]:
    until = time.monotonic() + 180
    while time.monotonic() < until:
        nodes = [seen.node for seen in line.regions().values() if seen.connected]
        if len(nodes) == count:
            return nodes
        time.sleep(0.2)
    raise RuntimeError(f"{len(nodes)} of {count} regions connected in 180 s")


def _round(line: GridLine, nodes: Sequence[int]) -> float:
    started, outers = time.perf_counter(), []
    for node in nodes:
        arrays = ArrayRecord({"w": Array(np.zeros(NUMBERS, np.float32))})
        message = Message(RecordDict({"arrays": arrays, "config": ConfigRecord({"server-round": 1})}), 2, "train")
        identify(message, new_id())
        header = {"act": ANSWER, "run": "r", "label": {}}
        outers.append(enveloped(message, header, Address(line.run, node)))
    left = set(line.send(outers))
    while left:
        for came in line.receive(left, 1.5):
            came.message()
            left.discard(came.metadata.reply_to_message_id)
    return time.perf_counter() - started


@contextmanager
def _running(folder: Path, trial: Trial, names: Sequence[str]) -> Iterator[None]:
    coordinator = [sys.executable, "-m", "fedsov.runtimes.deployment.hub.coordinator_process", str(folder)]
    groups = [names[start : start + TOGETHER] for start in range(0, len(names), TOGETHER)]
    commands = [coordinator, *([sys.executable, __file__, str(folder), *group] for group in groups)]
    with open(folder / "sleepers.log", "wb") as log:
        processes = [subprocess.Popen(words, stdout=log, stderr=log, env=environment()) for words in commands]
    begin_flower_process(1)
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


def main() -> None:
    """Several Fleet clients, a thread each, until SIGTERM."""
    folder, stop = Path(sys.argv[1]), threading.Event()
    begin_flower_process(2)
    services = []
    for name in sys.argv[2:]:
        home = DeploymentFolder(folder / "deployment" / "regions" / name)
        services.append(Sleeper(RegionPlace(name, folder, home, read_party(home.party).hub)))
    threads = [threading.Thread(target=service.serve, args=(stop,)) for service in services]

    def end(*_: object) -> None:
        stop.set()
        for service in services:
            service.interrupt()

    signal.signal(signal.SIGTERM, end)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
