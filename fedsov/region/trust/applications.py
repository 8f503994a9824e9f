"""Which networks may run over a region's rows: installed packages' by digests of their files, and shipped ones.

A package that is installed on a region's machine can name a network (`fedsov.model.own_network`), and a job can ask for
it. Its code sees rows. So over people's rows it runs only where the region's settings list its digest
(``applications``); over example rows it does unless they list others. The digest is SHA-256 over every file of the
package, by path and content: another version is another application. Bytecode that Python keeps in ``__pycache__`` is
left out, for none of it is ever run (`fedsov.model.own_network.builder`); a package with a symbolic link in it, whose
target nobody counted, is refused.

A network is also a question: one that singles a person out in its weights is bounded by ``limits.weights``, where its
steepness can be told, which is of a stack of layers (`fedsov.model.steepness`). So over people's rows without noise a
shipped network that is no stack runs only where ``applications`` lists its name, and tables of codes do not run at all.

Deliberately not here: what the package imports itself. Aggregation algorithms and synthesizers are fedsov's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from fedsov.errors import ConfigurationError
from fedsov.model.architectures import ARCHITECTURES
from fedsov.model.network import NetworkSpec, is_shipped, is_stack
from fedsov.model.own_network import INSTALLED, module_of
from fedsov.region.own_dataset import in_shell
from fedsov.region.settings import RegionSettings


def refusal(own: RegionSettings, spec: NetworkSpec, *, examples: bool, private: bool) -> str:
    """Why a network may not run over rows of this region, with the command that approves it; "" where it may.

    Args:
        examples: whether the rows are examples.
        private: whether noise hides each of them.
    """
    if not (examples or private) and (why := untold_steepness(own, spec)):
        return why
    network = spec.name
    if is_shipped(network):
        return ""
    try:
        package, digest = application(network)
    except ConfigurationError as error:
        return f"region {own.region} runs no network {network!r}: {error}"
    digests = [name for name in own.applications if name not in ARCHITECTURES]
    if digest in digests or (examples and not digests):
        return ""
    if not digest:
        return f"region {own.region} runs no network {network!r}: it is of no installed package; install it as one"
    return (
        f"region {own.region} has not approved the network {network!r} of package {package} ({digest}); read it, then "
        f"`fedsov region set {own.region} {in_shell('applications', [*own.applications, digest])}` approves it"
    )


def untold_steepness(own: RegionSettings, spec: NetworkSpec) -> str:
    """Why a shipped network is not trained on people's rows without noise; "" where it is.

    A table of codes has a row for each value of a number: its gradient is of whoever has the value. A LayerNorm is a
    threshold whatever its weights are.
    """
    if spec.embeddings:
        return (
            f"region {own.region} trains no embeddings on people's rows without noise: each row of a table would tell "
            "of whoever has its code; leave the columns to be categories, or set privacy=record"
        )
    if not is_shipped(spec.name) or is_stack(spec) or spec.name in own.applications:
        return ""
    return (
        f"region {own.region} has not approved network {spec.name} for people's rows without noise: how steep it is "
        "cannot be told (limits.weights), so that its updates can tell of single people; choose model=mlp, set "
        f"privacy=record, or `fedsov region set {own.region} "
        f"{in_shell('applications', [*own.applications, spec.name])}` approves it"
    )


def application(network: str) -> tuple[str, str]:
    """The package of a network that is not fedsov's own, and the digest of its files; "" for one without files.

    Nothing of the package is imported. Raises ConfigurationError for several packages, or one that holds a link.
    """
    modules = [point.module for point in entry_points(group=INSTALLED, name=network)] or [module_of(network)]
    packages = sorted({module.partition(".")[0] for module in modules})
    if len(packages) > 1:
        raise ConfigurationError(f"packages {', '.join(packages)} all name it; uninstall all of them but one")
    package = packages[0]
    digest = hashlib.sha256()
    files = dict(_files(package))
    for name in sorted(files):
        content = files[name].read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return package, digest.hexdigest() if files else ""


def _files(package: str) -> Iterator[tuple[str, Path]]:
    """Every file of a package by its path within it; the one file of a module."""
    try:
        spec = find_spec(package) if package else None
    except (ValueError, ImportError):
        spec = None
    if spec is None:
        return
    if spec.submodule_search_locations is None:
        if spec.origin and Path(spec.origin).is_file():
            yield Path(spec.origin).name, Path(spec.origin)
        return
    for folder in map(Path, spec.submodule_search_locations):
        for path in folder.rglob("*"):
            inside = path.relative_to(folder).as_posix()
            if path.is_symlink():
                raise ConfigurationError(f"package {package} holds the link {inside}; install it with files of its own")
            if path.is_file() and not (path.parent.name == "__pycache__" and path.suffix == ".pyc"):
                yield inside, path
