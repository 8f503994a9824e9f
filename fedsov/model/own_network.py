"""Networks of one's own: found by name, made, and looked at before anything is trained.

A network of one's own is a function ``build(inputs, outputs)`` that makes a torch module, (N, inputs) to (N, outputs)
logits. `register` names it in one process; a package that is installed on a machine names it in every process there, by
an entry point of the group `INSTALLED`.

What such a module may be, and what is refused by a line that names the parameter and the way to mend it:

    dropout, noise layers        off in scoring; in training drawn from (seed, client, round), by torch's generator
    tied weights                 one parameter, under its first name
    layers that work in place    on a copy of the rows
    requires_grad=False          never trained; federated training asks for its name in `frozen`, so that it is not sent
    a parameter without use      its gradient is 0
    buffers, state of its own    refused: they are no parameters, and would not be averaged
    lazy, not float32, not CPU   refused
    a hook on a parameter        refused: records' own gradients have none
    chance not of torch          refused: it would follow from no seed
    rows that see each other     refused (batch normalisation), also where they do so only in training: a record's
                                 gradient and score must be its own
    anything but logits          refused: tuples, other shapes and dtypes, NaN, logits without a gradient

Nothing is drawn from the caller's generators. torch is imported when a network is made, not before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from fedsov.checks import instance, refused
from fedsov.errors import ConfigurationError, FedsovError, TrainingFailed
from fedsov.model.seeding import seeded

if TYPE_CHECKING:
    import torch
    from torch import nn

Builder = Callable[[int, int], "nn.Module"]
INSTALLED = "fedsov.networks"
"""Entry points of installed packages that are networks. What is not installed where rows are is never run there."""
_REPEATS = 8
"""How often a module answers the same rows: chance that is drawn while it scores shows itself."""
_BESIDE_OTHERS = "answers a row otherwise beside other rows; use a normalisation within the row (GroupNorm, LayerNorm)"

_registered: dict[str, Builder] = {}


def registered() -> tuple[str, ...]:
    """The names that are registered in this process, or were loaded from an installed package."""
    return tuple(_registered)


def register(name: str, build: Builder) -> None:
    """Names a network in this process.

    Raises:
        ConfigurationError: the name is taken or no text, or `build` is nothing that makes a module.
    """
    instance("the name of a network", name, str, "text")
    if not callable(build) or (hasattr(build, "named_parameters") and not isinstance(build, type)):
        remedy = "; write lambda inputs, outputs: MODULE" if callable(build) else ""
        raise refused("build", "a function build(inputs, outputs) that makes a module", build, remedy)
    if name in _registered:
        raise ConfigurationError(f"a network is named {name!r} already")
    _registered[name] = build


def builder(name: str) -> Builder | None:
    """What makes the network of this name, if there is one; an installed one is loaded when first asked for.

    From then on this process compiles what it imports, and runs no bytecode that it finds: an approval is of sources.

    Raises ConfigurationError where its package cannot be imported.
    """
    if name not in _registered:
        for point in entry_points(group=INSTALLED, name=name):
            sys.pycache_prefix = os.devnull  # no folder, so that bytecode is neither found nor kept
            try:
                _registered[name] = point.load()
            except Exception as error:  # boundary: the import runs a user's own code
                raise ConfigurationError(
                    f"network {name!r} is {point.value}, which cannot be imported: {error}"
                ) from error
    return _registered.get(name)


def is_there(name: str) -> bool:
    """Whether a network of this name is registered in this process or installed; no code of a package is run."""
    return name in _registered or bool(entry_points(group=INSTALLED, name=name))


def module_of(name: str) -> str:
    """The module of what was registered under this name in this process; "" where nothing was."""
    return str(getattr(_registered.get(name), "__module__", "") or "")


def make(name: str, inputs: int, outputs: int) -> nn.Module:
    """The module; it works on copies of the rows that it is given.

    Raises:
        ConfigurationError: it cannot be made, or what it is made of cannot be trained; see the module's table.
    """
    import torch
    from torch import nn

    build = builder(name)
    if build is None:
        raise ConfigurationError(f"network {name!r} is not known in this process; install it, or register it here")
    with seeded(None), _refused(name, f"cannot be made of {inputs} inputs and {outputs} outputs"):
        module = build(inputs, outputs)
    if isinstance(module, torch.jit.ScriptModule):
        raise ConfigurationError(f"network {name!r} is compiled by torch.jit; let build return the module itself")
    if not isinstance(module, nn.Module) or not list(module.parameters()):
        raise ConfigurationError(f"network {name!r} is no torch module with parameters, but {module!r}")
    if fault := _fault(module):
        raise ConfigurationError(f"network {name!r} {fault}")
    module.register_forward_pre_hook(_copied)
    return module


def _copied(module: nn.Module, rows: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a module is given, copied, so that a layer that works in place leaves the rows alone."""
    import torch

    return tuple(value.clone() if isinstance(value, torch.Tensor) else value for value in rows)


def _fault(module: nn.Module) -> str:
    """What of a module's parameters and state cannot be trained; empty where all can."""
    import torch
    from torch.nn.parameter import is_lazy

    for name, parameter in module.named_parameters():
        if is_lazy(parameter):
            return f"has the lazy parameter {name!r}; give its layer the inputs that build(inputs, outputs) is told"
        if parameter.dtype != torch.float32:
            kind = str(parameter.dtype).removeprefix("torch.")
            return f"has the {kind} parameter {name!r}; all are trained and sent as float32: end build with .float()"
        if parameter.device.type != "cpu":
            return f"has the parameter {name!r} on {parameter.device}; make it on the CPU"
        if not parameter.isfinite().all():
            return f"has the parameter {name!r}, which is not finite as it is made; initialise it"
        if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
            return (
                f"has a hook on the gradient of {name!r}, which records' own gradients would not have; remove the hook"
            )
    if buffer := next((name for name, _ in module.named_buffers()), None):
        return (
            f"holds the buffer {buffer!r}, which is no parameter and would not be averaged; use a normalisation "
            "without one (GroupNorm, LayerNorm), and keep constants as plain attributes"
        )
    if state := [name for name in module.state_dict() if name.endswith("_extra_state")]:
        return f"holds a state of its own ({state[0]!r}), which would not be averaged; remove get_extra_state"
    return ""


@lru_cache(maxsize=64)
def check(name: str, inputs: int, outputs: int) -> None:
    """Makes the network and looks at how it answers, once in a process.

    Raises:
        ConfigurationError: it would train or score otherwise than parameters and a seed say; see the module's table.
    """
    import torch

    with seeded(0):
        module = make(name, inputs, outputs)
    with seeded(0):
        _check_making(name, module, make(name, inputs, outputs))
    rows = torch.rand(2, inputs, generator=torch.Generator().manual_seed(0))  # codes of 0, for a module that looks up
    before = {parameter: values.detach().clone() for parameter, values in module.named_parameters()}
    with seeded(0):
        _check_scoring(name, module.eval(), rows, outputs)
        _check_training(name, module.train(), rows)
    for parameter, values in module.named_parameters():
        if not values.equal(before[parameter]):
            raise ConfigurationError(
                f"network {name!r} changes its parameter {parameter!r} while it answers; let forward only read it"
            )


def _check_making(name: str, module: nn.Module, again: nn.Module) -> None:
    if module is again:
        raise ConfigurationError(f"network {name!r} is the same module each time; let build make a new one")
    second = dict(again.named_parameters())
    for parameter, first in module.named_parameters():
        if parameter not in second or not first.equal(second[parameter]):
            raise ConfigurationError(
                f"network {name!r}: parameter {parameter!r} begins otherwise under the same seed; draw it by torch"
            )


def _check_scoring(name: str, module: nn.Module, rows: torch.Tensor, outputs: int) -> None:
    import torch

    with torch.no_grad(), _refused(name, f"answers nothing to rows of {rows.shape[1]} inputs"):
        logits = module(rows)
        again = [module(rows) for _ in range(_REPEATS)]
    if fault := _logits_fault(logits, (len(rows), outputs)):
        raise ConfigurationError(f"network {name!r} {fault}")
    if not all(_alike(logits, other) for other in again):
        raise ConfigurationError(
            f"network {name!r} answers the same rows otherwise each time it scores; use nn.Dropout, or "
            "functional.dropout(..., training=self.training), and keep no state from call to call"
        )
    with torch.no_grad(), _refused(name, "cannot answer a row alone"):
        alone = torch.cat([module(row[None]) for row in rows])
    if not _alike(logits, alone):
        raise ConfigurationError(f"network {name!r} {_BESIDE_OTHERS}")


def _logits_fault(logits: Any, shape: tuple[int, int]) -> str:
    """What is wrong with what a module answers; empty where nothing is."""
    import torch

    if not isinstance(logits, torch.Tensor):
        return f"answers with a {type(logits).__name__}; return the logits alone, a tensor of shape {shape}"
    if tuple(logits.shape) != shape:
        return f"answers {shape[0]} rows with shape {tuple(logits.shape)}; expected {shape}, a logit an output"
    if logits.dtype != torch.float32:
        return f"answers in {str(logits.dtype).removeprefix('torch.')}; expected float32 logits"
    if not logits.isfinite().all():
        return "answers with NaN or infinity to rows of numbers from 0 to 1; look at logarithms, roots and divisions"
    return ""


def _check_training(name: str, module: nn.Module, rows: torch.Tensor) -> None:
    with _refused(name, f"answers nothing to rows of {rows.shape[1]} inputs while it trains"):
        with seeded(1):
            logits = module(rows)
        with seeded(1):
            again = module(rows)
    if fault := _logits_fault(logits, tuple(logits.shape)):
        raise ConfigurationError(f"network {name!r}, while it trains, {fault}")
    if not _alike(logits, again):
        raise ConfigurationError(
            f"network {name!r} answers otherwise under the same seed while it trains; draw chance by torch, and keep "
            "no state from call to call"
        )
    _check_rows_apart(name, module, rows)
    if not any(values.requires_grad for values in module.parameters()):
        raise ConfigurationError(
            f"network {name!r} has no parameter that requires a gradient; nothing would be trained"
        )
    if not logits.requires_grad:
        raise ConfigurationError(
            f"network {name!r} answers with logits that have no gradient; leave detach and no_grad out of forward"
        )
    with _refused(name, "has no gradient"):
        logits.square().sum().backward()


def _check_rows_apart(name: str, module: nn.Module, rows: torch.Tensor) -> None:
    """Refuses a module in training whose answer to a row changes with another row, while seed and shape stay.

    Equal seeds and shapes draw equal chance, so that dropout is the same in both answers. Several seeds are taken: one
    may drop all that rows see of each other.
    """
    import torch

    others = torch.rand(rows.shape, generator=torch.Generator().manual_seed(1))

    def answer(batch: torch.Tensor, seed: int) -> torch.Tensor:
        with seeded(seed), torch.no_grad():
            logits: torch.Tensor = module(batch)
        return logits

    for seed in range(_REPEATS):
        with _refused(name, "cannot answer other rows while it trains"):
            whole = answer(rows, seed)
        for place in range(len(rows)):
            changed = others.clone()
            changed[place] = rows[place]
            with _refused(name, "cannot answer other rows while it trains"):
                beside = answer(changed, seed)
            if not _alike(whole[place], beside[place]):
                raise ConfigurationError(f"network {name!r}, while it trains, {_BESIDE_OTHERS}")


def _alike(logits: torch.Tensor, other: Any) -> bool:
    """Whether two answers to the same rows are the same up to rounding."""
    import torch

    return isinstance(other, torch.Tensor) and torch.allclose(logits, other, rtol=1e-3, atol=1e-5)


def _refused(name: str, what: str) -> AbstractContextManager[None]:
    """Whatever a user's own code raises, as a ConfigurationError that names the network and what it did not do."""
    return _raising(ConfigurationError, f"network {name!r} {what}")


def failing_as_training(name: str) -> AbstractContextManager[None]:
    """Whatever a user's own module raises while it trains or scores, as a TrainingFailed that names it."""
    return _raising(TrainingFailed, f"network {name!r} failed on these rows")


@contextmanager
def _raising(kind: type[FedsovError], what: str) -> Iterator[None]:
    try:
        yield
    except FedsovError:
        raise
    except Exception as error:  # boundary: a user's own code may raise anything
        raise kind(f"{what}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """An error's kind, and what it says first."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
