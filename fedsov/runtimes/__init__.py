"""How places are connected. A runtime starts regions and carries messages; it decides nothing.

`RUNTIMES` has every runtime by its name, the setting `runtime.kind`. A runtime is a class that is made of a held
workspace and keeps the protocol `fedsov.hub.runtime.Runtime`; adding one is its module, a line here, and a file in
``configs/runtime/``.

    with closing(open_runtime("in_process", workspace, trains=True)) as runtime: ...

Importing this package imports no runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from inspect import signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from fedsov.checks import override_words
from fedsov.errors import ConfigurationError, unknown

if TYPE_CHECKING:
    from fedsov.hub.runtime import Runtime
    from fedsov.storage.workspace import Workspace

OnBytes = Callable[[bytes], None]
"""Told every byte that passes between places; for tests."""

RUNTIMES = {
    "in_process": "fedsov.runtimes.in_process:InProcess",
    "deployment": "fedsov.runtimes.deployment.runtime:Deployment",
}
"""The runtimes by name: the module and the class of each."""
DEFAULT = "in_process"


def check_kind(kind: str) -> None:
    """Raises ConfigurationError for a runtime that there is not."""
    if kind not in RUNTIMES:
        near = get_close_matches(kind, RUNTIMES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigurationError(f"runtime.kind is {kind!r}; expected {' or '.join(RUNTIMES)}{hint}")


def open_runtime(
    kind: str,
    workspace: Workspace,
    *,
    options: Mapping[str, Any] = MappingProxyType({}),
    trains: bool = True,
    on_bytes: OnBytes | None = None,
    least: int = 2,
    say: Callable[[str], None] = lambda line: None,
) -> Runtime:
    """The runtime of a run.

    Args:
        kind: the setting `runtime.kind`.
        workspace: held by this process while the runtime is open.
        options: the settings `runtime.options`; the class takes them as keywords.
        trains: False where regions are asked what they have, and nothing is trained or registered.
        on_bytes: told every byte that passes between places.
        least: how many regions the run needs.
        say: told in a sentence what the runtime waits for.

    Raises:
        ConfigurationError: there is no such runtime, or it has no such option.
    """
    check_kind(kind)
    module, _, name = RUNTIMES[kind].partition(":")
    runtime = getattr(import_module(module), name)
    own = {"trains": trains, "on_bytes": on_bytes, "least": least, "say": say}
    taken = signature(runtime).parameters
    known = [option for option in taken if option != "workspace" and option not in own]
    for option in options:
        if option not in known:
            raise ConfigurationError(unknown(f"option of runtime.kind={kind}", str(option), known))
    given = {name: value for name, value in own.items() if name in taken}
    return cast("Runtime", runtime(workspace, **given, **options))


def kind_in(overrides: Sequence[str]) -> str:
    """The runtime that the words of a command line choose. Raises ConfigurationError for what is no list of text."""
    chosen = [word.lstrip("+").partition("=") for word in override_words(overrides)]
    return next((kind for key, _, kind in reversed(chosen) if key in ("runtime", "runtime.kind")), DEFAULT)


@contextmanager
def warm_up(kind: str = DEFAULT, *, trains: bool = True) -> Iterator[None]:
    """Starts the slow part of a runtime while its settings are still composed; `open_runtime` finds it.

    Several runs in the block share it. Nothing is started for a runtime that has no such part.
    """
    if kind != DEFAULT:
        yield
        return
    from fedsov.runtimes.fork_server import TO_READ, TO_TRAIN, shared_fork_server

    with shared_fork_server(TO_TRAIN if trains else TO_READ):
        yield
