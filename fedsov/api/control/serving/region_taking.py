"""A region takes what was published for it: the list is verified, its files are there, the ledger notes it, it is put.

    taking = ListTaking(workspace.region("DE"), "DE", reads)
    taking.take(client)              # what the agent does where the hub rings
    taking.refused                   # why nothing could be taken; "" where it could

The order makes every kill harmless: files of a version lie in its own folder before a list names it, the ledger notes
the list before it is in its place, and whoever comes next ends what was begun (`put_list`). An older list, one of
another region, one that lacks a signature, a file that is not the approved one: the region goes on serving what it
serves, and says why. What is in the repository is read again until it was taken.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fedsov.api.control.repository.region_source import LARGEST, RegionReads
from fedsov.api.control.serving.taken_lists import put_list
from fedsov.api.inference.approval import approvals
from fedsov.errors import FedsovError, RepositoryExpired
from fedsov.inference.approved import ApprovedVersion, check_file, read_approved
from fedsov.inference.use.drift import REFERENCE
from fedsov.region.admission import Place, open_region
from fedsov.region.settings import RegionSettings
from fedsov.runtimes.deployment.hub_connection import HubUnreachable
from fedsov.runtimes.deployment.region_agent.approved_source import ApprovedSource
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from fedsov.storage.atomic_files import sha256_hex, write_file
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.locks import hold_file
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.serving_folder import ServingFolder


class ListTaking:
    """What a region takes from the hub's repository; for one thread.

    Attributes:
        refused: why what is there could not be taken, in a sentence; "" where it was.
        stale_since: since when the hub's word on what is newest is expired (ISO 8601); "" where it holds.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        reads: RegionReads,
        say: Callable[..., None] = lambda event, text, **fields: None,
    ) -> None:
        self._folder, self._name, self._reads, self._say = folder, name, reads, say
        self._waiting: bytes | None = None
        self._looked_at = -1
        self.refused = self.stale_since = ""

    def take(self, client: ControlClient) -> None:
        """Takes the list that is published for the region, where it is another than the one in force.

        Raises RepositoryRefused, ApprovalRefused, HubUnreachable, LedgerBroken, WorkspaceUnusable: nothing was taken.
        """
        try:
            lock = RegionControlFolder(self._folder).lock
            with open_region(self._folder, self._name) as (place, own), hold_file(lock):
                source = self._reads.source_of(place, own, client)
                self._poll(source)
                if self._waiting is not None:
                    self._put(place, own, source, self._waiting)
            self.refused, self._waiting = "", None
        except HubUnreachable:
            raise
        except FedsovError as error:
            self.refused = str(error)
            raise

    def _poll(self, source: ApprovedSource) -> None:
        try:
            polled = source.poll()
        except OSError as problem:
            raise HubUnreachable(str(problem)) from None
        except RepositoryExpired:
            fresh_until = source.last_fresh
            self.stale_since = "" if fresh_until is None else fresh_until.isoformat(timespec="seconds")
            raise
        self.stale_since = ""
        self._waiting = self._waiting if polled.content is None else polled.content

    def _put(self, place: Place, own: RegionSettings, source: ApprovedSource, content: bytes) -> None:
        """Files that are missing, then the list; then what is there and is another file, since to read all takes long.

        The endpoint serves no file but the approved one, whatever lies there, and looks again.
        """
        if approvals.noted_list(place.ledger).sha256 != sha256_hex(content):
            for version in read_approved(content, approvals.hub_key(own), place.ledger.key).versions:
                self._complete(source, version, own, is_looked_at=False)
        listed = put_list(place, own, content)
        for version in () if self._looked_at == listed.counter else listed.versions:
            self._complete(source, version, own, is_looked_at=True)
        self._looked_at = listed.counter
        served = ", ".join(f"{each.model} {each.version}" for each in listed.versions) or "nothing"
        self._say("list taken", f"list {listed.counter} is in force: {served}", counter=listed.counter)

    def _complete(
        self, source: ApprovedSource, version: ApprovedVersion, own: RegionSettings, *, is_looked_at: bool
    ) -> None:
        """Fetches what is missing of a version's files, or, where they are looked at, is another than was approved.

        Its reference is the region's alone: without it the version answers, and its drift is not measured.
        """
        folder = ServingFolder(self._folder).model(version.model, version.version)
        for name in version.files:
            path_here = folder / name
            is_there = _is_approved(path_here, version, name) if is_looked_at else path_here.is_file()
            if name == REFERENCE or is_there or version.registry == own.region:
                continue
            path = f"models/{version.model}/{version.version}/{name}"
            try:
                content = source.approved_file(path, version.files[name], most=LARGEST)
            except OSError as problem:
                raise HubUnreachable(str(problem)) from None
            make_private_folder(folder)
            write_file(folder / name, content)


def _is_approved(path: Path, version: ApprovedVersion, name: str) -> bool:
    try:
        check_file(version, name, read_bounded(path, largest=LARGEST))
    except (OSError, TooLarge, FedsovError):
        return False
    return True
