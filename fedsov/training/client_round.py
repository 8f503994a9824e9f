"""One round of K clients over arrays: the only place where clients step, in a run and in `fedsov.federate`.

A region of a run is K = 1; a block of virtual clients is K = 64. Everything that a client does in a round is here, in
order: the model that came in is scored, private parameters take their own steps, all parameters take the round's under
the terms of the algorithm and of noise, personal copies are stepped beside them, the algorithm's half makes the update,
the update is compressed and checked. State comes in and goes out; a client whose update is refused keeps what it had.

The batches of a client come from one generator keyed by (seed, client, round), so that equal rows, seeds and names give
equal models wherever they are trained. Noise alone is drawn from the system's secret randomness.

    result = client_round(incoming, state, held([(X, y)], steps, spec), ClientRound(training, 1, clients=(7,)))
    result.trained, result.state, result.refused
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from fedsov.algorithms import ditto
from fedsov.algorithms.client_half import GradientTerms, StepsTaken, effective_steps
from fedsov.algorithms.compression import Packed, chance, packed, unpacked
from fedsov.algorithms.local_steps import LocalSteps, Stream, generator, poisson, shuffled
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.algorithms.update_checks import LARGEST, update_fault
from fedsov.errors import ConfigurationError
from fedsov.model.losses import loss_named, weights_of
from fedsov.model.metrics import auc
from fedsov.model.network import answering, build, is_layered, load
from fedsov.model.parameters import named
from fedsov.privacy.mechanism import Clipping, RecordMechanism, noise_generator
from fedsov.training import engine
from fedsov.training.client_state import ClientState, Layout
from fedsov.training.step_batches import Batches, ClientBatch

if TYPE_CHECKING:
    import torch

Measure = Callable[[int, np.ndarray], Mapping[str, float]]
"""(client's place among the K, (P,) parameters that it begins with) to what is told of them."""
Noise = Callable[[], Sequence[RecordMechanism]]
"""Each client's mechanism for one round; called once, when the noisy steps are taken."""
Remembered = Callable[[Callable[[], np.ndarray]], np.ndarray]
"""Takes (K, P) noisy steps, or gives what they gave before where the same is asked again."""
Cut = Callable[[int, LocalSteps, Stream], Sequence[np.ndarray]]
"""(client's place, steps, what they are drawn for) to the rows of each step."""


def taken_anew(steps: Callable[[], np.ndarray]) -> np.ndarray:
    """Noisy steps that nobody remembers."""
    return steps()


@dataclass(frozen=True, slots=True)
class ClientRound:
    """What K clients do in a round, beside their rows and states.

    Attributes:
        training: the training that the round is of.
        number: the round, from 1.
        clients: (K,) the clients' numbers, by which their chance is keyed (`local_steps.client_number`).
        batches: for a client's place the rows of each of its steps; by default shuffled by its generator.
        cut: the same of all the steps that a client takes, those of private parameters alone too; they may be longer
            than a batch.
        noise: what bounds and hides each record; then rows are drawn for it.
        chance: a generator at each call, of a client's noise and of the rows that are drawn for it.
        remembered: see `Remembered`.
        drift: (P,) or (K, P), what the hub sent to be added to gradients, where it keeps the clients' state.
        measure: what is told of the model that came in; nothing by default.
        ends_hub_half: whether the half of an algorithm that the hub has in a run is called here, as in one process.
        mean: (P,) the mean over all clients of the state that the half averages.
    """

    training: TrainingSpec
    number: int
    clients: Sequence[int]
    batches: Callable[[int], Sequence[np.ndarray]] | None = None
    noise: Noise | None = None
    chance: Callable[[], np.random.Generator] = noise_generator
    remembered: Remembered = taken_anew
    drift: np.ndarray | None = None
    measure: Measure | None = None
    ends_hub_half: bool = False
    mean: np.ndarray | None = None
    cut: Cut | None = None

    @property
    def steps(self) -> LocalSteps:
        """The steps of the round."""
        return self.training.steps_of(self.number)

    def shuffled(self, sizes: np.ndarray) -> Batches:
        """Each client's rows by step where none are drawn for noise: no step is empty, or, unless cut, too long."""
        if self.batches is not None:
            return [self.batches(place) for place in range(len(sizes))]
        return self.drawn(sizes, self.training.steps, self.training.seed, Stream.ORDER)

    def drawn(self, sizes: np.ndarray, steps: LocalSteps, seed: int, stream: Stream) -> Batches:
        """Each client's rows by step as they are cut, or shuffled by its generator."""
        if self.cut is not None:
            return [self.cut(place, steps, stream) for place in range(len(sizes))]
        return [
            shuffled(int(size), steps, generator(seed, client, self.number, stream))
            for client, size in zip(self.clients, sizes, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What a round gave.

    Attributes:
        trained: (K, P) parameters as they arrive at the hub; those of places that are not shared are as they came in.
        updates: (K, P) what counts of each client; 0 where it is refused.
        state: what the clients begin their next round with.
        refused: by place among the K why the update is not accepted.
        metrics: by place what `measure` told.
        effective: (K,) effective steps.
        packed: by place the compressed change as it is sent; empty without compression.
    """

    trained: np.ndarray
    updates: np.ndarray
    state: ClientState
    refused: Mapping[int, str]
    metrics: Mapping[int, Mapping[str, float]]
    effective: np.ndarray
    packed: Mapping[int, Packed] = field(default_factory=dict)

    @property
    def accepted(self) -> np.ndarray:
        """(K,) True for each client whose update is accepted."""
        return np.array([place not in self.refused for place in range(len(self.updates))])


def client_round(
    incoming: np.ndarray, state: ClientState, rows: ClientBatch, layout: Layout, course: ClientRound
) -> RoundResult:
    """Takes one round of K clients.

    Args:
        incoming: (P,) float32 parameters that the round starts from; those of private places are not looked at.
        state: what the K clients begin with; not changed.
        rows: of the K clients.
        layout: where private and sent parameters lie.
        course: what they do.

    Raises:
        ConfigurationError: a learning rate that is none in this round.
    """
    start = np.tile(incoming, (len(course.clients), 1))
    start[:, layout.private] = state.private
    metrics = {place: course.measure(place, row) for place, row in enumerate(start)} if course.measure else {}
    copies = _copies(state, start, rows, course)
    stepped, counts = _stepped(start, state, rows, layout, course)
    stepped[~np.isfinite(copies).all(axis=1)] = np.nan  # whose copy went astray sends nothing
    private = stepped[:, layout.private]
    stepped[:, layout.private] = incoming[layout.private]
    taken = StepsTaken(effective_steps(counts, course.training.steps.momentum), course.steps.learning_rate)
    stepped, updates, algorithm = _ended(incoming, stepped, state, taken, course)
    sent, late = _compressed(incoming, stepped, state, layout, course)
    if sent:
        updates = stepped - incoming
    refused = _refused(updates, private - state.private, course)
    updates, algorithm = _ended_at_hub(updates, algorithm, state, taken, course)
    accepted = np.array([place not in refused for place in range(len(stepped))])
    updates[~accepted] = 0
    after = ClientState(private, copies, late, algorithm)
    return RoundResult(stepped, updates, _of_accepted(accepted, after, state), refused, metrics, taken.effective, sent)


def measured_on(rows: ClientBatch, training: TrainingSpec, layout: Layout) -> Measure:
    """Tells the mean loss, and AUC where outcomes are 0 and 1, on each client's own rows.

    Raises TrainingFailed, here or when it measures, where a network of one's own fails; it names the network.
    """
    import torch

    loss = loss_named(training.steps.loss)
    with answering(training.network):
        module = build(training.network, rows.X.shape[1])

    def measure(place: int, parameters: np.ndarray) -> dict[str, float]:
        """The loss, in nats for classes, and the AUC of (P,) parameters on the rows of the client at a place."""
        own = slice(rows.starts[place], rows.starts[place] + rows.sizes[place])
        with torch.inference_mode(), answering(training.network):
            load(module, named(parameters, layout.shaped))
            logits = module(rows.X[own])
            told = {"loss": float(loss.parts(logits, rows.targets[own]).mean())}
        if training.steps.loss == "binary":
            score = auc(rows.targets[own, 0].numpy(), logits[:, 0].numpy())
            told["auc"] = float("nan") if score is None else score
        return told

    return measure


def _stepped(
    start: np.ndarray, state: ClientState, rows: ClientBatch, layout: Layout, course: ClientRound
) -> tuple[np.ndarray, np.ndarray]:
    """(K, P) parameters after the round's steps, and (K,) how many steps they were; those of private ones not counted.

    Noisy steps that are remembered are not taken, and counted as none.
    """
    counts = np.zeros(len(start), dtype=int)

    def steps() -> np.ndarray:
        batches, terms = _drawn(start, state, rows, course)
        counts[:] = [len(each) for each in batches]
        private = course.training.private_of(course.number)
        parameters = _private_first(start.copy(), rows, layout, course)
        frozen = {*course.training.frozen, *(layout.private_names if private.alternates else ())}
        _advance(parameters, rows, batches, course.steps, course=course, frozen=frozen, terms=terms)
        return parameters

    return (course.remembered(steps) if course.noise else steps()), counts


def _drawn(
    start: np.ndarray, state: ClientState, rows: ClientBatch, course: ClientRound
) -> tuple[Batches, GradientTerms]:
    """The rows of each step, and what acts on gradients beside them."""
    terms = _terms(start, state, course)
    if course.noise is None:
        return course.shuffled(rows.sizes), terms
    mechanisms, sizes = course.noise(), [int(size) for size in rows.sizes]
    clipping = Clipping(
        mechanisms[0].clip,
        [each.stddev for each in mechanisms],
        [each.expected_batch(size) for each, size in zip(mechanisms, sizes, strict=True)],
        [course.chance() for _ in mechanisms],
    )
    if course.batches is not None:
        return course.shuffled(rows.sizes), replace(terms, clipping=clipping)
    samples = [
        poisson(size, each.sampling_rate, each.steps, course.chance())
        for each, size in zip(mechanisms, sizes, strict=True)
    ]
    return samples, replace(terms, clipping=clipping)


def _terms(start: np.ndarray, state: ClientState, course: ClientRound) -> GradientTerms:
    """What the algorithm, or what the hub sent of it, adds to gradients.

    Raises ConfigurationError where the algorithm's anchor and the steps' proximal term would both pull.
    """
    half = course.training.algorithm.half
    if half is None or (half.at_hub and not course.ends_hub_half):
        return GradientTerms(drift=course.drift)
    terms = half.begin(_with_mean(state, course), start)
    if terms.anchor is not None and course.steps.proximal_mu:
        raise ConfigurationError(
            f"algorithm={course.training.algorithm.name} pulls steps to an anchor of its own; set proximal_mu to 0"
        )
    return terms


def _with_mean(state: ClientState, course: ClientRound) -> dict[str, np.ndarray]:
    half = course.training.algorithm.half
    known = dict(state.algorithm)
    if half is not None and half.averages:
        empty = np.zeros(known[half.averages].shape[1:], np.float32)
        known[half.mean_name] = empty if course.mean is None else course.mean
    return known


def _private_first(parameters: np.ndarray, rows: ClientBatch, layout: Layout, course: ClientRound) -> np.ndarray:
    """The parameters after the steps that private ones take alone, in place."""
    only = course.training.private_of(course.number).private_only_steps
    if only is None or not layout.private_names:
        return parameters
    batches = course.drawn(rows.sizes, only, only.seed, Stream.PRIVATE_ONLY_STEPS)
    weighed = rows if only.class_weights == course.training.steps.class_weights else _weighed(rows, only)
    shared = layout.shaped.keys() - layout.private_names
    _advance(parameters, weighed, batches, only, course=course, frozen=shared)
    return parameters


def _weighed(rows: ClientBatch, steps: LocalSteps) -> ClientBatch:
    """The same rows, counted as these steps count their classes."""
    import torch

    weights = weights_of(rows.targets.numpy(), steps.class_weights, steps.loss)
    return replace(rows, weights=None if weights is None else torch.from_numpy(np.asarray(weights, dtype=np.float32)))


def _copies(state: ClientState, start: np.ndarray, rows: ClientBatch, course: ClientRound) -> np.ndarray:
    """(K, P) personal copies after the round's steps under a pull to the models that came in (Ditto); (K, 0) of none.

    Noise is for what leaves; copies stay, and have none, nor rows drawn for it.
    """
    copies, weight = state.personal.copy(), course.training.personalization.ditto_lambda
    if weight is None:
        return copies
    terms, batches = ditto.terms(start, weight), course.shuffled(rows.sizes)
    _advance(copies, rows, batches, course.steps, course=course, frozen=course.training.frozen, terms=terms)
    return copies


def _advance(
    parameters: np.ndarray,
    rows: ClientBatch,
    batches: Batches,
    steps: LocalSteps,
    *,
    course: ClientRound,
    frozen: Collection[str] = (),
    terms: GradientTerms | None = None,
) -> None:
    """Takes steps on the rows of the (K, P) parameters, in place."""
    import torch

    tensor: torch.Tensor = torch.from_numpy(parameters)
    terms = replace(terms or GradientTerms(), seeds=_dropout_seeds(course))
    if course.cut is not None:
        steps = replace(steps, batch=max([steps.rows, *(len(step) for each in batches for step in each)]), accumulate=1)
    engine.advance(tensor, rows, batches, steps, spec=course.training.network, frozen=frozen, terms=terms)


def _dropout_seeds(course: ClientRound) -> list[int]:
    """(K,) seeds of what a network draws itself; none for one that draws nothing."""
    if is_layered(course.training.network):
        return []
    seed, number = course.training.seed, course.number
    return [int(generator(seed, client, number, Stream.DROPOUT).integers(2**63)) for client in course.clients]


def _ended(
    incoming: np.ndarray, stepped: np.ndarray, state: ClientState, taken: StepsTaken, course: ClientRound
) -> tuple[np.ndarray, np.ndarray, Mapping[str, np.ndarray]]:
    """What arrives of each client, how far that moved, and the algorithm's next state, where clients keep it."""
    half, updates = course.training.algorithm.half, stepped - incoming
    if half is None or half.at_hub:
        return stepped, updates, state.algorithm
    with np.errstate(over="ignore", invalid="ignore"):
        changed, after = half.end(_with_mean(state, course), updates, taken)
        return (stepped if changed is updates else incoming + changed), changed, after


def _ended_at_hub(
    updates: np.ndarray,
    algorithm: Mapping[str, np.ndarray],
    state: ClientState,
    taken: StepsTaken,
    course: ClientRound,
) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    """The same for a half that the hub has in a run, after the checks."""
    half = course.training.algorithm.half
    if half is None or not half.at_hub or not course.ends_hub_half:
        return updates, algorithm
    return half.end(_with_mean(state, course), updates, taken)


def _compressed(
    incoming: np.ndarray, stepped: np.ndarray, state: ClientState, layout: Layout, course: ClientRound
) -> tuple[dict[int, Packed], np.ndarray]:
    """Puts what arrives in the place of the (K, P) that was trained, in place; what is sent, and what is held back.

    A change that is not finite, or as good as that, is left for the checks to find.
    """
    how, late, sent = course.training.compression, state.residual.copy(), dict[int, Packed]()
    for place, client in enumerate(course.clients if how.name != "none" else ()):
        with np.errstate(over="ignore", invalid="ignore"):
            change = stepped[place, layout.sent] - incoming[layout.sent]
        if np.abs(change).max() < LARGEST:
            rng = chance(course.training.seed, client=client, round_number=course.number)
            found = packed(change, how, rng=rng, residual=late[place])
            stepped[place, layout.sent] = incoming[layout.sent] + unpacked(found.arrays, len(change), how)
            sent[place] = found
            if how.keeps_state:
                late[place] = found.residual
    return sent, late


def _refused(updates: np.ndarray, private: np.ndarray, course: ClientRound) -> dict[int, str]:
    """By place why an update is not accepted."""
    most = course.training.max_update_norm
    faults = (update_fault(update, most, own) for update, own in zip(updates, private, strict=True))
    return {place: why for place, why in enumerate(faults) if why}


def _of_accepted(accepted: np.ndarray, after: ClientState, before: ClientState) -> ClientState:
    """Each client's next state: what it has now, or what it had where its update is refused."""
    if accepted.all():
        return after

    def chosen(new: np.ndarray, old: np.ndarray) -> np.ndarray:
        return np.where(accepted[:, None], new, old)

    return ClientState(
        chosen(after.private, before.private),
        chosen(after.personal, before.personal),
        chosen(after.residual, before.residual),
        {name: chosen(row, before.algorithm[name]) for name, row in after.algorithm.items()},
    )
