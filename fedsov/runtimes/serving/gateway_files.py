"""The files of a gateway of another's making: put in place whole, checked by its program, taken when they change.

    put_files("haproxy", folder, files)                 # True where anything changed
    check("haproxy", folder)                            # what `haproxy -c` says of them
    tell("haproxy", Path("/run/haproxy.pid"))           # asks the running one to read them again

HAProxy and nginx read all of their files at a reload. Envoy watches each of its files by itself, so they are put in an
order in which no route ever points to a cluster that is not there: new clusters, then routes, then old clusters go.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError
from fedsov.inference.gateway import envoy, haproxy, nginx
from fedsov.inference.gateway.table import GatewayTable, Keys
from fedsov.storage.atomic_files import write_file
from fedsov.storage.private_files import make_private_folder

_RENDER: Mapping[str, Callable[[GatewayTable, Keys, Path], dict[str, str]]] = {
    "haproxy": haproxy.render,
    "envoy": envoy.render,
    "nginx": nginx.render,
}
KINDS = tuple(_RENDER)
SECONDS_TO_CHECK = 60
WARMING = 0.4
"""Seconds in which Envoy asks a new cluster's regions for their health, before a route may point to it."""
_OURS = ("key-*.pem", "words-*.map")
_SIGNALS = {"haproxy": signal.SIGUSR2, "nginx": signal.SIGHUP}
_CHECKS: Mapping[str, tuple[str, ...]] = {
    "haproxy": ("haproxy", "-c", "-f", "{folder}/haproxy.cfg"),
    "envoy": ("envoy", "--mode", "validate", "--log-level", "error", "-c", "{folder}/static.json"),
    "nginx": ("nginx", "-t", "-q", "-p", "{folder}", "-c", "{folder}/nginx.conf"),
}


@dataclass(frozen=True, slots=True)
class ProgramCheck:
    """What a gateway's own program says of its configuration.

    Attributes:
        is_valid: None where the program is not installed here.
    """

    is_valid: bool | None
    text: str = ""


def render(kind: str, table: GatewayTable, keys: Keys, folder: Path) -> dict[str, str]:
    """The files of a kind of gateway, by name. Raises ConfigurationError for what it cannot do."""
    return _RENDER[kind](table, keys, folder.resolve())


def put_files(
    kind: str, folder: Path, files: Mapping[str, str], *, pause: Callable[[float], None] = time.sleep
) -> bool:
    """Writes what changed; whether anything did. Raises WorkspaceUnusable; OSError for a folder that cannot be made."""
    make_private_folder(folder)
    changed = {name: text for name, text in files.items() if _text(folder / name) != text}
    if kind == "envoy" and "cds.json" in changed and (folder / "cds.json").exists():
        write_file(folder / "cds.json", _both_clusters(folder / "cds.json", changed["cds.json"]).encode())
        pause(WARMING)
    for name in sorted(changed, key=lambda name: (name == "cds.json", name.endswith((".cfg", ".conf")), name)):
        if kind == "envoy" and name == "cds.json" and len(changed) > 1:
            pause(WARMING)
        write_file(folder / name, changed[name].encode())
    for pattern in _OURS:
        for old in folder.glob(pattern):
            if old.name not in files:
                old.unlink()
    return bool(changed)


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _both_clusters(path: Path, new: str) -> str:
    """The new clusters, and those of the old file that are to go."""
    plain = json.loads(new)
    names = {cluster["name"] for cluster in plain["resources"]}
    try:
        old: list[dict[str, Any]] = json.loads(path.read_text())["resources"]
        leaving = [cluster for cluster in old if cluster["name"] not in names]
    except (OSError, ValueError, KeyError, TypeError):
        leaving = []  # it was edited; Envoy goes on with what it read last
    version = f"{plain['version_info']}-with-{len(leaving)}-leaving"
    return json.dumps({"version_info": version, "resources": [*plain["resources"], *leaving]}, indent=1)


def tried(kind: str, table: GatewayTable, keys: Keys) -> ProgramCheck:
    """What the gateway's own program says of a table, before anything of it is put where a running one reads it.

    Raises ConfigurationError for what the gateway cannot do.
    """
    with tempfile.TemporaryDirectory() as name:
        put_files(kind, Path(name), render(kind, table, keys, Path(name)))
        return check(kind, Path(name))


def check(kind: str, folder: Path) -> ProgramCheck:
    """Has the gateway's own program read the files of a folder."""
    program, *words = (word.format(folder=folder.resolve()) for word in _CHECKS[kind])
    path = shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
    if path is None:
        return ProgramCheck(None, f"{program} is not installed here")
    try:
        done = subprocess.run([path, *words], capture_output=True, text=True, timeout=SECONDS_TO_CHECK, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        return ProgramCheck(False, f"{program} cannot check: {problem}")
    return ProgramCheck(done.returncode == 0, (done.stderr + done.stdout).strip()[-2000:])


def tell(kind: str, pid_file: Path) -> None:
    """Asks a running gateway to read its files again; Envoy, which watches them, is asked nothing.

    Raises ConfigurationError where the file holds no process that can be asked.
    """
    if kind not in _SIGNALS:
        return
    try:
        os.kill(_process(pid_file, kind), _SIGNALS[kind])
    except (OSError, ValueError, IndexError, OverflowError) as problem:
        raise ConfigurationError(f"{pid_file} names no {kind} that can be told to read its files: {problem}") from None


def _process(pid_file: Path, kind: str) -> int:
    """The process that a file names. Raises OSError, ValueError, IndexError where it is none of that kind."""
    pid = int(pid_file.read_text().split()[0])
    about = Path(f"/proc/{pid}/comm")
    if pid <= 1 or (about.parent.parent.is_dir() and kind not in about.read_text()):
        raise ValueError(f"process {pid} is another program")
    return pid
