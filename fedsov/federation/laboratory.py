"""One federated training on arrays, on this machine: for notebooks, comparisons and benchmarks.

The arrays of all regions are in the caller's memory already, so nothing crosses a border here and nothing is decided
or recorded. The local steps and the aggregation are the same as in a run, without a message for each client: clients
are stepped together, as many processes as there are cores share them, and their mean is made where they are.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> regions = {name: (rng.normal(size=(50, 3)), rng.integers(0, 2, 50)) for name in ("DE", "US")}
>>> fitted = federate("logistic", regions, rounds=2)
>>> fitted.parameters["0.weight"].shape, len(fitted.rounds)
((1, 3), 2)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from fedsov.control_plane.aggregate import CORRECTED, PLAIN, SUMMED, Algorithm, Server
from fedsov.errors import ConfigurationError, InputError, TrainingFailed
from fedsov.federation.cohort import Cohort, Found
from fedsov.federation.job import Job, Order
from fedsov.model.network import NetworkSpec, Parameters, check, initial, shapes
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.simulation.clients import Client, Regions, clients_of, mechanisms_of, network_of
from fedsov.training import apart, personal
from fedsov.training.compression import Compression, check_sent
from fedsov.training.engine import check_codes, flat, named, predict
from fedsov.training.personal import Private
from fedsov.training.schedule import Schedule
from fedsov.training.steps import LocalSteps

Weighting = Literal["rows", "equal"]
Apart = tuple[np.ndarray, np.ndarray]
"""(n, p) private parameters and (n, P) personal copies of the clients."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A jointly trained model.

    Attributes:
        parameters: arrays under the names of ``nn.Sequential.state_dict()``; the shared ones, where some are private.
        rounds: for each round and client, ``loss`` (nats) of the model that came in, and ``auc`` where outcomes are 0
            and 1, on the client's rows; empty where nothing was measured.
        refused: for each round, the clients whose update was refused, and why.
        private: for each client the parameters that never left it; empty where all are shared.
        sent: for each round, the bytes of the numbers that all clients together would send up.
        personal: for each client its own copy of the whole network (``ditto``); empty for other algorithms.
    """

    network: NetworkSpec
    parameters: Parameters
    rounds: tuple[Mapping[Client, Mapping[str, float]], ...]
    refused: tuple[Mapping[Client, str], ...] = ()
    private: Mapping[Client, Parameters] = field(default_factory=dict)
    sent: tuple[int, ...] = ()
    personal: Mapping[Client, Parameters] = field(default_factory=dict)

    def logits(self, X: np.ndarray, region: Client | None = None) -> np.ndarray:
        """(N,) logits of (N, D) inputs, or (N, outputs), by the model of `region` (`of`).

        Raises InputError where an input that has an embedding holds anything but its codes.
        """
        inputs = np.asarray(X, dtype=np.float32)
        check_codes(inputs, self.network)
        return predict(self.of(region), inputs, self.network)

    def of(self, region: Client | None = None) -> Parameters:
        """All parameters of the network: the shared ones and, where some are private, those of `region`; or its copy.

        Raises:
            InputError: some are private, and no region is named; or one that took no part.
        """
        if self.personal and region is not None:
            if region not in self.personal:
                raise InputError(f"{region!r} has no personal copy; {', '.join(map(str, self.personal))} have")
            return self.personal[region]
        if not self.private:
            return self.parameters
        if region is None or region not in self.private:
            known = ", ".join(map(str, self.private))
            raise InputError(f"some parameters are private; name a region of {known}, not {region!r}")
        return personal.joined(self.parameters, self.private[region], self.network)


@dataclass(frozen=True, slots=True)
class Work:
    """How a federation works, beside what it learns.

    Attributes:
        processes: how many share the clients; None: as many as there are cores. The result does not depend on it.
        measures: whether each round tells the loss and AUC of the model that came in.
        order: the rows of each step of a client's round, by (seed, client's number, round), where they are given.
        bound: the longest update (L2) that is accepted; a longer one is refused.
        minimum: clients without whose updates a round fails; None: all.
        rate: what the learning rate is multiplied by in a round, from 1; see `scheduled`.
        patience: rounds without a lesser mean loss (of the models that came in, on the clients' rows, by their weights)
            after which the training ends, with the parameters of the least; None: never. It needs `measures`.
        compression: of the updates, as they would be sent up (`fedsov.training.compression`).
        frozen: names of parameters that stay as they began, and would not be sent up.
    """

    processes: int | None = None
    measures: bool = True
    order: Order | None = None
    bound: float = math.inf
    minimum: int | None = None
    rate: Callable[[int], float] = lambda _: 1.0
    patience: int | None = None
    compression: Compression = field(default_factory=Compression)
    frozen: Collection[str] = ()

    def __post_init__(self) -> None:
        if self.patience is not None and (type(self.patience) is not int or self.patience < 1 or not self.measures):
            raise ConfigurationError(
                f"patience is a whole number of 1 or more and needs measures=True, got {self.patience!r}"
            )


def cosine(rounds: int, least: float = 0.01) -> Callable[[int], float]:
    """Half a cosine from 1 in the first round to `least` in the last; see `scheduled`."""
    return scheduled(Schedule("cosine", least=least), rounds)


def scheduled(schedule: Schedule, rounds: int) -> Callable[[int], float]:
    """A run's schedule (`fedsov.training.schedule`) over so many rounds, for `Work.rate`."""
    return lambda round: schedule.rate(round, rounds)


def federate(  # twelve parameters: each is a question of its own, most calls set three, and `Work` has what is rare
    model: str | NetworkSpec,
    regions: Regions,
    *,
    rounds: int = 10,
    steps: LocalSteps | None = None,
    algorithm: str | Algorithm = "fedavg",
    weighting: Weighting = "rows",
    seed: int = 0,
    start: Parameters | None = None,
    private: Collection[str] | Private = (),
    noise: RecordMechanism | Mapping[Client, RecordMechanism] | None = None,
    work: Work = Work(),
    on_round: Callable[[int, Mapping[Client, Mapping[str, float]]], None] | None = None,
) -> Fitted:
    """One federated training over clients that are given as arrays.

    Args:
        model: ``logistic``, ``mlp`` (one hidden layer of 32), or a `fedsov.model.network.NetworkSpec`.
        regions: name to (N, D) inputs, already encoded alike everywhere, and outcomes as the steps' loss has them
            (by default (N,) of 0 and 1); or the same as a sequence of clients, known by their numbers.
        rounds: at least 1.
        steps: learning rate, momentum, batch, epochs and loss of a round's local steps.
        algorithm: one of `fedsov.control_plane.aggregate.ALGORITHMS`, ``scaffold``, ``fednova``, or one with options;
            under ``fedper``, ``fedrep`` and ``ditto`` clients keep something (`fedsov.training.apart`).
        weighting: of updates: by the region's ``rows``, or ``equal``.
        seed: of the first parameters and of the order of rows; equal seeds give equal parameters, bit by bit, with any
            number of processes.
        start: the first parameters; by default those of the seed.
        private: parameters that stay with their region, see `fedsov.training.personal.private_names`: ``intercept``,
            ``head``, ``first.bias``, ``bias``, or their own names; or these with steps of their own.
        noise: bounds what each record may do, and adds noise, for one round: one for all, or for each client its own;
            what all rounds cost together is for the caller to account (`fedsov.privacy.accounting`). Then the result is
            not reproducible, on purpose.
        work: processes, measurements, own batches, what is refused, compression.
        on_round: called after each round with its number and the clients' metrics.

    Raises:
        ConfigurationError: no such model, algorithm, weighting or number; or private parameters that step alone, beside
            noise.
        InputError: shapes that do not fit, values that are not finite, no region.
        TrainingFailed: parameters did not stay finite, or fewer than the minimum of updates were accepted.
    """
    network, steps = network_of(model), steps or LocalSteps(seed=seed)
    chosen = algorithm if isinstance(algorithm, Algorithm) else Algorithm(algorithm)
    if weighting not in ("rows", "equal"):
        raise ConfigurationError(f"weighting is rows or equal, got {weighting!r}")
    if rounds < 1 or not 0 <= seed < 2**63:
        raise ConfigurationError(f"expected 1 round or more and a seed from 0 to below 2^63, got {rounds} and {seed}")
    names, arrays = clients_of(regions, network, steps)
    sizes = [len(y) if weighting == "rows" else 1 for _, y in arrays]
    keeps = apart.chosen(chosen.name, chosen.options, _private(private), steps)
    if noise is not None:
        apart.check_noisy(keeps)
    mu = float(chosen.options.get("proximal_mu", steps.proximal_mu))
    job = Job(
        arrays,
        np.array(sizes, dtype=np.float64),
        network,
        replace(steps, proximal_mu=mu),
        seed=seed,
        rate=work.rate,
        order=work.order,
        noise=mechanisms_of(noise, names),
        bound=work.bound,
        measures=work.measures,
        private=keeps.names(network),
        first=keeps.private.first,
        alternates=keeps.private.alternates,
        ditto_lambda=keeps.ditto_lambda,
        correction=CORRECTED.get(chosen.name, "none"),
        compression=work.compression,
        frozen=frozenset(work.frozen),
    )
    first = start if start is not None else initial(network, job.inputs, seed)
    check(network, job.inputs, first)
    return _rounds(job, chosen, rounds, first, names, work=work, on_round=on_round)


def _rounds(
    job: Job,
    algorithm: Algorithm,
    rounds: int,
    first: Parameters,
    names: Sequence[Client],
    *,
    work: Work,
    on_round: Callable[[int, Mapping[Client, Mapping[str, float]]], None] | None,
) -> Fitted:
    shaped, seen, refused = shapes(job.spec, job.inputs), list[Mapping[Client, Mapping[str, float]]](), []
    current, is_robust = flat(first, shaped), algorithm.name not in SUMMED
    minimum = len(names) if work.minimum is None else work.minimum
    check_sent(job.compression, algorithm=algorithm.name, summed=False)
    sent = job.compression.bytes_of(len(job.sent())) * len(names)
    with Cohort(job, current, processes=work.processes, keeps_updates=is_robust) as cohort:
        server = None if algorithm.name in PLAIN else Server(algorithm, len(names) if is_robust else 1)
        kept, best = (cohort.kept.copy(), cohort.copies.copy()), _Best()
        for number in range(1, rounds + 1):
            found = cohort.round(number, current)
            best = best.or_of(_loss(job, found), number, current, kept)
            if len(names) - len(found.refused) < minimum:
                client, why = next(iter(found.refused.items()))
                raise TrainingFailed(f"round {number}: {names[client]}: {why}")
            current = found.mean if server is None else _served(server, job, number, current, found)
            kept = cohort.kept.copy(), cohort.copies.copy()
            if not np.isfinite(current).all():
                raise TrainingFailed(f"round {number}: the joint parameters are not finite; lower the learning rate")
            seen.append({names[client]: one for client, one in found.metrics.items()})
            refused.append({names[client]: why for client, why in found.refused.items()})
            if on_round:
                on_round(number, seen[-1])
            if work.patience is not None and number - best.round >= work.patience:
                current, kept = best.parameters, best.kept
                break
    own = [dict(personal.own(named(_with(current, job, row), shaped), job.private)) for row in kept[0]]
    copies = {name: named(row, shaped) for name, row in zip(names, kept[1], strict=True) if len(row)}
    parameters = personal.shared(named(current, shaped), job.private)
    private = dict(zip(names, own, strict=True)) if job.private else {}
    return Fitted(job.spec, parameters, tuple(seen), tuple(refused), private, (sent,) * len(seen), copies)


@dataclass(frozen=True, slots=True)
class _Best:
    """The least loss so far, of the parameters that came into a round, with the private ones and copies beside them."""

    loss: float = math.inf
    round: int = 0
    parameters: np.ndarray = field(default_factory=lambda: np.empty(0))
    kept: Apart = field(default_factory=lambda: (np.empty(0), np.empty(0)))

    def or_of(self, loss: float, round: int, parameters: np.ndarray, kept: Apart) -> _Best:
        """Whichever loss is less; the earlier of equals, the first where none is finite."""
        return _Best(loss, round, parameters, kept) if loss < self.loss or not self.round else self


def _loss(job: Job, found: Found) -> float:
    """The clients' mean loss by weight; inf where nothing was measured, or it is no number."""
    if not found.metrics:
        return math.inf
    mean = np.average([one["loss"] for one in found.metrics.values()], weights=job.weights[list(found.metrics)])
    return math.inf if np.isnan(mean) else float(mean)


def _with(current: np.ndarray, job: Job, own: np.ndarray) -> np.ndarray:
    """(P,) parameters with a client's private ones in their places."""
    whole = current.copy()
    whole[job.own()] = own
    return whole


def _served(server: Server, job: Job, number: int, current: np.ndarray, found: Found) -> np.ndarray:
    """The next parameters by Flower's strategy."""
    shaped = shapes(job.spec, job.inputs)
    updates = [(named(found.mean, shaped), float(job.weights.sum()))]
    if found.updates is not None:
        kept = [client for client in range(len(job.rows)) if client not in found.refused]
        updates = [(named(found.updates[client], shaped), float(job.weights[client])) for client in kept]
    return flat(server.step(number, named(current, shaped), updates), shaped)


def _private(given: Collection[str] | Private) -> Private:
    if isinstance(given, Private):
        return given
    return Private((given,) if isinstance(given, str) else tuple(given))
