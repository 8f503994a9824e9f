"""One federated training on arrays, on this machine: for notebooks, comparisons and benchmarks.

The arrays of all regions are in the caller's memory already, so nothing crosses a border here and nothing is decided
or recorded. A client's round and the aggregation are those of a run (`fedsov.training.client_round`,
`fedsov.algorithms`), without a message for each client: clients are stepped together, as many processes as there are
cores share them, and their mean is made where they are. Equal arrays, names and seeds give the parameters of a run.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> regions = {name: (rng.normal(size=(50, 3)), rng.integers(0, 2, 50)) for name in ("DE", "US")}
>>> fitted = federate("logistic", regions, rounds=2)
>>> fitted.parameters["0.weight"].shape, len(fitted.rounds)
((1, 3), 2)
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, cast

import numpy as np

from fedsov.algorithms.catalogue import Algorithm, Need
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import CONSTANT, LocalSteps, Schedule, client_number
from fedsov.algorithms.personalization import PrivateParameters
from fedsov.algorithms.rounds import WEIGHT, BestRound, RoundRecord
from fedsov.algorithms.training_spec import Rate, TrainingSpec
from fedsov.checks import SEEDS, as_number, choice, flag, instance, real, refused, store, whole
from fedsov.checks import names as names_in
from fedsov.errors import ConfigurationError, InputError, TrainingFailed, counted
from fedsov.model.network import NetworkSpec, Parameters, check_frozen
from fedsov.model.parameters import flat, joined, named, private_part, shared
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.simulation.clients import (
    NOISE,
    Client,
    Regions,
    clients_of,
    mechanisms_of,
    network_of,
    order_of,
    private_of,
    scored_of,
    start_of,
)
from fedsov.simulation.pool import ClientPool, PoolRound, warm_up
from fedsov.simulation.worker import ClientPoolJob, Order
from fedsov.training.engine import predict

if TYPE_CHECKING:
    from fedsov.algorithms.aggregation import Server

Weighting = Literal["rows", "equal"]
Noise = RecordMechanism | Mapping[Client, RecordMechanism]
OnRound = Callable[[int, Mapping[Client, Mapping[str, float]]], None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained global model.

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

    def __repr__(self) -> str:
        clients = {*self.private, *self.personal}.union(*self.rounds, *self.refused)
        network = " ".join(map(str, (self.network.name, *self.network.hidden)))
        known = [counted(len(clients), "client")] if clients else []
        return f"Fitted({', '.join([network, *known, counted(len(self.rounds), 'round')])})"

    def logits(self, X: np.ndarray, region: Client | None = None) -> np.ndarray:
        """(N,) logits of (N, D) inputs, or (N, outputs), by the model of `region` (`of`).

        Raises InputError for what is no such array of finite numbers, or no codes where an input has an embedding.
        """
        parameters = self.of(region)
        return predict(parameters, scored_of(X, self.network, parameters), self.network)

    def of(self, region: Client | None = None) -> Parameters:
        """All parameters of the network: the shared ones and, where some are private, those of `region`; or its copy.

        Raises InputError where some are private and no region is named, or one that took no part.
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
        return joined(self.parameters, self.private[region], self.network)


@dataclass(frozen=True, slots=True, eq=False)  # arrays, as of a start, have no one answer to whether they are equal
class FederateOptions:
    """How a federation on arrays works, beside what it learns.

    Attributes:
        processes: how many share the clients; None: as many as there are cores. The result does not depend on it.
        measures: whether each round tells the loss and AUC of the model that came in.
        order: the rows of each step of a client's round, by (seed, client's place, round), where they are given.
        max_update_norm: the largest L2 norm of an update that is accepted; a longer one is refused.
        minimum: clients without whose updates a round fails; None: all.
        schedule: what the learning rate is multiplied by in each round: a `Schedule`, or a function of the round.
        patience: rounds without a lesser mean loss (of the models that came in, on the clients' rows, by their weights)
            after which the training ends, with the parameters of the least; None: never. It needs `measures`.
        compression: of the updates, as they would be sent up (`fedsov.algorithms.compression`).
        frozen: names of parameters that stay as they began, and would not be sent up.
        weighting: of updates: by the client's ``rows``, or ``equal``.
        start: the first parameters; by default those of the seed.
        private: parameters that stay with their client (`fedsov.model.parameters.private_names`): ``intercept``,
            ``head``, ``first.bias``, ``bias``, or their own names; or these with steps of their own.
        noise: bounds what each record may do, and adds noise, for one round: one for all, or for each client its own;
            what all rounds cost together is for the caller to account (`fedsov.privacy.accounting`). Then the result is
            not reproducible, on purpose.
        on_round: called after each round with its number and the clients' metrics.

    Raises:
        ConfigurationError: a number that cannot be, or patience without measures.
    """

    processes: int | None = None
    measures: bool = True
    order: Order | None = None
    max_update_norm: float = math.inf
    minimum: int | None = None
    schedule: Schedule | Rate = CONSTANT
    patience: int | None = None
    compression: Compression = field(default_factory=Compression)
    frozen: Collection[str] = ()
    weighting: Weighting = "rows"
    start: Parameters | None = None
    private: Collection[str] | PrivateParameters = ()
    noise: Noise | None = None
    on_round: OnRound | None = None

    def __post_init__(self) -> None:
        least = {"processes": 1, "minimum": 0, "patience": 1}
        counts = {name: getattr(self, name) for name in least if getattr(self, name) is not None}
        norm = as_number(self.max_update_norm)
        store(
            self,
            **{name: whole(name, value, at_least=least[name]) for name, value in counts.items()},
            measures=flag("measures", self.measures),
            max_update_norm=math.inf
            if norm == math.inf
            else real("max_update_norm", self.max_update_norm, above=0.0, remedy="inf for none"),
            compression=instance("compression", self.compression, Compression, "a Compression"),
            frozen=frozenset(names_in("frozen", self.frozen)),
            weighting=choice("weighting", self.weighting, ("rows", "equal")),
            private=private_of(self.private),
            start=instance("start", self.start, Mapping | None, "a mapping of parameters' names to arrays"),
            noise=instance("noise", self.noise, RecordMechanism | Mapping | None, NOISE),
        )
        if not isinstance(self.schedule, Schedule) and not callable(self.schedule):
            raise refused("schedule", "a Schedule, or a function of a round's number", self.schedule)
        if self.order is not None and not callable(self.order):
            raise refused("order", "a function of a seed, a client's number and a round's", self.order)
        if self.on_round is not None and not callable(self.on_round):
            raise refused("on_round", "a function of a round's number and its metrics", self.on_round)
        if self.patience is not None and not self.measures:
            raise ConfigurationError(f"patience={self.patience} needs measures=True: losses tell when to end")


DEFAULTS = FederateOptions()


class MovedOptions(TypedDict, total=False):
    """Keywords that `federate` took itself before they were gathered in `FederateOptions`."""

    weighting: Weighting
    start: Parameters | None
    private: Collection[str] | PrivateParameters
    noise: Noise | None
    on_round: OnRound | None
    work: FederateOptions


def work_options(*values: Any, **old_options: Any) -> FederateOptions:
    """What was ``fedsov.Work`` before it was called `FederateOptions`; its fields come in their old order. Deprecated.

    Raises ConfigurationError for a field that is given by its old name and by its new one.
    """
    old = {"bound": "max_update_norm", "rate": "schedule"}
    for name, new in old.items():
        if name in old_options and new in old_options:
            raise ConfigurationError(f"fedsov.Work takes {new} or {name}, its old name, not both")
    line = "fedsov.Work is now fedsov.FederateOptions; its bound is max_update_norm, its rate is schedule"
    warnings.warn(line, DeprecationWarning, stacklevel=2)
    return FederateOptions(*values, **{old.get(name, name): value for name, value in old_options.items()})


def federate(
    model: str | NetworkSpec,
    regions: Regions,
    *,
    rounds: int = 10,
    steps: LocalSteps | None = None,
    algorithm: str | Algorithm = "fedavg",
    seed: int = 0,
    options: FederateOptions = DEFAULTS,
    **moved: Unpack[MovedOptions],
) -> Fitted:
    """One federated training over clients that are given as arrays.

    Args:
        model: ``logistic``, ``mlp`` (one hidden layer of 32), or a `fedsov.model.network.NetworkSpec`.
        regions: name to (N, D) inputs, already encoded alike everywhere, and outcomes as the steps' loss has them
            (by default (N,) of 0 and 1); or the same as a sequence of clients, known by their numbers.
        rounds: at least 1.
        steps: learning rate, momentum, batch, epochs and loss of a round's local steps. Its seed is ignored, except
            where private parameters take steps alone (FedRep): all other steps follow `seed`.
        algorithm: one of `fedsov.algorithms.catalogue.ALGORITHMS`, or one with options; under ``fedper``, ``fedrep``
            and ``ditto`` clients keep something (`fedsov.algorithms.personalization`).
        seed: of the first parameters and of the order of rows; equal seeds give equal parameters, bit by bit on one
            kind of processor, with any number of processes.
        options: all that is rarely set: private parameters, noise, compression, schedule, early stopping, processes.
        moved: names of options that are given here as before; each warns of its new place.

    Raises:
        ConfigurationError: no such model, algorithm or number; or what excludes each other.
        InputError: shapes that do not fit, values that are not finite, no region.
        TrainingFailed: parameters did not stay finite, or fewer than the minimum of updates were accepted.
    """
    warm_up()
    options = _with_moved(options, moved)
    rounds, seed = whole("rounds", rounds, at_least=1), whole("seed", seed, at_least=0, at_most=SEEDS)
    steps = LocalSteps(seed=seed) if steps is None else instance("steps", steps, LocalSteps, "a fedsov.LocalSteps")
    network = network_of(model)
    names, arrays = clients_of(regions, network, steps)
    if options.minimum is not None:
        whole("minimum", options.minimum, at_least=0, at_most=len(names))
    training = _training(network, steps, algorithm, options, rounds=rounds, seed=seed)
    job = ClientPoolJob(
        arrays,
        np.array([len(y) if options.weighting == "rows" else 1 for _, y in arrays], dtype=np.float64),
        training,
        [client_number(name) for name in names],
        order=order_of(options.order, arrays, may_be_empty=options.noise is not None),
        noise=mechanisms_of(options.noise, names),
        measures=options.measures,
    )
    first = start_of(options.start, network, job.inputs, seed)
    check_frozen(network, job.inputs, {*options.frozen, *job.layout.private_names})
    return _rounds(job, first, names, options)


def _with_moved(options: FederateOptions, moved: MovedOptions) -> FederateOptions:
    """The options with those that were given by their old place.

    Raises:
        TypeError: a keyword that is none.
        ConfigurationError: no options, or an old keyword beside them.
    """
    options_by_name = cast("dict[str, Any]", dict(moved))
    for name in options_by_name:
        if name not in MovedOptions.__annotations__:
            is_field = name in FederateOptions.__slots__
            place = f"; it is a field of options=FederateOptions({name}=...)" if is_field else ""
            raise TypeError(f"federate() takes no argument {name!r}{place}")
        new = "options=FederateOptions(...)" if name == "work" else f"options=FederateOptions({name}=...)"
        warnings.warn(f"federate({name}=...) is deprecated; give {new}", DeprecationWarning, stacklevel=3)
    if options_by_name and options is not DEFAULTS:
        name = next(iter(options_by_name))
        place = "its old name" if name == "work" else f"which is a field of them: FederateOptions({name}=...)"
        raise ConfigurationError(f"federate takes options or {name}, {place}, not both")
    name = "work" if "work" in options_by_name else "options"
    options = instance(name, options_by_name.pop("work", options), FederateOptions, "a fedsov.FederateOptions")
    return replace(options, **options_by_name)


def _training(
    network: NetworkSpec,
    steps: LocalSteps,
    algorithm: str | Algorithm,
    options: FederateOptions,
    *,
    rounds: int,
    seed: int,
) -> TrainingSpec:
    """The training as a run has it. Raises ConfigurationError for what excludes each other."""
    chosen = algorithm if isinstance(algorithm, Algorithm) else Algorithm(algorithm)
    mu = float(chosen.options.get("proximal_mu", steps.proximal_mu))
    training = TrainingSpec(
        network,
        replace(steps, proximal_mu=mu),
        chosen,
        rounds,
        seed,
        schedule=options.schedule,
        personalization=chosen.personalization(private_of(options.private), steps),
        compression=options.compression,
        frozen=tuple(sorted(options.frozen)),
        patience=options.patience,
        max_update_norm=options.max_update_norm,
    )
    training.check(noise=options.noise is not None, counted=True)
    return training


def _rounds(job: ClientPoolJob, first: Parameters, names: Sequence[Client], options: FederateOptions) -> Fitted:
    training, shaped = job.training, job.layout.shaped
    measures, refused = list[Mapping[Client, Mapping[str, float]]](), list[Mapping[Client, str]]()
    current, reads_single = flat(first, shaped), Need.SINGLE_UPDATES in training.algorithm.spec.needs
    sent = training.compression.bytes_of(len(job.layout.sent)) * len(names)
    single = reads_single and not training.algorithm.spec.next_is_mean
    with ClientPool(job, current, processes=options.processes, keeps_updates=single) as pool:
        server, best = _server(training.algorithm, len(names) if single else 1), BestRound()
        for number in range(1, training.rounds + 1):
            before = {"parameters": current, "private": pool.private, "personal": pool.personal}
            outcome = pool.round(number, current)
            best = best.or_of(_record(job, number, outcome), before)
            _check_minimum(number, outcome, names, len(names) if options.minimum is None else options.minimum)
            current = outcome.mean if server is None else _served(server, job, number, current, outcome)
            if not np.isfinite(current).all():
                raise TrainingFailed(f"round {number}: the global parameters are not finite; lower the learning rate")
            measures.append({names[client]: measured for client, measured in outcome.metrics.items()})
            refused.append({names[client]: why for client, why in outcome.refused.items()})
            if options.on_round:
                options.on_round(number, measures[-1])
            if best.ends(number, training.patience):
                last = best.parameters
                break
        else:
            last = {"parameters": current, "private": pool.private, "personal": pool.personal}
    return _fitted(job, last, names, rounds=tuple(measures), refused=tuple(refused), sent=(sent,) * len(measures))


def _fitted(job: ClientPoolJob, last: Mapping[str, np.ndarray], names: Sequence[Client], **history: Any) -> Fitted:
    """The model of the last parameters, with what each client kept."""
    shaped, own, current = job.layout.shaped, job.layout.private_names, last["parameters"]
    private: dict[Client, Parameters] = {}
    if own:
        for name, row in zip(names, last["private"], strict=True):
            whole = current.copy()
            whole[job.layout.private] = row
            private[name] = private_part(named(whole, shaped), own)
    personal = {name: named(row, shaped) for name, row in zip(names, last["personal"], strict=True) if len(row)}
    parameters = shared(named(current, shaped), own)
    return Fitted(job.training.network, parameters, private=private, personal=personal, **history)


def _check_minimum(number: int, outcome: PoolRound, names: Sequence[Client], minimum: int) -> None:
    """Raises TrainingFailed where fewer updates than the minimum were accepted."""
    if len(names) - len(outcome.refused) < minimum:
        client, why = next(iter(outcome.refused.items()))
        raise TrainingFailed(f"round {number}: {names[client]}: {why}")


def _record(job: ClientPoolJob, number: int, outcome: PoolRound) -> RoundRecord:
    """The losses of the model that came into a round, by client's place."""
    metrics = {
        client: {"loss": measured["loss"], WEIGHT: float(job.weights[client])}
        for client, measured in outcome.metrics.items()
    }
    return RoundRecord(number, metrics)


def _server(algorithm: Algorithm, nodes: int) -> Server | None:
    """The hub's half; None where the mean is the next model, so that Flower need not be loaded."""
    if algorithm.spec.next_is_mean:
        return None
    from fedsov.algorithms.aggregation import Server

    return Server(algorithm, nodes)


def _served(server: Server, job: ClientPoolJob, number: int, current: np.ndarray, outcome: PoolRound) -> np.ndarray:
    """The next parameters by the algorithm's strategy."""
    shaped = job.layout.shaped
    updates = [(named(outcome.mean, shaped), float(job.weights.sum()))]
    if outcome.updates is not None:
        accepted = [client for client in range(len(job.rows)) if client not in outcome.refused]
        updates = [(named(outcome.updates[client], shaped), float(job.weights[client])) for client in accepted]
    from fedsov.protocol.flower_messages import flower_process

    with flower_process():  # the strategy makes messages of this process
        return flat(server.step(number, named(current, shaped), updates), shaped)
