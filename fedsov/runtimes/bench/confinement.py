"""What a process of model code gives up before it runs any: files, network, other processes, rights, memory.

Each protection is tried for itself, in the order of `PROTECTIONS`, and whatever the system does not permit is returned
by name with the reason: the region's log says so, and nothing is weaker without a word. Two or three of them stand
before each thing that matters, so that the loss of one does not open it:

    the region's files      an empty file system lies over them (namespaces); they cannot be opened (Landlock), nor
                            their modes, owners and times changed (system calls)
    network                 a network namespace without a way out; no socket can be made (system calls)
    other processes         no right outside its namespaces; no signal, trace or new process (Landlock, system calls)

What Python itself needs stays readable: its own folders, those of ``sys.path``, ``/usr`` and ``/lib``. A secret that
lies there is no secret; where a folder to keep out lies in one of them, names in it can be listed where there are no
namespaces. Linux alone has these means; elsewhere all of them are named as lacking.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedsov.runtimes.bench import linux

SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system/cpu")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat")
LARGEST_FILE, MOST_FILES, SCRATCH_MEGABYTES = 2**26, 1024, 64
PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "VIRTUAL_ENV", "SYSTEMROOT")
"""What of the environment model code's processes are begun with; it holds no secret."""
ARITHMETIC = ("OPENBLAS_", "MKL_", "OMP_", "KMP_", "ATEN_", "NPY_", "BLIS_", "ONEDNN_", "DNNL_", "NVPL_")
"""How the names of others begin that are passed on: by them libraries choose how they add, and so the last bits."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a process is confined to.

    Attributes:
        scratch: its own folder, empty, and the current one; the only place where it can write.
        keep_out: folders that it must not see, though they lie where Python looks for modules.
        memory: bytes that it may take beside those that it has.
    """

    scratch: Path
    keep_out: Sequence[Path]
    memory: int


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that model code's processes are begun with, and where they find this one's modules."""
    found = {name: value for name, value in environment.items() if name in PASSED_ON or name.startswith(ARITHMETIC)}
    return {**found, **own_modules()}


def own_modules() -> dict[str, str]:
    """The variables by which another process finds this one's modules, with paths as they are seen from here."""
    paths = [os.path.abspath(path) for path in sys.path if path]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def confine(to: Confinement) -> list[str]:
    """Confines this process for the rest of its life; the names of what could not be, each with the reason."""
    os.chdir(to.scratch)
    os.environ.update(HOME=str(to.scratch), TMPDIR=str(to.scratch))
    lacking = []
    for name, apply in PROTECTIONS.items():
        try:
            apply(to)
        except (OSError, ValueError) as error:
            lacking.append(f"{name} ({error.strerror or error if isinstance(error, OSError) else error})")
    return lacking


def _end_with_parent(to: Confinement) -> None:
    del to
    linux.set_process(linux.PDEATHSIG, signal.SIGKILL)


def _own_namespaces(to: Confinement) -> None:
    linux.own_namespaces()
    linux.cover(to.scratch, SCRATCH_MEGABYTES)
    os.chdir(to.scratch)  # the one that lies there now
    for folder in to.keep_out:
        if folder.is_dir():
            linux.cover(folder, 1)


def _limit_resources(to: Confinement) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + to.memory
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: LARGEST_FILE,
        resource.RLIMIT_NOFILE: MOST_FILES,
        resource.RLIMIT_AS: memory,
    }
    for which, most in limits.items():
        before = resource.getrlimit(which)[1]
        least = most if before == resource.RLIM_INFINITY else min(most, before)
        resource.setrlimit(which, (least, least))


def _drop_capabilities(to: Confinement) -> None:
    del to
    linux.drop_capabilities()


def _no_new_privileges(to: Confinement) -> None:
    del to
    linux.set_process(linux.NO_NEW_PRIVILEGES, 1)


def _landlock(to: Confinement) -> None:
    python = {
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        os.path.dirname(os.path.realpath(sys.executable)),
        *sys.path,
    }
    folders = [Path(path) for path in sorted({os.path.realpath(path) for path in (*SYSTEM, *python) if path})]
    keep_out = [Path(os.path.realpath(path)) for path in to.keep_out]
    readable = [path for folder in folders for path in without(folder, keep_out)]
    listed = [folder for folder in folders if any(other.is_relative_to(folder) for other in keep_out)]
    linux.landlock([*readable, *map(Path, DEVICES)], [to.scratch, Path("/dev/null")], listed)


def without(folder: Path, keep_out: Sequence[Path]) -> Iterator[Path]:
    """The folder, or where one of others lies in it, all beside that; nothing of a folder that lies in one of them."""
    if any(folder.is_relative_to(other) for other in keep_out) or not folder.exists():
        return
    if not any(other.is_relative_to(folder) for other in keep_out):
        yield folder
        return
    for inner in sorted(folder.iterdir()):
        if not inner.is_symlink():
            yield from without(inner, keep_out)


def _filter_system_calls(to: Confinement) -> None:
    del to
    linux.filter_system_calls()


def _not_dumpable(to: Confinement) -> None:
    del to
    linux.set_process(linux.DUMPABLE, 0)


PROTECTIONS: Mapping[str, Callable[[Confinement], None]] = {
    "its end with the process that it was forked from": _end_with_parent,
    "namespaces of its own": _own_namespaces,
    "limits of memory and files": _limit_resources,
    "no capabilities": _drop_capabilities,
    "no new privileges": _no_new_privileges,
    "Landlock": _landlock,
    "a filter of system calls": _filter_system_calls,
    "no core dump": _not_dumpable,
}
"""By name what is given up, in this order."""
