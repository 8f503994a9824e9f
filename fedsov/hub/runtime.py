"""What a run needs of a runtime: start regions and carry messages. A runtime decides nothing.

The hub's gate is in `fedsov.hub.gated_grid`, a region's in `fedsov.region.outbound`; both are the same under every
runtime. Which runtimes there are stands in `fedsov.runtimes.RUNTIMES`; the hub knows none of them.

    runtime.ingest(IngestRequest(config, run="r"))      # the source into the regions' stores
    links = runtime.connect(RunStart(...))              # every region opened, or opening
    links.send(message, label)
    for reply, label in links.poll(1.0): ...
    runtime.register("hub", "r", record)                # the registry of the hub, or of a region
    runtime.close()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from flwr.app import Message

from fedsov.artifact import Party
from fedsov.label import Label
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.protocol.ingestion_report import IngestionReport

if TYPE_CHECKING:
    from fedsov.protocol.job import Asked, TrainingJob
    from fedsov.registry.values import RunRecord

Arrived = TypeVar("Arrived")


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What the ingestion is told.

    Attributes:
        config: the composed configuration as plain values.
        run: the run's name, for the ledgers.
        rebuild: writes the stores anew even where they are up to date.
        append: adds the source's rows to those that are stored, under this idempotency key, "" for the source's own
            digest; None where they replace those.
        drops_appended: replaces rows that were appended.
    """

    config: Mapping[str, Any]
    run: str
    rebuild: bool = False
    append: str | None = None
    drops_appended: bool = False


@dataclass(frozen=True, slots=True)
class RunStart:
    """What every region of a run is told when it is opened.

    Attributes:
        run: the run's name.
        hub: the hub's party.
        regions: every region of the run by name; each region is told of the others.
        nodes: the node id of each region that is to be opened now.
        public_keys, key_signatures: the regions' sealing keys, and each region's signature of its own (hexadecimal).
        last_known_heads: size and digest of each region's ledger as the hub noted them last; a ledger must continue
            them.
        hub_head: the head of the hub's ledger now, with proofs, for regions that noted one.
        job: what the regions are to do.
        asked: what the job would like of every region's border.
        secure_sum: the bounds of secure sums, outside which nothing of a global model's training leaves; None without.
        second_process: opens second processes, which make synthetic rows while the first train, and nothing else.
    """

    run: str
    hub: Party
    regions: Mapping[str, Party]
    nodes: Mapping[str, int]
    public_keys: Mapping[str, str]
    last_known_heads: Mapping[str, Mapping[str, Any]]
    job: TrainingJob
    asked: Asked
    hub_head: Mapping[str, str] = field(default_factory=dict)
    secure_sum: Bounds | None = None
    second_process: bool = False
    key_signatures: Mapping[str, str] = field(default_factory=dict)


class RegionLinks(Protocol):
    """Carries messages to regions that were opened; says nothing about what may cross.

    Every message that is sent is answered once, by the region's reply or, where the region is gone, by an error in its
    place (`fedsov.protocol.flower_messages.error_reply`). A reply names the message that it answers and the node that
    was asked, whatever the region wrote on it.
    """

    @property
    def parties(self) -> Mapping[int, Party]:
        """The region at each node."""

    def send(self, message: Message, label: Label) -> None:
        """Sends a message to the region of its node, after those that wait for it; what it carries is bound by `label`.

        Returns at once.
        """

    def poll(self, seconds: float) -> Iterable[tuple[Message, Label]]:
        """The replies that have come, and what binds each; waits up to so many seconds for the first."""


class Runtime(Protocol):
    """How places are connected in one run."""

    def ingest(self, request: IngestRequest) -> IngestionReport:
        """Sorts the source into the regions' stores.

        Raises:
            InputError and the other errors of `fedsov.partition`, with their line about the source.
        """

    def connect(self, start: RunStart) -> RegionLinks:
        """Opens regions, in the background. Called again, it opens more, and gives the links to all of them."""

    def register(self, owner: str, run: str, record: RunRecord | None = None) -> Sequence[tuple[str, int]]:
        """Writes a run into the registry of its owner, and gives the name and version of each of its models.

        Args:
            owner: ``hub``, or a region.
            run: the run's name.
            record: what is written; of a region its own record, which waits in its folder.

        Raises:
            WorkspaceUnusable: it cannot be written.
        """

    def close(self) -> None:
        """Ends all that was opened; may be called twice."""


def take_arrived(arrived: list[Arrived], exchange: Callable[[float], bool], seconds: float) -> list[Arrived]:
    """What a `poll` gives: the replies that have come, taken out of the list.

    Args:
        arrived: where `exchange` puts them.
        exchange: gives and takes what it can within so many seconds; False where nothing is under way.
        seconds: how long the first reply is waited for; nothing is where one has come already.
    """
    until = time.monotonic() + (0.0 if arrived else seconds)
    while exchange(max(0.0, until - time.monotonic())):
        if arrived or time.monotonic() >= until:
            break
    taken = list(arrived)
    arrived.clear()
    return taken
