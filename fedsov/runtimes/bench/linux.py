"""What Linux offers a process that gives up rights: namespaces, Landlock, a filter of system calls, and prctl.

Each function gives something up for the rest of the process's life, or raises OSError where the kernel, its settings or
its age do not permit it. Python has no names for most of them; their numbers are the kernel's own (`linux/landlock.h`,
`linux/seccomp.h`, `linux/prctl.h`), the same on every processor but for system calls, which are those of x86-64.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import socket
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

PDEATHSIG, DUMPABLE, SECCOMP, NO_NEW_PRIVILEGES = 1, 4, 22, 38
NEW_NAMESPACES = {"user": 0x10000000, "mount": 0x00020000, "network": 0x40000000, "IPC": 0x08000000, "host": 0x04000000}
RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PATH_BENEATH, ABI_VERSION = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REFER, TRUNCATE, IOCTL_DEV = 1, 2, 4, 8, 1 << 13, 1 << 14, 1 << 15
READ, OF_FILES = READ_FILE | READ_DIR, EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
CAPABILITY_VERSION = 0x20080522
SET_INTERFACE_FLAGS, INTERFACE_UP = 0x8914, 1
BIND, RECURSIVE = 0x1000, 0x4000
MOUNT_SETATTR, RECURSIVELY, MOUNT_READ_ONLY, MOUNT_NO_RIGHTS = 442, 0x8000, 1, 2
CONNECT_TCP, CONNECT_RULE = 2, 2
OF_TCP, SCOPES = 3, 3

X86_64 = 0xC000003E
DENIED = {
    "sockets": (41, 42, 43, 49, 50, 53, 288),
    "programs": (57, 58, 59, 322),
    "other processes": (62, 101, 129, 144, 141, 142, 200, 203, 251, 297, 310, 311, 312, 314, 424, 434, 438, 440, 448),
    "modes, owners and times of files": (
        90, 91, 92, 93, 94, 132, 188, 189, 190, 197, 198, 199, 235, 260, 261, 268, 280, 452, 463, 466,
    ),
    "mounts and namespaces": (155, 161, 165, 166, 272, 308, 428, 429, 430, 431, 432, 433, 442),
    "keyrings": (248, 249, 250),
    "shared memory and queues": (29, 30, 31, 64, 65, 66, 68, 69, 70, 71, 240, 241, 242, 243),
    "the kernel": (
        103, 135, 139, 153, 156, 163, 167, 168, 169, 170, 171, 172, 173, 175, 176, 179, 246, 298, 304, 313, 320, 321,
        323, 425, 426, 427,
    ),
}  # fmt: skip
"""System calls of x86-64 that model code has no use for, by what they are about."""
CLONE, CLONE3, THREAD, PRLIMIT, TGKILL = 56, 435, 0x00010000, 302, 234
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000

try:
    _libc = ctypes.CDLL(None, use_errno=True)
except (OSError, TypeError):  # no such library: each call says so
    _libc = None  # type: ignore[assignment]


def _called(name: str, *arguments: Any) -> int:
    """What a function of the C library returns. Raises OSError where it fails, or is not there."""
    function = getattr(_libc, name, None)
    if function is None:
        raise OSError(errno.ENOSYS, f"this system has no {name}")
    found = int(function(*arguments))
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return found


def set_process(option: int, value: int) -> None:
    """`prctl` with one value."""
    _called("prctl", option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def own_namespaces(kinds: Iterable[str] = tuple(NEW_NAMESPACES), *, root_as: int = 0) -> None:
    """Namespaces of its own for users (this user alone, who has no right outside), mounts, network, IPC, host name.

    Args:
        kinds: which of `NEW_NAMESPACES`.
        root_as: the number that root has in there. Only who is not root there can nest namespaces without rights.
    """
    user, group, flags = os.geteuid(), os.getegid(), 0
    for each in kinds:
        flags |= NEW_NAMESPACES[each]
    _called("unshare", flags)
    if not flags & NEW_NAMESPACES["user"]:
        return
    maps = {"uid_map": f"{user or root_as} {user} 1", "gid_map": f"{group or root_as} {group} 1"}
    for name, text in {"setgroups": "deny", **maps}.items():
        Path(f"/proc/self/{name}").write_text(text)


def enter_namespace(descriptor: int, kind: str) -> None:
    """Enters a namespace that another process made, by a descriptor of its file below ``/proc/PID/ns``."""
    _called("setns", descriptor, NEW_NAMESPACES[kind])


def start_loopback() -> None:
    """Starts the loopback interface of this process's network."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_INTERFACE_FLAGS, struct.pack("16sH14x", b"lo", INTERFACE_UP))


def bind(source: str, target: Path) -> None:
    """Shows a folder or a file, with all that is mounted below it, at another place."""
    _called("mount", os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(BIND | RECURSIVE), None)


def mount_read_only(target: Path, *, read_only: bool, recursive: bool = False) -> None:
    """Makes what is mounted there read-only, or no longer so; without programs that give rights. Linux 5.12."""
    flags = 0 if read_only else MOUNT_READ_ONLY
    attributes = struct.pack("=QQQQ", MOUNT_READ_ONLY | MOUNT_NO_RIGHTS if read_only else 0, flags, 0, 0)
    depth = RECURSIVELY if recursive else 0
    _called("syscall", MOUNT_SETATTR, -100, os.fsencode(target), depth, attributes, ctypes.c_size_t(32))


def cover(folder: Path, megabytes: int) -> None:
    """Lays an empty file system over a folder, which this process alone sees; it takes so many megabytes of memory."""
    options = f"size={megabytes}m,mode=0700".encode()
    _called("mount", b"none", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(0x6), options)  # nosuid, nodev


def drop_capabilities() -> None:
    """No capability is left to this process."""
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    _called("capset", header, bytes(24))


def landlock_version() -> int:
    """Which Landlock the kernel has: 4 knows TCP ports, 6 signals. Raises OSError where it has none."""
    return _called("syscall", RULESET, None, ctypes.c_size_t(0), ABI_VERSION)


def landlock(
    readable: Iterable[Path],
    writable: Iterable[Path],
    listed: Iterable[Path] = (),
    *,
    programs: bool = False,
    ports: Sequence[int] | None = (),
) -> None:
    """Files and folders beneath these can be read, or written as well, and nothing else can be opened.

    Of what lies beneath `listed` names can be listed, and no more. No program can be run, unless `programs`.

    Nor can signals, and connections to abstract sockets and TCP ports but `ports`, leave this process, where the
    kernel knows them; None is for every port. What Landlock does not decide about: UDP, and a file's size and times,
    modes and owners (`filter_system_calls` does).
    """
    version = landlock_version()
    every = (1 << (13 + (version >= 2) + (version >= 3))) - 1 | (IOCTL_DEV if version >= 5 else 0)
    read = READ | (EXECUTE if programs else 0)
    ruleset = _ruleset(every, OF_TCP if ports is not None else 0, SCOPES)
    try:
        for paths, access in ((readable, read), (writable, every & ~EXECUTE), (listed, READ_DIR)):
            for path in paths:
                _allow(ruleset, path, access)
        for port in (ports or ()) if version >= 4 else ():
            _called("syscall", ADD_RULE, ruleset, CONNECT_RULE, struct.pack("=QQ", CONNECT_TCP, port), 0)
        _called("syscall", RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def keep_signals_inside() -> None:
    """No signal, trace or connection to an abstract socket leaves this process and its children. Linux 6.12."""
    if landlock_version() < 6:
        raise OSError(errno.ENOSYS, "Linux 6.12 has it")
    ruleset = _ruleset(0, 0, SCOPES)
    try:
        _called("syscall", RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _ruleset(files: int, network: int, scopes: int) -> int:
    """A new ruleset; an older kernel is not told of what it does not know."""
    version = landlock_version()
    content = struct.pack("=QQQ", files, network, scopes)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    return _called("syscall", RULESET, content, ctypes.c_size_t(len(content)), 0)


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rights = access if path.is_dir() else access & OF_FILES
        _called("syscall", ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, beneath), 0)
    finally:
        os.close(beneath)


def filter_system_calls() -> None:
    """`DENIED` fail with EPERM, and so does a new process; threads can be begun.

    Raises OSError on another processor than x86-64, whose numbers are not known here.
    """
    if platform.machine() != "x86_64":
        raise OSError(errno.ENOSYS, f"the numbers of system calls are known of x86_64, not of {platform.machine()}")
    program = b"".join(_filter())
    kept = ctypes.create_string_buffer(program, len(program))
    described = struct.pack(
        "@HxxxxxxQ" if struct.calcsize("P") == 8 else "@HxxI", len(program) // 8, ctypes.addressof(kept)
    )
    _called("prctl", SECCOMP, ctypes.c_ulong(2), described, ctypes.c_ulong(0), ctypes.c_ulong(0))


def _filter() -> Iterable[bytes]:
    """A program of the kernel's filter language: load, compare, jump, return."""

    def word(offset: int) -> bytes:
        return struct.pack("=HBBI", 0x20, 0, 0, offset)

    def jump(code: int, value: int, yes: int, no: int) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    def end(value: int) -> bytes:
        return struct.pack("=HBBI", 0x06, 0, 0, value)

    equal, at_least, has_bits, refused = 0x15, 0x35, 0x45, REFUSE | errno.EPERM
    yield from (word(4), jump(equal, X86_64, 1, 0), end(KILL))
    yield from (word(0), jump(at_least, 0x40000000, 0, 1), end(KILL))  # the numbers of 32-bit pointers
    for number in sorted({number for numbers in DENIED.values() for number in numbers}):
        yield from (jump(equal, number, 0, 1), end(refused))
    yield from (jump(equal, CLONE3, 0, 1), end(REFUSE | errno.ENOSYS))  # its flags cannot be seen; clone is tried then
    for number, test in {
        CLONE: jump(has_bits, THREAD, 1, 0),
        PRLIMIT: jump(equal, 0, 1, 0),
        TGKILL: jump(equal, os.getpid(), 1, 0),
    }.items():
        yield from (jump(equal, number, 0, 4), word(16), test, end(refused), end(ALLOW))
    yield end(ALLOW)
