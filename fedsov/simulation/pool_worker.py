"""One process of a pool of virtual clients: it is given its clients, then steps them round by round.

It ends when its line closes, and with the server that it was forked from. What it answers is a pair: an error to be
raised by the caller, or None, and what `Worker.round` returns.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle
import numpy as np
import torch

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import FedsovError, TrainingFailed
from fedsov.model.network import NetworkSpec, register, registered
from fedsov.simulation.shared_memory import SharedMemory
from fedsov.simulation.worker import ClientPoolJob, SharedArrays, Worker


def prepare() -> None:
    """Steps two clients once, before there are forks: what torch and this package do at first use is done for all."""
    torch.set_num_threads(1)
    rows = [(np.eye(2, dtype=np.float32), np.arange(2, dtype=np.float32))] * 2
    training = TrainingSpec(NetworkSpec("mlp", (2,)), LocalSteps())
    job, nothing = ClientPoolJob(rows, np.ones(2), training, range(2)), np.zeros(9, np.float32)
    several = np.zeros((2, 9), np.float32)
    memory = SharedArrays(nothing, nothing.astype(np.int64), None, several[:, :0], several, nothing[:0], nothing[:0])
    Worker(job, [range(2)], memory).round(1)


def run(connection: Connection, descriptors: Sequence[int]) -> None:
    """The whole life of a worker process: answers until the other end closes, or something fails."""
    with suppress(BrokenPipeError, ConnectionResetError):
        try:
            for answer in _answers(connection, descriptors[0]):
                connection.send_bytes(pickle.dumps((None, answer)))
        except FedsovError as error:
            connection.send_bytes(pickle.dumps((error, None)))
        except Exception as error:  # boundary: the caller raises it
            failure = TrainingFailed(f"a worker process failed: {type(error).__name__}: {error}")
            failure.add_note(traceback.format_exc())
            connection.send_bytes(pickle.dumps((failure, None)))


def _answers(connection: Connection, descriptor: int) -> Iterator[dict[str, Any]]:
    """An empty answer when the clients are there, then one for each round that is asked for."""
    worker = _worker(connection, descriptor)
    yield {}
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            return
        yield worker.round(pickle.loads(message))


def _worker(connection: Connection, descriptor: int) -> Worker:
    """This process's share of the clients, as the caller sends it."""
    where = json.loads(connection.recv_bytes())
    sys.path[:] = where["path"]  # a network may come from a module beside the caller's script
    with suppress(OSError):
        os.chdir(where["folder"])
    network, job, sizes, layout = cloudpickle.loads(connection.recv_bytes())
    place, blocks = pickle.loads(connection.recv_bytes())
    if network is not None and registered(job.training.network.name) is None:
        register(job.training.network.name, network)
    memory = SharedMemory.attach(descriptor, layout).arrays
    ends = np.cumsum(sizes)[:-1]
    rows = list(zip(np.split(memory["X"], ends), np.split(memory["y"], ends), strict=True))
    return Worker(
        replace(job, rows=rows),
        blocks,
        SharedArrays(
            incoming=memory["incoming"],
            total=memory["totals"][place],
            updates=memory["updates"] if len(memory["updates"]) else None,
            private=memory["private"],
            personal=memory["personal"],
            mean_state=memory["mean_state"],
            state_change=memory["state_changes"][place],
        ),
    )
