"""Networks by name: a specification, its first parameters, and the torch module that runs them.

Parameters travel and rest as plain numpy arrays under the names of ``torch.nn.Sequential.state_dict()``
(``"0.weight"``, ``"0.bias"``, ...), in that order. `shapes`, `initial` and `check` need no torch, so that the
hub can make the first model and check an incoming one; `build` imports torch when it is called, in a region.
A user's own module joins them under a name: by `register` in one process, or in every process of a machine by a package
that is installed there and has an entry point of this group (`fedsov.model.own_network` has what it may be):

    [project.entry-points."fedsov.networks"]
    mine = "my_package:build"        # build(inputs, outputs) makes the module

>>> {name: array.shape for name, array in initial(NetworkSpec("mlp", (4,)), 3, seed=0).items()}
{'0.weight': (4, 3), '0.bias': (4,), '2.weight': (1, 4), '2.bias': (1,)}
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fedsov.checks import choice, instance, listed, several, store, whole
from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model import embeddings as embedded
from fedsov.model import own_network
from fedsov.model.architectures import ARCHITECTURES
from fedsov.model.embeddings import Embedding
from fedsov.model.seeding import seeded

if TYPE_CHECKING:
    from torch import nn

Parameters = dict[str, np.ndarray]
NETWORKS = ("logistic", "mlp")
ACTIVATIONS = {
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "gelu": "GELU",
    "silu": "SiLU",
    "elu": "ELU",
}
"""An mlp's activations, and torch's names for them, each as torch has it by default."""

MOST_LEVELS = 2**24
"""Of an embedding: codes travel as float32, which has no odd number beyond."""


def register(name: str, build: own_network.Builder) -> None:
    """Gives a name to a module of one's own: `build(inputs, outputs)` makes it, (N, inputs) to (N, outputs) logits.

    What such a module may be is in `fedsov.model.own_network`.

    Raises:
        ConfigurationError: the name is taken.
    """
    if is_shipped(name):
        raise ConfigurationError(f"a network is named {name!r} already")
    own_network.register(name, build)


def registered(name: str) -> own_network.Builder | None:
    """What makes a registered or installed network, None for one of fedsov's own."""
    return None if is_shipped(name) else own_network.builder(name)


def is_known(name: str) -> bool:
    """Whether a network has this name: one of fedsov's own, or a registered or installed one, which is not loaded."""
    return is_shipped(name) or own_network.is_there(name)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """``logistic`` is one linear layer; ``mlp`` has a layer and an activation of each width in `hidden` before it.

    Attributes:
        name: one of these, one of `fedsov.model.architectures.ARCHITECTURES`, or a registered one.
        hidden: widths of an mlp's hidden layers, or what the architecture makes of it.
        outputs: logits: 1 for an outcome of 0 or 1, or one for each class, label or number.
        activation: after each hidden layer, one of `ACTIVATIONS`.
        embeddings: inputs of a layered network that are codes, with a table for each (`Embedding`).

    Raises:
        ConfigurationError: for an unknown name, or widths that do not fit it.
    """

    name: str = "logistic"
    hidden: tuple[int, ...] = ()
    outputs: int = 1
    activation: str = "relu"
    embeddings: tuple[Embedding, ...] = ()

    def __post_init__(self) -> None:
        store(
            self,
            name=instance("the name of a network", self.name, str, "text"),
            hidden=several(
                "hidden", self.hidden, "a list of widths", lambda name, width: whole(name, width, at_least=1)
            ),
            outputs=whole("outputs", self.outputs, at_least=1),
            activation=choice("activation", self.activation, ACTIVATIONS),
            embeddings=several("embeddings", self.embeddings, "a list of Embedding(column, levels, width)", _embedding),
        )
        if not is_known(self.name):
            raise ConfigurationError(
                f"unknown network {self.name!r}; choose one of "
                f"{listed((*NETWORKS, *ARCHITECTURES, *own_network.registered()))}, "
                "or install or register your own by that name"
            )
        if self.embeddings and self.name not in NETWORKS:
            raise ConfigurationError(f"network {self.name} takes no embeddings; {' and '.join(NETWORKS)} do")
        if self.name not in NETWORKS:
            return
        if self.name == "logistic" and self.hidden:
            raise ConfigurationError(f"network logistic has no hidden layers, got {self.hidden}; choose mlp")
        if self.name == "mlp" and not self.hidden:
            raise ConfigurationError(f"network mlp needs hidden widths of 1 or more, got {self.hidden}")


def _embedding(name: str, value: Any) -> Embedding:
    """An embedding with a column, a level and a number at least. Raises ConfigurationError."""
    column, levels, width = instance(name, value, Embedding, "an Embedding(column, levels, width)")
    return Embedding(
        whole(f"{name}.column", column, at_least=0),
        whole(f"{name}.levels", levels, at_least=1, at_most=MOST_LEVELS),
        whole(f"{name}.width", width, at_least=1),
    )


def is_layered(spec: NetworkSpec) -> bool:
    """True where the network is a stack of linear layers and activations, whose gradients have a closed form."""
    return spec.name in NETWORKS


def is_shipped(name: str) -> bool:
    """Whether a network of this name is one of fedsov's own."""
    return name in (*NETWORKS, *ARCHITECTURES)


def is_stack(spec: NetworkSpec) -> bool:
    """True where each layer is given what the one before it makes and nothing else, so that their bounds multiply."""
    return is_layered(spec) or spec.name == "cnn"


def widths(spec: NetworkSpec, inputs: int) -> tuple[int, ...]:
    """What the first layer is given, each hidden width, and outputs of a layered network."""
    _check_inputs(inputs)
    if beyond := [each for each in spec.embeddings if each.column >= inputs]:
        raise ConfigurationError(f"of {inputs} inputs none is column {beyond[0].column} of {beyond[0]}")
    first = len(embedded.plain(spec.embeddings, inputs)) + sum(each.width for each in spec.embeddings)
    return (first, *spec.hidden, spec.outputs)


def _check_inputs(inputs: int) -> None:
    if inputs < 1:
        raise ConfigurationError(f"a network needs at least one input, got {inputs}; no column can be a feature")


def shapes(spec: NetworkSpec, inputs: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter, in the state dict's order (activations take the odd numbers).

    A tensor that a module has under several names (tied weights) is one parameter, under the first of them.

    Raises:
        ConfigurationError: the network takes other numbers of inputs, or cannot be made.
    """
    if not is_layered(spec):
        return dict(_module_of(spec, inputs).shapes)
    shaped: dict[str, tuple[int, ...]] = {}
    shaped |= {f"embedding.{place}.weight": (each.levels, each.width) for place, each in enumerate(spec.embeddings)}
    for layer, (into, out) in enumerate(pairwise(widths(spec, inputs))):
        shaped |= {f"{2 * layer}.weight": (out, into), f"{2 * layer}.bias": (out,)}
    return shaped


def names(spec: NetworkSpec, inputs: int | None = None) -> tuple[str, ...]:
    """The name of every parameter, in the state dict's order.

    Args:
        inputs: without it the names of a shipped network, which no number of inputs changes; of one's own those that it
            has of the inputs that were last spoken of in this process, or of one.

    Raises:
        ConfigurationError: as `shapes`; or they cannot be said without the number of inputs.
    """
    if inputs is not None:
        return tuple(shapes(spec, inputs))
    if is_layered(spec):
        return tuple(shapes(spec, 1 + max((each.column for each in spec.embeddings), default=0)))
    if spec.name in ARCHITECTURES:
        return tuple(shapes(spec, ARCHITECTURES[spec.name].fewest(spec.hidden)))
    try:
        return tuple(shapes(spec, _last_inputs.get((spec.name, spec.outputs), 1)))
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; without its number of inputs its parameters have no names") from error


_last_inputs: dict[tuple[str, int], int] = {}
"""By name and outputs the inputs of which a network that is no stack of layers was last spoken of."""


class _Module(NamedTuple):
    """What is asked of a module again and again: its parameters' shapes, and those that require no gradient."""

    shapes: Mapping[str, tuple[int, ...]]
    untrained: frozenset[str]


def _module_of(spec: NetworkSpec, inputs: int) -> _Module:
    _last_inputs[spec.name, spec.outputs] = inputs
    return _built_once(spec.name, tuple(spec.hidden), spec.outputs, inputs)


@lru_cache(maxsize=128)
def _built_once(name: str, hidden: tuple[int, ...], outputs: int, inputs: int) -> _Module:
    import torch

    with torch.device("meta") if name in ARCHITECTURES else nullcontext():  # shapes alone, whatever widths a job names
        parameters = dict(build(NetworkSpec(name, hidden, outputs), inputs).named_parameters())
    untrained = frozenset(name for name, values in parameters.items() if not values.requires_grad)
    return _Module({name: tuple(values.shape) for name, values in parameters.items()}, untrained)


def untrained(spec: NetworkSpec, inputs: int) -> frozenset[str]:
    """The parameters that a module of one's own marks with ``requires_grad=False``: no step changes them."""
    return frozenset() if is_layered(spec) else _module_of(spec, inputs).untrained


def check_frozen(spec: NetworkSpec, inputs: int, frozen: Collection[str]) -> None:
    """Refuses a federated training that would send what no client trains.

    Raises:
        ConfigurationError: names the parameter that requires no gradient and is not frozen.
    """
    if unnamed := sorted(untrained(spec, inputs) - set(frozen)):
        raise ConfigurationError(
            f"network {spec.name!r}: parameter {unnamed[0]!r} has requires_grad=False, so no client trains it; name it "
            f"in model.frozen (of federate: FederateOptions(frozen={unnamed})), so that it is not sent, or leave "
            "requires_grad on"
        )


def head(spec: NetworkSpec) -> frozenset[str]:
    """The names of the last layer's parameters; none of a registered network, whose layers have no order here."""
    if not is_layered(spec):
        return frozenset()
    last = 2 * len(spec.hidden)
    return frozenset({f"{last}.weight", f"{last}.bias"})


def initial(spec: NetworkSpec, inputs: int, seed: int) -> Parameters:
    """First parameters, float32, the same for the same seed; no torch, but for a registered module its own.

    A logistic regression starts at zero. The layers of an mlp start uniform in ±1/sqrt(fan in), torch's own
    default for ``nn.Linear`` (He et al. 2015 with a = sqrt(5)), and so do embeddings, of their width.
    """
    if not is_layered(spec):
        return _own_initial(spec, inputs, seed)
    rng = np.random.default_rng(seed)
    bound = 0.0
    first: Parameters = {}
    for name, shape in shapes(spec, inputs).items():
        if name.endswith("weight"):
            bound = 1.0 / math.sqrt(shape[1]) if spec.hidden or name.startswith("embedding") else 0.0
        first[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return first


def _own_initial(spec: NetworkSpec, inputs: int, seed: int) -> Parameters:
    check_own(spec, inputs)
    with seeded(seed):
        return parameters(build(spec, inputs))


def check_own(spec: NetworkSpec, inputs: int) -> None:
    """Looks at how a network of one's own answers, once in a process; other networks need no look.

    Raises:
        ConfigurationError: see `fedsov.model.own_network`.
    """
    if not is_layered(spec) and spec.name not in ARCHITECTURES:
        own_network.check(spec.name, inputs, spec.outputs)


@contextmanager
def answering(spec: NetworkSpec) -> Iterator[None]:
    """A network of one's own that fails in the block raises TrainingFailed, which names it."""
    own = not is_layered(spec) and spec.name not in ARCHITECTURES
    with own_network.failing_as_training(spec.name) if own else nullcontext():
        yield


def check(spec: NetworkSpec, inputs: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses parameters that are not this network's: names, shapes, or a number that is not finite.

    Raises:
        TrainingFailed: names the first parameter at fault.
    """
    check_shapes(spec.name, shapes(spec, inputs), arrays)


def check_shapes(network: str, expected: Mapping[str, tuple[int, ...]], arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses parameters that have not these shapes by name. Raises TrainingFailed, as `check`."""
    if set(arrays) != set(expected):
        odd = sorted(set(arrays) ^ set(expected))[0]
        raise TrainingFailed(f"parameter {odd!r} is not as in network {network}; expected {', '.join(expected)}")
    for name, shape in expected.items():
        if np.shape(arrays[name]) != shape:
            raise TrainingFailed(f"parameter {name!r} has shape {np.shape(arrays[name])}; expected {shape}")
        if not np.isfinite(arrays[name]).all():
            raise TrainingFailed(f"parameter {name!r} is not finite; lower the learning rate")


def build(spec: NetworkSpec, inputs: int) -> nn.Module:
    """The torch module: (N, inputs) float32 to (N, outputs) logits; its parameters are torch's own random ones.

    Torch's generator is afterwards as it was before.

    Raises:
        ConfigurationError: a registered module holds buffers, or cannot be made.
    """
    from torch import nn

    _check_inputs(inputs)
    if not is_layered(spec) and spec.name not in ARCHITECTURES:
        return own_network.make(spec.name, inputs, spec.outputs)
    with seeded(None):
        if spec.name in ARCHITECTURES:
            return ARCHITECTURES[spec.name].build(inputs, spec.outputs, spec.hidden)
        layers: list[nn.Module] = []
        for into, out in pairwise(widths(spec, inputs)):
            layers += [nn.Linear(into, out), getattr(nn, ACTIVATIONS[spec.activation])()]
        if spec.embeddings:
            return embedded.module(spec.embeddings, inputs, layers[:-1])
        return nn.Sequential(*layers[:-1])


def parameters(module: nn.Module) -> Parameters:
    """Copies of the module's parameters, float32, by state-dict name; tied ones once."""
    return {name: values.detach().numpy().copy() for name, values in module.named_parameters()}


def load(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """The same module, set to score (dropout is off), now with copies of these arrays.

    Raises:
        TrainingFailed: names or shapes differ.
    """
    import torch

    own = dict(module.named_parameters())
    if odd := sorted(own.keys() ^ arrays.keys()):
        raise TrainingFailed(f"parameter {odd[0]!r} is not as in the network; expected {', '.join(own)}")
    with torch.no_grad():
        for name, values in own.items():
            if tuple(values.shape) != np.shape(arrays[name]):
                raise TrainingFailed(
                    f"parameter {name!r} has shape {np.shape(arrays[name])}; expected {tuple(values.shape)}"
                )
            values.copy_(torch.as_tensor(arrays[name]))
    return module.eval()
