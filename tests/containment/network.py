"""A hub and regions, each in a network namespace of its own: a pair of interfaces to a bridge at the hub, and no more.

    hub, 10.77.0.1, with the bridge --- veth pair --- DE, 10.77.0.11, default route to the hub
                                    --- veth pair --- FR, 10.77.0.12, default route to the hub

A region has a default route, so that a packet to anywhere would leave it and be captured; the hub forwards none. It
needs root and `ip`; `why_not` says what is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

HUB = "10.77.0.1"
HUB_NAME = "hub"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a party's processes run.

    Attributes:
        namespace: "" for the machine's own network.
        link: the hub's end of a region's pair of interfaces, or the loopback interface.
    """

    name: str
    address: str
    namespace: str = ""
    link: str = "lo"

    def command(self, words: Sequence[str]) -> list[str]:
        """The words of a command that runs there."""
        return ["ip", "netns", "exec", self.namespace, *words] if self.namespace else list(words)


def why_not() -> str:
    """Why this machine makes no network namespaces; "" where it does."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need the command `ip` (iproute2)"
    probe = f"fsov-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode:
        return f"`ip netns add` fails: {made.stderr.strip()}"
    veth = ["link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]
    linked = subprocess.run(["ip", "-n", probe, *veth], capture_output=True, text=True)
    bridged = subprocess.run(
        ["ip", "-n", probe, "link", "add", "probe2", "type", "bridge"], capture_output=True, text=True
    )
    subprocess.run(["ip", "netns", "del", probe], capture_output=True)
    failed = linked if linked.returncode else bridged
    return f"`ip link add` fails: {failed.stderr.strip()}" if failed.returncode else ""


@contextmanager
def namespaces(regions: Sequence[str]) -> Iterator[dict[str, Place]]:
    """A namespace for the hub and for each region, linked, for the length of the block."""
    mark = f"fsov-{os.getpid()}"
    places = {HUB_NAME: Place(HUB_NAME, HUB, f"{mark}-hub", "bridge")}
    for number, name in enumerate(regions, start=1):
        places[name] = Place(name, f"10.77.0.{10 + number}", f"{mark}-{name}", f"link{number}")
    with ExitStack() as undo:
        for place in places.values():
            _ip("netns", "add", place.namespace)
            undo.callback(subprocess.run, ["ip", "netns", "del", place.namespace], capture_output=True)
            _quiet(place.namespace)
            _ip("-n", place.namespace, "link", "set", "lo", "up")
        _build(places, regions)
        yield places


def loopback(regions: Sequence[str]) -> dict[str, Place]:
    """Everybody on the loopback interface."""
    return {name: Place(name, "127.0.0.1") for name in (HUB_NAME, *regions)}


def _build(places: dict[str, Place], regions: Sequence[str]) -> None:
    hub = places[HUB_NAME].namespace
    _ip("-n", hub, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
    _ip("-n", hub, "link", "set", "bridge", "multicast", "off")
    _ip("-n", hub, "addr", "add", f"{HUB}/24", "dev", "bridge")
    _ip("-n", hub, "link", "set", "bridge", "up")
    for name in regions:
        place = places[name]
        _ip("-n", hub, "link", "add", place.link, "type", "veth", "peer", "name", "eth0", "netns", place.namespace)
        _ip("-n", hub, "link", "set", place.link, "master", "bridge")
        _ip("-n", hub, "link", "set", place.link, "up")
        _ip("-n", place.namespace, "addr", "add", f"{place.address}/24", "dev", "eth0")
        _ip("-n", place.namespace, "link", "set", "eth0", "up")
        _ip("-n", place.namespace, "route", "add", "default", "via", HUB)


def _quiet(namespace: str) -> None:
    """The kernel's own chatter of IPv6 is off: whatever is captured, somebody sent."""
    for path in ("net/ipv6/conf/all/disable_ipv6", "net/ipv6/conf/default/disable_ipv6"):
        write = f"if [ -e /proc/sys/{path} ]; then echo 1 > /proc/sys/{path}; fi"
        subprocess.run(["ip", "netns", "exec", namespace, "sh", "-c", write], check=True, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
