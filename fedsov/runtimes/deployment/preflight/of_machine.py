"""The machine: packages as pinned, nothing told to anybody, room on the disk, ports."""

from __future__ import annotations

import http.client
import os
import socket
import sys
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from fedsov.errors import counted
from fedsov.infrastructure.workload.render import QUIET
from fedsov.keys.certificates import HUB
from fedsov.runtimes.deployment.preflight import of_hub
from fedsov.runtimes.deployment.preflight.values import Amiss, ExaminedHome

LEAST_FREE = 2 << 30
"""Bytes that a party needs free: for ledgers, answers and models of some runs."""
LEAST_PYTHON = (3, 11)
_GIB = 1 << 30
_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def software(examined: ExaminedHome) -> str:
    """Python and every package that fedsov needs, in a version that it states."""
    if sys.version_info < LEAST_PYTHON:
        raise Amiss(
            f"Python is {sys.version.split()[0]}, and 3.11 or newer is needed", "install fedsov in a newer Python"
        )
    needed = [need for need in map(_needed, examined.machine.requirements) if need is not None]
    if not needed:
        raise Amiss(
            "fedsov is not installed here as a package", "install its wheel, or `pip install -e .` in its source"
        )
    wrong = list[str]()
    for need in needed:
        version = examined.machine.installed(need.name)
        if not version:
            wrong.append(f"{need.name} is missing")
        elif not need.specifier.contains(version, prereleases=True):
            wrong.append(f"{need.name} is {version}, not {need.specifier}")
    if wrong:
        raise Amiss(
            ", ".join(wrong), "install fedsov by its lock file: scripts/setup demo, or the image of its Dockerfile"
        )
    pinned = [
        f"{need.name} {examined.machine.installed(need.name)}" for need in needed if need.name in ("flwr", "torch")
    ]
    return f"Python {sys.version.split()[0]}, {', '.join(pinned)}, {counted(len(needed), 'package')} as stated"


def _needed(text: str) -> Requirement | None:
    """A requirement of fedsov's own; None where it is an extra's."""
    try:
        need = Requirement(text)
    except InvalidRequirement:
        return None
    return need if need.marker is None or need.marker.evaluate({"extra": ""}) else None


def telemetry(examined: ExaminedHome) -> str:
    """That nothing in the environment turns on what fedsov turns off."""
    environment = examined.machine.environment
    switches = {name: value for name, value in QUIET.items() if value.lower() in (*_ON, *_OFF)}
    on = [name for name, value in switches.items() if _is_on(environment.get(name, value)) != _is_on(value)]
    if on:
        has, wanted = ", ".join(f"{name}={environment[name]}" for name in on), " ".join(f"{n}={QUIET[n]}" for n in on)
        raise Amiss(f"the environment has {has}", f"unset it, or set {wanted}")
    return "telemetry, update checks and installation at run time are off"


def _is_on(value: str) -> bool:
    return value.strip().lower() in _ON


def disk(examined: ExaminedHome) -> str:
    """That the home can be written, and has room."""
    home = examined.home
    if not home.is_dir():
        raise Amiss(f"{home} is no folder", "name the party's home by --workspace")
    if not os.access(home, os.W_OK | os.X_OK):
        raise Amiss(f"{home} cannot be written by this user", f"run as its owner, or: chown -R {os.getuid()} {home}")
    free = examined.machine.free(home)
    if free < LEAST_FREE:
        raise Amiss(
            f"{free / _GIB:.1f} GiB are free where {home} lies, and {LEAST_FREE / _GIB:.0f} are needed",
            "make room, or move the home to a larger disk",
        )
    return f"{free / _GIB:.1f} GiB are free"


def ports(examined: ExaminedHome) -> str:
    """That the ports on which the party will listen are free, or its own already."""
    party, seen = examined.party, list[str]()
    if party.role == HUB:
        runs = of_hub.is_running(examined)
        seen.append(_port(party.hub.port, "hub.port, and the invitations with it", listens=runs))
        for name, place in (("control_port", party.hub.control), ("pages_port", party.hub.pages)):
            listens = runs and of_hub.is_listened_on(place)
            seen.append(_port(place.port, f"hub.{name} in party.yaml of every party", listens=listens))
    if examined.health_port:
        listens = _tells_health_of(party.name, examined.health_port)
        seen.append(_port(examined.health_port, "--health-port", listens=listens))
    return ", ".join(seen) or "none is listened on"


def _port(port: int, setting: str, *, listens: bool) -> str:
    if listens:
        return f"{port} is this party's own, which runs"
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            raise Amiss(
                f"port {port} cannot be listened on ({error.strerror})",
                f"end what listens there (`ss -ltnp 'sport = :{port}'`), or choose another: {setting}",
            ) from None
    return f"{port} is free"


def _tells_health_of(name: str, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/metrics")
        return f'party="{name}"' in connection.getresponse().read(1 << 16).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def private(path: Path) -> str:
    """Raises Amiss where others can read a file, or this user cannot."""
    try:
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        raise Amiss(f"{path} is missing", "`fedsov deploy join` makes it, or restore your copy") from None
    if mode & 0o077:
        raise Amiss(f"{path} has mode {mode:04o}, so others can read it", f"chmod 600 {path}")
    if not os.access(path, os.R_OK):
        raise Amiss(f"{path} cannot be read by this user", f"run as its owner, or: chown {os.getuid()} {path}")
    return f"{path.name} is readable for its owner alone"
