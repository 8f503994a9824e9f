"""What each protection keeps hostile code from by itself (`tests.runtimes.bench.hostile_networks.ATTEMPTS`)."""

from __future__ import annotations

from collections.abc import Sequence

NAMESPACES, LANDLOCK, CALLS = "namespaces of its own", "Landlock", "a filter of system calls"
CONTAINS = {
    NAMESPACES: {
        "read files", "see files", "through a link", "write file", "open modes", "read memory", "look through root",
        "connect", "abstract socket", "trace",
    },
    LANDLOCK: {
        "read files", "through a link", "write file", "write elsewhere", "read memory", "read environment",
        "look through root", "trace", "shared memory", "run a program",
    },
    CALLS: {
        "open modes", "trace", "signal", "limit the region", "connect", "send datagram", "abstract socket", "fork",
        "run a program",
    },
}  # fmt: skip
EVERY = frozenset().union(*CONTAINS.values())


def reachable(lacking: Sequence[str]) -> frozenset[str]:
    """What code may reach where the system lacks these protections, each named with a reason: nothing where it has all.

    What one protection alone keeps from stays out of reach where that one is there.
    """
    missing = {each.partition(" (")[0] for each in lacking}
    kept = frozenset().union(*(found for name, found in CONTAINS.items() if name not in missing))
    return EVERY - kept
