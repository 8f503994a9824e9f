"""What `fedsov gateway render`, `check` and `serve` do.

rendered = render(workspace, "haproxy", Path("gateway"), table=Path("gateway.yaml"), today=date.today())
checked = check(workspace, table=Path("gateway.yaml"), today=date.today())
serve(workspace, table=Path("gateway.yaml"), say=print)              # until it is asked to end
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.api.inference.gateway.gateway_table import GatewaySource, issuer_keys, read_gateway
from fedsov.errors import ConfigurationError, FedsovError
from fedsov.inference.gateway.table import GatewayTable, HostPort
from fedsov.runtimes.serving import gateway_files
from fedsov.runtimes.serving.gateway_files import KINDS, ProgramCheck
from fedsov.runtimes.serving.gateway_process import LoadedTable, run
from fedsov.runtimes.serving.jwks import KeySources

LOOK = 0.5
"""Seconds between two looks of `follow`: HAProxy loses a signal that comes while it takes up the one before."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rendered:
    """Files that were written for a gateway, and what its own program says of them.

    Attributes:
        is_new: whether anything of them changed.
    """

    kind: str
    folder: Path
    files: tuple[str, ...]
    checked: ProgramCheck
    lines: tuple[str, ...]
    is_new: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        words = {"gateway": self.kind, "folder": str(self.folder), "files": list(self.files)}
        return {**words, "valid": self.checked.is_valid, "says": self.checked.text, "notes": list(self.lines)}


@dataclass(frozen=True, slots=True)
class CheckedTable:
    """A table's routes, and whether each kind of gateway can be rendered from it and is valid.

    Attributes:
        kinds: by kind what its program says; `is_valid` is False where it cannot even be rendered.
    """

    source: GatewaySource
    kinds: Mapping[str, ProgramCheck] = field(default_factory=dict)

    @property
    def routes(self) -> list[dict[str, Any]]:
        """For each order of regions the codes that go there."""
        chains = self.source.table.routing.chains()
        return [{"regions": list(chain), "codes": list(codes)} for chain, codes in chains.items()]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "routes": self.routes,
            "left_out": dict(self.source.left_out),
            "issuers": [issuer.issuer for issuer in self.source.table.issuers.issuers],
            "trial": self.source.table.issuers.trial,
            "gateways": {
                kind: {"valid": checked.is_valid, "says": checked.text} for kind, checked in self.kinds.items()
            },
        }


def render(
    workspace: Path,
    kind: str,
    folder: Path,
    *,
    table: Path | None,
    today: date,
    listen: HostPort | None = None,
    pid_file: Path | None = None,
) -> Rendered:
    """Writes the files of a kind of gateway, once its program has checked them where it is installed.

    Args:
        pid_file: names the running gateway, which is told where anything changed.

    Raises ConfigurationError for a table that cannot be, or what this gateway cannot do; WorkspaceUnusable.
    """
    source = read_gateway(workspace, table, today, listen=listen)
    return _put(kind, folder, source, KeySources(source.table.issuers), pid_file)


def _put(kind: str, folder: Path, source: GatewaySource, sources: KeySources, pid_file: Path | None) -> Rendered:
    """Writes the files once the gateway's program takes them, and tells the running one.

    Raises ConfigurationError where it refuses: what it reads now stays.
    """
    keys = issuer_keys(sources)
    checked = gateway_files.tried(kind, source.table, keys)
    if checked.is_valid is False:
        raise ConfigurationError(f"{kind} refuses the table, and its files are as they were: {checked.text}")
    files = gateway_files.render(kind, source.table, keys, folder)
    is_new = gateway_files.put_files(kind, folder, files)
    if is_new and pid_file is not None:
        gateway_files.tell(kind, pid_file)
    return Rendered(kind, folder, tuple(sorted(files)), checked, tuple(source.lines()), is_new)


def check(workspace: Path, *, table: Path | None, today: date) -> CheckedTable:
    """What a table routes where, and whether each gateway takes what is rendered from it. Raises ConfigurationError."""
    source = read_gateway(workspace, table, today)
    keys = issuer_keys(KeySources(source.table.issuers))
    kinds = {}
    for kind in KINDS:
        try:
            kinds[kind] = gateway_files.tried(kind, source.table, keys)
        except ConfigurationError as error:
            kinds[kind] = ProgramCheck(False, str(error))
    return CheckedTable(source, kinds)


def serve(workspace: Path, *, table: Path | None, say: Say, listen: HostPort | None = None) -> None:
    """Runs the built-in gateway until it is asked to end. Raises ConfigurationError where it cannot begin."""

    def load() -> LoadedTable:
        source = read_gateway(workspace, table, date.today(), listen=listen)
        return LoadedTable(source.table, source.files, tuple(source.lines()))

    run(load, say=say)


def follow(
    workspace: Path,
    kind: str,
    folder: Path,
    *,
    table: Path | None,
    pid_file: Path | None,
    say: Say,
    listen: HostPort | None = None,
) -> Iterator[None]:
    """Renders again whenever the table, an issuer's keys or the day changed, and has the running gateway take it.

    Yields after each look; the caller decides how long to go on. What cannot be rendered is said, and the old goes on.
    """
    source = read_gateway(workspace, table, date.today(), listen=listen)
    sources, seen = KeySources(source.table.issuers), None
    say(f"{kind} in {folder} follows {table or workspace} until Ctrl-C")
    while True:
        now = _seen(source, sources)
        if now != seen:
            seen = now
            try:
                source = read_gateway(workspace, table, date.today(), listen=listen)
                sources = _sources(sources, source.table)
                # what changes meanwhile is seen at the next look
                if _put(kind, folder, source, sources, pid_file).is_new:
                    say(f"{kind} has its new files in {folder}")
            except FedsovError as error:
                say(f"the change could not be taken, and {kind} goes on with what it has: {error}")
        yield
        time.sleep(LOOK)


def _sources(before: KeySources, table: GatewayTable) -> KeySources:
    return before if before.table == table.issuers else KeySources(table.issuers)


def _seen(source: GatewaySource, sources: KeySources) -> Any:
    """What `follow` looks at: each file of the table, the issuers' keys, and the day."""
    files = {path: path.stat().st_mtime_ns if path.exists() else None for path in source.files}
    return date.today(), files, {name: dict(keys.keys) for name, keys in sources.look().items()}
