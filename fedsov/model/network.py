"""Networks by name: a specification, its first parameters, and the torch module that runs them.

Parameters travel and rest as plain numpy arrays under the names of ``torch.nn.Sequential.state_dict()``
(``"0.weight"``, ``"0.bias"``, ...), in that order. `shapes`, `initial` and `check` need no torch, so that the
hub can make the first model and check an incoming one; `build` imports torch when it is called, in a region.
A user's own module joins them under a name: by `register` in one process, or in every process of a machine by a package
that is installed there and has an entry point of the group `INSTALLED`:

    [project.entry-points."fedsov.networks"]
    mine = "my_package:build"        # build(inputs, outputs) makes the module

>>> {name: array.shape for name, array in initial(NetworkSpec("mlp", (4,)), 3, seed=0).items()}
{'0.weight': (4, 3), '0.bias': (4,), '2.weight': (1, 4), '2.bias': (1,)}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsov.checks import choice, instance, several, store, whole
from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model import embeddings as embeddings_steps
from fedsov.model.architectures import ARCHITECTURES
from fedsov.model.embeddings import Embedding

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

INSTALLED = "fedsov.networks"
"""Entry points of installed packages that are networks. What is not installed where rows are is never run there."""
BROKEN = (TypeError, ValueError, RuntimeError, AttributeError)
"""What a user's own network raises that cannot be made, or does not answer."""
MOST_LEVELS = 2**24
"""Of an embedding: codes travel as float32, which has no odd number beyond."""

_registered: dict[str, Callable[[int, int], nn.Module]] = {}


def register(name: str, build: Callable[[int, int], nn.Module]) -> None:
    """Gives a name to a module of one's own: `build(inputs, outputs)` makes it, (N, inputs) to (N, outputs) logits.

    Its state must be its parameters: a module with buffers (batch normalisation) would average what is no parameter.

    Raises:
        ConfigurationError: the name is taken.
    """
    if name in (*NETWORKS, *ARCHITECTURES, *_registered):
        raise ConfigurationError(f"a network is named {name!r} already")
    _registered[name] = build


def _own(name: str) -> Callable[[int, int], nn.Module] | None:
    """What makes a user's own network of this name, if there is one; an installed one is loaded when first asked for.

    Raises ConfigurationError where its package cannot be imported.
    """
    if name not in _registered:
        for point in entry_points(group=INSTALLED, name=name):
            try:
                _registered[name] = point.load()
            except (ImportError, AttributeError, SyntaxError, RuntimeError) as error:
                raise ConfigurationError(
                    f"network {name!r} is {point.value}, which cannot be imported: {error}"
                ) from error
    return _registered.get(name)


def registered(name: str) -> Callable[[int, int], nn.Module] | None:
    """What makes a registered or installed network, None for one of fedsov's own. Raises as `_own`."""
    return None if name in (*NETWORKS, *ARCHITECTURES) else _own(name)


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
        if self.name not in (*NETWORKS, *ARCHITECTURES) and _own(self.name) is None:
            known = ", ".join((*NETWORKS, *ARCHITECTURES, *_registered))
            raise ConfigurationError(
                f"unknown network {self.name!r}; choose one of {known}, or install or register your own by that name"
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


def widths(spec: NetworkSpec, inputs: int) -> tuple[int, ...]:
    """What the first layer is given, each hidden width, and outputs of a layered network."""
    if inputs < 1:
        raise ConfigurationError(f"a network needs at least one input, got {inputs}; no column can be a feature")
    if beyond := [one for one in spec.embeddings if one.column >= inputs]:
        raise ConfigurationError(f"of {inputs} inputs none is column {beyond[0].column} of {beyond[0]}")
    given = len(embeddings_steps.plain(spec.embeddings, inputs)) + sum(one.width for one in spec.embeddings)
    return (given, *spec.hidden, spec.outputs)


def shapes(spec: NetworkSpec, inputs: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter, in the state dict's order (activations take the odd numbers)."""
    found: dict[str, tuple[int, ...]] = {}
    if not is_layered(spec):
        return {name: tuple(tensor.shape) for name, tensor in build(spec, inputs).state_dict().items()}
    for place, one in enumerate(spec.embeddings):
        found[f"embedding.{place}.weight"] = (one.levels, one.width)
    for layer, (into, out) in enumerate(pairwise(widths(spec, inputs))):
        found[f"{2 * layer}.weight"] = (out, into)
        found[f"{2 * layer}.bias"] = (out,)
    return found


def names(spec: NetworkSpec) -> tuple[str, ...]:
    """The name of every parameter, in the state dict's order, which no number of inputs changes."""
    return tuple(shapes(spec, 1 + max((one.column for one in spec.embeddings), default=0)))


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
    found: Parameters = {}
    for name, shape in shapes(spec, inputs).items():
        if name.endswith("weight"):
            bound = 1.0 / math.sqrt(shape[1]) if spec.hidden or name.startswith("embedding") else 0.0
        found[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return found


def _own_initial(spec: NetworkSpec, inputs: int, seed: int) -> Parameters:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build(spec, inputs)
        if spec.name not in ARCHITECTURES:
            _check_answer(spec, module, inputs)
        return parameters(module)


def check(spec: NetworkSpec, inputs: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses parameters that are not this network's: names, shapes, or a number that is not finite.

    Raises:
        TrainingFailed: names the first parameter at fault.
    """
    expected = shapes(spec, inputs)
    if set(arrays) != set(expected):
        odd = sorted(set(arrays) ^ set(expected))[0]
        raise TrainingFailed(f"parameter {odd!r} is not as in network {spec.name}; expected {', '.join(expected)}")
    for name, shape in expected.items():
        if np.shape(arrays[name]) != shape:
            raise TrainingFailed(f"parameter {name!r} has shape {np.shape(arrays[name])}; expected {shape}")
        if not np.isfinite(arrays[name]).all():
            raise TrainingFailed(f"parameter {name!r} is not finite; lower the learning rate")


def build(spec: NetworkSpec, inputs: int) -> nn.Module:
    """The torch module: (N, inputs) float32 to (N, outputs) logits; its parameters are torch's own random ones.

    Raises:
        ConfigurationError: a registered module holds buffers, or cannot be made.
    """
    from torch import nn

    if not is_layered(spec):
        if spec.name in ARCHITECTURES:
            return ARCHITECTURES[spec.name](inputs, spec.outputs, spec.hidden)
        module = _made(spec, inputs)
        if odd := next((name for name, _ in module.named_buffers()), None):
            raise ConfigurationError(
                f"network {spec.name} holds the buffer {odd!r}; use a normalisation without one (GroupNorm, LayerNorm)"
            )
        return module
    layers: list[nn.Module] = []
    for into, out in pairwise(widths(spec, inputs)):
        layers += [nn.Linear(into, out), getattr(nn, ACTIVATIONS[spec.activation])()]
    if spec.embeddings:
        return embeddings_steps.module(spec.embeddings, inputs, layers[:-1])
    return nn.Sequential(*layers[:-1])


def _made(spec: NetworkSpec, inputs: int) -> nn.Module:
    from torch import nn

    own = _own(spec.name)
    if own is None:
        raise ConfigurationError(f"network {spec.name!r} is not known in this process; install it, or register it here")
    try:
        module = own(inputs, spec.outputs)
    except BROKEN as error:
        raise ConfigurationError(
            f"network {spec.name!r} cannot be made of {inputs} inputs and {spec.outputs} outputs: {error}"
        ) from error
    if not isinstance(module, nn.Module) or not list(module.parameters()):
        raise ConfigurationError(f"network {spec.name!r} is no torch module with parameters, but {module!r}")
    return module


def _check_answer(spec: NetworkSpec, module: nn.Module, inputs: int) -> None:
    """Raises ConfigurationError where a user's own module does not answer a row with a logit for each output."""
    import torch

    try:
        with torch.no_grad():
            found = tuple(module(torch.zeros(2, inputs)).shape)
    except BROKEN as error:
        raise ConfigurationError(
            f"network {spec.name!r} answers nothing to rows of {inputs} inputs: {error}"
        ) from error
    if found != (2, spec.outputs):
        raise ConfigurationError(
            f"network {spec.name!r} answers 2 rows with shape {found}; expected {(2, spec.outputs)}, a logit an output"
        )


def parameters(module: nn.Module) -> Parameters:
    """Copies of the module's parameters, float32, by state-dict name."""
    return {name: tensor.detach().numpy().copy() for name, tensor in module.state_dict().items()}


def load(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """The same module, now with copies of these arrays. Raises RuntimeError where names or shapes differ."""
    import torch

    module.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    return module
