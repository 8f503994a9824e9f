"""What stands between a party's processes and the rest of this machine, and how the system is asked for it.

    Walls(own=(folder,), hidden=(workspace,), port=9092)

Two means, and a party gets the stronger that this system permits:

    namespaces   `hidden` folders are empty but for `own`; all but `own` is read-only; /tmp and /dev/shm are its own; no
                 device but those that give zeros and chance; no process outside can be traced, and from Linux 6.12 on
                 none gets a signal; the network has this one port, whose socket the hub holds, and nothing else
    Landlock     nothing beneath `hidden` can be opened but `own`; only `own` is written; no trace, no signal (Linux
                 6.12); TCP goes to this one port, of any machine (Linux 6.7). UDP goes anywhere; a file elsewhere that
                 is replaced later cannot be read

Neither needs root. The process has no right to take them down again, and neither have its children. Everything here is
called in a process with one thread that has opened nothing yet (`fedsov.runtimes.isolation.enter`).
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fedsov.runtimes.bench import linux
from fedsov.runtimes.bench.confinement import without

NAMESPACES, LANDLOCK = "namespaces", "Landlock"
ROOT_AS = 1
"""Root's number in a namespace of users: a number that every system knows, and no root's, so that it has no rights."""
ITS_OWN = (Path("/dev/shm"), Path("/run"), Path("/tmp"), Path("/var/tmp"))
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
ACCELERATORS = ("nvidia*", "kfd", "dri")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
NEEDED = [Path("/etc/resolv.conf")]
OF_THE_SYSTEM = ("sys", "sysrq-trigger", "bus", "fs", "irq")
"""What of ``/proc`` changes the machine."""
TEMPORARY = "temporary"
SINCE = {
    4: "TCP, which goes anywhere (Linux 6.7 has it)",
    6: "signals to this user's other processes (Linux 6.12 has it)",
}
"""What an older Landlock does not know, by the version that does."""
MEGABYTES = 4096
"""What its temporary files may take, at most, of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """What a party is kept from, and what it needs.

    Attributes:
        own: folders that it reads and writes.
        hidden: folders of which it sees nothing but `own` and `shown`.
        shown: files in hidden folders that it reads, as they are now.
        port: the hub's, the only one that it reaches; 0 where its network is the machine's.
        means: `NAMESPACES` or `LANDLOCK`.
        user, network: descriptors of namespaces that were made for it; -1 for new ones.
    """

    own: Sequence[str]
    hidden: Sequence[str]
    shown: Sequence[str] = ()
    port: int = 0
    means: str = NAMESPACES
    user: int = -1
    network: int = -1

    def to_json(self) -> str:
        """As the word of a command."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Walls:
        """The inverse of `to_json`."""
        return Walls(**json.loads(text))

    def resolved(self) -> Walls:
        """With paths as they are on the disk."""
        real = [[os.path.realpath(path) for path in paths] for paths in (self.own, self.hidden, self.shown)]
        return replace(self, own=real[0], hidden=real[1], shown=real[2])


def raise_walls(walls: Walls) -> list[str]:
    """Raises them around this process; the names of what the system did not permit of the lesser ones.

    Raises OSError where the system does not permit the means at all.
    """
    chosen = walls.resolved()
    linux.set_process(linux.NO_NEW_PRIVILEGES, 1)
    if chosen.means == LANDLOCK:
        return _by_landlock(chosen)
    _enter(chosen)
    _mount(chosen)
    lacking = []
    try:
        linux.keep_signals_inside()
    except OSError as error:
        lacking.append(f"signals to this user's other processes ({error.strerror})")
    linux.drop_capabilities()
    return lacking


def _enter(walls: Walls) -> None:
    kinds = ["mount", "IPC", "host"]
    if walls.user >= 0:
        linux.enter_namespace(walls.user, "user")
    else:
        kinds.insert(0, "user")
    if walls.network >= 0:
        linux.enter_namespace(walls.network, "network")
    linux.own_namespaces(kinds, root_as=ROOT_AS)


def _mount(walls: Walls) -> None:
    """The view of the file system: what is to be seen is kept by a descriptor while all around it is covered."""
    own, hidden = [Path(path) for path in walls.own], [Path(path) for path in walls.hidden]
    temporary = [folder for folder in _real(ITS_OWN) if folder.is_dir()]
    beside = [folder.parent for folder in hidden]  # what lies beside a hidden folder is not hidden
    needed = [path for path in _real([*NEEDED, *python_folders(), *beside]) if _is_below(path, temporary)]
    needed = [path for path in needed if path.exists()]
    held = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in (*needed, *own, *map(Path, walls.shown))}
    _cover_devices()
    for folder in temporary:
        linux.cover(folder, MEGABYTES)
    for path in needed:
        _show(path, held[path])
    for folder in (folder for folder in hidden if folder.is_dir() and not _is_below(folder, own)):
        linux.cover(folder, 1)
    for path in (*own, *map(Path, walls.shown)):
        _show(path, held[path])
    for folder in (folder for folder in hidden if folder.is_dir() and _is_below(folder, own)):
        linux.cover(folder, 1)
    os.chdir(own[0])  # the one that lies there now
    _make_read_only([*own, *(folder for folder in temporary if os.path.ismount(folder))])
    for descriptor in held.values():
        os.close(descriptor)


def _show(path: Path, descriptor: int) -> None:
    """Shows what a descriptor stands for at its path, be it covered or not."""
    if os.path.isdir(f"/proc/self/fd/{descriptor}"):
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    linux.bind(f"/proc/self/fd/{descriptor}", path)


def _cover_devices() -> None:
    """No device but those that give zeros, chance and arithmetic: by a disk's own, root reads past any file's mode."""
    folder = Path("/dev")
    found = [folder / name for name in DEVICES] + [path for each in ACCELERATORS for path in folder.glob(each)]
    held = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in found if path.exists()}
    linux.cover(folder, 1)
    for path, descriptor in held.items():
        _show(path, descriptor)
        os.close(descriptor)
    for name, target in LINKS.items():
        (folder / name).symlink_to(target)
    (folder / "shm").mkdir()  # covered next


def _make_read_only(writable: Iterable[Path]) -> None:
    """Everything, but what is its own, and what a process says of itself in ``/proc``."""
    linux.mount_read_only(Path("/"), read_only=True, recursive=True)
    for path in (*writable, Path("/proc")):
        linux.mount_read_only(path, read_only=False)
    for name in OF_THE_SYSTEM:
        path = Path("/proc") / name
        if path.exists():
            linux.bind(str(path), path)
            linux.mount_read_only(path, read_only=True)


def _by_landlock(walls: Walls) -> list[str]:
    own, hidden = [Path(path) for path in walls.own], [Path(path) for path in walls.hidden]
    if any(_is_below(folder, own) for folder in hidden):
        raise OSError(errno.EINVAL, "it cannot hide folders that lie in its own")
    temporary = own[-1] / TEMPORARY
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700)
    os.environ["TMPDIR"] = str(temporary)
    os.chdir(own[0])
    devices = [path for path in (Path("/dev") / name for name in DEVICES) if path.exists()]
    modules = [path for path in _real(python_folders()) if any(folder.is_relative_to(path) for folder in hidden)]
    readable = [*without(Path("/"), [*hidden, Path("/dev")]), *map(Path, walls.shown)]  # no disk's own device
    linux.landlock(readable, [*own, *devices], modules, programs=True, ports=[walls.port] if walls.port else None)
    linux.drop_capabilities()  # root's rights reach past Landlock
    version = linux.landlock_version()
    lacking = [why for least, why in SINCE.items() if version < least]
    return [*lacking, "UDP, which goes anywhere"] if walls.port else lacking


def python_folders() -> list[Path]:
    """Where Python and its modules lie."""
    return [Path(path) for path in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.executable, *sys.path) if path]


def _real(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(Path(os.path.realpath(path)) for path in paths))


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) and path != folder for folder in folders)
