"""The links of a run to deployed regions (`fedsov.hub.runtime.RegionLinks`), over the coordinator.

Each region works on one message at a time; what is asked of several is sent at once, so that a model that goes to all
of them travels to the coordinator once. A region that is away answers as lost, and the round goes on without it; where
fewer would be left than a run needs, the run waits until one returns. A region that comes back is asked again with the
next message. A coordinator that began anew is sent again whatever was not answered.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from flwr.app import Message, RecordDict

from fedsov.artifact import Party
from fedsov.errors import FedsovError
from fedsov.hub.runtime import take_arrived
from fedsov.label import PUBLIC, Label
from fedsov.ledger.canonical_json import canonical
from fedsov.protocol.envelopes import ENVELOPE, Address, enveloped, opened, reply_of
from fedsov.protocol.flower_messages import LOST, SizeLimit, error_reply, identify, new_id, reason_of
from fedsov.protocol.message_types import LARGEST_LABEL, largest_answer
from fedsov.protocol.read_answers import why_unreadable
from fedsov.protocol.signed_labels import LabelledAnswer, check_label
from fedsov.runtimes.deployment.acts import ANSWER
from fedsov.runtimes.deployment.flower_clients import Parcelled, record_names_of
from fedsov.runtimes.deployment.grid_line import GridLine, RegionSeen, RunLost

AWAY = "RegionAway"
LARGEST_TOLD = SizeLimit(64 << 20)
"""Bytes of an answer that no table has: what a region holds, names of its models."""
GLANCE = 0.5
"""Seconds between two looks at who is connected, while somebody is away."""
FLOWER_CODES = 100
"""Codes of errors below it are Flower's own, such as a node that is no longer there."""
RETURN = 15.0
"""Seconds that regions have to say hello to a coordinator that began anew, before one counts as away."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A message on its way to a region: what its envelope says, and the most bytes of its answer."""

    message: Message
    header: Mapping[str, Any]
    limit: SizeLimit

    @staticmethod
    def of(header: Mapping[str, Any], node: int) -> Errand:
        """One whose message asks nothing; its envelope does."""
        message = Message(RecordDict(), dst_node_id=node, message_type=f"query.{header['act']}")
        identify(message, new_id())
        return Errand(message, header, LARGEST_TOLD)


@dataclass(slots=True)
class _Region:
    """A region's process as the run sees it. `outer` is the id under which its errand travels; "" before it does."""

    name: str
    node: int
    opening: Errand | None = None
    is_open: bool = False
    waiting: deque[Errand] = field(default_factory=deque)
    errand: Errand | None = None
    outer: str = ""
    sent_to: int = 0
    told: list[Message] | None = None

    def next(self) -> None:
        """Takes up the next errand, where it has none: its opening before any other."""
        if self.errand is None and self.waiting:
            opens = self.opening is not None and not self.is_open
            self.errand = self.opening if opens else self.waiting.popleft()

    def drop(self) -> None:
        """Its errand is to be sent again."""
        self.outer, self.sent_to = "", 0


class DeployedLinks:
    """The links of one run.

    Args:
        wait: seconds that regions which are away are waited for before a run begins.
        least: how many regions a run needs; with fewer it waits, for `pause` seconds at most.
        say: told in a sentence who is waited for.
    """

    def __init__(
        self, line: GridLine, *, wait: float, least: int, pause: float, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self.parties: dict[int, Party] = {}
        self._line, self._wait, self._least, self._pause, self._say = line, wait, least, pause, say
        self._regions: dict[int, _Region] = {}
        self._run, self._verify_keys = "", dict[str, bytes]()
        self._seen: dict[str, RegionSeen] = {}
        self._looked, self._paused_since, self._returning_until = 0.0, 0.0, 0.0
        self._paused_for = ""
        self._arrived: list[tuple[Message, Label]] = []

    def believe(self, run: str, verify_keys: Mapping[str, bytes]) -> None:
        """By which keys regions sign the labels of their updates in this run; where none is given, none is checked."""
        self._run, self._verify_keys = run, dict(verify_keys)

    def add(self, node: int, party: Party, opening: Mapping[str, Any]) -> None:
        """One more region, or its second process; it is opened before it is asked anything, and at once."""
        self.parties[node] = party
        region = self._regions[node] = _Region(party.name, node, Errand.of(opening, node))
        region.errand = region.opening
        self._flush()

    def wait_for(self, names: Sequence[str] | None) -> list[str]:
        """The regions of these names that are connected, or all that are; those that are away are waited for."""
        until, told = time.monotonic() + self._wait, False
        while True:
            seen = self._look()
            gone = self._line.revoked
            wanted = sorted(name for name in (names if names is not None else seen) if name not in gone)
            away = [name for name in wanted if not _is_connected(name, seen)]
            if not away or time.monotonic() >= until:
                break
            if not told:
                self._say(f"waiting up to {self._wait:.0f} s for {', '.join(away)} to connect")
            told = True
            time.sleep(GLANCE)
        for name in sorted(gone if names is None else {*gone} & {*names}):
            self._say(
                f"begins without {name}, whose certificate was revoked on {gone[name]}; `fedsov deploy renew` in its "
                "home, and an approval, bring it back"
            )
        if away:
            self._say(f"begins without {', '.join(away)}, which did not connect (`fedsov status`)")
        return [name for name in wanted if name not in away]

    def send(self, message: Message, label: Label) -> None:
        """Queues a message for its region; what it carries is bound by the label. It travels with the next `poll`."""
        node = message.metadata.dst_node_id
        opening = self._regions[node].opening
        second = opening is not None and bool(opening.header.get("second"))
        header = {"act": ANSWER, "run": self._run, "second": second, "label": label.to_json()}
        limit = largest_answer(message)
        with_label = SizeLimit(limit.texts + 2 * LARGEST_LABEL, limit.arrays)
        self._regions[node].waiting.append(Errand(message, header, with_label))

    def poll(self, seconds: float) -> Iterable[tuple[Message, Label]]:
        """Waits up to `seconds` for any region to answer; the replies that have come."""
        return take_arrived(self._arrived, self._exchange, seconds)

    def ask(self, headers: Mapping[str, Mapping[str, Any]], seconds: float = 600.0) -> dict[str, Message]:
        """What each region tells to a message beside any question of a run, as it came: an error where it was lost.

        Raises FedsovError where one does not answer in so many seconds.
        """
        aside = {-place: _Region(name, 1 + place, told=[]) for place, name in enumerate(sorted(headers), start=1)}
        for region in aside.values():
            region.errand = Errand.of(headers[region.name], region.node)
        self._regions |= aside
        until = time.monotonic() + seconds
        try:
            while left := [region.name for region in aside.values() if not region.told]:
                if time.monotonic() > until:
                    raise FedsovError(f"no answer from {', '.join(left)} in {seconds:.0f} s; see `fedsov status`")
                self._exchange(1.0)
        finally:
            for key in aside:
                del self._regions[key]
        return {region.name: region.told[0] for region in aside.values() if region.told}

    def close(self, header: Mapping[str, Any], seconds: float = 5.0) -> None:
        """Tells every region that is connected that the run has ended; one that does not answer is not waited for."""
        seen = self._look()
        names = {region.name for region in self._regions.values()}
        here = sorted(name for name in names if _is_connected(name, seen))
        self._regions.clear()
        with suppress(FedsovError):
            self.ask(dict.fromkeys(here, header), seconds)

    def _exchange(self, seconds: float) -> bool:
        """Sends what waits, and takes what comes within so many seconds; False where nothing is under way."""
        try:
            self._flush()
            travelling = {region.outer: region for region in self._regions.values() if region.outer}
            if travelling:
                for came in self._line.receive(travelling, seconds):
                    self._take(came, travelling)
            elif any(region.errand for region in self._regions.values()):
                time.sleep(min(seconds, GLANCE))  # everybody who is asked is away, or did not return yet
        except RunLost as lost:
            self._say(f"{lost}; what was not answered is sent again")
            self._line.begin()
            self._returning_until = time.monotonic() + RETURN
            for region in self._regions.values():
                region.drop()
        return any(region.errand or region.waiting for region in self._regions.values())

    def _flush(self) -> None:
        """Sends the errands that were not sent yet, in one parcel."""
        if not self._line.run:
            self._line.begin()
        for region in self._regions.values():
            region.next()
        unsent = [region for region in self._regions.values() if region.errand is not None and not region.outer]
        if not unsent:
            return
        seen = self._look(within=GLANCE if self._paused_since or self._returning_until else 0.0)
        here = [region for region in unsent if _is_connected(region.name, seen)]
        if here:
            self._send(here, seen)
        for region in unsent:
            if not region.outer and region.errand is not None:
                self._is_away(region)

    def _send(self, regions: Sequence[_Region], seen: Mapping[str, RegionSeen]) -> None:
        outers = []
        for region in regions:
            region.sent_to = seen[region.name].node
            if region.errand is not None:
                to = Address(self._line.run, region.sent_to)
                outers.append(enveloped(region.errand.message, region.errand.header, to))
        for region, outer in zip(regions, self._line.send(outers), strict=True):
            region.outer = outer

    def _take(self, came: Parcelled, travelling: Mapping[str, _Region]) -> None:
        """Takes an answer. One to another message, or of another region, or that makes no sense, costs that region."""
        meta = came.metadata
        region = travelling.get(meta.reply_to_message_id)
        if region is None or region.errand is None:
            return
        errand = region.errand
        try:
            message = came.message(errand.limit)
            is_flower_s = message.has_error() and message.error.code < FLOWER_CODES
            if meta.src_node_id != region.sent_to and not is_flower_s:
                raise FedsovError("it answers for another region")
            if message.has_error():
                self._take_error(region, message)
                return
            content, header = opened(message, LARGEST_LABEL)
            label = Label.from_json(header["label"]) if "label" in header else PUBLIC
            if self._verify_keys and content.array_records:
                self._check_label(region, came, header, label)
        except Exception as problem:  # boundary: whatever one region sends costs that region alone
            self._finish(region, error_reply(errand.message, LOST, why_unreadable(problem)))
        else:
            self._finish(region, reply_of(content, header, errand.message), label, told=message)

    def _take_error(self, region: _Region, message: Message) -> None:
        """An error that a region told, or one that Flower gives in place of a region that went away."""
        if region.errand is None:
            return
        if message.error.code < FLOWER_CODES:
            region.drop()
            self._look()
            self._is_away(region)
            return
        reply = error_reply(region.errand.message, message.error.code, reason_of(message))
        self._finish(region, reply)

    def _check_label(self, region: _Region, came: Parcelled, header: Mapping[str, Any], label: Label) -> None:
        """Raises LabelUnsigned where the region did not sign the label of its update."""
        names = {name: each for name, each in record_names_of(came.name, came.objects).items() if name != ENVELOPE}
        question = region.errand.message.metadata.message_id if region.errand is not None else ""
        labelled = LabelledAnswer(self._run, region.name, question, canonical(names), label)
        check_label(labelled, header.get("signature"), self._verify_keys.get(region.name))

    def _is_away(self, region: _Region) -> None:
        """A region that is asked is not there: the run goes on without it, or waits where too few are left."""
        if time.monotonic() < self._returning_until:
            return
        here = {each.name for each in self._regions.values() if _is_connected(each.name, self._seen)}
        now = time.monotonic()
        if len(here) < self._least and (not self._paused_since or now - self._paused_since < self._pause):
            if not self._paused_since:
                self._say(
                    f"paused: {region.name} is away, and {len(here)} of the {self._least} regions that are needed are "
                    f"connected; it goes on when they return, or ends after {self._pause:.0f} s"
                )
                self._paused_since, self._paused_for = now, region.name
            return
        if self._paused_since and len(here) >= self._least:
            self._say(f"goes on without {region.name}: {len(here)} regions are connected")
            self._paused_since = 0.0
        if region.errand is not None:
            self._finish(region, error_reply(region.errand.message, LOST, AWAY))

    def _finish(self, region: _Region, reply: Message, label: Label = PUBLIC, *, told: Message | None = None) -> None:
        errand, region.errand = region.errand, None
        region.drop()
        if not reply.has_error() and self._paused_since and region.name == self._paused_for:
            self._say(f"goes on: {region.name} is back")
            self._paused_since = 0.0
        if region.told is not None:
            region.told.append(told or reply)
        elif errand is not region.opening:
            self._arrived.append((reply, label))
        elif reply.has_error() and region.waiting:
            question = region.waiting.popleft().message
            self._arrived.append((error_reply(question, reply.error.code, reason_of(reply)), PUBLIC))
        else:
            region.is_open = not reply.has_error()

    def _look(self, within: float = 0.0) -> Mapping[str, RegionSeen]:
        """Who is connected, seen within so many seconds."""
        if time.monotonic() - self._looked >= within or not self._seen:
            self._seen, self._looked = self._line.regions(), time.monotonic()
        return self._seen


def _is_connected(name: str, seen: Mapping[str, RegionSeen]) -> bool:
    return name in seen and seen[name].connected
