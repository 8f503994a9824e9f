"""The near end of the process that writes registries (`fedsov.runtimes.registry_process`).

with open_registry() as registry:
    registry.promote(folder, "people-de", 2)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.errors import FedsovError, WorkspaceUnusable
from fedsov.registry.values import RunRecord
from fedsov.runtimes import OnBytes
from fedsov.runtimes.fork_server import TO_REGISTER, shared_fork_server
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.storage.workspace import Workspace


@contextmanager
def open_registry(*, hold: int | None = None, on_bytes: OnBytes | None = None) -> Iterator[RegistryConnection]:
    """A process that writes registries, for the length of the block. Returns at once; it imports MLflow meanwhile.

    Args:
        hold: a descriptor that the process holds for as long as it lives, such as the workspace's lock.
        on_bytes: told every byte that passes.
    """
    with shared_fork_server(TO_REGISTER) as server:
        connection = server.fork("registrar", on_bytes, hold=hold)
        try:
            yield RegistryConnection(connection)
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class RegistryConnection:
    """What can be asked of it. Everything raises WorkspaceUnusable where the registry cannot be written or read."""

    socket: FramedSocket

    def record(self, folder: Path, run: str, record: RunRecord | None = None) -> list[tuple[str, int]]:
        """Writes a run into the registry of a folder; names and versions of its models.

        Args:
            record: what is written; None for the record that a region left in its folder.
        """
        request: dict[str, Any] = {"act": "record", "folder": str(folder), "run": run}
        return _versions(self._ask(request if record is None else request | {"record": record.to_json()}))

    def models(self, folder: Path) -> list[tuple[str, int]]:
        """Names and versions of the models in the registry of a folder."""
        return _versions(self._ask({"act": "models", "folder": str(folder)}))

    def promote(self, folder: Path, model: str, version: int) -> None:
        """Makes a version the champion of its name."""
        self._ask({"act": "promote", "folder": str(folder), "model": model, "version": version})

    def tag(self, folder: Path, model: str, version: int, key: str, value: str) -> None:
        """Gives a version a tag, in the place of what it said before."""
        about = {"model": model, "version": version, "key": key, "value": value}
        self._ask({"act": "tag", "folder": str(folder), **about})

    def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            self.socket.send(Frame(request))
            reply = self.socket.receive().header
        except ConnectionClosed as error:
            raise WorkspaceUnusable(
                "the registrar's process ended early; run again, or look for a lack of memory"
            ) from error
        if "error" in reply:
            raise WorkspaceUnusable(reply["error"])
        return reply


class RunRegistry:
    """The registries that a run writes, by a process that is begun with it: its imports take a while.

    Args:
        opened: closes the process.
    """

    def __init__(self, workspace: Workspace, opened: ExitStack, on_bytes: OnBytes | None = None) -> None:
        self._workspace, self._opened, self._on_bytes = workspace, opened, on_bytes
        self._connection: RegistryConnection | None = None

    def begin(self) -> None:
        """Begins the process, where it is not yet."""
        if self._connection is None:
            registry = open_registry(hold=self._workspace.lock, on_bytes=self._on_bytes)
            self._connection = self._opened.enter_context(registry)

    def record(self, folder: Path, run: str, record: RunRecord | None = None) -> list[tuple[str, int]]:
        """As `RegistryConnection.record`. Raises FedsovError where nothing was begun."""
        if self._connection is None:
            raise FedsovError("models are registered by a run that trains, after its regions are connected")
        return self._connection.record(folder, run, record)


def _versions(reply: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(str(name), int(version)) for name, version in reply["models"]]
