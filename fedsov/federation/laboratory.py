"""One federated training on arrays, in this process: for notebooks, comparisons and benchmarks.

The arrays of all regions are in the caller's memory already, so nothing crosses a border here and nothing is decided
or recorded. The messages, the aggregation and the local steps are the same as in a run.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> regions = {name: (rng.normal(size=(50, 3)), rng.integers(0, 2, 50)) for name in ("DE", "US")}
>>> fitted = federate("logistic", regions, rounds=2)
>>> fitted.parameters["0.weight"].shape, len(fitted.rounds)
((1, 3), 2)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsov.artifact import Artifact, Party
from fedsov.control_plane.aggregate import Algorithm
from fedsov.control_plane.server_app import Federation, Outcome, Round, server_app
from fedsov.errors import ConfigurationError, InputError
from fedsov.federation.in_process import InProcessGrid
from fedsov.federation.wire import identify, new_id, pack, round_of, unpack
from fedsov.label import Label
from fedsov.model.network import NetworkSpec, Parameters, initial
from fedsov.training import personal
from fedsov.training.local import LocalSteps, predict
from fedsov.training.measure import auc, log_loss
from fedsov.training.messages import config_of, parameters_of, record_of, with_proximal
from fedsov.training.personal import Private

Regions = Mapping[str, tuple[np.ndarray, np.ndarray]]
Weighting = Literal["rows", "equal"]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A jointly trained model.

    Attributes:
        parameters: arrays under the names of ``nn.Sequential.state_dict()``; the shared ones, where some are private.
        rounds: for each round and region, ``loss`` (nats) and ``auc`` of the model that came in, on the region's rows.
        private: for each region the parameters that never left it; empty where all are shared.
    """

    network: NetworkSpec
    parameters: Parameters
    rounds: tuple[Mapping[str, Mapping[str, float]], ...]
    private: Mapping[str, Parameters] = field(default_factory=dict)

    def logits(self, X: np.ndarray, region: str | None = None) -> np.ndarray:
        """(N,) logits of (N, D) inputs, by the joint model as `region` completes it."""
        return predict(self.of(region), np.asarray(X, dtype=np.float32), self.network)

    def of(self, region: str | None = None) -> Parameters:
        """All parameters of the network: the shared ones and, where some are private, those of `region`.

        Raises:
            InputError: some are private, and no region that took part is named.
        """
        if self.private and region not in self.private:
            raise InputError(f"some parameters are private; name a region of {', '.join(self.private)}, not {region!r}")
        return personal.joined(self.parameters, self.private.get(region or "", {}), self.network)


def federate(
    model: str | NetworkSpec,
    regions: Regions,
    *,
    rounds: int = 10,
    steps: LocalSteps | None = None,
    algorithm: str | Algorithm = "fedavg",
    weighting: Weighting = "rows",
    private: Collection[str] | Private = (),
    seed: int = 0,
    on_round: Callable[[int, Mapping[str, Mapping[str, float]]], None] | None = None,
) -> Fitted:
    """One federated training over regions that are given as arrays.

    Args:
        model: ``logistic``, ``mlp`` (one hidden layer of 32), or a `fedsov.model.network.NetworkSpec`.
        regions: name to (N, D) inputs, already encoded alike everywhere, and (N,) outcomes of 0 and 1.
        rounds: at least 1.
        steps: learning rate, momentum, batch and epochs of a round's local steps.
        algorithm: ``fedavg``, ``fedprox``, ``fedadam``, ``fedyogi``, ``fedmedian``, ``krum``, or one with options.
        weighting: of updates: by the region's ``rows``, or ``equal``.
        private: parameters that stay with their region, see `fedsov.training.personal.private_names`: ``intercept``,
            ``head``, ``first.bias``, ``bias``, or their own names; or these with steps of their own.
        seed: of the first parameters and of the order of rows; equal seeds give equal parameters.
        on_round: called after each round with its number and the regions' metrics.

    Raises:
        ConfigurationError: no such model, algorithm or weighting.
        InputError: shapes that do not fit, values that are not finite, no region.
        TrainingFailed: parameters did not stay finite.
    """
    network = _network(model)
    arrays = {name: _checked(name, X, y) for name, (X, y) in regions.items()}
    inputs = _inputs(arrays)
    if weighting not in ("rows", "equal"):
        raise ConfigurationError(f"weighting is rows or equal, got {weighting!r}")
    mine = private if isinstance(private, Private) else Private(tuple(private))
    names, first = personal.private_names(network, mine.names), initial(network, inputs, seed)
    kept = {name: personal.own(first, names) for name in arrays} if names else {}
    bench = _Bench(arrays, network, steps or LocalSteps(seed=seed), weighting, kept, mine.first)
    chosen = algorithm if isinstance(algorithm, Algorithm) else Algorithm(algorithm)
    outcome, seen = Outcome(), []

    def note(one: Round) -> None:
        metrics = {bench.party(node).name: found for node, found in one.metrics.items()}
        seen.append(metrics)
        if on_round:
            on_round(one.number, metrics)

    federation = Federation(chosen, rounds, minimum=len(arrays))
    app = server_app(federation, personal.shared(first, names), outcome, on_round=note)
    grid = InProcessGrid(bench, bench.nodes, _NoBorder())
    app(grid, Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={}))
    return Fitted(network, outcome.parameters, tuple(seen), bench.kept)


def _network(model: str | NetworkSpec) -> NetworkSpec:
    if isinstance(model, NetworkSpec):
        return model
    return NetworkSpec(model, (32,)) if model == "mlp" else NetworkSpec(model)


def _checked(name: str, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inputs, outcomes = np.asarray(X, dtype=np.float32), np.asarray(y, dtype=np.float32)
    if inputs.ndim != 2 or outcomes.shape != (len(inputs),) or not len(inputs):
        raise InputError(
            f"region {name}: expected (N, D) inputs and (N,) outcomes with N of 1 or more, "
            f"got {inputs.shape} and {outcomes.shape}"
        )
    if not np.isfinite(inputs).all() or not np.isin(outcomes, (0.0, 1.0)).all():
        raise InputError(f"region {name}: inputs must be finite and outcomes 0 or 1; impute or drop such rows first")
    return inputs, outcomes


def _inputs(arrays: Regions) -> int:
    widths = {X.shape[1] for X, _ in arrays.values()}
    if len(widths) != 1:
        raise InputError(f"regions must be given with the same number of inputs, got {sorted(widths) or 'no region'}")
    return int(widths.pop())


class _NoBorder:
    """Arrays that are in one process already cross nothing."""

    def cross(
        self, artifact: Artifact, target: Party, *, round: int | None = None, tensors: Mapping[str, Any] | None = None
    ) -> Artifact:
        return artifact


class _Bench:
    """A board whose regions answer at once, in this process."""

    def __init__(
        self,
        arrays: Regions,
        network: NetworkSpec,
        steps: LocalSteps,
        weighting: Weighting,
        kept: Mapping[str, Parameters],
        first: LocalSteps | None,
    ) -> None:
        self.kept, self._first = dict(kept), first
        self.answers: dict[str, tuple[Message, Label]] = {}
        self.nodes = tuple(range(2, 2 + len(arrays)))
        self._names = dict(zip(self.nodes, arrays, strict=True))
        self._arrays, self._network, self._steps, self._weighting = arrays, network, steps, weighting
        self._contexts = {node: Context(1, node, {}, RecordDict(), {}) for node in self.nodes}
        self._app = ClientApp()
        self._app.train()(self._train)

    def party(self, node: int) -> Party:
        return Party(self._names[node], "", "")

    def ask(self, message: Message, label: Label) -> None:
        reply = self._app(unpack(pack(message)), self._contexts[message.metadata.dst_node_id])
        identify(reply, new_id())
        self.answer(message, unpack(pack(reply)), label)

    def answer(self, asked: Message, reply: Message, label: Label) -> None:
        self.answers[asked.metadata.message_id] = (reply, label)

    def turn(self, seconds: float) -> None:
        """Nothing to wait for: answers are there when asked."""

    def _train(self, message: Message, context: Context) -> Message:
        name = self._names[context.node_id]
        (X, y), incoming, kept = self._arrays[name], parameters_of(message), self.kept.get(name, {})
        logits = predict(personal.joined(incoming, kept, self._network), X, self._network)
        found = auc(y, logits)
        steps = with_proximal(self._steps, config_of(message))
        number = round_of(message) or 0
        updated, kept = personal.update(
            incoming, kept, X, y, steps, spec=self._network, round=number, first=self._first
        )
        if kept:
            self.kept[name] = kept
        metrics = MetricRecord(
            {
                "num-examples": len(y) if self._weighting == "rows" else 1,
                "loss": log_loss(y, logits),
                "auc": float("nan") if found is None else found,
            }
        )
        return Message(RecordDict({"arrays": record_of(updated), "metrics": metrics}), reply_to=message)
