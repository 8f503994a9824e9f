"""The ServerApp: rounds of one federated training, over any Flower grid.

Flower's strategies configure and aggregate; the loop is ours, because Flower's own ends "completed" when every node
has failed, and because a round that lost a region has to be told. What the loop sees of a round goes to `on_round`;
who may take part in it is asked before it, of `examine`, since what permitted a region in one round may have expired by
the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fedsov.algorithms.rounds import BEST, BestRound, RoundRecord
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.algorithms.update_checks import WEIGHT, accepted_updates, believe_claims
from fedsov.errors import TrainingFailed
from fedsov.hub.region_errors import in_a_round

if TYPE_CHECKING:
    import numpy as np
    from flwr.app import ArrayRecord, Message
    from flwr.serverapp import Grid, ServerApp

CONTRIBUTORS = "contributors"
"""In the metrics of an update that stands for several: how many."""

SILENT = "NoAnswerInTime"
"""Why a node failed that was asked and did not answer, or did too late."""

UpdateCollector = Callable[["Grid", "list[Message]", float], "Iterable[Message]"]
"""Sends a round's messages, waits up to so many seconds, and gives the updates and errors that came."""


def each_by_itself(grid: Grid, messages: list[Message], timeout: float) -> Iterable[Message]:
    """Every node's own update, as it sent it."""
    return grid.send_and_receive(messages, timeout=timeout)


class SumLost(TrainingFailed):
    """A round whose updates came as a sum that one node's false secret keeps shut; `failed` says which, and why.

    Nothing was learned in it and nothing was told. Later rounds go on without that node.
    """

    def __init__(self, message: str, failed: Mapping[int, str]) -> None:
        super().__init__(message)
        self.failed = failed


@dataclass(frozen=True, slots=True)
class RoundSettings:
    """One federated training as the hub conducts it.

    Attributes:
        training: what is trained, and how.
        config: what every node is told beside the parameters (feature encoding, scope).
        minimum: updates without which a round is a failure.
        timeout: seconds a round may take before the missing nodes are left behind.
        names: what the nodes are called, for an error's line.
        rows: by node, the most rows that it can have trained on: those it told before. A claim of more is not believed.
    """

    training: TrainingSpec
    config: Mapping[str, str | int | float] = field(default_factory=dict)
    minimum: int = 1
    timeout: float = 3600.0
    names: Mapping[int, str] = field(default_factory=dict)
    rows: Mapping[int, int] = field(default_factory=dict)

    def sentence(self, failed: Mapping[int, str]) -> str:
        """Failures in a line, each with its node's name where it has one."""
        return "; ".join(
            f"{self.names[node]}: {in_a_round(self.names[node], why)}" if node in self.names else why
            for node, why in failed.items()
        )


@dataclass(frozen=True, slots=True)
class TrainingState:
    """How far a training came: all that its next round begins with.

    Attributes:
        parameters: arrays by name, in the order of the model.
        state: what the strategy keeps (`fedsov.algorithms.aggregation.state_of`), and the best parameters so far, where
            the training may end early (`fedsov.algorithms.rounds`).
        rounds: those that have ended.
    """

    parameters: Mapping[str, np.ndarray[Any, Any]]
    state: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    rounds: tuple[RoundRecord, ...] = ()


@dataclass(slots=True)
class TrainingOutput:
    """What a ServerApp leaves behind, since Flower's returns nothing: parameters and the rounds' metrics.

    `stopped` is why it ended before the last round; empty where it did not. `learned` are the rounds that made the
    parameters: all, or those before the best.
    """

    parameters: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    rounds: list[RoundRecord] = field(default_factory=list)
    stopped: str = ""
    learned: int = 0


def server_app(
    settings: RoundSettings,
    start: Mapping[str, np.ndarray[Any, Any]] | TrainingState,
    output: TrainingOutput,
    *,
    on_round: Callable[[RoundRecord], None] = lambda _: None,
    keep: Callable[[TrainingState], None] = lambda _: None,
    examine: Callable[[int], Mapping[int, str]] = lambda _: {},
    gather: UpdateCollector = each_by_itself,
    say: Callable[[str], None] = lambda _: None,
) -> ServerApp:
    """A Flower ServerApp that trains from `start` and fills `output`.

    Args:
        start: the first parameters; or where an earlier run of the same training had come, to go on from there.
        on_round: told of each round as it ends.
        keep: given all that the next round begins with, after `on_round`; the next round waits for it.
        examine: asked before each round, by its number, which nodes may not take part in it, and why.
        gather: how updates are had; `fedsov.hub.secure_sum` has them as one sum.
        say: told, once, of each claim of a node's that is not believed.

    Raises (when run):
        TrainingFailed: fewer than the minimum may take part or sent an update that is accepted in some round.
    """
    from flwr.app import Array, ArrayRecord, Context
    from flwr.serverapp import ServerApp

    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        """All the rounds, from the start or from where a checkpoint ended."""
        from fedsov.algorithms.aggregation import build, numbers_of, restore, state_of

        patience = settings.training.patience
        state = start if isinstance(start, TrainingState) else TrainingState(start)
        arrays = ArrayRecord({name: Array(value) for name, value in state.parameters.items()})
        strategy = build(settings.training.algorithm, len(list(grid.get_node_ids())), settings.training.step_counts)
        restore(strategy, {name: array for name, array in state.state.items() if not name.startswith(BEST)})
        output.rounds += state.rounds
        best, doubted, spoilers = BestRound.of(state.rounds, state.state), set[str](), dict[int, str]()
        for number in range(len(state.rounds) + 1, settings.training.rounds + 1):
            if best.ends(number - 1, patience):
                break
            out, incoming = {**examine(number), **spoilers}, arrays
            try:
                arrays, record, doubts = _round(grid, strategy, settings, number, arrays, out=out, gather=gather)
            except SumLost as lost:
                record, doubts = RoundRecord(number, {}, lost.failed, out), [f"{lost}; the model stays as it was"]
                spoilers |= {node: settings.sentence({node: why}) for node, why in lost.failed.items()}
            for doubt in (doubt for doubt in doubts if doubt not in doubted):
                say(doubt)
            doubted |= {*doubts}
            output.rounds.append(record)
            on_round(record)
            best = best if patience is None else best.or_of(record, numbers_of(incoming))
            keep(TrainingState(numbers_of(arrays), state_of(strategy) | best.state(), tuple(output.rounds)))
        output.stopped = best.ends(len(output.rounds), patience)
        output.learned = best.record.number - 1 if output.stopped and best.record else len(output.rounds)
        output.parameters = dict(best.parameters) if output.stopped else numbers_of(arrays)

    return app


def _round(
    grid: Grid,
    strategy: Any,
    settings: RoundSettings,
    number: int,
    arrays: ArrayRecord,
    *,
    out: Mapping[int, str],
    gather: UpdateCollector,
) -> tuple[ArrayRecord, RoundRecord, list[str]]:
    """The next model, what is known of the round, and the claims that were not believed."""
    from flwr.app import ConfigRecord

    from fedsov.algorithms.aggregation import aggregate, failing

    remaining = len(set(grid.get_node_ids()) - set(out))
    if remaining < settings.minimum:
        raise TrainingFailed(
            f"round {number}: {remaining} of at least {settings.minimum} regions may take part ({_all(out)})"
        )
    config = ConfigRecord(dict(settings.config))
    with failing(settings.training.algorithm, number):
        configured = strategy.configure_train(number, arrays, config, grid)
    messages = [message for message in configured if message.metadata.dst_node_id not in out]
    replies = list(gather(grid, messages, settings.timeout))
    updates, refused = accepted_updates(replies, arrays, settings.training.max_update_norm)
    doubts = _doubts(settings, updates)
    failed = refused | {reply.metadata.src_node_id: str(reply.error.reason) for reply in replies if reply.has_error()}
    metrics = {reply.metadata.src_node_id: _metrics(reply) for reply in updates}
    together = next((summed for summed in metrics.values() if CONTRIBUTORS in summed), {})
    if not together:  # who is in a sum sent no update by itself, and who fell silent before it is told there
        answered = {reply.metadata.src_node_id for reply in replies}
        asked = [message.metadata.dst_node_id for message in messages]
        failed |= {node: SILENT for node in sorted(asked) if node not in answered}
    contributors = int(together.get(CONTRIBUTORS, len(updates)))
    if contributors < settings.minimum:
        raise TrainingFailed(
            f"round {number}: {contributors} of at least {settings.minimum} regions sent an update "
            f"({settings.sentence(failed)}{'; left out: ' + _all(out) if out else ''})"
        )
    aggregated = aggregate(strategy, settings.training.algorithm, number, updates, messages)
    return aggregated, RoundRecord(number, {} if together else metrics, failed, out, together), doubts


def _doubts(settings: RoundSettings, updates: list[Message]) -> list[str]:
    """What is not believed of the updates' claims; what is, is written into them."""
    sums = [total for update in updates for total in (_metrics(update),) if CONTRIBUTORS in total]
    if not sums:
        doubts = believe_claims(updates, settings.rows)
        return [f"{settings.names.get(node, f'node {node}')}: {doubt}" for node, doubt in doubts]
    most = sum(settings.rows.values())
    if not settings.rows or sums[0][WEIGHT] <= most:
        return []
    return [
        f"the sum claims more rows than the {most:,} that its members told before the plan; whose claim is false "
        "cannot be seen in a sum"
    ]


def _all(reasons: Mapping[int, str]) -> str:
    return "; ".join(reasons.values())


def _metrics(reply: Message) -> dict[str, float]:
    record = next(iter(reply.content.metric_records.values()))
    return {key: float(value) for key, value in record.items() if not isinstance(value, list)}
